"""The ridge system (K + λI) α = y, solved on the distinct samples."""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Int

from ktrans._numerics import in_float64
from ktrans.gram.base import (
    AbstractSquareGram,
    DistinctStrings,
    LinearMap,
    multiply,
    sum_copies,
)
from ktrans.gram.linear_time import LinearTimeGram
from ktrans.solvers.conjugate_gradients import conjugate_gradients
from ktrans.solvers.solution import Solution, StopReason
from ktrans.solvers.tables import correct, prepare, table_system

Method = Literal["auto", "dense", "tables", "conjugate_gradients"]

# So many distinct strings are factorised: iterative methods are compiled for every size anew, which
# takes longer than a factorisation of this size, and tables of the kernel are not needed at all.
LARGEST_DENSE = 2000
_MAX_CORRECTIONS = 12


class RidgeSystem(NamedTuple):
    """(K + λ W⁻¹) β = ȳ: distinct samples with multiplicities W, sums of duals β, mean labels ȳ.

    A sample's dual coefficient is α_i = (y_i − ȳ)/λ + β/w; predictions need β alone.
    """

    gram: AbstractSquareGram
    diagonal: Float[np.ndarray, "d"]
    ridge: float
    multiplicity: Int[np.ndarray, "d"]
    targets: Float[np.ndarray, "d c"]

    @property
    def core(self) -> LinearMap:
        """K on the device, which a dense factorisation never asks for."""
        return self.gram.core

    @property
    def shift(self) -> Float[np.ndarray, "d"]:
        """The diagonal λ W⁻¹."""
        return self.ridge / self.multiplicity

    def residual(self, value: Float[np.ndarray, "d c"]) -> Float[np.ndarray, "d c"]:
        """ȳ − (K + λ W⁻¹) β, by a product of its own."""
        return self.targets - multiply(self.core, value) - self.shift[:, None] * value

    def norms(self, vectors: Float[np.ndarray, "d c"]) -> Float[np.ndarray, "c"]:
        """Norms over samples, copies counted."""
        return np.sqrt(self.multiplicity @ vectors**2)


def ridge_system(
    gram: AbstractSquareGram, ridge: float, labels: Float[np.ndarray, "n c"]
) -> RidgeSystem:
    """The ridge system of labelled samples."""
    distinct = gram.distinct
    targets = sum_copies(distinct, labels) / distinct.multiplicity[:, None]
    diagonal = gram.diagonal()[distinct.first]
    return RidgeSystem(gram, diagonal, ridge, distinct.multiplicity, targets)


def dual_coefficients(
    system: RidgeSystem,
    distinct: DistinctStrings,
    labels: Float[np.ndarray, "n c"],
    sums: Float[np.ndarray, "d c"],
) -> Float[np.ndarray, "n c"]:
    """α_i = (y_i − ȳ)/λ + β/w; at λ = 0 the copies share alike."""
    shared = (sums / system.multiplicity[:, None])[distinct.index]
    if system.ridge == 0 or len(sums) == len(labels):
        return shared
    return (labels - system.targets[distinct.index]) / system.ridge + shared


@in_float64
def solve_ridge_system(
    system: RidgeSystem,
    *,
    method: Method = "auto",
    tolerance: float = 1e-10,
    max_iterations: int = 1000,
) -> Solution:
    """β for a ridge system, with its residual recomputed.

    Args:
        system: The system.
        method: "dense" (Cholesky), "tables" (linear-time operators only), "conjugate_gradients",
            or "auto": dense where that is cheap, tables where they apply.
        tolerance: Relative residual to reach.
        max_iterations: Iterations allowed in all.

    Returns:
        Solution whose value is β, shape (d, c).
    """
    chosen = _choose(method, system.gram)
    if chosen == "dense":
        return _dense(system, tolerance)
    limits = tolerance, max_iterations
    found = _on_tables(system, *limits) if chosen == "tables" else None
    if found is not None and (method == "tables" or found.stop_reason != "stagnated"):
        return found
    plain = functools.partial(_plain, *_device(system))
    return _refine(system, plain, "conjugate_gradients", *limits)


