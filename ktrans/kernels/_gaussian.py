"""The covariance of two Gaussians near coincidence, without losing half of the digits.

For (u, v) ~ N(0, [[a, c], [c, b]]) the determinant ab − c² cancels when u and v nearly coincide.
Here it is computed as a difference of exact products, so angles are good to rounding. Rounded
inputs with c² slightly above ab are taken for coincident ones: the spread is then 0.

All functions take NumPy arrays, JAX arrays, or balls (`_balls`).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ktrans._rounding import round_up
from ktrans.kernels._balls import Ball, Operand, arctan2, as_ball, middle, pi, sqrt, where

Reals = Float[Array | np.ndarray, "..."]
Values = Float[np.ndarray, "..."]

_SPLITTER = 2.0**27 + 1
_EXACT = 2.0**-900  # products above it have rests that are multiples of 2⁻¹⁰⁰⁶: no underflow


def split(x: Operand) -> tuple[Operand, Operand]:
    """x as the sum of two numbers of 26 bits, whose products are exact.

    The compiler may contract a product and a sum into one rounding, which breaks Veltkamp's
    splitting; `reduce_precision` is never optimised away. NumPy contracts nothing.
    """
    if isinstance(x, jax.Array):
        high = lax.reduce_precision(x, exponent_bits=11, mantissa_bits=25)
        return high, x - high
    high = _SPLITTER * x - (_SPLITTER * x - x)
    return high, x - high


def product(x: Operand, y: Operand) -> tuple[Operand, Operand]:
    """x·y as a rounded value and the rest: exact in NumPy (Dekker 1971), barring underflow.

    Compiled, x·y may be contracted with what follows; the value is then made from the halves.
    """
    (x1, x2), (y1, y2) = split(x), split(y)
    if isinstance(x, jax.Array):
        middle = x1 * y2 + x2 * y1
        value = x1 * y1 + middle
        return value, ((x1 * y1 - value) + middle) + x2 * y2
    value = x * y
    return value, ((x1 * y1 - value) + x1 * y2 + x2 * y1) + x2 * y2


def determinant(a: Operand, b: Operand, c: Operand) -> Operand:
    """ab − c² without cancellation; negative where rounding made c² > ab."""
    if any(isinstance(x, Ball) for x in (a, b, c)):
        return _ball_determinant(as_ball(a), as_ball(b), as_ball(c))
    if any(isinstance(x, jax.Array) for x in (a, b, c)):
        return _determinant(*map(jnp.asarray, (a, b, c)))
    return _difference(a, b, c)


def _difference(a: Operand, b: Operand, c: Operand) -> Operand:
    (outer, outer_rest), (inner, inner_rest) = product(a, b), product(c, c)
    return (outer - inner) + (outer_rest - inner_rest)


_determinant = jax.custom_jvp(_difference)


@_determinant.defjvp
def _determinant_jvp(primals: tuple, tangents: tuple) -> tuple[Reals, Reals]:
    (a, b, c), (da, db, dc) = primals, tangents
    return determinant(a, b, c), b * da + a * db - 2 * c * dc


def _ball_determinant(a: Ball, b: Ball, c: Ball) -> Ball:
    """The products of the midpoints are exact sums; the radii enter to first and second order."""
    (outer, outer_rest), (inner, inner_rest) = product(a.mid, b.mid), product(c.mid, c.mid)
    centre = (as_ball(outer) - inner) + (as_ball(outer_rest) - inner_rest)
    moved = abs(a.mid) * b.rad + abs(b.mid) * a.rad + a.rad * b.rad
    moved = moved + 2 * abs(c.mid) * c.rad + c.rad * c.rad
    # Below this the rests are not exact; the products are then off by less than the threshold.
    small = (abs(a.mid) * abs(b.mid) < _EXACT) | (c.mid * c.mid < _EXACT)
    return Ball(centre.mid, round_up(centre.rad + moved + np.where(small, 4 * _EXACT, 0.0)))


def is_covariance(a: Values, b: Values, c: Values) -> np.ndarray:
    """Whether certainly ab ≥ c², for NumPy arrays.

    With ab = p + e and c² = q + f exactly, p − q is exact where its sign is in doubt (Sterbenz),
    and p − q > fl(f − e) implies p − q ≥ f − e since rounding is monotone. Normalised, p is at
    least ¼, so that underflow of c² decides nothing.
    """
    one, other, across, _ = normalised(a, b, c)
    (p, e), (q, f) = product(one, other), product(across, across)
    return ((p > 0) | (c == 0)) & ((p - q > f - e) | ((p == q) & (e == f)))


def normalised(a: Values, b: Values, c: Values) -> tuple[Values, Values, Values, np.ndarray]:
    """The covariance of 2⁻ⁱu and 2⁻ʲv, exactly, with variances from ½ to 2, and the powers i, j."""
    powers = np.array([np.frexp(x)[1] // 2 for x in (a, b)])
    i, j = powers
    return np.ldexp(a, -2 * i), np.ldexp(b, -2 * j), np.ldexp(c, -i - j), powers


def spread(a: Operand, b: Operand, c: Operand) -> Operand:
    """√(ab − c²), clamped to 0 (with derivative 0) at coincident inputs."""
    return sqrt(determinant(a, b, c))


def supplement(a: Operand, b: Operand, c: Operand) -> Operand:
    """π − θ for the angle θ between u and v: atan2(√(ab − c²), −c).

    π/2 where a variance vanishes. Its derivative is infinite at coincident inputs in every
    direction but those that keep them coincident, where it is 0, the value used here.
    """
    if any(isinstance(x, jax.Array) for x in (a, b, c)):
        return _supplement(*map(jnp.asarray, (a, b, c)))
    return _angle(a, b, c)


def _angle(a: Operand, b: Operand, c: Operand) -> Operand:
    positive = (middle(a) > 0) & (middle(b) > 0)
    angle = arctan2(spread(a, b, c), -c)
    if not isinstance(angle, Ball):
        return where(positive, angle, np.pi / 2)
    right = pi(angle) / 2
    unknown = (as_ball(a).rad > 0) | (as_ball(b).rad > 0)
    return where(positive, angle, Ball(right.mid, np.where(unknown, np.pi, right.rad)))


_supplement = jax.custom_jvp(_angle)


@_supplement.defjvp
def _supplement_jvp(primals: tuple, tangents: tuple) -> tuple[Reals, Reals]:
    (a, b, c), (da, db, dc) = primals, tangents
    rotation = dc - (c / 2) * (safe_inverse(a) * da + safe_inverse(b) * db)
    return supplement(a, b, c), rotation * safe_inverse(spread(a, b, c))


def safe_inverse(x: Operand) -> Operand:
    """1/x, and 0 with derivative 0 where x is not positive."""
    library = jnp if isinstance(x, jax.Array) else np
    return library.where(x > 0, 1 / library.where(x > 0, x, 1.0), 0.0)
