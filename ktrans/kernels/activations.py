"""Activations φ with the closed forms of E[φ(u)φ(v)] and E[φ'(u)φ'(v)].

Throughout, (u, v) ~ N(0, [[a, c], [c, b]]), and `determinant` is ab − c² without cancellation.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import erf
from jax.typing import ArrayLike

from ktrans.kernels._activation import (
    ROUNDING,
    Activation,
    ClosedForm,
    as_number,
    by_price,
    check_finite,
)
from ktrans.kernels._custom import Custom
from ktrans.kernels._gaussian import (
    Reals,
    determinant,
    safe_inverse,
    spread,
    supplement,
)

__all__ = ["GELU", "Activation", "Cosine", "Custom", "Erf", "Identity", "ReLU", "Sine"]

# max |φ'|² of GELU, at t = √2, and max |φ''|/2 of erf, at t = 1/√2, both rounded up.
_GELU_SLOPE = 1.275
_ERF_CURVATURE = 0.484


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

    b1: Any = eqx.field(converter=as_number)
    b2: Any = eqx.field(converter=as_number)

    def __check_init__(self) -> None:
        check_finite("b1", self.b1)
        check_finite("b2", self.b2)

    def __call__(self, t: ArrayLike) -> jax.Array:
        """cos(b₁t + b₂)."""
        return jnp.cos(self.b1 * jnp.asarray(t) + self.b2)

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """½[exp(−b₁²(a + b − 2c)/2) + cos(2b₂) exp(−b₁²(a + b + 2c)/2)]."""
        near, far = _characteristic(self.b1, a, b, c)
        return (near + jnp.cos(2 * self.b2) * far) / 2

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """½b₁²[exp(−b₁²(a + b − 2c)/2) − cos(2b₂) exp(−b₁²(a + b + 2c)/2)]."""
        near, far = _characteristic(self.b1, a, b, c)
        return self.b1**2 * (near - jnp.cos(2 * self.b2) * far) / 2

    def rounding(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """Relative to 1: the two terms may cancel, as for b₂ = π/2 and small variances."""
        return ROUNDING * jnp.ones_like(a)

    def derivative_rounding(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """Relative to b₁²."""
        return ROUNDING * self.b1**2 * jnp.ones_like(a)

    def slopes(self, a: Reals, b: Reals) -> tuple[Reals, Reals]:
        """|φ| ≤ 1, |φ'| ≤ |b₁|, |φ''| ≤ b₁²."""
        square = self.b1**2 * jnp.ones_like(a)
        return square / 2, square


