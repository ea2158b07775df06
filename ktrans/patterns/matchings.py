"""Partial matchings between two samples' wildcards, and their Möbius transform."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from ktrans._checks import as_int

Matching = tuple[tuple[int, int], ...]


def partial_matchings(wildcards1: Any, wildcards2: Any, max_size: Any = None) -> list[Matching]:
    """All sets of pairs (a, b) that use each wildcard of either side at most once.

    There are Σ_j C(w, j) C(w′, j) j! of them: 7 for two wildcards on each side, 34 for three.

    Args:
        wildcards1: Number w of wildcards of the first template.
        wildcards2: Number w′ of wildcards of the second.
        max_size: Leave out matchings of more pairs than this.

    Returns:
        The matchings, smaller ones first, each sorted by its first wildcard.

    Example:
        >>> partial_matchings(1, 2)
        [(), ((0, 0),), ((0, 1),)]
    """
    largest = _largest(wildcards1, wildcards2, max_size)
    return [
        tuple(zip(first, second, strict=True))
        for size in range(largest + 1)
        for first in itertools.combinations(range(wildcards1), size)
        for second in itertools.permutations(range(wildcards2), size)
    ]


def count_matchings(wildcards1: Any, wildcards2: Any, max_size: Any = None) -> int:
    """Σ_j C(w, j) C(w′, j) j!, the length of `partial_matchings` without making the list.

    Example:
        >>> count_matchings(3, 3)
        34
    """
    return sum(
        math.comb(wildcards1, size) * math.perm(wildcards2, size)
        for size in range(_largest(wildcards1, wildcards2, max_size) + 1)
    )


def submatchings(matching: Matching) -> list[Matching]:
    """All subsets of a matching, the empty one and itself among them."""
    return [
        subset
        for size in range(len(matching) + 1)
        for subset in itertools.combinations(matching, size)
    ]


def moebius_transform(values: Mapping[Matching, float]) -> dict[Matching, float]:
    """The coefficients c(P) = Σ_{Q ⊆ P} (−1)^{|P∖Q|} κ(Q), so that κ(M) = Σ_{P ⊆ M} c(P).

    Args:
        values: κ on a set of matchings that holds every subset of its members.

    Returns:
        c on the same matchings, exact to rounding.

    Example:
        >>> moebius_transform({(): 1.0, ((0, 0),): 3.0})
        {(): 1.0, ((0, 0),): 2.0}
    """
    return {
        matching: math.fsum(
            (-1) ** (len(matching) - len(subset)) * values[subset]
            for subset in submatchings(matching)
        )
        for matching in values
    }


def _largest(wildcards1: Any, wildcards2: Any, max_size: Any) -> int:
    largest = min(as_int("wildcards1", wildcards1, 0), as_int("wildcards2", wildcards2, 0))
    return largest if max_size is None else min(largest, as_int("max_size", max_size, 0))
