"""K^{qq′} of pairs of queries, from what is known or by the method that each takes."""

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from ktrans.kernels.attention.exact import MAX_COST, query_cost, query_values
from ktrans.kernels.attention.modified_pairs import (
    QueryPair,
    Setting,
    deterministic_value,
    query_key,
)
from ktrans.kernels.attention.modified_sampling import quasi_monte_carlo_values
from ktrans.kernels.base import STANDARD_ERRORS, Bounded
from ktrans.kernels.memo import Row, recall

_ROUNDING = 1e-15

Tokens = Int[np.ndarray, "c k"]


class Evaluation(NamedTuple):
    """What values are computed for and how: β, γ and a, the target for the bound, the method."""

    setting: Setting
    rtol: float
    method: str

    def values(self, rows: list[list[QueryPair]]) -> Bounded:
        """K^{qq′} of pairs of queries in rows of equal length, of shape (rows, length).

        Each class of pairs of queries is evaluated once, and remembered.
        """
        pairs = [pair for row in rows for pair in row]
        keys = [query_key(pair, self.setting) for pair in pairs]
        known = recall(self, dict(zip(keys, pairs, strict=True)), self._compute)
        found = np.array([known[key][:2] for key in keys]).reshape(len(rows), -1, 2)
        return Bounded(found[..., 0], found[..., 1], all(known[key].certified for key in keys))

    def keys(self, row: list[QueryPair]) -> list[Hashable]:
        """The class of each pair of queries."""
        return [query_key(pair, self.setting) for pair in row]

    def _compute(self, pairs: list[QueryPair]) -> list[Row]:
        """The row of each pair, each by the method it takes."""
        if self.setting.beta == 0:
            return [self._deterministic_row(pair) for pair in pairs]
        exact = [pair for pair in pairs if self._is_exact(pair)]
        found = query_values(exact, self.setting, self.rtol)
        rows = zip(found.value.tolist(), found.bound.tolist(), strict=True)
        known = {pair: Row(*row, found.certified) for pair, row in zip(exact, rows, strict=True)}
        return [known.get(pair) or self._sampled_row(pair) for pair in pairs]

    def _deterministic_row(self, pair: QueryPair) -> Row:
        scale = 1 + self.setting.gamma**2
        return Row(deterministic_value(pair, self.setting), _ROUNDING * scale, True)

    def _sampled_row(self, pair: QueryPair) -> Row:
        precision = self.rtol * (1 + self.setting.gamma**2) / STANDARD_ERRORS
        some = quasi_monte_carlo_values([pair], self.setting, precision)
        return Row(float(some.mean[0]), float(STANDARD_ERRORS * some.stderr[0]), False)

    def _is_exact(self, pair: QueryPair) -> bool:
        if self.method != "auto":
            return self.method == "exact"
        return query_cost(pair, self.setting, self.rtol) <= MAX_COST


def query_pairs(readout: str, tokens1: Tokens, tokens2: Tokens) -> list[list[QueryPair]]:
    """The pairs of queries that a read-out needs, for each row."""
    last = tokens1.shape[1] - 1
    queries = {
        "cls": [(last, last)],
        "pooled": [(q, p) for q in range(last + 1) for p in range(last + 1)],
        "per-position": [(q, q) for q in range(last + 1)],
    }[readout]
    strings = [list(map(tuple, tokens.tolist())) for tokens in (tokens1, tokens2)]
    return [[QueryPair(x, y, *some) for some in queries] for x, y in zip(*strings, strict=True)]
