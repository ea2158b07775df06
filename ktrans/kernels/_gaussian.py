"""The covariance of two Gaussians near coincidence, without losing half of the digits.

For (u, v) ~ N(0, [[a, c], [c, b]]) the determinant ab − c² cancels when u and v nearly coincide.
Here it is computed as a difference of exact products, so angles are good to rounding. Rounded
inputs with c² slightly above ab are taken for coincident ones: the spread is then 0.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Reals = Float[Array, "..."]


def split(x: Reals) -> tuple[Reals, Reals]:
    """x as the sum of two numbers of 26 bits, whose products are exact.

    The compiler may contract a product and a sum into one rounding, which breaks Veltkamp's
    splitting; `reduce_precision` is never optimised away.
    """
    high = lax.reduce_precision(x, exponent_bits=11, mantissa_bits=25)
    return high, x - high


def product(x: Reals, y: Reals) -> tuple[Reals, Reals]:
    """x·y as a rounded value and the rest, together good to about 2⁻¹⁰⁵ of it (Dekker 1971)."""
    (x1, x2), (y1, y2) = split(x), split(y)
    middle = x1 * y2 + x2 * y1
    value = x1 * y1 + middle
    return value, ((x1 * y1 - value) + middle) + x2 * y2


@jax.custom_jvp
def determinant(a: Reals, b: Reals, c: Reals) -> Reals:
    """ab − c² without cancellation; negative where rounding made c² > ab."""
    (outer, outer_rest), (inner, inner_rest) = product(a, b), product(c, c)
    return (outer - inner) + (outer_rest - inner_rest)


@determinant.defjvp
def _determinant_jvp(primals: tuple, tangents: tuple) -> tuple[Reals, Reals]:
    (a, b, c), (da, db, dc) = primals, tangents
    return determinant(a, b, c), b * da + a * db - 2 * c * dc


def spread(a: Reals, b: Reals, c: Reals) -> Reals:
    """√(ab − c²), clamped to 0 (with derivative 0) at coincident inputs."""
    return safe_sqrt(determinant(a, b, c))


@jax.custom_jvp
def supplement(a: Reals, b: Reals, c: Reals) -> Reals:
    """π − θ for the angle θ between u and v: atan2(√(ab − c²), −c).

    π/2 where a variance vanishes. Its derivative is infinite at coincident inputs in every
    direction but those that keep them coincident, where it is 0, the value used here.
    """
    angle = jnp.arctan2(spread(a, b, c), -c)
    return jnp.where((a > 0) & (b > 0), angle, jnp.pi / 2)


@supplement.defjvp
def _supplement_jvp(primals: tuple, tangents: tuple) -> tuple[Reals, Reals]:
    (a, b, c), (da, db, dc) = primals, tangents
    rotation = dc - (c / 2) * (safe_inverse(a) * da + safe_inverse(b) * db)
    return supplement(a, b, c), rotation * safe_inverse(spread(a, b, c))


def safe_sqrt(x: Reals) -> Reals:
    """√x, and 0 with derivative 0 where x is not positive."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)


def safe_inverse(x: Reals) -> Reals:
    """1/x, and 0 with derivative 0 where x is not positive."""
    return jnp.where(x > 0, 1 / jnp.where(x > 0, x, 1.0), 0.0)
