"""The template matrix N, on which the theorem turns."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ktrans._results import Result
from ktrans.kernels._custom import Custom
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.structure import entry_pattern

# LAPACK's eigvalsh is backward stable: eigenvalues are off by at most p(r)·ε·‖N‖₂ with a modest
# polynomial p; 8 r ε ‖N‖_F is far above what is seen and contains the sum N + Nᵀ and its halving.
_EIGENVALUE_ROUNDING = 8 * 2.0**-52


_SHARED = ("matrix", "spectrum", "self_kernel", "pattern")  # what does not depend on m


class BoundedEigenvalues(NamedTuple):
    """Eigenvalues of N in ascending order, and one bound on the error of each."""

    eigenvalues: Float[np.ndarray, "r"]
    bound: float


@dataclass(frozen=True, eq=False)
class TemplateStatistics(Result):
    """All that the theory needs of a kernel and a task: made once, and passed along.

    Whatever else is known of the pair is a function of it; what is costly is computed when it is
    first asked for.

    Attributes:
        kernel: The kernel.
        task: The task, with r templates.
    """

    kernel: TokenSymmetricKernel
    task: TemplateTask

    @cached_property
    def matrix(self) -> Bounded:
        """N with the bounds on its entries, shape (r, r), and whether they are certified."""
        return bounded_template_matrix(self.kernel, self.task)

    @property
    def template_matrix(self) -> Float[np.ndarray, "r r"]:
        """N, as exact as the kernel."""
        return self.matrix.value

    @cached_property
    def spectrum(self) -> BoundedEigenvalues:
        """The eigenvalues of N with a bound."""
        return enclosed_spectrum(self.matrix)

    @cached_property
    def self_kernel(self) -> Float[np.ndarray, "r"]:
        """σ_z = K(x, x) − N_zz, what a sample shares with itself beyond what its template shares.

        Never negative for a positive semi-definite kernel; rounding below zero counts as zero.
        """
        diagonal = self.kernel.diagonal(self.task.fresh_strings()[0])
        return np.maximum(diagonal - self.template_matrix.diagonal(), 0.0)

    @cached_property
    def pattern(self) -> Int[np.ndarray, "r r"]:
        """Equal numbers where entries of N are equal for a structural reason, exact."""
        return entry_pattern(self.kernel, self.task)

    @property
    def labels(self) -> Float[np.ndarray, "r"]:
        """f*, of a task with numbers as labels."""
        return np.asarray(self.task.labels, dtype=np.float64)

    @property
    def weights(self) -> Float[np.ndarray, "r"]:
        """Of the templates."""
        return self.task.weights

    @property
    def noise(self) -> float:
        """The variance of the labels' noise."""
        return self.task.noise_std**2

    def at_vocabulary(self, vocab_size: int) -> "TemplateStatistics":
        """The statistics with another number of substitution tokens: N and σ are the same."""
        other = replace(self, task=with_vocabulary(self.task, vocab_size))
        known = vars(self)
        vars(other).update({name: known[name] for name in _SHARED if name in known})
        return other

    def limit(self, num_samples: float | int = np.inf) -> Float[np.ndarray, "r r"]:
        """D^½ N D^½ + diag(σ)/n, to whose eigenvalues those of K̂/n tend as ρ grows."""
        root = np.sqrt(self.weights)
        return root[:, None] * self.template_matrix * root + np.diag(self.self_kernel) / num_samples


def template_statistics(kernel: TokenSymmetricKernel, task: TemplateTask) -> TemplateStatistics:
    """The statistics of a kernel on a task.

    Args:
        kernel: A token-symmetric kernel.
        task: A template task.

    Returns:
        N as exact as the kernel, with its bounds.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
    """
    return TemplateStatistics(check_kernel(kernel), check_task(task))


