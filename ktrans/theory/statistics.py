"""The template matrix N, on which the theorem turns."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ktrans._numerics import is_traced
from ktrans._results import Result
from ktrans._rounding import TINY, UNIT, gamma, round_up
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.kernels.coefficients import PairValues
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.tasks.wildcards import check_wildcards
from ktrans.theory.diversity import Population, population
from ktrans.theory.orbits import usual_alphabet
from ktrans.theory.structure import entry_pattern

# What does not depend on m.
_SHARED = ("matrix", "spectrum", "self_kernel", "pattern", "pair_values")


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

    @cached_property
    def pair_values(self) -> PairValues:
        """Kernel values by the pattern of two strings, each evaluated once."""
        return PairValues(self.kernel)

    @cached_property
    def population(self) -> Population:
        """What infinitely many samples at the task's own diversity say."""
        return population(self.pair_values, self.task, usual_alphabet(self.task))

    @property
    def mean_matrix(self) -> Bounded:
        """N_m, the mean kernel value of independent strings of two templates, with bounds."""
        return self.population.mean_matrix

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
        ValueError: if no template has a wildcard.
    """
    return TemplateStatistics(check_kernel(kernel), check_wildcards(check_task(task)))


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
        Values and bounds, both of shape (r, r) and symmetric, certified where the kernel's are.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
    """
    symmetric, known = check_kernel(kernel), check_task(task)
    return symmetrised(symmetric.bounded(*known.fresh_strings()))


def symmetrised(matrix: Bounded) -> Bounded:
    """The mean of a matrix and its transpose, which both approximate one symmetric matrix.

    So does their mean, within the mean of the bounds and one rounding; what is symmetric stays.
    Traced, it has no bound.
    """
    value, bound, certified = matrix
    mean = (value + value.T) / 2
    if is_traced(value):
        return Bounded(mean, bound)
    same = (value == value.T) & (bound == bound.T)
    wider = round_up((bound + bound.T) / 2 + UNIT * np.abs(mean))
    return Bounded(mean, np.where(same, bound, wider), certified)


def enclosed_spectrum(matrix: Bounded) -> BoundedEigenvalues:
    """Eigenvalues of a symmetric matrix with a bound on their error, that of the solver included.

    |λ_i(N) − λ_i(N̂)| ≤ ‖N − N̂‖₂ ≤ max_i Σ_j E_ij (Weyl; the row sums bound the norm of a symmetric
    matrix). What LAPACK returns for N̂, V and Λ, is not trusted but verified, see
    `residual_bound`; so all is proved, given IEEE arithmetic and the bounds E.

    Args:
        matrix: Values and bounds, symmetric, shape (r, r).

    Returns:
        Eigenvalues, ascending, and the bound; NaN and infinity where an entry is not finite.

    Example:
        >>> matrix = Bounded(np.diag([1.0, 2.0]), np.full((2, 2), 0.01))
        >>> enclosed_spectrum(matrix).eigenvalues, round(enclosed_spectrum(matrix).bound, 9)
        (array([1., 2.]), 0.02)
    """
    size = len(matrix.value)
    if not (np.isfinite(matrix.value).all() and np.isfinite(matrix.bound).all()):
        return BoundedEigenvalues(np.full(size, np.nan), np.inf)
    eigenvalues, vectors = np.linalg.eigh(matrix.value)
    entries = matrix.bound.sum(axis=1).max() * (1 + gamma(size))
    return BoundedEigenvalues(
        eigenvalues, float(entries + residual_bound(matrix.value, eigenvalues, vectors))
    )


def residual_bound(
    matrix: Float[np.ndarray, "r r"],
    eigenvalues: Float[np.ndarray, "r"],
    vectors: Float[np.ndarray, "r r"],
) -> float:
    """A bound on |λ_i(A) − Λ_i| for a symmetric A, whatever V and the ascending Λ are.

    Let R = A V − V Λ and G = VᵀV − I with ‖G‖ ≤ g < 1. Then V = Q H with Q orthogonal and
    H = (VᵀV)^{1/2} positive definite, ‖H − I‖ ≤ g (|√(1 + t) − 1| ≤ |t|), ‖H⁻¹‖ ≤ (1 − g)^{−1/2}.
    From A Q H = Q H Λ + R,

        QᵀA Q − Λ = [(H − I)Λ − Λ(H − I) + QᵀR] H⁻¹,

    whose norm is at most (2g‖Λ‖ + ‖R‖)/(1 − g). By Weyl that bounds |λ_i(A) − Λ_i|.

    Norms are bounded by Frobenius norms. The products are computed with rounding: entries of a
    product of r terms are within γ_r |A||V| (Higham, section 3.5, any order of summation), the
    other operations add γ₂ of what they are applied to, and γ_{2r+4} is more than that together
    with the rounding of |A||V| itself. Underflow adds r `TINY` an entry.

    Args:
        matrix: A, exactly symmetric.
        eigenvalues: Λ, ascending.
        vectors: V, the eigenvectors as columns.

    Returns:
        The bound; infinity where it cannot be shown that g < ½.
    """
    size = len(matrix)
    share, underflow = gamma(2 * size + 4), size * TINY
    products = np.abs(matrix) @ np.abs(vectors) + np.abs(vectors * eigenvalues)
    residual = np.abs(matrix @ vectors - vectors * eigenvalues) + share * products + underflow
    overlaps = np.abs(vectors).T @ np.abs(vectors) + np.eye(size)
    defect = np.abs(vectors.T @ vectors - np.eye(size)) + share * overlaps + underflow
    g, rest = _norm(defect), _norm(residual)
    if not g < 0.5:
        return np.inf
    return float(round_up((2 * g * np.abs(eigenvalues).max() + rest) / (1 - g)))


def _norm(matrix: Float[np.ndarray, "r r"]) -> float:
    """The Frobenius norm, rounded upward."""
    return float(np.linalg.norm(matrix) * (1 + gamma(matrix.size + 4)))


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
