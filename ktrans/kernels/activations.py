"""Activations φ with the closed forms of E[φ(u)φ(v)] and E[φ'(u)φ'(v)].

Throughout, (u, v) ~ N(0, [[a, c], [c, b]]), and `determinant` is ab − c² without cancellation.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from jax.typing import ArrayLike

from ktrans._rounding import round_up
from ktrans.kernels._activation import Activation, as_number, by_price, check_finite
from ktrans.kernels._balls import (
    Ball,
    Operand,
    arctan2,
    as_ball,
    cos,
    exp,
    expm1,
    like,
    middle,
    pi,
    sqrt,
    where,
)
from ktrans.kernels._closed_form import ClosedForm
from ktrans.kernels._custom import Custom
from ktrans.kernels._gaussian import Reals, Values, determinant, safe_inverse, spread, supplement
from ktrans.kernels._tanh import Tanh

__all__ = ["GELU", "Activation", "Cosine", "Custom", "Erf", "Identity", "ReLU", "Sine", "Tanh"]

# max |φ'|² of GELU, at t = √2, and max |φ''|/2 of erf, at t = 1/√2, both rounded up.
_GELU_SLOPE = 1.275
_ERF_CURVATURE = 0.484
_ERF_SLOPE = 1.2733  # 4/π, rounded up


class Cosine(ClosedForm):
    """φ(t) = cos(b₁t + b₂), the activation of the theorem.

    E[φ(u)φ(v)] = ½[exp(−b₁²(a + b − 2c)/2) + cos(2b₂) exp(−b₁²(a + b + 2c)/2)].

    Args:
        b1: Frequency b₁, any finite number.
        b2: Phase b₂ in radians, any finite number.

    Raises:
        TypeError: if b1 or b2 is not a real number.
        ValueError: if b1 or b2 is not finite.

    References:
        Theorem 3.4 of Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753).

    Example:
        >>> from ktrans.kernels.activations import Cosine
        >>> print(f"{Cosine(b1=1.0, b2=0.5).dual(1.0, 1.0, 0.5):.12f}")
        0.363544199875
    """

    proved: ClassVar[bool] = True

    b1: Any = eqx.field(converter=as_number)
    b2: Any = eqx.field(converter=as_number)

    def __check_init__(self) -> None:
        check_finite("b1", self.b1)
        check_finite("b2", self.b2)

    def __call__(self, t: ArrayLike) -> jax.Array:
        """cos(b₁t + b₂)."""
        return jnp.cos(self.b1 * jnp.asarray(t) + self.b2)

    def dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """½[exp(−b₁²(a + b − 2c)/2) + cos(2b₂) exp(−b₁²(a + b + 2c)/2)]."""
        near, far = _characteristic(self.b1, a, b, c)
        return (near + self._phase(far) * far) / 2

    def derivative_dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """½b₁²[exp(−b₁²(a + b − 2c)/2) − cos(2b₂) exp(−b₁²(a + b + 2c)/2)]."""
        near, far = _characteristic(self.b1, a, b, c)
        return self._square(far) * (near - self._phase(far) * far) / 2

    def variance_formula(self, a: Operand) -> Operand:
        """½[1 + cos(2b₂) exp(−2b₁²a)]."""
        far = exp(-2 * (self._square(a) * a))
        return (1 + self._phase(far) * far) / 2

    def derivative_variance_formula(self, a: Operand) -> Operand:
        """½b₁²[1 − cos(2b₂) exp(−2b₁²a)]."""
        far = exp(-2 * (self._square(a) * a))
        return self._square(a) * (1 - self._phase(far) * far) / 2

    def variance_slope_formula(self, a: Ball, b: Ball, c: Ball) -> Ball:
        """−½b₁² E[φ(u)φ(v)], as φ'' = −b₁²φ."""
        return -(self._square(a) * self.dual_formula(a, b, c)) / 2

    def slopes(self, a: Values, b: Values) -> tuple[Values, Values]:
        """|φ| ≤ 1, |φ'| ≤ |b₁|, |φ''| ≤ b₁²."""
        square = np.broadcast_to(self._square(as_ball(a)).size, np.shape(a))
        return square / 2, square

    def _square(self, model: Operand) -> Operand:
        return like(self.b1, model) * like(self.b1, model)

    def _phase(self, model: Operand) -> Operand:
        return cos(2 * like(self.b2, model))


