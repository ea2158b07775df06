"""Eigenvalues of Gram matrices against the diversity, with those of N as their limits."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from ktrans.analysis.diversity import with_vocabulary
from ktrans.analysis.learning_curve import self_kernel
from ktrans.analysis.template_matrix import template_matrix
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask

_DENSE_SAMPLES = 1500  # up to here a dense eigensolver is faster than Lanczos
_SPARE_EIGENVALUES = 6  # of the bulk, beside the r leading ones
_LANCZOS_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class DiversitySpectrum:
    """Leading eigenvalues of K̂/n against ρ, with what they tend to.

    Attributes:
        diversity: ρ, shape (len,).
        num_samples: n of every Gram matrix.
        eigenvalues: Largest eigenvalues of K̂/n, descending, shape (len, e), to 1e-6 relative.
        limit: Eigenvalues of D^½ N D^½ (D = template weights), n and ρ → ∞; shape (r,).
        limit_at_n: Those of D^½ N D^½ + diag(σ)/n, ρ → ∞ at this n; shape (r,).
    """

    diversity: np.ndarray
    num_samples: int
    eigenvalues: np.ndarray
    limit: np.ndarray
    limit_at_n: np.ndarray


def diversity_spectrum(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    num_samples: int,
    vocab_sizes: Sequence[int],
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> DiversitySpectrum:
    """Leading eigenvalues of K̂/n for several vocabularies.

    K̂ = Z N Zᵀ + E: as ρ and n grow the r largest eigenvalues of K̂/n tend to those of D^½ N D^½,
    and all others to zero. At finite n the self-kernel σ_z = K(x, x) − N_zz adds σ/n to each.

    Args:
        kernel: A token-symmetric kernel.
        task: The task; its vocabulary is replaced.
        num_samples: n.
        vocab_sizes: Values of m.
        seed: Of the samples.
        progress: Wraps the loop over vocabularies, as tqdm does.

    Returns:
        Eigenvalues with their limits.

    Raises:
        ValueError: if the task's vocabulary cannot be replaced.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Figure 3 and the proof of the lemma.
    """
    tasks = [with_vocabulary(task, m) for m in vocab_sizes]
    count = min(num_samples, task.num_templates + _SPARE_EIGENVALUES)
    rows = [
        top_eigenvalues(GramOperator(kernel, each.sample(num_samples, seed=seed)), count)
        for each in progress(tasks)
    ]
    return DiversitySpectrum(
        np.array([each.diversity for each in tasks]),
        num_samples,
        np.array(rows).reshape(-1, count) / num_samples,
        *_limits(kernel, task, num_samples),
    )


def top_eigenvalues(operator: GramOperator, count: int) -> Float[np.ndarray, "e"]:
    """The largest eigenvalues, descending: dense for small n, else Lanczos to 1e-6 relative."""
    n = operator.shape[0]
    if n <= max(_DENSE_SAMPLES, 2 * count):
        return np.linalg.eigvalsh(operator.to_dense())[::-1][:count]
    product = _Product(operator)
    start = np.random.default_rng(0).standard_normal(n)
    # SciPy's annotation of `tol` as an integer is wrong.
    tolerance: Any = _LANCZOS_TOLERANCE
    values = eigsh(product, count, which="LA", tol=tolerance, v0=start)[0]
    return np.sort(values)[::-1]


class _Product(LinearOperator):
    """Our operator as SciPy wants it."""

    def __init__(self, operator: GramOperator):
        super().__init__(np.dtype(np.float64), operator.shape)
        self._operator = operator

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._operator @ x.reshape(-1)


def _limits(
    kernel: TokenSymmetricKernel, task: TemplateTask, n: int
) -> tuple[Float[np.ndarray, "r"], Float[np.ndarray, "r"]]:
    matrix = template_matrix(kernel, task)
    root = np.sqrt(task.weights)
    limit = root[:, None] * matrix * root
    at_n = limit + np.diag(self_kernel(kernel, task, matrix)) / n
    return np.linalg.eigvalsh(limit)[::-1], np.linalg.eigvalsh(at_n)[::-1]