class Sine(ClosedForm):
    """φ(t) = sin t.

    E[φ(u)φ(v)] = e^{−(a + b)/2} sinh c.

    Example:
        >>> from ktrans.kernels.activations import Sine
        >>> print(f"{Sine().dual(1.0, 1.0, 0.5):.12f}")
        0.191700249782
    """

    def __call__(self, t: ArrayLike) -> jax.Array:
        """sin t."""
        return jnp.sin(jnp.asarray(t))

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """e^{−(a + b)/2} sinh c, arranged so that nothing overflows or cancels."""
        near, far = _characteristic(1.0, a, b, c)
        positive, negative = jnp.maximum(c, 0.0), jnp.minimum(c, 0.0)
        rising, falling = -jnp.expm1(-2 * positive), jnp.expm1(2 * negative)
        return jnp.where(c >= 0, near * rising, far * falling) / 2

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """e^{−(a + b)/2} cosh c."""
        near, far = _characteristic(1.0, a, b, c)
        return (near + far) / 2

    def slopes(self, a: Reals, b: Reals) -> tuple[Reals, Reals]:
        """|φ|, |φ'|, |φ''| ≤ 1."""
        return jnp.full_like(a, 0.5), jnp.ones_like(a)


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

    def __call__(self, t: ArrayLike) -> jax.Array:
        """max(t, 0)."""
        return jax.nn.relu(jnp.asarray(t))

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """(√(ab − c²) + (π − θ) c)/(2π)."""
        return by_price(_arc_cosine, self._gradient)(a, b, c)

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """(π − θ)/(2π)."""
        return supplement(a, b, c) / (2 * jnp.pi)

    def slopes(self, a: Reals, b: Reals) -> tuple[Reals, Reals]:
        """½E[φ''(u)φ(v)] = √(ab − c²)/(4πa) ≤ √(b/a)/(4π), and ½."""
        ratio = jnp.where(b > 0, b / a, 0.0)
        return jnp.sqrt(ratio) / (4 * jnp.pi), jnp.full_like(a, 0.5)

    def perturbation(self, a: Reals, b: Reals, c: Reals, da: Reals, db: Reals, dc: Reals) -> Reals:
        """By the slopes, infinite at a = 0; but both duals lie in [0, √(ab)/2]."""
        largest = jnp.sqrt((a + da) * (b + db)) / 2
        return jnp.minimum(super().perturbation(a, b, c, da, db, dc), largest)

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

    def __call__(self, t: ArrayLike) -> jax.Array:
        """erf t."""
        return erf(jnp.asarray(t))

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """(2/π) arcsin(2c/√((1 + 2a)(1 + 2b))), as the arctangent that is good near ±1."""
        return (2 / jnp.pi) * jnp.arctan2(2 * c, jnp.sqrt(_widened(2.0, a, b, c)))

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """(4/π)/√((1 + 2a)(1 + 2b) − 4c²)."""
        return (4 / jnp.pi) / jnp.sqrt(_widened(2.0, a, b, c))

    def slopes(self, a: Reals, b: Reals) -> tuple[Reals, Reals]:
        """½ max|φ''| max|φ| and max φ'²."""
        return jnp.full_like(a, _ERF_CURVATURE), jnp.full_like(a, 4 / jnp.pi)


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

    def __call__(self, t: ArrayLike) -> jax.Array:
        """t Φ(t)."""
        return jax.nn.gelu(jnp.asarray(t), approximate=False)

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """c P + (ab d + c²)/(2π (1 + a)(1 + b) √d)."""
        d = _widened(1.0, a, b, c)
        outer = (a * b * d + c * c) / ((1 + a) * (1 + b) * jnp.sqrt(d))
        return c * _both_below(c, d) + outer / (2 * jnp.pi)

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """P + c/(2π√d)·[1/(1 + a) + 1/(1 + b) + 1/d]."""
        d = _widened(1.0, a, b, c)
        bracket = 1 / (1 + a) + 1 / (1 + b) + 1 / d
        return _both_below(c, d) + c * bracket / (2 * jnp.pi * jnp.sqrt(d))

    def slopes(self, a: Reals, b: Reals) -> tuple[Reals, Reals]:
        """½ max|φ''| E|v| = √b/π, as φ''(t) = (2 − t²)φ_N(t) and |φ(v)| ≤ |v|; and max φ'²."""
        return jnp.sqrt(b) / jnp.pi, jnp.full_like(a, _GELU_SLOPE)


class Identity(ClosedForm):
    """φ(t) = t.

    E[φ(u)φ(v)] = c.

    Example:
        >>> from ktrans.kernels.activations import Identity
        >>> float(Identity().dual(1.0, 1.0, 0.5))
        0.5
    """

    def __call__(self, t: ArrayLike) -> jax.Array:
        """t."""
        return jnp.asarray(t)

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """c."""
        return c

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """1."""
        return jnp.ones_like(c)

    def slopes(self, a: Reals, b: Reals) -> tuple[Reals, Reals]:
        """0 and 1."""
        return jnp.zeros_like(a), jnp.ones_like(a)


def _characteristic(frequency: Any, a: Reals, b: Reals, c: Reals) -> tuple[Reals, Reals]:
    """E[cos f(u − v)] and E[cos f(u + v)]; the variances of u ∓ v are exact near coincidence."""
    half = frequency**2 / 2
    return jnp.exp(-half * ((a - c) + (b - c))), jnp.exp(-half * ((a + c) + (b + c)))


def _arc_cosine(a: Reals, b: Reals, c: Reals) -> Reals:
    return (spread(a, b, c) + supplement(a, b, c) * c) / (2 * jnp.pi)


def _widened(width: float, a: Reals, b: Reals, c: Reals) -> Reals:
    """(1 + w a)(1 + w b) − w²c², the determinant of 1 + w·covariance, at least 1."""
    return 1 + width * (a + b) + width**2 * determinant(a, b, c)


def _both_below(c: Reals, d: Reals) -> Reals:
    """E[Φ(u)Φ(v)] = ¼ + atan2(c, √d)/(2π), the probability that two normals are below u and v."""
    return 0.25 + jnp.arctan2(c, jnp.sqrt(d)) / (2 * jnp.pi)
