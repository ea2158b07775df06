"""What a kernel can tell apart on unseen symbols, and which labels it can follow there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ktrans._checks import as_reals, shown
from ktrans._results import Result
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.kernels.mlp import MLPKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.statistics import (
    TemplateStatistics,
    check_task,
    enclosed_spectrum,
    template_statistics,
)
from ktrans.theory.structure import Groups, equal_rows

_SHOWN_TEMPLATES = 4
_SHOWN_GROUPS = 3


@dataclass(frozen=True, eq=False)
class Separation(Result):
    """Which templates a kernel can tell apart on unseen symbols.

    Predictions on unseen symbols are N times a vector: equal wherever rows of N are, and any vector
    in the range of N is one.

    Attributes:
        templates: The r templates, as text.
        groups: Indices of templates whose rows of N are equal for a structural reason; exact.
        rank: The number of groups where N is certified to have that rank, so that its range is all
            vectors that are constant on every group; None where the bounds leave it open.
    """

    templates: tuple[str, ...]
    groups: Groups
    rank: int | None

    @property
    def named(self) -> tuple[tuple[str, ...], ...]:
        """The groups as templates."""
        return tuple(tuple(self.templates[i] for i in group) for group in self.groups)

    def follows(self, labels: ArrayLike) -> bool | None:
        """Whether predictions on unseen symbols can be these labels: whether N has them in range.

        Args:
            labels: One number for each template, shape (r,).

        Returns:
            False if two labels differ within a group (exact), True if none do and the rank is
            certified, None for undecided.

        Raises:
            ValueError: if there is not one label for each template.
        """
        values = as_reals("labels", labels)
        if not np.isfinite(values).all():
            raise ValueError(f"`labels` must be finite; got {shown(labels)}.")
        if values.shape != (len(self.templates),):
            raise ValueError(
                f"`labels` must be {len(self.templates)} numbers, one for each template; got shape "
                f"{values.shape}."
            )
        if any(np.ptp(values[list(group)]) > 0 for group in self.groups):
            return False
        return None if self.rank is None else True


def separation(kernel: TokenSymmetricKernel, task: TemplateTask) -> Separation:
    """Which templates a kernel can tell apart on unseen symbols, whatever the training labels.

    With one row and column of N kept for each group of equal rows, N = E Ñ Eᵀ with E the indicators
    of the groups: where Ñ is certified nonsingular the range of N is that of E.

    Args:
        kernel: A token-symmetric kernel.
        task: A template task.

    Returns:
        Exact groups, certified rank.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.theory.separation import separation
        >>> mlp = kt.MLPKernel(kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> found = separation(mlp, kt.tasks.load("marked_aba_abb"))
        >>> found.named
        (('aαβα', 'aαββ'), ('bαβα', 'bαββ'))
        >>> found.follows([1.0, 1.0, -1.0, -1.0]), found.follows([1.0, -1.0, 1.0, -1.0])
        (True, False)
    """
    return separate(template_statistics(kernel, task))


def separate(statistics: TemplateStatistics) -> Separation:
    """`separation` from statistics that are there already."""
    matrix, groups = statistics.matrix, equal_rows(statistics.pattern)
    first = [group[0] for group in groups]
    kept = Bounded(matrix.value[np.ix_(first, first)], matrix.bound[np.ix_(first, first)])
    spectrum = enclosed_spectrum(kept)
    full = matrix.certified and np.abs(spectrum.eigenvalues).min() > spectrum.bound
    return Separation(
        tuple(map(str, statistics.task.templates)), groups, len(groups) if full else None
    )


def mlp_groups(task: TemplateTask) -> Groups:
    """Templates between which no perceptron on one-hot strings can tell on unseen symbols.

    Two fresh strings agree only where their templates have the same regular token, so N_ij is a
    function of the number of these places. Rows i and j of N are then equal for every `MLPKernel`
    if and only if the two templates have the same regular tokens in the same places: N_ii = N_ij
    says that all of i's are in j. Without regular tokens all entries of N are equal, and its rank
    is 1. Unless the activation is a polynomial N has no other dependent rows.

    The same holds for networks of any width and their training, if the law of the first layer's
    weights is the same for all tokens.

    Args:
        task: A template task.

    Returns:
        Groups of indices of templates, exact.

    Raises:
        TypeError: if the task is no `TemplateTask`.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.theory.separation import mlp_groups
        >>> mlp_groups(kt.tasks.load("marked_aba_abb")), mlp_groups(kt.tasks.load("aba_abb"))
        (((0, 1), (2, 3)), ((0, 1),))
    """
    codes = check_task(task).template_codes
    return equal_rows(np.where(codes >= 0, codes, -1))


def describe_separation(
    kernel: TokenSymmetricKernel, task: TemplateTask, found: Separation
) -> Iterator[str]:
    """Sentences about what the kernel can tell apart; none for one that is no MLP and can tell all.

    Args:
        kernel: The kernel.
        task: The task.
        found: Their `separation`.

    Yields:
        Sentences.
    """
    is_perceptron, tells_all = isinstance(kernel, MLPKernel), len(found.groups) == len(task.labels)
    if is_perceptron:
        yield (
            "Of unseen symbols an MLP kernel sees only which regular tokens stand where: "
            f"it {_abilities(task, found)}."
        )
    elif not tells_all:
        yield f"Rows of N are equal: on unseen symbols the kernel {_abilities(task, found)}."
    if not tells_all and not task.is_symbolic and found.follows(np.asarray(task.labels)):
        yield "The labels of this task are equal where it cannot tell: these it can learn."


def _abilities(task: TemplateTask, found: Separation) -> str:
    """What it can tell apart, where that is certified, and what it cannot."""
    pairs = [(group[0], other) for group in found.groups for other in group[1:]]
    can = "" if found.rank in (None, 1) else f"can tell apart {_sets(found)}"
    if not pairs:
        return can or "may be able to tell all templates apart"
    return (
        f"{can}, but not {_confused(task, found, pairs)}"
        if can
        else (f"cannot tell {_confused(task, found, pairs)}")
    )


def _sets(found: Separation) -> str:
    sets = [f"{{{_listed(group, _SHOWN_TEMPLATES)}}}" for group in found.named]
    return _listed(sets, _SHOWN_GROUPS)


def _confused(task: TemplateTask, found: Separation, pairs: list[tuple[int, int]]) -> str:
    """Two templates of one group, with different labels if there are such."""
    first, second = next((p for p in pairs if task.labels[p[0]] != task.labels[p[1]]), pairs[0])
    return f"{found.templates[first]} from {found.templates[second]}"


def _listed(names: Sequence[str], shown: int) -> str:
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")
