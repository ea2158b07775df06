"""Pair classes: which positions of two strings carry equal tokens."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from ktrans._checks import as_array

Tokens = Int[np.ndarray, "n k"]
Group = tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_ _"]]  # rows of one pattern, their tokens

_TABLE_SIZE = 1 << 22  # codes below this are looked up in a table, larger ones are sorted
_BLOCK_ENTRIES = 1 << 24  # pairs classified at a time
_JOINT_BLOCK = 1 << 18  # the same, where their joint patterns are written out
_LARGEST_CODE = 1 << 62
_FEW_PAIRS = 64  # in a pair of groups: joint patterns are then found faster


class PairClasses(NamedTuple):
    """The class of each pair of strings, and one pair of strings for each class."""

    index: Int[np.ndarray, "n1 n2"]
    tokens1: Int[np.ndarray, "c k"]
    tokens2: Int[np.ndarray, "c k"]


def as_tokens(tokens: ArrayLike, name: str = "tokens") -> Tokens:
    """The strings as an integer array of shape (n, k), or one sentence about what is wrong."""
    array = as_array(name, tokens)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"`{name}` must be an integer array of token ids; got dtype {array.dtype}. "
            "Convert it with .astype(int) if its values are whole numbers."
        )
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"`{name}` must have shape (number of strings, string length); got {array.shape}."
        )
    return array


def equality_pattern(tokens: Int[np.ndarray, "n k"]) -> Int[np.ndarray, "n k"]:
    """Each string with its tokens renamed 0, 1, 2, … in order of first appearance."""
    number = np.int8 if tokens.shape[1] < 128 else np.int32
    pattern, count = np.zeros(tokens.shape, dtype=number), np.zeros(len(tokens), dtype=number)
    for position in range(tokens.shape[1]):
        pattern[:, position] = count
        for earlier in range(position):
            same = tokens[:, position] == tokens[:, earlier]
            pattern[same, position] = pattern[same, earlier]
        count += pattern[:, position] == count
    return pattern


def pattern_groups(
    tokens: Int[np.ndarray, "n k"],
) -> Iterator[Group]:
    """For each equality pattern, the rows that have it and their distinct tokens, in order."""
    pattern = equality_pattern(tokens)
    distinct, inverse = np.unique(pattern, axis=0, return_inverse=True)
    for group, shape in enumerate(distinct):
        rows = np.flatnonzero(inverse.reshape(-1) == group)
        _, first = np.unique(shape, return_index=True)
        yield rows, tokens[rows][:, first]


def pair_classes(tokens1: Int[np.ndarray, "n1 k"], tokens2: Int[np.ndarray, "n2 k"]) -> PairClasses:
    """The classes of all pairs of strings.

    A class here is finer than a kernel needs: strings are not renumbered by position. A kernel
    with more symmetry than renaming of tokens recognises its equal classes itself.
    """
    groups1, groups2 = list(pattern_groups(tokens1)), list(pattern_groups(tokens2))
    few = len(tokens1) * len(tokens2) < _FEW_PAIRS * len(groups1) * len(groups2)
    if few or _most_codes(groups1, groups2) > _LARGEST_CODE:
        return _joint_classes(tokens1, tokens2)
    index = np.zeros((len(tokens1), len(tokens2)), dtype=np.int32)
    pairs: list[np.ndarray] = []
    count = 0
    for rows1, distinct1 in groups1:
        for rows2, distinct2 in groups2:
            block = max(1, _BLOCK_ENTRIES // len(rows2))
            known: dict[int, int] = {}
            for start in range(0, len(rows1), block):
                rows = rows1[start : start + block]
                codes, span = _matching_codes(distinct1[start : start + block], distinct2)
                present, inverse, where = _unique(codes, span)
                labels = np.empty(len(present), dtype=np.int32)
                for position, code in enumerate(present.tolist()):
                    if code not in known:
                        known[code] = count
                        count += 1
                        i, j = divmod(int(where[position]), len(rows2))
                        pairs.append(np.stack([tokens1[rows[i]], tokens2[rows2[j]]]))
                    labels[position] = known[code]
                index[np.ix_(rows, rows2)] = labels[inverse].reshape(codes.shape)
    stacked = np.stack(pairs) if pairs else np.zeros((0, 2, tokens1.shape[1]), tokens1.dtype)
    return PairClasses(index, stacked[:, 0], stacked[:, 1])


def _joint_classes(
    tokens1: Int[np.ndarray, "n1 k"], tokens2: Int[np.ndarray, "n2 k"]
) -> PairClasses:
    """The same by the patterns of pairs put end to end, for strings of many patterns."""
    index = np.zeros(len(tokens1) * len(tokens2), dtype=np.int32)
    known: dict[bytes, int] = {}
    first: list[int] = []
    for start in range(0, len(index), _JOINT_BLOCK):
        pair = np.arange(start, min(start + _JOINT_BLOCK, len(index)))
        i, j = np.divmod(pair, len(tokens2))
        pattern = equality_pattern(np.hstack([tokens1[i], tokens2[j]]))
        rows = pattern.view(f"V{pattern.strides[0]}").reshape(-1)
        present, where, inverse = np.unique(rows, return_index=True, return_inverse=True)
        keys, count = present.tolist(), len(known)
        labels = np.array([known.setdefault(key, len(known)) for key in keys])
        first += pair[where[labels >= count]].tolist()
        index[pair] = labels[inverse]
    i, j = np.divmod(np.array(first, dtype=int), max(len(tokens2), 1))
    return PairClasses(index.reshape(len(tokens1), len(tokens2)), tokens1[i], tokens2[j])


def _most_codes(groups1: list[Group], groups2: list[Group]) -> int:
    """How many codes `_matching_codes` may use for one of these pairs of groups."""
    most1, most2 = (max((d.shape[1] for _, d in some), default=0) for some in (groups1, groups2))
    return (most2 + 1) ** most1


def _matching_codes(
    distinct1: Int[np.ndarray, "g1 w1"], distinct2: Int[np.ndarray, "g2 w2"]
) -> tuple[Int[np.ndarray, "g1 g2"], int]:
    """A number for which distinct token of the one string equals which of the other."""
    codes = np.zeros((len(distinct1), len(distinct2)), dtype=np.int64)
    base, span = distinct2.shape[1] + 1, 1
    for column1 in distinct1.T:
        codes *= base
        span *= base
        for b, column2 in enumerate(distinct2.T):
            codes += (b + 1) * (column1[:, None] == column2[None, :])
    return codes, span


def _unique(codes: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct codes, the position of each entry's code among them, and one entry for each."""
    flat = codes.reshape(-1)
    if span > min(_TABLE_SIZE, 16 * flat.size):
        present, where, inverse = np.unique(flat, return_index=True, return_inverse=True)
        return present, inverse, where
    entry = np.full(span, -1, dtype=np.int64)
    entry[flat] = np.arange(flat.size)
    present = np.flatnonzero(entry >= 0)
    rank = np.zeros(span, dtype=np.int32)
    rank[present] = np.arange(len(present))
    return present, rank[flat], entry[present]
