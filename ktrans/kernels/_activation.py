"""What every activation offers: its value, its dual and its derivative's dual, and their errors."""

import abc
import math
import numbers
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ktrans._checks import as_reals, shown
from ktrans._numerics import in_float64, is_traced, to_host
from ktrans.kernels._gaussian import Reals, safe_sqrt

Numbers = jax.Array | np.ndarray

_COVARIANCES = ("a", "b", "c", "da", "db", "dc")

# Four times the largest error measured against mpmath (4.3e-16 of the scale, 9,000 inputs).
ROUNDING = 16 * 2.0**-53

# First-order propagation forgets curvature; half as much again covers it for small errors.
FIRST_ORDER_SAFETY = 1.5


class Activation(eqx.Module):
    """A nonlinearity φ with its dual activation E[φ(u)φ(v)], (u, v) ~ N(0, [[a, c], [c, b]]).

    A subclass gives φ as `__call__` and the two expectations as `dual_formula` and
    `derivative_dual_formula`, in float64 arrays of one shape.
    """

    @abc.abstractmethod
    def __call__(self, t: ArrayLike) -> jax.Array:
        """φ(t), elementwise, in the precision of t."""

    @abc.abstractmethod
    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """E[φ(u)φ(v)] for arrays of equal shape."""

    @abc.abstractmethod
    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """E[φ'(u)φ'(v)] for arrays of equal shape."""

    def dual(self, a: ArrayLike, b: ArrayLike, c: ArrayLike) -> Numbers:
        """The dual activation E[φ(u)φ(v)], (u, v) ~ N(0, [[a, c], [c, b]]).

        Args:
            a: Variances of u, any shape, not negative.
            b: Variances of v, broadcast with a.
            c: Covariances, broadcast with both; c² above ab by rounding counts as c² = ab.

        Returns:
            Float64 array of the common shape, exact (`Custom`: as exact as its quadrature); a
            tracer under a JAX transformation. Its gradient is finite at coincident inputs.

        Raises:
            ValueError: if a variance is negative.

        References:
            Section 2 of Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753).
        """
        return _evaluate(self.dual_formula, a, b, c)

    def derivative_dual(self, a: ArrayLike, b: ArrayLike, c: ArrayLike) -> Numbers:
        """The dual of the derivative, E[φ'(u)φ'(v)]; arguments and result as in `dual`.

        It is also the derivative of the dual in c (Price 1958).
        """
        return _evaluate(self.derivative_dual_formula, a, b, c)

    def dual_error(
        self,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike,
        da: ArrayLike = 0.0,
        db: ArrayLike = 0.0,
        dc: ArrayLike = 0.0,
    ) -> Numbers:
        """A bound on |E[φ(u)φ(v)] − dual(a, b, c)| where a, b, c are known to within da, db, dc.

        The closed forms use the mean value theorem with ∂/∂c = E[φ'(u)φ'(v)] and
        ∂/∂a = ½E[φ''(u)φ(v)] bounded over the whole box; the others take the first order half as
        much again. Rounding is included.

        Args:
            a: Variances of u, any shape, not negative.
            b: Variances of v.
            c: Covariances.
            da: Bounds on the error of a, not negative; all six broadcast.
            db: Bounds on the error of b.
            dc: Bounds on the error of c.

        Returns:
            Float64 array of the common shape.
        """
        return _evaluate(self._dual_error, a, b, c, da, db, dc)

    def derivative_dual_error(self, a: ArrayLike, b: ArrayLike, c: ArrayLike) -> Numbers:
        """A bound on the error of `derivative_dual` at exactly known a, b, c."""
        return _evaluate(self.derivative_rounding, a, b, c)

    def rounding(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """A bound on the error of `dual_formula`, relative to its scale √(E[φ(u)²] E[φ(v)²])."""
        return ROUNDING * _scale(self.dual_formula, a, b)

    def derivative_rounding(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """A bound on the error of `derivative_dual_formula`, relative to its scale."""
        return ROUNDING * _scale(self.derivative_dual_formula, a, b)

    def perturbation(self, a: Reals, b: Reals, c: Reals, da: Reals, db: Reals, dc: Reals) -> Reals:
        """What errors da, db, dc of the covariance do to the dual, to first order with a margin."""
        value, pull = jax.vjp(self.dual_formula, a, b, c)
        slopes = pull(jnp.ones_like(value))
        first_order = sum(jnp.abs(s) * d for s, d in zip(slopes, (da, db, dc), strict=True))
        return FIRST_ORDER_SAFETY * jnp.asarray(first_order)

    def _dual_error(self, a: Reals, b: Reals, c: Reals, da: Reals, db: Reals, dc: Reals) -> Reals:
        return self.perturbation(a, b, c, da, db, dc) + self.rounding(a + da, b + db, c)


class ClosedForm(Activation):
    """An activation whose dual has bounded slopes, so that errors are propagated with proof."""

    @abc.abstractmethod
    def slopes(self, a: Reals, b: Reals) -> tuple[Reals, Reals]:
        """Bounds on ½|E[φ''(u)φ(v)]| and |E[φ'(u)φ'(v)]| for variances from a up, to b at most."""

    def perturbation(self, a: Reals, b: Reals, c: Reals, da: Reals, db: Reals, dc: Reals) -> Reals:
        """The mean value theorem over the box of half-widths da, db, dc."""
        slope_a, slope_c = self.slopes(jnp.maximum(a - da, 0.0), b + db)
        slope_b, _ = self.slopes(jnp.maximum(b - db, 0.0), a + da)
        return slope_c * dc + _times(slope_a, da) + _times(slope_b, db)


def by_price(formula: Callable[..., Reals], slopes: Callable[..., tuple]) -> Callable[..., Reals]:
    """The formula, differentiated by its slopes in a, b, c instead of line by line.

    Line by line, the derivative of a dual at nearly coincident inputs is a difference of large
    numbers.
    """
    dual = jax.custom_jvp(formula)

    @dual.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple[Reals, Reals]:
        terms = [s * d for s, d in zip(slopes(*primals), tangents, strict=True)]
        return dual(*primals), terms[0] + terms[1] + terms[2]

    return dual


@in_float64
def _evaluate(formula: Callable[..., Reals], *covariances: ArrayLike) -> Numbers:
    for name, values in zip(_COVARIANCES, covariances, strict=False):
        _check_covariance(name, values)
    arrays = (jnp.asarray(entry, dtype=jnp.float64) for entry in covariances)
    return to_host(formula(*jnp.broadcast_arrays(*arrays)))


def _check_covariance(name: str, values: Any) -> None:
    if is_traced(*jax.tree.leaves(values)):
        return
    entries = as_reals(name, values)
    # An error that nothing is known of is NaN, and so is then the bound.
    if name in "abc" and not np.isfinite(entries).all():
        raise ValueError(f"`{name}` must be finite; got {shown(values)}.")
    if name != "c" and (entries < 0).any():
        reason = "is a variance" if name in "ab" else "bounds an error"
        raise ValueError(f"`{name}` {reason} and must be non-negative; got {entries.min()}.")


def _scale(formula: Callable[..., Reals], a: Reals, b: Reals) -> Reals:
    return safe_sqrt(formula(a, a, a)) * safe_sqrt(formula(b, b, b))


def _times(slope: Reals, error: Reals) -> Reals:
    """The product, 0 for an error of 0 even where the slope is infinite."""
    return jnp.where(error > 0, slope * error, 0.0)


def as_number(value: Any) -> Any:
    """Real numbers as floats; anything else, tracers and arrays included, as it is."""
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        return float(value) if is_real else value
    except OverflowError:
        return math.inf


def check_finite(name: str, value: Any) -> None:
    """Raise unless the value is a finite real number (or is being traced)."""
    if is_traced(value):
        return
    if np.asarray(value, dtype=object).ndim > 0 or np.asarray(value).dtype.kind not in "iuf":
        raise TypeError(f"`{name}` must be a real number; got {shown(value)}.")
    if not np.isfinite(value):
        raise ValueError(f"`{name}` must be finite; got {value}.")
