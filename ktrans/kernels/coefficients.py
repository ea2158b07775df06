"""Values of a kernel on matchings of wildcards, and their Möbius coefficients as matrices."""

import dataclasses
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.patterns.classes import equality_pattern, pair_classes
from ktrans.patterns.matchings import (
    Matching,
    moebius_transform,
    partial_matchings,
    submatchings,
)

_ROUGH = 1e-4

Pattern = tuple[int, ...]
Meeting = tuple[int, int, Matching]  # two refined templates and a matching of their wildcards


class PairValues:
    """Kernel values by the equality pattern of a pair of strings, each evaluated once."""

    def __init__(self, kernel: TokenSymmetricKernel):
        self.kernel = kernel
        self.certified = True
        self._known: dict[Pattern, tuple[float, float]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PairValues) and eqx.tree_equal(self.kernel, other.kernel) is True

    def __hash__(self) -> int:
        return hash(type(self.kernel))

    def __call__(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> Float[np.ndarray, "c"]:
        """K(x_c, y_c) for each row c, all new patterns in one call of the kernel."""
        return self.bounded(tokens1, tokens2).value

    def bounded(self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]) -> Bounded:
        """The same with a bound on each value, certified if all that is known here is."""
        patterns = _pair_patterns(tokens1, tokens2)
        self._evaluate(sorted(set(patterns) - self._known.keys()), tokens1.shape[1])
        found = np.array([self._known[pattern] for pattern in patterns], dtype=np.float64)
        value, bound = found.reshape(-1, 2).T
        return Bounded(value, bound, self.certified)

    def _evaluate(self, missing: list[Pattern], length: int) -> None:
        if not missing:
            return
        rows = np.array(missing, dtype=np.int64)
        found = self.kernel.evaluate_pairs(rows[:, :length], rows[:, length:])
        pairs = zip(np.asarray(found.value).tolist(), np.asarray(found.bound).tolist(), strict=True)
        self._known.update(zip(missing, pairs, strict=True))
        self.certified = self.certified and found.certified

    @cached_property
    def rough(self) -> "PairValues":
        """Values of the kernel at a low accuracy, if it can be chosen."""
        if getattr(self.kernel, "rtol", _ROUGH) >= _ROUGH:
            return self
        kernel: Any = self.kernel
        return PairValues(dataclasses.replace(kernel, rtol=_ROUGH))

    def matrix(
        self, tokens1: Int[np.ndarray, "n1 k"], tokens2: Int[np.ndarray, "n2 k"]
    ) -> Float[np.ndarray, "n1 n2"]:
        """K(x_i, y_j) for all pairs of strings."""
        if len(tokens1) == 0 or len(tokens2) == 0:
            return np.zeros((len(tokens1), len(tokens2)))
        classes = pair_classes(tokens1, tokens2)
        return self(classes.tokens1, classes.tokens2)[classes.index]


class Coefficients:
    """c_uv(P) for all pairs of refined templates and all matchings of up to `max_size` pairs.

    Args:
        values: The kernel's values.
        codes: The refined templates.
        max_size: The most pairs of a matching.
        shown: The matchings that some pair of samples shows; the values of others, which no entry
            of the matrix needs, are rough. They are there since solvers on the tables converge fast
            where the coefficients of all matchings together are positive semi-definite. All
            matchings are shown if omitted.
    """

    def __init__(
        self,
        values: PairValues,
        codes: Int[np.ndarray, "g k"],
        max_size: int,
        shown: Collection[Meeting] | None = None,
    ):
        self._tables = _moebius_tables(values, codes, max_size, shown)
        self.self_values = _self_values(values, codes)

    def __call__(self, group1: int, group2: int, matching: Matching) -> float:
        """c for one matching; groups in either order."""
        if group1 > group2:
            return self(group2, group1, tuple((b, a) for a, b in matching))
        return self._tables[group1, group2][tuple(sorted(matching))]

    def matrix(self, columns: Sequence[tuple[int, tuple[int, ...]]]) -> Float[np.ndarray, "q q"]:
        """C[(u, a), (v, b)] = c_uv({(a₁, b₁), …, (a_p, b_p)}), symmetric."""
        upper = [
            [
                self(u, v, tuple(zip(a, b, strict=True))) if i <= j else 0.0
                for j, (v, b) in enumerate(columns)
            ]
            for i, (u, a) in enumerate(columns)
        ]
        half = np.array(upper).reshape(len(columns), len(columns))
        return half + np.triu(half, 1).T