def _on_tables(system: RidgeSystem, tolerance: float, max_iterations: int) -> Solution | None:
    """None where the diagonal that the tables leave is singular."""
    assert isinstance(system.core, LinearTimeGram)
    tables = table_system(system.core, system.ridge, system.multiplicity)
    if tables is None:
        return None
    correction = functools.partial(correct, prepare(tables))
    return _refine(system, correction, "tables", tolerance, max_iterations)


def _choose(method: Method, gram: AbstractSquareGram) -> Method:
    if method in ("dense", "conjugate_gradients"):
        return method
    if method == "auto" and len(gram.distinct.first) <= LARGEST_DENSE:
        return "dense"
    if isinstance(gram.core, LinearTimeGram):
        return "tables"
    if method == "tables":
        raise ValueError('`method`="tables" needs a linear-time GramOperator; pass "auto".')
    return "conjugate_gradients"


def _dense(system: RidgeSystem, tolerance: float) -> Solution:
    matrix = system.gram.core_to_dense()
    matrix[np.diag_indices_from(matrix)] += system.shift
    reason: StopReason = "converged"
    try:
        factor = scipy.linalg.cho_factor(matrix, lower=True)
        value = scipy.linalg.cho_solve(factor, system.targets)
        value += scipy.linalg.cho_solve(factor, system.targets - matrix @ value)
    except np.linalg.LinAlgError:
        value, reason = _minimum_norm(matrix, system.targets), "minimum_norm"
    norm = _relative(system, system.targets - matrix @ value)
    reason = "stagnated" if reason == "converged" and norm > tolerance else reason
    return Solution(value, norm, 0, reason, "dense", tolerance)


def _minimum_norm(matrix: np.ndarray, targets: np.ndarray) -> np.ndarray:
    values, modes = np.linalg.eigh(matrix)
    kept = values > len(values) * np.finfo(float).eps * values.max()
    return modes[:, kept] @ ((modes[:, kept].T @ targets) / values[kept, None])


def _refine(
    system: RidgeSystem,
    correction: Callable[..., tuple[Array, Array]],
    method: str,
    tolerance: float,
    max_iterations: int,
) -> Solution:
    """Solve for the residual again and again until it is small, or falls no further."""
    scale = system.norms(system.targets)
    value = np.zeros_like(system.targets)
    residual, spent = system.targets, 0
    best = _relative(system, residual)
    reason: StopReason = "converged" if best <= tolerance else "stagnated"
    for _ in range(_MAX_CORRECTIONS):
        if best <= tolerance or spent >= max_iterations:
            break
        threshold = jnp.asarray(0.3 * tolerance * scale)
        allowed = jnp.asarray(max_iterations - spent)
        change, count = correction(system.core.put(residual), threshold, allowed)
        spent += int(count)
        candidate = value + system.core.take(change, len(value))
        residual_now = system.residual(candidate)
        norm = _relative(system, residual_now)
        if not norm < best:
            break
        stalled = norm > 0.5 * best
        value, residual, best = candidate, residual_now, norm
        if stalled:
            break
    if best <= tolerance:
        reason = "converged"
    elif spent >= max_iterations:
        reason = "max_iterations"
    return Solution(value, best, spent, reason, method, tolerance)


def _relative(system: RidgeSystem, residual: np.ndarray) -> float:
    scale = system.norms(system.targets)
    norms = system.norms(residual)
    return float(np.max(norms / np.where(scale > 0, scale, 1.0), initial=0.0))


def _device(system: RidgeSystem) -> tuple[LinearMap, Float[Array, "d 1"], Float[Array, "d 1"]]:
    shift = system.shift[:, None]
    jacobi = 1 / (system.diagonal[:, None] + shift)
    return system.core, system.core.put(shift), system.core.put(jacobi)


@eqx.filter_jit
def _plain(
    core: LinearMap,
    shift: Float[Array, "d 1"],
    jacobi: Float[Array, "d 1"],
    residual: Float[Array, "d c"],
    threshold: Float[Array, "c"],
    max_iterations: Int[Array, ""],
) -> tuple[Float[Array, "d c"], Int[Array, ""]]:
    found = conjugate_gradients(
        lambda vectors: core.apply(vectors) + shift * vectors,
        lambda vectors: jacobi * vectors,
        residual,
        jnp.zeros_like(residual),
        threshold,
        max_iterations,
        reduction=1e-12,
    )
    return found.solution, found.count
