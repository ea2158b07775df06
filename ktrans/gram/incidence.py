"""Which samples hold which tuples of tokens: the index arrays of the linear-time product.

A sample of a group with w wildcards holds one set of p tokens for each choice of p wildcards (a
slot). Sets are numbered; the order in which the wildcards carry a sorted set says in which column
of the table of sets the sample stands. So one scatter and one gather per slot serve every group
and every matching of size p.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from ktrans.gram._ranking import Keys, fold, rank, repeated
from ktrans.patterns.matchings import count_matchings

MAX_MATCHINGS = 200_000
MAX_SLOTS = 64
_FEW_SETS = 0.1  # a sample
_FULL_SLOT = 0.5  # a slot with a larger share of repeated sets takes in all its samples


class Part(NamedTuple):
    """The samples of one slot (None: the first ones), and their places in the table of sets."""

    rows: Int[np.ndarray, "s"] | None
    column: Int[np.ndarray, "s"]
    set_number: Int[np.ndarray, "s"]
    slot: tuple[int, ...]


class Incidence(NamedTuple):
    """All samples that share sets of `size` tokens; the table has `num_sets` entries a column."""

    size: int
    num_sets: int
    columns: list[tuple[int, tuple[int, ...]]]
    parts: list[Part]

    def meetings(self, num_samples: int) -> Bool[np.ndarray, "q q"]:
        """Which columns hold a common set; all, unless sets are few against the samples."""
        count = len(self.columns)
        if self.size == 1 or self.num_sets > _FEW_SETS * num_samples:
            return np.ones((count, count), dtype=bool)
        held = np.zeros((self.num_sets, count), dtype=np.float32)
        for part in self.parts:
            held[part.set_number, part.column] = 1.0
        return held.T @ held > 0


def slots(width: int, size: int) -> list[tuple[int, ...]]:
    """Choices of wildcards, ordered so that those of a narrower template come first."""
    return sorted(itertools.combinations(range(width), size), key=lambda slot: slot[::-1])


def columns(widths: Int[np.ndarray, "g"], size: int) -> list[tuple[int, tuple[int, ...]]]:
    """The columns of a table: (group, wildcards in the order of their sorted tokens)."""
    return [
        (group, tuple(slot[i] for i in order))
        for group, width in enumerate(widths)
        for slot in slots(int(width), size)
        for order in itertools.permutations(range(size))
    ]


def find_incidences(
    group: Int[np.ndarray, "n"],
    widths: Int[np.ndarray, "g"],
    wildcards: Int[np.ndarray, "n w"],
    num_tokens: int,
) -> list[Incidence] | None:
    """The incidences of sets of 1, 2, … tokens up to the largest set that two samples share.

    None where the matchings of that size are too many to tabulate.
    """
    found: list[Incidence] = []
    for size in range(1, wildcards.shape[1] + 1):
        if math.comb(wildcards.shape[1], size) > MAX_SLOTS:
            return None
        incidence = find_incidence(group, widths, wildcards, num_tokens, size)
        if incidence is None:
            break
        if _num_matchings(widths, size) > MAX_MATCHINGS:
            return None
        found.append(incidence)
    return found


def _num_matchings(widths: Int[np.ndarray, "g"], max_size: int) -> int:
    kinds, counts = np.unique(widths, return_counts=True)
    pairs = itertools.product(zip(kinds, counts, strict=True), repeat=2)
    return sum(
        int(n1 * n2) * count_matchings(int(w1), int(w2), max_size) for (w1, n1), (w2, n2) in pairs
    )


def find_incidence(
    group: Int[np.ndarray, "n"],
    widths: Int[np.ndarray, "g"],
    wildcards: Int[np.ndarray, "n w"],
    num_tokens: int,
    size: int,
) -> Incidence | None:
    """The incidence of sets of `size` tokens, or None where no two samples share one.

    Samples are sorted by group and groups by falling width, so the samples of a slot are the
    first ones. Sets of one token are all kept: the single tokens carry the preconditioner.
    """
    chosen = slots(wildcards.shape[1], size)
    stops = [int(np.count_nonzero(widths[group] > max(slot))) for slot in chosen]
    ordered = [
        _sorted_sets(wildcards[:stop], slot) for slot, stop in zip(chosen, stops, strict=True)
    ]
    keys = fold(
        (np.concatenate([sets[0][:, place] for sets in ordered]).astype(np.int64), num_tokens)
        for place in range(size)
    )
    kept = np.ones(len(keys.values), dtype=bool) if size == 1 else _kept(keys, stops)
    if not kept.any():
        return None
    all_columns = columns(widths, size)
    offsets = _offsets(widths, size)
    numbers = rank(keys.values[kept], 0, keys.bound)
    set_number = np.zeros(len(kept), dtype=np.int32)
    set_number[kept] = numbers.inverse
    parts = []
    bounds = np.cumsum([0, *stops])
    for place, (slot, sets) in enumerate(zip(chosen, ordered, strict=True)):
        piece = slice(bounds[place], bounds[place + 1])
        column = offsets[group[: stops[place]]] + place * math.factorial(size) + sets[1]
        parts.append(_part(kept[piece], column, set_number[piece], slot))
    parts = [part for part in parts if len(part.set_number)]
    return Incidence(size, len(numbers.distinct), all_columns, parts)


def _sorted_sets(
    wildcards: Int[np.ndarray, "n w"], slot: tuple[int, ...]
) -> tuple[Int[np.ndarray, "n p"], np.ndarray | int]:
    """The tokens of a slot in rising order, and the number of the permutation that sorts them."""
    tokens = wildcards[:, slot]
    size = len(slot)
    if size == 1:
        return tokens, 0
    if size == 2:
        swapped = tokens[:, 0] > tokens[:, 1]
        return np.sort(tokens, axis=1), swapped.astype(np.int32)
    order = np.argsort(tokens, axis=1)
    code = order @ (size ** np.arange(size))
    number = np.zeros(size**size, dtype=np.int32)
    for place, permutation in enumerate(itertools.permutations(range(size))):
        number[np.dot(permutation, size ** np.arange(size))] = place
    return np.take_along_axis(tokens, order, axis=1), number[code]


def _kept(keys: Keys, stops: list[int]) -> np.ndarray:
    kept = repeated(keys)
    if not kept.any():
        return kept
    bounds = np.cumsum([0, *stops])
    for start, stop in itertools.pairwise(bounds):
        if stop > start and kept[start:stop].mean() > _FULL_SLOT:
            kept[start:stop] = True
    return kept


def _offsets(widths: Int[np.ndarray, "g"], size: int) -> Int[np.ndarray, "g"]:
    per_group = np.array([math.perm(int(width), size) for width in widths], dtype=np.int32)
    return np.cumsum(per_group, dtype=np.int32) - per_group


def _part(
    kept: np.ndarray, column: np.ndarray, set_number: np.ndarray, slot: tuple[int, ...]
) -> Part:
    if kept.all():
        return Part(None, column, set_number, slot)
    rows = np.flatnonzero(kept)
    return Part(rows.astype(np.int32), column[rows], set_number[rows], slot)
