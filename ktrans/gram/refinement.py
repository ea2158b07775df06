"""Samples grouped by refined template: regular tokens stay, every other token is a wildcard.

A wildcard that takes the value of a regular token of another template counts as regular in that
sample, so within a pair of groups the kernel depends on the matching of their wildcards alone.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from ktrans.gram._ranking import fold, rank, rank_tokens

_SMALLEST_INFORMATIVE_GROUP = 8  # a token constant over fewer strings may be so by chance


class Refinement(NamedTuple):
    """Strings by refined template, templates with many wildcards first.

    `codes` describes the templates: a regular token by its id >= 0, the j-th wildcard as -1 - j.
    `wildcards` holds the tokens of each string's wildcards, 0 where it has fewer. Ids are places in
    the sorted alphabet of `num_tokens` tokens that occur.
    """

    group: Int[np.ndarray, "n"]
    codes: Int[np.ndarray, "g k"]
    wildcards: Int[np.ndarray, "n w"]
    num_tokens: int

    @property
    def widths(self) -> Int[np.ndarray, "g"]:
        """Number of wildcards of each template."""
        return np.maximum(-self.codes.min(axis=1, initial=0), 0)


def refine(tokens: Int[np.ndarray, "n k"], regular: Int[np.ndarray, "m"]) -> Refinement:
    """Group strings by refined template, for a set of regular token ids."""
    ranks, ids = rank_tokens(tokens)
    is_regular = np.isin(ranks.distinct, regular)
    symbols = _symbols(ids, is_regular)
    shift = int(symbols.min())
    bound = int(symbols.max()) - shift + 1
    keys = fold((column.astype(np.int64) - shift, bound) for column in symbols.T)
    groups = rank(keys.values, 0, keys.bound)
    first = np.empty(len(groups.distinct), dtype=np.int64)
    first[groups.inverse[::-1]] = np.arange(len(tokens) - 1, -1, -1)
    return _widest_first(groups.inverse, symbols[first], ids, len(ranks.distinct))


def infer_regular_tokens(tokens: Int[np.ndarray, "n k"]) -> Int[np.ndarray, "m"]:
    """Tokens that hold a position in every string of one equality pattern."""
    patterns = refine(tokens, np.zeros(0, dtype=np.int64))
    ranks, _ = rank_tokens(tokens)
    order = np.argsort(patterns.group, kind="stable")
    sizes = np.bincount(patterns.group)
    starts = np.cumsum(sizes) - sizes
    lowest = np.minimum.reduceat(patterns.wildcards[order], starts)
    highest = np.maximum.reduceat(patterns.wildcards[order], starts)
    used = np.arange(lowest.shape[1]) < patterns.widths[:, None]
    large = (sizes >= _SMALLEST_INFORMATIVE_GROUP)[:, None]
    return ranks.distinct[np.unique(lowest[(lowest == highest) & used & large])]


def _symbols(ids: Int[np.ndarray, "n k"], is_regular: np.ndarray) -> Int[np.ndarray, "n k"]:
    symbols = np.empty(ids.shape, dtype=np.int32)
    regular = is_regular[ids]
    count = np.zeros(len(ids), dtype=np.int32)
    for position in range(ids.shape[1]):
        column = -1 - count
        for earlier in range(position):
            np.copyto(column, symbols[:, earlier], where=ids[:, position] == ids[:, earlier])
        np.copyto(column, ids[:, position], where=regular[:, position])
        count += column == -1 - count
        symbols[:, position] = column
    return symbols


def _widest_first(
    group: np.ndarray, codes: np.ndarray, ids: np.ndarray, num_tokens: int
) -> Refinement:
    widths = np.maximum(-codes.min(axis=1), 0)
    order = np.argsort(-widths, kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    group, codes, widths = place[group], codes[order], widths[order]
    wildcards = np.zeros((len(ids), int(widths.max(initial=0))), dtype=np.int32)
    for wildcard in range(wildcards.shape[1]):
        position = np.argmax(codes == -1 - wildcard, axis=1)[group]
        column = np.take_along_axis(ids, position[:, None], axis=1)[:, 0]
        wildcards[:, wildcard] = np.where(widths[group] > wildcard, column, 0)
    return Refinement(group, codes, wildcards, num_tokens)
