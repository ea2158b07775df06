"""Singularity that follows from which entries of N are equal, whatever their values."""

from collections.abc import Hashable, Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Int

from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask

# Exact elimination costs r³ rational operations; beyond this many templates only equal rows count.
MAX_ELIMINATED = 50

Row = tuple[Fraction, ...]
Groups = tuple[tuple[int, ...], ...]


def entry_pattern(kernel: TokenSymmetricKernel, task: TemplateTask) -> Int[np.ndarray, "r r"]:
    """Equal numbers where entries of N are equal for a structural reason.

    Args:
        kernel: Its `pair_keys` say which pairs of strings have exactly equal values.
        task: A task with r templates.

    Returns:
        Symmetric array of shape (r, r), exact; only coincidences have a meaning.
    """
    size = task.num_templates
    first, second = task.fresh_strings()
    rows, columns = np.triu_indices(size)
    numbers = _numbered(kernel.pair_keys(first[rows], second[columns]))
    pattern = np.zeros((size, size), dtype=np.int64)
    # The lower half repeats the upper one: kernels are symmetric.
    pattern[rows, columns] = pattern[columns, rows] = numbers
    return pattern


def is_singular_by_structure(pattern: Int[np.ndarray, "r r"]) -> bool:
    """Whether every matrix Σ_key v_key 1[pattern = key] is singular for one and the same reason.

    N = Σ_key v_key A_key with 0/1 matrices A_key. A vector in the null space of all A_key is in
    that of N whatever the values v; two equal rows of the pattern give one, e_i − e_j. Decided in
    rational arithmetic up to 50 templates, beyond that by equal rows only.

    Args:
        pattern: As `entry_pattern` makes it, shape (r, r).

    Returns:
        True if N is certainly singular; False says nothing. Exact.

    Example:
        >>> is_singular_by_structure(np.array([[7, 7], [7, 7]]))
        True
        >>> is_singular_by_structure(np.array([[7, 8], [8, 7]]))
        False
    """
    if len(equal_rows(pattern)) < len(pattern):
        return True
    return len(pattern) <= MAX_ELIMINATED and exact_rank(_stacked(pattern)) < len(pattern)


def equal_rows(pattern: Int[np.ndarray, "r k"]) -> Groups:
    """The rows in groups of equal ones, in order of first appearance.

    Example:
        >>> equal_rows(np.array([[7, 8, 7], [8, 9, 8], [7, 8, 7]]))
        ((0, 2), (1,))
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, row in enumerate(pattern.tolist()):
        groups.setdefault(tuple(row), []).append(i)
    return tuple(map(tuple, groups.values()))


def exact_rank(rows: Sequence[Row]) -> int:
    """Rank of a matrix of fractions, by elimination without rounding.

    Example:
        >>> exact_rank([(Fraction(1), Fraction(2)), (Fraction(2), Fraction(4))])
        1
    """
    left, rank = [list(row) for row in rows], 0
    for column in range(len(left[0]) if left else 0):
        pivot = next((i for i in range(rank, len(left)) if left[i][column]), None)
        if pivot is None:
            continue
        left[rank], left[pivot] = left[pivot], left[rank]
        _eliminate(left, rank, column)
        rank += 1
    return rank


def _eliminate(rows: list[list[Fraction]], pivot: int, column: int) -> None:
    for i in range(pivot + 1, len(rows)):
        if rows[i][column]:
            factor = rows[i][column] / rows[pivot][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[pivot], strict=True)]


def _stacked(pattern: Int[np.ndarray, "r r"]) -> list[Row]:
    """The distinct rows of all A_key."""
    indicators = (row == key for row in pattern for key in np.unique(row))
    distinct = dict.fromkeys(tuple(indicator.tolist()) for indicator in indicators)
    return [tuple(Fraction(entry) for entry in row) for row in distinct]


def _numbered(keys: Sequence[Hashable]) -> list[int]:
    known: dict[Hashable, int] = {}
    return [known.setdefault(key, len(known)) for key in keys]
