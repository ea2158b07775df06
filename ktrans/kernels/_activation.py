"""What every activation offers: its value, its dual and its derivative's dual, and their errors."""

import abc
import math
import numbers
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ktrans._checks import as_reals, shown
from ktrans._numerics import in_float64, is_traced
from ktrans._rounding import ULP
from ktrans.kernels._balls import Ball, Operand, sqrt
from ktrans.kernels._gaussian import Reals, Values

Numbers = jax.Array | np.ndarray

_COVARIANCES = ("a", "b", "c", "da", "db", "dc")
_FORMULAS = ("__call__", "dual_formula", "derivative_dual_formula")

# What estimates take for the rounding of a dual and for the curvature that slopes do not see.
ESTIMATED_ROUNDING = 8 * ULP
_ESTIMATED_CURVATURE = 1.5


class Activation(eqx.Module):
    """A nonlinearity φ with its dual activation E[φ(u)φ(v)], (u, v) ~ N(0, [[a, c], [c, b]]).

    A subclass gives φ as `__call__` and the two expectations as `dual_formula` and
    `derivative_dual_formula`, in float64 arrays of one shape. It is then an estimate: its errors
    are guessed from its slopes, and no kernel that is made of it is certified.

    To have it certified, state how it is bounded: set `proved = True` in the class and give
    `dual_error_formula` and `derivative_dual_error_formula`, in NumPy and with a derivation that a
    referee can check. `proved` is not inherited by a class that changes φ or a formula.
    """

    proved: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "proved" not in vars(cls) and any(name in vars(cls) for name in _FORMULAS):
            cls.proved = False

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
            Float64 array of the common shape, within `dual_error` of the truth; a tracer under a
            JAX transformation. Its gradient is finite at coincident inputs.

        Raises:
            ValueError: if a variance is negative.

        References:
            Section 2 of Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753).
        """
        return _evaluate(self, self.dual_formula, a, b, c)

    def derivative_dual(self, a: ArrayLike, b: ArrayLike, c: ArrayLike) -> Numbers:
        """The dual of the derivative, E[φ'(u)φ'(v)]; arguments and result as in `dual`.

        It is also the derivative of the dual in c (Price 1958).
        """
        return _evaluate(self, self.derivative_dual_formula, a, b, c)

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

        Args:
            a: Variances of u, any shape, not negative.
            b: Variances of v.
            c: Covariances.
            da: Bounds on the error of a, not negative; all six broadcast.
            db: Bounds on the error of b.
            dc: Bounds on the error of c.

        Returns:
            Float64 array of the common shape, NaN under a JAX transformation. Certified where the
            activation is `proved`, else an estimate.
        """
        return _error(self, self.dual_error_formula, a, b, c, da, db, dc)

    def derivative_dual_error(
        self,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike,
        da: ArrayLike = 0.0,
        db: ArrayLike = 0.0,
        dc: ArrayLike = 0.0,
    ) -> Numbers:
        """A bound on the error of `derivative_dual`; arguments and result as in `dual_error`."""
        return _error(self, self.derivative_dual_error_formula, a, b, c, da, db, dc)

    def dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """`dual_error` for NumPy arrays of equal shape: first order half as much again, a guess."""
        return _estimated_error(self.dual_formula, a, b, c, da, db, dc)

    def derivative_dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """`derivative_dual_error` for NumPy arrays of equal shape: a guess like the one above."""
        return _estimated_error(self.derivative_dual_formula, a, b, c, da, db, dc)

    def variance_error_formula(self, a: Values, da: Values) -> Values:
        """A bound on |E[φ(u)²] − dual(a, a, a)| where a, the variance of u, is within da."""
        return self.dual_error_formula(a, a, a, da, da, da)

    def derivative_variance_error_formula(self, a: Values, da: Values) -> Values:
        """The same for E[φ'(u)²]."""
        return self.derivative_dual_error_formula(a, a, a, da, da, da)


def enclosed_dual(phi: Activation, a: Operand, b: Operand, c: Operand) -> Operand:
    """The dual of covariances that are known as balls, as a ball; of arrays as it is."""
    return _enclosed(phi, phi.dual_formula, phi.dual_error_formula, a, b, c)


