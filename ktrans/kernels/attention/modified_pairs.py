"""Two strings with a query position in each: what modified attention has a value for."""

import functools
import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import softmax

from ktrans.kernels.attention.multigraph import Edges, canonical_form


class Setting(NamedTuple):
    """β, γ and a."""

    beta: float
    gamma: float
    a: float

    @property
    def temperature(self) -> float:
        """β′ = β√(1 + γ²), the β of K_attn for one query."""
        return self.beta * math.sqrt(1 + self.gamma**2)


class QueryPair(NamedTuple):
    """The pair of queries (q, q′): position `query1` of the string x, `query2` of y."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    query1: int
    query2: int

    @property
    def reverse(self) -> "QueryPair":
        """The pair (y, x), with the same value."""
        return QueryPair(self.y, self.x, self.query2, self.query1)


def coupling(pair: QueryPair, gamma: float) -> Float[np.ndarray, "k k"]:
    """X Yᵀ + γ² I."""
    return _equal(pair.x, pair.y) + gamma**2 * np.eye(len(pair.x))


def correlation(pair: QueryPair, gamma: float) -> float:
    """(X Yᵀ + γ² I)_qq′/(1 + γ²), how far the two queries see the same Gaussians."""
    if (pair.x[pair.query1], pair.query1) == (pair.y[pair.query2], pair.query2):
        return 1.0
    return float(coupling(pair, gamma)[pair.query1, pair.query2] / (1 + gamma**2))


def logit_means(
    pair: QueryPair, setting: Setting
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    """a (X Xᵀ + γ² I) e_q and a (Y Yᵀ + γ² I) e_q′, less their maxima, which no softmax sees."""
    return _means(pair.x, pair.query1, setting), _means(pair.y, pair.query2, setting)


def deterministic_value(pair: QueryPair, setting: Setting) -> float:
    """smax(a (X Xᵀ + γ² I) e_q)ᵀ (X Yᵀ + γ² I) smax(a (Y Yᵀ + γ² I) e_q′), the value at β = 0."""
    s, t = map(softmax, logit_means(pair, setting))
    return float(s @ coupling(pair, setting.gamma) @ t)


def query_key(pair: QueryPair, setting: Setting) -> Hashable:
    """Equal for pairs that differ by names of tokens, order of positions, or which string is first.

    At a = 0 the queries matter only by their correlation.
    """
    names: dict[int, int] = {}
    x, y = (tuple(names.setdefault(t, len(names)) for t in s) for s in (pair.x, pair.y))
    marks = (pair.query1, pair.query2) if setting.a else (-1, -1)
    return correlation(pair, setting.gamma), _canonical(x, y, *marks)


def is_symmetric_pair(pair: QueryPair, setting: Setting) -> bool:
    """Whether the two strings can be swapped, with their queries."""
    marks = (pair.query1, pair.query2) if setting.a else (-1, -1)
    forward = canonical_form(_drawing(pair.x, pair.y, *marks))
    return forward == canonical_form(_drawing(pair.y, pair.x, *marks[::-1]))


@functools.lru_cache(maxsize=1 << 16)
def _canonical(x: tuple[int, ...], y: tuple[int, ...], query1: int, query2: int) -> Edges:
    forward, backward = _drawing(x, y, query1, query2), _drawing(y, x, query2, query1)
    return min(canonical_form(forward), canonical_form(backward))


def _drawing(x: tuple[int, ...], y: tuple[int, ...], query1: int, query2: int) -> Edges:
    """Every position as a node between its two tokens; its number of loops tells the queries."""
    edges = []
    for i, (one, other) in enumerate(zip(x, y, strict=True)):
        place = -1 - i
        loops = 1 + (i == query1) + 2 * (i == query2)
        edges += [(one, place), (place, other), *[(place, place)] * loops]
    return tuple(edges)


def _means(string: tuple[int, ...], query: int, setting: Setting) -> Float[np.ndarray, "k"]:
    equal, own = _equal(string, string)[query].astype(float), np.eye(len(string))[query]
    most = np.argmax(setting.a * (equal + setting.gamma**2 * own))
    # Two differences of one sign: nothing cancels, whatever the size of γ.
    return setting.a * ((equal - equal[most]) + setting.gamma**2 * (own - own[most]))


def _equal(x: tuple[int, ...], y: tuple[int, ...]) -> Bool[np.ndarray, "k k"]:
    return np.array(x)[:, None] == np.array(y)[None, :]