class Sine(ClosedForm):
    """φ(t) = sin t.

    E[φ(u)φ(v)] = e^{−(a + b)/2} sinh c.

    Example:
        >>> from ktrans.kernels.activations import Sine
        >>> print(f"{Sine().dual(1.0, 1.0, 0.5):.12f}")
        0.191700249782
    """

    proved: ClassVar[bool] = True

    def __call__(self, t: ArrayLike) -> jax.Array:
        """sin t."""
        return jnp.sin(jnp.asarray(t))

    def dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """e^{−(a + b)/2} sinh c, arranged so that nothing overflows or cancels."""
        # In |c|; in balls about zero both signs of it are right.
        sign = where(middle(c) >= 0, 1.0, -1.0)
        size = sign * c
        return sign * (_characteristic(1.0, a, b, size)[0] * -expm1(-2 * size)) / 2

    def derivative_dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """e^{−(a + b)/2} cosh c."""
        near, far = _characteristic(1.0, a, b, c)
        return (near + far) / 2

    def variance_formula(self, a: Operand) -> Operand:
        """½(1 − e^{−2a})."""
        return -expm1(-2 * a) / 2

    def derivative_variance_formula(self, a: Operand) -> Operand:
        """½(1 + e^{−2a})."""
        return (1 + exp(-2 * a)) / 2

    def variance_slope_formula(self, a: Ball, b: Ball, c: Ball) -> Ball:
        """−½ E[φ(u)φ(v)], as φ'' = −φ."""
        return -self.dual_formula(a, b, c) / 2

    def slopes(self, a: Values, b: Values) -> tuple[Values, Values]:
        """|φ|, |φ'|, |φ''| ≤ 1."""
        return np.full_like(a, 0.5), np.ones_like(a)


