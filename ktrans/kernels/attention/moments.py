"""E[s_i t_j]: the moments of the softmax weights of two strings, by sum-product quadrature.

With s = smax(βu) and t = smax(βv) as in K_attn, K_attn(x, y) = Σ_ij (X Yᵀ + γ² I)_ij E[s_i t_j]. A
term that copies attended tokens into the logits needs the moments one by one. As in `exact`, for a
pair (τ, τ′) of Gumbel variables the expectation is a graphical model on the tokens whose edges are
the positions. A table carries one axis for which of its positions i is marked, f in place of F, or
none, and one for j; one elimination gives all moments.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.attention.quadrature import (
    Rule,
    quadrature_rule,
    rule_accuracies,
    two_rule_bound,
)
from ktrans.kernels.attention.quasi_monte_carlo import (
    Integrands,
    estimate_integrands,
    principal_axes,
)
from ktrans.kernels.attention.sum_product import elimination_order
from ktrans.kernels.base import STANDARD_ERRORS, Bounded

String = tuple[int, ...]
Pair = tuple[String, String]

_CHUNK_ENTRIES = 1 << 21  # table entries in flight
_LARGEST = 10.0  # F(c) and f(c) are 0 in float64 from c = 7 on
_MAX_COST = 2e10  # multiplications for one pair of strings, about a minute on two cores
_ROUNDING = 1e-15
_GIRTH = 2  # the finest grid of a token, good for every graph


def attention_moments(pairs: Sequence[Pair], attention: AttentionKernel) -> list[Bounded]:
    """E[s_i t_j] of each pair of strings, for all positions i of x and j of y.

    Args:
        pairs: Pairs (x, y) of strings of one length k, tokens any integers.
        attention: Its β < ∞, γ, `rtol` (here of each moment, relative to 1 + γ²) and `method`.

    Returns:
        For each pair certified values and bounds of shape (k, k), estimated where sampled.

    Example:
        >>> import ktrans as kt
        >>> attention = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-6)
        >>> (moments,) = attention_moments([((0, 1, 0), (2, 3, 3))], attention)
        >>> round(float(moments.value.sum()), 6)
        1.0
    """
    if attention.beta == 0:
        return [_uniform_moments(len(x)) for x, _ in pairs]
    exact = [pair for pair in pairs if _is_exact(pair, attention)]
    known = dict(zip(exact, _exact_moments(exact, attention), strict=True))
    return [known.get(pair) or _sampled_moments(pair, attention) for pair in pairs]


def _uniform_moments(k: int) -> Bounded:
    uniform = np.full((k, k), 1.0 / k**2)
    return Bounded(uniform, _ROUNDING * uniform, certified=True)


def _exact_moments(pairs: Sequence[Pair], attention: AttentionKernel) -> list[Bounded]:
    if not pairs:
        return []
    graphs = [_Graph(pair) for pair in pairs]
    fine, coarse = (
        _rule_moments(graphs, attention, accuracy) for accuracy in rule_accuracies(attention.rtol)
    )
    bound = two_rule_bound(fine.reshape(-1), coarse.reshape(-1), attention.gamma, attention.rtol)
    return [Bounded(*some, True) for some in zip(fine, bound.reshape(fine.shape), strict=True)]


def _sampled_moments(pair: Pair, attention: AttentionKernel) -> Bounded:
    k, gamma = len(pair[0]), attention.gamma
    own = np.concatenate(pair)
    covariance = (own[:, None] == own) + gamma**2 * np.tile(np.eye(k), (2, 2))
    axes = attention.beta * principal_axes(covariance[None].astype(float))
    integrands = Integrands(
        coupling=np.eye(k * k).reshape(-1, k, k),
        means=np.zeros((k * k, 2 * k)),
        axes=np.repeat(axes, k * k, axis=0),
    )
    precision = attention.rtol * (1 + gamma**2) / STANDARD_ERRORS
    found = estimate_integrands(integrands, precision, seed=0, max_points=1 << 15)
    bound = STANDARD_ERRORS * found.stderr.reshape(k, k)
    return Bounded(found.mean.reshape(k, k), bound, certified=False)


def _is_exact(pair: Pair, attention: AttentionKernel) -> bool:
    """Whether the method is to be exact, or elimination is not too dear."""
    if attention.method != "auto":
        return attention.method == "exact"
    k, width = len(pair[0]), _Graph(pair).width
    rule = _rule(attention, k, rule_accuracies(attention.rtol).fine)
    values = float(len(rule.tokens[_GIRTH].node))
    return 4 * k**2 * len(rule.weight) * values**width <= _MAX_COST


def _rule(attention: AttentionKernel, length: int, accuracy: float) -> Rule:
    return quadrature_rule(float(attention.beta), float(attention.gamma), length, accuracy)


def _rule_moments(
    graphs: Sequence["_Graph"], attention: AttentionKernel, accuracy: float
) -> Float[np.ndarray, "pairs k k"]:
    """The moments by one rule; what a position contributes is the same in all pairs of strings."""
    rule = _rule(attention, len(graphs[0].edges), accuracy)
    width = max(2, *(graph.width - 1 for graph in graphs))
    size = max(1, _CHUNK_ENTRIES // (4 * len(rule.tokens[_GIRTH].node) ** width))
    total = 0.0
    for start in range(0, len(rule.weight), size):
        chunk = slice(start, start + size)
        tables = _tables(rule, attention, chunk)
        total += np.array([graph.moments(tables) @ rule.weight[chunk] for graph in graphs])
    return np.asarray(total)


class _Tables(NamedTuple):
    """What a token weighs, and E_p[F F′] with its marks for two tokens and for a loop."""

    token: Float[np.ndarray, "values"]
    edge: Float[np.ndarray, "source target z values values"]
    loop: Float[np.ndarray, "source target z values"]


def _tables(rule: Rule, attention: AttentionKernel, chunk: slice) -> _Tables:
    token, position = rule.tokens[_GIRTH], rule.position
    logits = attention.beta * (token.node[:, None] + attention.gamma * position.node)
    first, second = (_race(tau[chunk], logits) for tau in (rule.tau1, rule.tau2))
    first = first * position.weight
    edge = first[:, None] @ np.swapaxes(second[None], -1, -2)
    return _Tables(token.weight, edge, np.sum(first[:, None] * second[None], axis=-1))


class Factor(NamedTuple):
    """A function of the values of some tokens, for each choice of marks.

    Axes of the table: none or one of `places` marked in x, the same in y, (τ, τ′), and the values
    of each of the tokens `nodes`, in their order.
    """

    nodes: tuple[int, ...]
    places: tuple[int, ...]
    table: Float[np.ndarray, "source target z *values"]


class _Graph:
    """The tokens of a pair of strings, joined by the positions."""

    def __init__(self, pair: Pair) -> None:
        x, y = pair
        names = {token: node for node, token in enumerate(dict.fromkeys(x + y))}
        self.edges = tuple((names[a], names[b]) for a, b in zip(x, y, strict=True))
        self._order, self.width = elimination_order(self.edges)

    def moments(self, tables: _Tables) -> Float[np.ndarray, "k k z"]:
        """E[f F …] with i marked in x and j in y, for each (τ, τ′)."""
        factors = [Factor((node,), (), tables.token[None, None, None]) for node in self._order]
        factors += [self._position(place, tables) for place in range(len(self.edges))]
        for node in self._order:
            touching = [factor for factor in factors if node in factor.nodes]
            factors = [factor for factor in factors if node not in factor.nodes]
            factors.append(_eliminated(touching, node))
        total = functools.reduce(_product, factors)
        by_place = 1 + np.argsort(total.places)
        return total.table[np.ix_(by_place, by_place)]

    def _position(self, place: int, tables: _Tables) -> Factor:
        a, b = self.edges[place]
        if a == b:
            return Factor((a,), (place,), tables.loop)
        table = tables.edge if a < b else np.swapaxes(tables.edge, 3, 4)
        return Factor((min(a, b), max(a, b)), (place,), table)


def _race(
    tau: Float[np.ndarray, "z"], logits: Float[np.ndarray, "values nodes"]
) -> Float[np.ndarray, "marked z values nodes"]:
    """F(c) = exp(−e^c) and f(c) = e^c exp(−e^c) at c = τ + β(ω + γp)."""
    growth = np.exp(np.minimum(tau[:, None, None] + logits, _LARGEST))
    return np.stack([np.exp(-growth), growth * np.exp(-growth)])


def _eliminated(factors: Sequence[Factor], node: int) -> Factor:
    """The product of the factors that hold `node`, summed over its values."""
    waiting = sorted(factors, key=lambda factor: len(factor.nodes))
    while len(waiting) > 2:  # smallest first, so that only the last product is large
        first, second, *rest = waiting
        waiting = sorted([_product(first, second), *rest], key=lambda some: len(some.nodes))
    return _contracted(waiting[0], waiting[1], node)


def _product(first: Factor, second: Factor) -> Factor:
    nodes = tuple(sorted({*first.nodes, *second.nodes}))
    one, other = (_spread(factor, nodes) for factor in (first, second))
    return _marked(first, second, nodes, one[:, :, None, None] * other)


def _contracted(first: Factor, second: Factor, node: int) -> Factor:
    """The product of two factors summed over `node`, as a product of matrices."""
    both = [n for n in first.nodes if n in second.nodes and n != node]
    left = [n for n in first.nodes if n not in second.nodes]
    right = [n for n in second.nodes if n not in first.nodes]
    count = first.table.shape[-1]
    one, other = _ordered(first, [*both, *left, node]), _ordered(second, [*both, node, *right])
    shared = count ** len(both)
    one = one.reshape(*one.shape[:3], shared, count ** len(left), count)
    other = other.reshape(*other.shape[:3], shared, count, count ** len(right))
    product = one[:, :, None, None] @ other
    kept = [*both, *left, *right]
    table = product.reshape(*product.shape[:5], *[count] * len(kept))
    nodes = tuple(sorted(kept))
    return _marked(
        first, second, nodes, table.transpose(*range(5), *(5 + kept.index(n) for n in nodes))
    )


def _marked(first: Factor, second: Factor, nodes: tuple[int, ...], table: np.ndarray) -> Factor:
    """Of all pairs of marks (axes of `first`, then of `second`) those with at most one each."""
    one, other = len(first.places), len(second.places)
    of_first = np.concatenate([np.arange(one + 1), np.zeros(other, int)])
    of_second = np.concatenate([np.zeros(one + 1, int), 1 + np.arange(other)])
    source, target = np.ix_(range(len(of_first)), range(len(of_first)))
    kept = table[of_first[source], of_first[target], of_second[source], of_second[target]]
    return Factor(nodes, first.places + second.places, kept)


def _spread(factor: Factor, nodes: tuple[int, ...]) -> np.ndarray:
    """The table with axes of length 1 for the nodes it does not hold."""
    return np.expand_dims(
        factor.table, [3 + i for i, node in enumerate(nodes) if node not in factor.nodes]
    )


def _ordered(factor: Factor, nodes: Sequence[int]) -> np.ndarray:
    return factor.table.transpose(0, 1, 2, *(3 + factor.nodes.index(node) for node in nodes))
