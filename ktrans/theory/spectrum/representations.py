"""Irreducible representations of symmetric groups: matrices, dimensions, names."""

import functools
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

Partition = tuple[int, ...]
Permutation = tuple[int, ...]


def partitions(size: int, largest: int | None = None) -> Iterator[Partition]:
    """All partitions of a number, larger parts first.

    Example:
        >>> list(partitions(3))
        [(3,), (2, 1), (1, 1, 1)]
    """
    if size == 0:
        yield ()
    for first in range(min(size, largest or size), 0, -1):
        for rest in partitions(size - first, first):
            yield (first, *rest)


def exists(below: Partition, m: int) -> bool:
    """Whether (m − s, μ) is a partition of m, with s the size of μ = `below`."""
    return m - sum(below) >= max(below, default=0)


def dimension(below: Partition, m: int) -> int:
    """Dimension of the irreducible representation (m − s, μ) of the permutations of m tokens.

    The hook length formula with the hooks of the first row split off,
    (m)_{s+μ₁} / (Π_{j ≤ μ₁} (m − s − j + μ′_j + 1) · Π hooks of μ).

    Args:
        below: μ, the partition below the first row.
        m: Number of tokens, such that (m − s, μ) is a partition.

    Returns:
        Exact integer.

    Example:
        >>> dimension((), 10), dimension((1,), 10), dimension((2,), 10), dimension((1, 1), 10)
        (1, 9, 35, 36)
    """
    size, columns = sum(below), _conjugate(below)
    first_row = math.prod(m - size - j + height for j, height in enumerate(columns))
    hooks = math.prod(
        part - j + columns[j] - i - 1 for i, part in enumerate(below) for j in range(part)
    )
    return math.perm(m, size + len(columns)) // (first_row * hooks)


def name(below: Partition) -> str:
    """The representation (m − s, μ) as text, "trivial" for the empty μ.

    Example:
        >>> name(()), name((1,)), name((2, 1))
        ('trivial', '(m-1,1)', '(m-3,2,1)')
    """
    if not below:
        return "trivial"
    return f"(m-{sum(below)},{','.join(map(str, below))})"


@functools.lru_cache(maxsize=4096)
def representation(shape: Partition, permutation: Permutation) -> Float[np.ndarray, "f f"]:
    """ρ_μ(τ) in Young's orthogonal form, a homomorphism: ρ(στ) = ρ(σ) ρ(τ).

    Args:
        shape: μ, a partition of s.
        permutation: τ as the images of 0, …, s − 1.

    Returns:
        Orthogonal matrix, exact to rounding.

    Example:
        >>> representation((1, 1), (1, 0)).tolist()
        [[-1.0]]
    """
    images, product = list(permutation), np.eye(len(_tableaux(shape)))
    # Sorting by exchanges of neighbours, τ s_1 s_2 … = 1, spells τ out in generators.
    for end in range(len(images) - 1, 0, -1):
        for i in range(end):
            if images[i] > images[i + 1]:
                images[i], images[i + 1] = images[i + 1], images[i]
                product = _generator(shape, i) @ product
    return product


def _generator(shape: Partition, i: int) -> Float[np.ndarray, "f f"]:
    """The exchange of i and i + 1: 1/d on the diagonal, d the distance of the two diagonals."""
    tableaux = _tableaux(shape)
    matrix = np.zeros((len(tableaux), len(tableaux)))
    for place, rows in enumerate(tableaux):
        distance = _content(rows, i + 1) - _content(rows, i)
        matrix[place, place] = 1 / distance
        if abs(distance) > 1:
            exchanged = (*rows[:i], rows[i + 1], rows[i], *rows[i + 2 :])
            matrix[tableaux.index(exchanged), place] = math.sqrt(1 - 1 / distance**2)
    return matrix


@functools.lru_cache(maxsize=256)
def _tableaux(shape: Partition) -> list[tuple[int, ...]]:
    """Standard tableaux, each as the row of every number."""
    if not shape:
        return [()]
    corners = [
        i for i, part in enumerate(shape) if part > (shape[i + 1] if i + 1 < len(shape) else 0)
    ]
    smaller = {
        i: tuple(part - (j == i) for j, part in enumerate(shape) if part - (j == i) > 0)
        for i in corners
    }
    return [(*rows, i) for i in corners for rows in _tableaux(smaller[i])]


def _content(rows: tuple[int, ...], i: int) -> int:
    return rows[:i].count(rows[i]) - rows[i]


def _conjugate(shape: Partition) -> Partition:
    return tuple(sum(part > j for part in shape) for j in range(max(shape, default=0)))