class ReLU(ClosedForm):
    """φ(t) = max(t, 0), with φ'(0) = ½.

    E[φ(u)φ(v)] = (√(ab − c²) + (π − θ) c)/(2π), cos θ = c/√(ab) (the arc-cosine kernel).

    References:
        Cho and Saul, Kernel methods for deep learning, NeurIPS 2009.

    Example:
        >>> from ktrans.kernels.activations import ReLU
        >>> print(f"{ReLU().dual(1.0, 1.0, 0.5):.12f}")
        0.304498890522
    """

    proved: ClassVar[bool] = True

    def __call__(self, t: ArrayLike) -> jax.Array:
        """max(t, 0)."""
        return jax.nn.relu(jnp.asarray(t))

    def dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """(√(ab − c²) + (π − θ) c)/(2π)."""
        if any(isinstance(x, jax.Array) for x in (a, b, c)):
            return by_price(_arc_cosine, self._gradient)(a, b, c)
        return _arc_cosine(a, b, c)

    def derivative_dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """(π − θ)/(2π)."""
        angle = supplement(a, b, c)
        return angle / (2 * pi(angle))

    def variance_formula(self, a: Operand) -> Operand:
        """a/2."""
        return a / 2

    def derivative_variance_formula(self, a: Operand) -> Operand:
        """½ where a > 0, ¼ where a = 0, as φ'(0) = ½."""
        within = Ball(np.full_like(a.mid, 0.375), np.full_like(a.mid, 0.125))
        half, quarter = (np.full_like(a.mid, share) for share in (0.5, 0.25))
        known = where(a.lower > 0, as_ball(half), within)
        return where((a.mid == 0) & (a.rad == 0), as_ball(quarter), known)

    def variance_slope_formula(self, a: Ball, b: Ball, c: Ball) -> Ball:
        """½E[φ''(u)φ(v)] = √(ab − c²)/(4πa)."""
        return spread(a, b, c) / (4 * pi(a) * a)

    def slopes(self, a: Values, b: Values) -> tuple[Values, Values]:
        """½E[φ''(u)φ(v)] = √(ab − c²)/(4πa) ≤ √(b/a)/(4π) ≤ √(b/a)/12, and ½."""
        ratio = np.where(b > 0, b / a, 0.0)
        return round_up(np.sqrt(ratio) / 12), np.full_like(a, 0.5)

    def perturbation(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """By the slopes, infinite at a = 0; but both duals lie in [0, √(ab)/2]."""
        largest = round_up(np.sqrt((a + da) * (b + db)) / 2)
        return np.fmin(super().perturbation(a, b, c, da, db, dc), largest)

    def derivative_dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """By balls, of radius √error near coincidence; but the dual lies in [0, ½]."""
        value = self.derivative_dual_formula(a, b, c)
        farthest = round_up(np.maximum(value, 0.5 - value))
        return np.fmin(super().derivative_dual_error_formula(a, b, c, da, db, dc), farthest)

    def _gradient(self, a: Reals, b: Reals, c: Reals) -> tuple[Reals, Reals, Reals]:
        quarter = spread(a, b, c) / (4 * jnp.pi)
        slope_c = self.derivative_dual_formula(a, b, c)
        return quarter * safe_inverse(a), quarter * safe_inverse(b), slope_c


class Erf(ClosedForm):
    """φ(t) = erf t.

    E[φ(u)φ(v)] = (2/π) arcsin(2c/√((1 + 2a)(1 + 2b))).

    References:
        Williams, Computing with infinite networks, NeurIPS 1996.

    Example:
        >>> from ktrans.kernels.activations import Erf
        >>> print(f"{Erf().dual(1.0, 1.0, 0.5):.12f}")
        0.216346895939
    """

    proved: ClassVar[bool] = True

    def __call__(self, t: ArrayLike) -> jax.Array:
        """erf t."""
        return erf(jnp.asarray(t))

    def dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """(2/π) arcsin(2c/√((1 + 2a)(1 + 2b))), as the arctangent that is good near ±1."""
        angle = arctan2(2 * c, sqrt(_widened(2.0, a, b, c)))
        return 2 * angle / pi(angle)

    def derivative_dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """(4/π)/√((1 + 2a)(1 + 2b) − 4c²)."""
        width = sqrt(_widened(2.0, a, b, c))
        return 4 / (pi(width) * width)

    def variance_formula(self, a: Operand) -> Operand:
        """(2/π) arcsin(2a/(1 + 2a))."""
        angle = arctan2(2 * a, sqrt(1 + 4 * a))
        return 2 * angle / pi(angle)

    def derivative_variance_formula(self, a: Operand) -> Operand:
        """(4/π)/√(1 + 4a)."""
        return 4 / (pi(a) * sqrt(1 + 4 * a))

    def variance_slope_formula(self, a: Ball, b: Ball, c: Ball) -> Ball:
        """½E[φ''(u)φ(v)] = −(4/π) c/((1 + 2a) √((1 + 2a)(1 + 2b) − 4c²))."""
        return -4 * c / (pi(a) * (1 + 2 * a) * sqrt(_widened(2.0, a, b, c)))

    def slopes(self, a: Values, b: Values) -> tuple[Values, Values]:
        """½ max|φ''| max|φ| and max φ'²."""
        return np.full_like(a, _ERF_CURVATURE), np.full_like(a, _ERF_SLOPE)


class GELU(ClosedForm):
    """φ(t) = t Φ(t), Φ the distribution function of the standard normal.

    E[φ(u)φ(v)] = c P + (ab d + c²)/(2π (1 + a)(1 + b) √d)
    with d = (1 + a)(1 + b) − c² and P = E[Φ(u)Φ(v)] = ¼ + atan2(c, √d)/(2π), by Stein's identity.

    References:
        Hendrycks and Gimpel, Gaussian error linear units, 2016 (arXiv 1606.08415).

    Example:
        >>> from ktrans.kernels.activations import GELU
        >>> print(f"{GELU().dual(1.0, 1.0, 0.5):.12f}")
        0.227294915022
    """

    proved: ClassVar[bool] = True

    def __call__(self, t: ArrayLike) -> jax.Array:
        """t Φ(t)."""
        return jax.nn.gelu(jnp.asarray(t), approximate=False)

    def dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """c P + (ab d + c²)/(2π (1 + a)(1 + b) √d)."""
        return _gelu_dual(a, b, c, _widened(1.0, a, b, c))

    def derivative_dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """P + c/(2π√d)·[1/(1 + a) + 1/(1 + b) + 1/d]."""
        return _gelu_slope(a, b, c, _widened(1.0, a, b, c))

    def variance_formula(self, a: Operand) -> Operand:
        """The same with d = 1 + 2a."""
        return _gelu_dual(a, a, a, 1 + 2 * a)

    def derivative_variance_formula(self, a: Operand) -> Operand:
        """The same with d = 1 + 2a."""
        return _gelu_slope(a, a, a, 1 + 2 * a)

    def slopes(self, a: Values, b: Values) -> tuple[Values, Values]:
        """½ max|φ''| E|v| = √b/π, as φ''(t) = (2 − t²)φ_N(t) and |φ(v)| ≤ |v|; and max φ'²."""
        return round_up(np.sqrt(b) / 3), np.full_like(a, _GELU_SLOPE)


class Identity(ClosedForm):
    """φ(t) = t.

    E[φ(u)φ(v)] = c.

    Example:
        >>> from ktrans.kernels.activations import Identity
        >>> float(Identity().dual(1.0, 1.0, 0.5))
        0.5
    """

    proved: ClassVar[bool] = True

    def __call__(self, t: ArrayLike) -> jax.Array:
        """t."""
        return jnp.asarray(t)

    def dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """c."""
        return c

    def derivative_dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """1."""
        return 1 + 0 * c

    def variance_slope_formula(self, a: Ball, b: Ball, c: Ball) -> Ball:
        """0."""
        return as_ball(np.zeros_like(c.mid))

    def slopes(self, a: Values, b: Values) -> tuple[Values, Values]:
        """0 and 1."""
        return np.zeros_like(a), np.ones_like(a)


def _characteristic(frequency: Any, a: Operand, b: Operand, c: Operand) -> tuple[Operand, Operand]:
    """E[cos f(u − v)] and E[cos f(u + v)]; the variances of u ∓ v are exact near coincidence."""
    f = like(frequency, a)
    half = f * f / 2
    return exp(-half * ((a - c) + (b - c))), exp(-half * ((a + c) + (b + c)))


def _arc_cosine(a: Operand, b: Operand, c: Operand) -> Operand:
    angle = supplement(a, b, c)
    return (spread(a, b, c) + angle * c) / (2 * pi(angle))


def _widened(width: float, a: Operand, b: Operand, c: Operand) -> Operand:
    """(1 + w a)(1 + w b) − w²c², the determinant of 1 + w·covariance, at least 1."""
    return 1 + width * (a + b) + width**2 * determinant(a, b, c)


def _gelu_dual(a: Operand, b: Operand, c: Operand, d: Operand) -> Operand:
    outer = (a * b * d + c * c) / ((1 + a) * (1 + b) * sqrt(d))
    return c * _both_below(c, d) + outer / (2 * pi(d))


def _gelu_slope(a: Operand, b: Operand, c: Operand, d: Operand) -> Operand:
    bracket = 1 / (1 + a) + 1 / (1 + b) + 1 / d
    return _both_below(c, d) + c * bracket / (2 * pi(d) * sqrt(d))


def _both_below(c: Operand, d: Operand) -> Operand:
    """E[Φ(u)Φ(v)] = ¼ + atan2(c, √d)/(2π), the probability that two normals are below u and v."""
    angle = arctan2(c, sqrt(d))
    return 0.25 + angle / (2 * pi(angle))
