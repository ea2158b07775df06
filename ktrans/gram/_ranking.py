"""Numbering of tuples of tokens: equal tuples get equal numbers, and the numbers are dense."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

_KEY_LIMIT = 1 << 62


class Ranks(NamedTuple):
    """The distinct values in rising order, and for each value its place among them."""

    distinct: Int[np.ndarray, "d"]
    inverse: Int[np.ndarray, "n"]


class Keys(NamedTuple):
    """One integer in [0, bound) for each row."""

    values: Int[np.ndarray, "n"]
    bound: int


def rank(values: Int[np.ndarray, "n"], low: int, high: int) -> Ranks:
    """Ranks of integers in [low, high): by a table where that is smaller than a sort."""
    if high - low > 4 * len(values) + (1 << 20):
        distinct, inverse = np.unique(values, return_inverse=True)
        return Ranks(distinct, inverse.astype(np.int32))
    present = np.zeros(high - low, dtype=bool)
    present[values - low] = True
    place = np.cumsum(present, dtype=np.int32)
    place -= 1
    return Ranks(np.flatnonzero(present) + low, place[values - low])


def rank_tokens(tokens: Int[np.ndarray, "n k"]) -> tuple[Ranks, Int[np.ndarray, "n k"]]:
    """The distinct tokens of an array, and the array with each token replaced by its place."""
    flat = tokens.reshape(-1)
    ranks = rank(flat, int(flat.min()), int(flat.max()) + 1)
    return ranks, ranks.inverse.reshape(tokens.shape)


def fold(columns: Iterable[tuple[Int[np.ndarray, "n"], int]]) -> Keys:
    """One key for each row of columns (values, bound), ordered as the rows are.

    The key is renumbered on the way where it would leave 63 bits.
    """
    key, bound = np.zeros(1, dtype=np.int64), 1
    for values, size in columns:
        if bound * size >= _KEY_LIMIT:
            ranks = rank(key, 0, bound)
            key, bound = ranks.inverse.astype(np.int64), len(ranks.distinct)
        key = key * size + values
        bound *= size
    return Keys(key, bound)


def repeated(keys: Keys) -> np.ndarray:
    """Which keys occur more than once."""
    ordered = np.sort(keys.values)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(twice) == 0:
        return np.zeros(len(ordered), dtype=bool)
    return _members(keys.values, twice)


def _members(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    # A table of the low 24 bits rules out nearly every value before the binary search.
    mask = (1 << 24) - 1
    candidate = np.zeros(mask + 1, dtype=bool)
    candidate[among & mask] = True
    found = candidate[values & mask]
    places = np.flatnonzero(found)
    position = np.minimum(np.searchsorted(among, values[places]), len(among) - 1)
    found[places] = among[position] == values[places]
    return found
