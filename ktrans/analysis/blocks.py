"""The Gram matrix in the order of templates: blocks that tend to the entries of N."""

from dataclasses import dataclass

import numpy as np

from ktrans.analysis.template_matrix import template_matrix
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask


@dataclass(frozen=True, eq=False)
class OrderedGram:
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
        return float(np.isclose(self.matrix, limit, rtol=1e-9, atol=0.0).mean())


def ordered_gram(
    kernel: TokenSymmetricKernel, task: TemplateTask, n: int, seed: int = 0
) -> OrderedGram:
    """Draw n samples and order their Gram matrix by template, the paper's Figure 3.

    Args:
        kernel: A token-symmetric kernel.
        task: The task.
        n: Number of samples.
        seed: Of the sample.

    Returns:
        The ordered Gram matrix, as exact as the kernel.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> ordered_gram(mlp, kt.tasks.load("aba_abb", vocab_size=100), n=6).matrix.shape
        (6, 6)
    """
    data = task.sample(n, seed=seed)
    order = np.argsort(data.template_ids, kind="stable")
    return OrderedGram(
        np.asarray(kernel(data.tokens[order])),
        data.template_ids[order],
        template_matrix(kernel, task),
        tuple(map(str, task.templates)),
        task.diversity,
    )
