"""Functions of a Gram matrix applied to labels: all eigenvectors, or those of a Krylov space."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ktrans._numerics import in_float64
from ktrans.gram.base import AbstractSquareGram, multiply

MAX_BASIS_BYTES = 6 * 2**30
_CHUNK = 20  # Lanczos steps between two looks at the error
_INVARIANT = 1e-14  # a residual of rounding size: the basis spans all that the labels excite
_LAG = 6  # the error estimate compares with the basis this many steps shorter

SpectralFunction = Callable[[Float[np.ndarray, "s"]], Float[np.ndarray, "s"]]


class Modes(NamedTuple):
    """ψ(S) b ≈ Σ_s ψ(θ_s) g_s v_s for one column b of scaled labels.

    S = W^½ K W^½ over distinct samples with multiplicities W has the non-zero spectrum of the Gram
    matrix of all samples, and the duals' sums over copies are β = W^½ φ(S) W^½ ȳ.

    `error` is an estimate of ‖ψ(S) b − …‖/‖b‖ for the function asked for; 0 for a full basis.
    """

    vectors: Float[np.ndarray, "s d"]
    values: Float[np.ndarray, "s"]
    weights: Float[np.ndarray, "s"]
    alpha: Float[np.ndarray, "s"] | None
    beta: Float[np.ndarray, "s"] | None
    norm: float

    def combine(self, function: SpectralFunction) -> Float[np.ndarray, "d"]:
        """Σ_s φ(θ_s) g_s v_s."""
        return (function(self.values) * self.weights) @ self.vectors

    def error(self, function: SpectralFunction) -> float:
        """Estimate of ‖ψ(S) b − ψ_s b‖/‖b‖ by the change over the last Lanczos steps."""
        if self.alpha is None or self.beta is None:
            return 0.0
        return _change(self.alpha, self.beta, function)


@in_float64
def find_modes(
    gram: AbstractSquareGram,
    targets: Float[np.ndarray, "d c"],
    function: SpectralFunction,
    *,
    method: Literal["dense", "lanczos"],
    tolerance: float,
    max_iterations: int,
) -> list[Modes]:
    """Modes for each column of mean labels, enough of them for `function` to `tolerance`."""
    root = np.sqrt(gram.distinct.multiplicity)
    columns = (root[:, None] * targets).T
    if method == "dense":
        return _all_modes(gram, root, columns)
    return [_lanczos(gram, root, b, function, tolerance, max_iterations) for b in columns]


def _all_modes(gram: AbstractSquareGram, root: np.ndarray, columns: np.ndarray) -> list[Modes]:
    matrix = gram.core_to_dense() * np.outer(root, root)
    values, vectors = scipy.linalg.eigh(matrix, overwrite_a=True, driver="evd")
    # Eigenvalues of rounding size are zeros: those modes never move a prediction.
    kept = values > len(values) * np.finfo(float).eps * max(values[-1], 0.0)
    values, rows = values[kept], np.ascontiguousarray(vectors[:, kept].T)
    norms = np.linalg.norm(columns, axis=1)
    return [
        Modes(rows, values, rows @ b, None, None, float(norm))
        for b, norm in zip(columns, norms, strict=True)
    ]


def _lanczos(
    gram: AbstractSquareGram,
    root: np.ndarray,
    start: np.ndarray,
    function: SpectralFunction,
    tolerance: float,
    max_iterations: int,
) -> Modes:
    """Lanczos with full reorthogonalisation, twice, which is enough (Parlett)."""
    norm = float(np.linalg.norm(start))
    limit = min(max_iterations, len(start), MAX_BASIS_BYTES // (8 * len(start)))
    basis = np.empty((0, len(start)))
    alpha, beta = np.empty(0), np.empty(0)
    vector = start / norm if norm > 0 else start
    while len(alpha) < limit and norm > 0:
        room = np.empty((min(_CHUNK, limit - len(alpha)), len(start)))
        count = len(alpha)
        basis = np.concatenate([basis, room])
        for step in range(count, len(basis)):
            basis[step] = vector
            image = root * multiply(gram.core, (root * vector)[:, None])[:, 0]
            alpha = np.append(alpha, vector @ image)
            known = basis[: step + 1]
            for _ in range(2):
                image -= known.T @ (known @ image)
            beta = np.append(beta, np.linalg.norm(image))
            if beta[-1] <= _INVARIANT * np.abs(alpha).max():
                return _ritz(basis[: step + 1], alpha, beta, norm)
            vector = image / beta[-1]
        if _change(alpha, beta, function) <= tolerance:
            break
    return _ritz(basis, alpha, beta, norm)


def _ritz(basis: np.ndarray, alpha: np.ndarray, beta: np.ndarray, norm: float) -> Modes:
    if len(alpha) == 0:
        return Modes(basis, alpha, alpha, None, None, norm)
    values, modes = scipy.linalg.eigh_tridiagonal(alpha, beta[:-1])
    kept = values > len(values) * np.finfo(float).eps * max(values[-1], 0.0)
    vectors = modes[:, kept].T @ basis
    return Modes(vectors, values[kept], norm * modes[0, kept], alpha, beta, norm)


def _change(alpha: np.ndarray, beta: np.ndarray, function: SpectralFunction) -> float:
    """How much ψ(T) e₁ moved in the last steps, and the residual β_s |e_sᵀ φ(T) e₁|.

    With φ(λ) = ψ(λ)/λ, S Q φ(T) e₁ = Q ψ(T) e₁ + β_s q_{s+1} e_sᵀ φ(T) e₁: the second term is what
    the training predictions have outside the basis.
    """
    if len(alpha) and beta[-1] <= _INVARIANT * np.abs(alpha).max():
        return 0.0
    if len(alpha) <= _LAG:
        return np.inf
    now, outside = _first_column(alpha, beta, function)
    before, _ = _first_column(alpha[:-_LAG], beta[:-_LAG], function)
    now[: len(before)] -= before
    return float(np.hypot(np.linalg.norm(now), outside))


def _first_column(
    alpha: np.ndarray, beta: np.ndarray, function: SpectralFunction
) -> tuple[np.ndarray, float]:
    values, modes = scipy.linalg.eigh_tridiagonal(alpha, beta[:-1])
    positive = values > 0
    image = np.zeros_like(values)
    image[positive] = function(values[positive])
    quotient = image / np.where(positive, values, 1.0)
    return modes @ (image * modes[0]), float(beta[-1] * (modes[-1] @ (quotient * modes[0])))