def enclosed_derivative_dual(phi: Activation, a: Operand, b: Operand, c: Operand) -> Operand:
    """The same for the dual of the derivative."""
    formula, error_formula = phi.derivative_dual_formula, phi.derivative_dual_error_formula
    return _enclosed(phi, formula, error_formula, a, b, c)


def enclosed_variance(phi: Activation, a: Operand) -> Operand:
    """E[φ(u)²] of variances that are known as balls, as a ball; of arrays as it is."""
    return _enclosed(phi, _Coincident(phi.dual_formula), phi.variance_error_formula, a)


def enclosed_derivative_variance(phi: Activation, a: Operand) -> Operand:
    """The same for E[φ'(u)²]."""
    error_formula = phi.derivative_variance_error_formula
    return _enclosed(phi, _Coincident(phi.derivative_dual_formula), error_formula, a)


class _Coincident(eqx.Module):
    """The formula for one variance; a module, so that it is compiled once."""

    formula: Callable[..., Reals]

    def __call__(self, a: Reals) -> Reals:
        return self.formula(a, a, a)


def _enclosed(
    phi: Activation,
    formula: Callable[..., Reals],
    error_formula: Callable[..., Reals],
    *covariance: Operand,
) -> Operand:
    if not isinstance(covariance[0], Ball):
        return formula(*covariance)
    mids, rads = [x.mid for x in covariance], [x.rad for x in covariance]
    value = formula(*mids) if phi.proved else _compiled(formula, *map(jnp.asarray, mids))
    return Ball(np.asarray(value), np.asarray(error_formula(*mids, *rads)))


@eqx.filter_jit
def _compiled(formula: Callable[..., Reals], *covariance: Reals) -> Reals:
    return formula(*covariance)


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


def _estimated_error(
    formula: Callable[..., Reals],
    a: Values,
    b: Values,
    c: Values,
    da: Values,
    db: Values,
    dc: Values,
) -> Values:
    """First order, half as much again, and rounding relative to √(E[φ(u)²] E[φ(v)²])."""
    slopes, scale = _slopes_and_scale(formula, *map(jnp.asarray, (a, b, c)))
    first_order = sum(np.abs(s) * d for s, d in zip(slopes, (da, db, dc), strict=True))
    return _ESTIMATED_CURVATURE * first_order + ESTIMATED_ROUNDING * np.asarray(scale)


@eqx.filter_jit
def _slopes_and_scale(formula: Callable[..., Reals], *covariance: Reals) -> tuple[tuple, Reals]:
    value, pull = jax.vjp(formula, *covariance)
    own1, own2 = (formula(x, x, x) for x in covariance[:2])
    return pull(jnp.ones_like(value)), sqrt(own1) * sqrt(own2)


@in_float64
def _evaluate(phi: Activation, formula: Callable[..., Reals], *covariance: ArrayLike) -> Numbers:
    if _check(phi, covariance):
        arrays = (jnp.asarray(entry, dtype=jnp.float64) for entry in covariance)
        return formula(*jnp.broadcast_arrays(*arrays))
    shape, arrays = _flat(covariance)
    with np.errstate(all="ignore"):
        found = formula(*(arrays if phi.proved else map(jnp.asarray, arrays)))
    return np.asarray(found).reshape(shape)


@in_float64
def _error(phi: Activation, formula: Callable[..., Values], *covariance: ArrayLike) -> Numbers:
    """What the formula says; nothing is known of traced values."""
    if _check(phi, covariance):
        return np.full(np.broadcast_shapes(*map(np.shape, covariance)), np.nan)
    shape, arrays = _flat(covariance)
    return np.asarray(formula(*arrays)).reshape(shape)


def _flat(covariance: tuple[ArrayLike, ...]) -> tuple[tuple[int, ...], list[Values]]:
    """The common shape, and the entries in one axis."""
    arrays = (np.asarray(entry, dtype=np.float64) for entry in covariance)
    broadcast = np.broadcast_arrays(*arrays)
    return broadcast[0].shape, [array.reshape(-1) for array in broadcast]


def _check(phi: Activation, covariance: tuple[ArrayLike, ...]) -> bool:
    """Whether something is traced; raise if a number is out of range."""
    for name, values in zip(_COVARIANCES, covariance, strict=False):
        _check_covariance(name, values)
    return is_traced(*jax.tree.leaves((phi, covariance)))


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
