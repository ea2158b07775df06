"""K̂ = Z N Zᵀ + E, the paper's Figure 3: the blocks as a picture, and how far K̂ is from them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import subspace_angles

from ktrans._checks import Whole, check_kind
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans._tables import TextTable
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.measure.collisions.graph import SAME, CollisionGraph, as_operator, collision_graph
from ktrans.measure.eigenpairs import leading_eigenpairs, top_eigenpairs
from ktrans.tasks import Dataset
from ktrans.theory.statistics import TemplateStatistics, template_matrix

_SHOWN_NUMBERS = 6


@dataclass(frozen=True, eq=False)
class OrderedGram(Result):
    """K̂ with samples in the order of their templates, and N beside it.

    Attributes:
        matrix: K̂, shape (n, n).
        template_ids: The template of each sample, ascending, shape (n,).
        template_matrix: N, shape (r, r).
        templates: The r templates, as text.
        diversity: ρ of the task.
    """

    matrix: np.ndarray
    template_ids: np.ndarray
    template_matrix: np.ndarray
    templates: tuple[str, ...]
    diversity: float

    @property
    def share_of_limit(self) -> float:
        """Share of entries that equal the entry of N their block tends to, to 1e-9 relative."""
        limit = self.template_matrix[np.ix_(self.template_ids, self.template_ids)]
        return float(np.isclose(self.matrix, limit, rtol=SAME, atol=0.0).mean())


def ordered_gram(statistics: TemplateStatistics, n: Whole, seed: Whole = 0) -> OrderedGram:
    """Draw n samples and order their Gram matrix by template, the paper's Figure 3.

    Args:
        statistics: Of a kernel on a task.
        n: Number of samples.
        seed: Of the sample.

    Returns:
        The ordered Gram matrix, as exact as the kernel.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> from ktrans.theory.statistics import template_statistics
        >>> task = kt.tasks.load("aba_abb", vocab_size=100)
        >>> ordered_gram(template_statistics(mlp, task), n=6).matrix.shape
        (6, 6)
    """
    known = statistics.task
    data = known.sample(n, seed=seed)
    order = np.argsort(data.template_ids, kind="stable")
    return OrderedGram(
        np.asarray(statistics.kernel(data.tokens[order])),
        data.template_ids[order],
        statistics.template_matrix,
        tuple(map(str, known.templates)),
        known.diversity,
    )


@dataclass(frozen=True, eq=False)
class BlockStructure(Result):
    """How far K̂ is from Z N Zᵀ, for one data set; E = K̂ − Z N Zᵀ, its diagonal included.

    Attributes:
        num_samples: n.
        diversity: ρ of the task.
        collisions: What E is made of off the diagonal, exactly.
        operator_norm: ‖E‖₂ / n, by Lanczos.
        eigenvalues: The r largest eigenvalues of K̂/n, descending.
        residuals: ‖K̂v − θv‖/n for each: an eigenvalue lies that close.
        limits: Eigenvalues of D^½ N D^½ with D the frequencies of templates in the data.
        angles: Principal angles between the top eigenspace and the span of the indicators of the
            templates, in radians, descending.
    """

    num_samples: int
    diversity: float
    collisions: CollisionGraph
    operator_norm: float
    eigenvalues: np.ndarray
    residuals: np.ndarray
    limits: np.ndarray
    angles: np.ndarray

    def table(self) -> TextTable:
        """How far K̂ is from its blocks."""
        title = f"{self.num_samples} samples, ρ = {self.diversity:g}"
        return TextTable(block_rows(self), [title])

    @property
    def share_equal(self) -> float:
        """Share of the n² entries that equal their entry of N, exact."""
        return self.collisions.share_equal

    @property
    def frobenius(self) -> float:
        """‖E‖_F / n, exact to rounding."""
        return self.collisions.frobenius

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return {
            "num_samples": self.num_samples,
            "diversity": self.diversity,
            "share_equal": self.share_equal,
            "frobenius": self.frobenius,
            "operator_norm": self.operator_norm,
            "eigenvalues": self.eigenvalues.tolist(),
            "residuals": self.residuals.tolist(),
            "limits": self.limits.tolist(),
            "angles": self.angles.tolist(),
            "collisions": self.collisions.to_dict(),
        }


def block_structure(
    kernel: TokenSymmetricKernel | GramOperator,
    dataset: Dataset,
    *,
    progress: Progress = in_silence,
) -> BlockStructure:
    """Share of limit entries, norms of E, leading eigenvalues and angles, without the matrix.

    As ρ and n grow the r largest eigenvalues of K̂ tend to those of n D^½ N D^½, and their
    eigenvectors to the span of the indicators. Weyl: they differ by at most ‖E‖₂.

    Args:
        kernel: A token-symmetric kernel, or its `GramOperator` on the dataset.
        dataset: Samples of a task; each template must occur.
        progress: Wraps the names of the steps.

    Returns:
        Shares, counts and the Frobenius norm exact, the rest by Lanczos with residuals.

    Raises:
        TypeError: if the kernel is not token-symmetric.
        ValueError: if a template does not occur or products are not to be had in linear time.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Figure 3.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> data = kt.tasks.load("aba_abb", vocab_size=1000).sample(200)
        >>> block_structure(mlp, data).share_equal > 0.95
        True
    """
    check_kind("dataset", dataset, Dataset)
    _check_templates(dataset)
    blocks = _Blocks(kernel, dataset)
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "collisions": blocks.collisions,
        "norm of E": blocks.norm,
        "eigenvalues": blocks.spectrum,
    }
    found: dict[str, Any] = {}
    for name in progress(list(steps), "blocks"):
        found |= steps[name]()
    return BlockStructure(len(dataset), dataset.task.diversity, **found)


class _Blocks:
    """The steps of `block_structure`; the operator is built in the first that needs it."""

    def __init__(self, kernel: TokenSymmetricKernel | GramOperator, dataset: Dataset):
        self._kernel, self._dataset = kernel, dataset
        self._ids, self._n = dataset.template_ids, len(dataset)
        self._counts = np.bincount(self._ids, minlength=dataset.task.num_templates)

    @cached_property
    def _operator(self) -> GramOperator:
        return as_operator(self._kernel, self._dataset)

    @cached_property
    def _matrix(self) -> np.ndarray:
        return template_matrix(self._operator.kernel, self._dataset.task)

    def collisions(self) -> dict[str, CollisionGraph]:
        return {"collisions": collision_graph(self._operator, self._dataset)}

    def norm(self) -> dict[str, float]:
        pair = leading_eigenpairs(self._excess, self._n, 1, "LM")
        return {"operator_norm": float(np.abs(pair.values[0])) / self._n}

    def spectrum(self) -> dict[str, np.ndarray]:
        pairs = top_eigenpairs(self._operator, min(len(self._matrix), self._n))
        indicators = np.eye(len(self._matrix))[self._ids] / np.sqrt(self._counts)
        root = np.sqrt(self._counts / self._n)
        return {
            "eigenvalues": pairs.values / self._n,
            "residuals": pairs.residuals / self._n,
            "limits": np.linalg.eigvalsh(root[:, None] * self._matrix * root)[::-1],
            "angles": subspace_angles(pairs.vectors, indicators),
        }

    def _excess(self, vectors: np.ndarray) -> np.ndarray:
        """E V."""
        sums = np.stack([np.bincount(self._ids, each, len(self._matrix)) for each in vectors.T])
        return self._operator @ vectors - (sums @ self._matrix).T[self._ids]


def _check_templates(dataset: Dataset) -> None:
    counts = np.bincount(dataset.template_ids, minlength=dataset.task.num_templates)
    if not counts.all():
        missing = dataset.task.templates[int(np.argmin(counts))]
        raise ValueError(f"`dataset` must hold each template; it has no sample of '{missing}'.")


def block_rows(blocks: BlockStructure) -> list[list[str]]:
    """How far K̂ is from its blocks, and its leading eigenvalues."""
    return [
        ["entries equal to N", f"{blocks.share_equal:.6%}"],
        ["‖E‖_F / n, ‖E‖₂ / n", f"{blocks.frobenius:.4e}, {blocks.operator_norm:.4e}"],
        ["leading eigenvalues of K̂/n", _numbers(blocks.eigenvalues)],
        ["those of D^½ N D^½", _numbers(blocks.limits)],
        ["principal angles (rad)", _numbers(blocks.angles)],
    ]


def _numbers(values: np.ndarray) -> str:
    shown = " ".join(f"{value:.6g}" for value in values[:_SHOWN_NUMBERS])
    return shown + (
        f" and {len(values) - _SHOWN_NUMBERS} more" if len(values) > _SHOWN_NUMBERS else ""
    )