def regression_statistics(kernel: TokenSymmetricKernel, task: TemplateTask) -> TemplateStatistics:
    """The same for a task with numbers as labels; others are refused before N is computed."""
    statistics = template_statistics(kernel, task)
    if statistics.task.is_symbolic:
        raise ValueError(
            "`task` has symbols as labels (next token), whose error is no squared error; give "
            "its templates numbers as labels."
        )
    return statistics


def template_matrix(kernel: TokenSymmetricKernel, task: TemplateTask) -> np.ndarray:
    """The template matrix N_ij = K(sub(z_i, s), sub(z_j, s′)), s and s′ with disjoint images.

    The images avoid all regular tokens. For a token-symmetric kernel N does not depend on the
    choice of s and s′, and is symmetric.

    Args:
        kernel: A token-symmetric kernel.
        task: A template task with r templates.

    Returns:
        Float64 array of shape (r, r), symmetric, as exact as the kernel; in the order of
        `task.templates`. `bounded_template_matrix` has the bound.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), section 3.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=10)
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> kt.template_matrix(mlp, task).round(6)
        array([[0.90662, 0.90662],
               [0.90662, 0.90662]])
    """
    return bounded_template_matrix(kernel, task).value


def bounded_template_matrix(kernel: TokenSymmetricKernel, task: TemplateTask) -> Bounded:
    """The template matrix with a bound on the error of each entry.

    Args:
        kernel: A token-symmetric kernel.
        task: A template task with r templates.

    Returns:
        Certified values and bounds, both of shape (r, r) and symmetric (estimated where the
        kernel's are, or its activation is `Custom`).

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
    """
    symmetric, known = check_kernel(kernel), check_task(task)
    value, bound, certified = symmetric.bounded(*known.fresh_strings())
    by_quadrature = isinstance(getattr(symmetric, "activation", None), Custom)
    # Both halves approximate the same symmetric matrix: so does their mean, within the mean bound.
    return Bounded((value + value.T) / 2, (bound + bound.T) / 2, certified and not by_quadrature)


def enclosed_spectrum(matrix: Bounded) -> BoundedEigenvalues:
    """Eigenvalues of a symmetric matrix with a bound on their error.

    |λ_i(N) − λ_i(N̂)| ≤ ‖N − N̂‖₂ ≤ max_i Σ_j E_ij (Weyl; the row sums bound the norm of a symmetric
    matrix), plus 8 r ε ‖N̂‖_F for the eigensolver.

    Args:
        matrix: Values and bounds, symmetric, shape (r, r).

    Returns:
        Certified eigenvalues, ascending, and the bound.

    Example:
        >>> matrix = Bounded(np.diag([1.0, 2.0]), np.full((2, 2), 0.01))
        >>> enclosed_spectrum(matrix).eigenvalues, round(enclosed_spectrum(matrix).bound, 9)
        (array([1., 2.]), 0.02)
    """
    eigenvalues = np.linalg.eigvalsh(matrix.value)
    rounding = _EIGENVALUE_ROUNDING * len(eigenvalues) * np.linalg.norm(matrix.value)
    return BoundedEigenvalues(eigenvalues, float(matrix.bound.sum(axis=1).max() + rounding))


def check_kernel(kernel: object) -> TokenSymmetricKernel:
    """The kernel, if it is one that a template matrix can be made of."""
    if isinstance(kernel, TemplateTask):
        raise TypeError(
            "`kernel` must stand before `task`, as in `ktrans.verify(kernel, task)`; got a task."
        )
    if not isinstance(kernel, TokenSymmetricKernel):
        raise TypeError(
            f"`kernel` must be a token-symmetric kernel such as TransformerKernel; got "
            f"{type(kernel).__name__}."
        )
    return kernel


def check_task(task: object) -> TemplateTask:
    """The task, if it is one."""
    if not isinstance(task, TemplateTask):
        raise TypeError(
            f"`task` must be a TemplateTask, as ktrans.tasks.load returns; got "
            f"{type(task).__name__}."
        )
    return task