def meetings(
    columns: Sequence[tuple[int, tuple[int, ...]]], meet: Bool[np.ndarray, "q q"]
) -> set[Meeting]:
    """The matchings of pairs of columns that meet, with all that are part of them."""
    found: set[Meeting] = set()
    for i, j in np.argwhere(np.triu(meet | meet.T)):
        (u, a), (v, b) = sorted((columns[i], columns[j]), key=lambda column: column[0])
        whole = tuple(sorted(zip(a, b, strict=True)))
        found.update((u, v, part) for part in submatchings(whole))
    return found


def wildcard_count(codes: Int[np.ndarray, "k"]) -> int:
    """Number of wildcards of a coded template."""
    return max(-int(codes.min()), 0)


def instantiate(
    codes: Int[np.ndarray, "k"], wildcards: Int[np.ndarray, "w"]
) -> Int[np.ndarray, "k"]:
    """The string of a coded template whose j-th wildcard is the j-th of the given tokens."""
    string = codes.astype(np.int64)
    for wildcard, token in enumerate(wildcards):
        string[codes == -1 - wildcard] = token
    return string


def _moebius_tables(
    values: PairValues, codes: np.ndarray, max_size: int, shown: Collection[Meeting] | None
) -> dict[tuple[int, int], dict[Matching, float]]:
    keys: list[tuple[int, int, Matching]] = []
    strings: list[tuple[np.ndarray, np.ndarray]] = []
    for u, v in zip(*np.triu_indices(len(codes)), strict=True):
        widths = wildcard_count(codes[u]), wildcard_count(codes[v])
        for matching in partial_matchings(*widths, max_size):
            keys.append((int(u), int(v), matching))
            strings.append(matched_strings(codes[u], codes[v], matching))
    first, second = (np.stack(side) for side in zip(*strings, strict=True))
    is_shown = np.array([shown is None or not key[2] or key in shown for key in keys])
    found = np.empty(len(keys))
    found[is_shown] = values(first[is_shown], second[is_shown])
    if not is_shown.all():
        found[~is_shown] = values.rough(first[~is_shown], second[~is_shown])
    tables: dict[tuple[int, int], dict[Matching, float]] = {}
    for (u, v, matching), value in zip(keys, found.tolist(), strict=True):
        tables.setdefault((u, v), {})[matching] = value
    return {pair: moebius_transform(table) for pair, table in tables.items()}


def matched_strings(
    codes1: np.ndarray, codes2: np.ndarray, matching: Matching
) -> tuple[np.ndarray, np.ndarray]:
    """Two strings of coded templates whose wildcards share tokens as the matching says."""
    fresh = int(max(codes1.max(), codes2.max(), -1)) + 1
    width = wildcard_count(codes1)
    tokens1 = fresh + np.arange(width)
    tokens2 = fresh + width + np.arange(wildcard_count(codes2))
    for a, b in matching:
        tokens2[b] = tokens1[a]
    return instantiate(codes1, tokens1), instantiate(codes2, tokens2)


def _self_values(values: PairValues, codes: np.ndarray) -> Float[np.ndarray, "g"]:
    strings = np.stack(
        [
            instantiate(row, int(row.max(initial=-1)) + 1 + np.arange(wildcard_count(row)))
            for row in codes
        ]
    )
    return values(strings, strings)


def _pair_patterns(tokens1: np.ndarray, tokens2: np.ndarray) -> list[Pattern]:
    """A name for each pair that renaming of tokens and exchange of the strings leave alone."""
    forward = equality_pattern(np.concatenate([tokens1, tokens2], axis=1)).tolist()
    backward = equality_pattern(np.concatenate([tokens2, tokens1], axis=1)).tolist()
    return [min(tuple(a), tuple(b)) for a, b in zip(forward, backward, strict=True)]
