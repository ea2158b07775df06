"""E[smax(u_q)ᵀ (X Yᵀ + γ² I) smax(v_q′)] by sum-product quadrature, with a bound on its error.

As in `exact`, softmax is a Gumbel race, s_i = ∫ f(τ + u_i) Π_{l≠i} F(τ + u_l) dτ, and for fixed
(τ, τ′) the expectation is a graphical model. What a and the queries change:

* The logits u_l = μ_l + β′(ω[x_l] + γ p_l) have means μ = a (X Xᵀ + γ² I) e_q, β′ = β√(1 + γ²).
* Each string has Gaussians of its own, those of y correlated by r = (X Yᵀ + γ² I)_qq′/(1 + γ²) with
  those of x. A variable is a token *of one string*; position l joins x_l and y_l through
  E[F(c + β′γp) F(c′ + β′γp′)], and a token in both strings joins its two variables by the Gaussian
  weight. r = 1 identifies the two variables, r = 0 cuts all edges.

The sum over the marked positions (i, j), f in place of F, is a batch of such models.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ktrans.kernels.attention.modified_pairs import (
    QueryPair,
    Setting,
    correlation,
    coupling,
    logit_means,
)
from ktrans.kernels.attention.quadrature import (
    gaussian_radius,
    gaussian_step,
    quadrature_rule,
    rule_accuracies,
    two_rule_bound,
)
from ktrans.kernels.attention.sum_product import elimination_order
from ktrans.kernels.base import Bounded

_CHUNK_ENTRIES = 1 << 21  # table entries in flight
_LARGEST = 10.0  # F(c) and f(c) are 0 in float64 from c = 7 on

Nodes = tuple[int, ...]


class Rule(NamedTuple):
    """Nodes and weights for one correlation r.

    The pair z of Gumbel variables is (tau[first[z]], tau[second[z]]). `token_pair` and
    `position_pair` are the weights of two variables of correlation r on the square of their nodes.
    """

    tau: Float[np.ndarray, "taus"]
    first: Int[np.ndarray, "z"]
    second: Int[np.ndarray, "z"]
    weight: Float[np.ndarray, "z"]
    token: Float[np.ndarray, "values"]
    token_pair: Float[np.ndarray, "values values"]
    position: Float[np.ndarray, "nodes"]
    position_pair: Float[np.ndarray, "nodes nodes"]


class Factor(NamedTuple):
    """A table with axes: marked pair, (τ, τ′), then one for each of its nodes, in their order."""

    nodes: Nodes
    table: Float[np.ndarray, "marks z *values"]


def exact_values(pairs: Sequence[QueryPair], setting: Setting, rtol: float) -> Bounded:
    """The value of each pair of queries with a bound on its error.

    Args:
        pairs: Pairs of queries.
        setting: 0 < β < ∞, γ ≥ 0, any finite a.
        rtol: Target for the bound, relative to 1 + γ².

    Returns:
        Certified values and bounds, shape (number of pairs,).
    """
    fine, coarse = (
        np.array([rule_value(pair, setting, accuracy) for pair in pairs])
        for accuracy in rule_accuracies(rtol)
    )
    return Bounded(fine, two_rule_bound(fine, coarse, setting.gamma, rtol))


def cost(pair: QueryPair, setting: Setting, rtol: float) -> float:
    """An estimate of the multiplications that `exact_values` needs for one pair."""
    rule = _rule(setting, len(pair.x), correlation(pair, setting.gamma), rule_accuracies(rtol).fine)
    model = _Model(pair, setting, rule)
    return len(model.marks) * len(rule.weight) * float(len(rule.token)) ** model.width


def rule_value(pair: QueryPair, setting: Setting, accuracy: float) -> float:
    """The value of one pair of queries by the rule that aims at this accuracy."""
    rule = _rule(setting, len(pair.x), correlation(pair, setting.gamma), accuracy)
    model = _Model(pair, setting, rule)
    if len(model.marks) == 0:  # γ = 0 and no token in both strings
        return 0.0
    # Variables are summed out in products of matrices: one axis fewer, but for position tables.
    values = len(rule.token) ** min(model.width, max(2, model.width - 1))
    size = max(1, _CHUNK_ENTRIES // (len(model.marks) * values))
    starts = range(0, len(rule.weight), size)
    return float(sum(model.integral(slice(start, start + size)) for start in starts))


class _Model:
    """The graphical model of a pair of queries.

    Attributes:
        marks: The pairs (i, j) with (X Yᵀ + γ² I)_ij > 0.
        width: The largest number of variables that one step of elimination joins.
    """

    def __init__(self, pair: QueryPair, setting: Setting, rule: Rule) -> None:
        self._rule, self._setting = rule, setting
        self._r = correlation(pair, setting.gamma)
        weights = coupling(pair, setting.gamma)
        self.marks = np.argwhere(weights > 0)
        self._mark_weights = weights[weights > 0]
        self._source, self._target, self._shared = _variables(pair, self._r)
        self._means = logit_means(pair, setting)
        self._order, self.width = elimination_order(self._edges())

    def integral(self, chunk: slice) -> float:
        """The part of the value that some pairs (τ, τ′) hold."""
        factors = [*self._node_factors(), *self._position_factors(chunk)]
        for node in self._order:
            touching = [factor for factor in factors if node in factor.nodes]
            factors = [factor for factor in factors if node not in factor.nodes]
            factors.append(_eliminated(touching, node))
        total = functools.reduce(_product, factors).table
        return float(self._mark_weights @ total @ self._rule.weight[chunk])

    def _edges(self) -> tuple[tuple[int, int], ...]:
        nodes = ((node, node) for node in {*self._source, *self._target})
        if self._r == 0:
            return tuple(nodes)
        return (*nodes, *self._shared, *zip(self._source, self._target, strict=True))

    def _node_factors(self) -> Iterable[Factor]:
        """The Gaussian weights of the variables, alone or two of one token."""
        paired = {node for two in self._shared for node in two}
        for two in self._shared:
            yield Factor(two, self._rule.token_pair[None, None])
        for node in {*self._source, *self._target} - paired:
            yield Factor((node,), self._rule.token_pair.sum(axis=1)[None, None])

    def _position_factors(self, chunk: slice) -> Iterable[Factor]:
        first, second = self._rule.first[chunk], self._rule.second[chunk]
        known: dict[tuple[float, float, bool], np.ndarray] = {}
        for place, (node1, node2) in enumerate(zip(self._source, self._target, strict=True)):
            is_source, is_target = (self.marks == place).astype(int).T
            means = (self._means[0][place], self._means[1][place])
            if self._r == 0:
                yield Factor((node1,), self._alone(means[0])[is_source][:, first])
                yield Factor((node2,), self._alone(means[1])[is_target][:, second])
                continue
            kind = (*means, node1 == node2)
            if kind not in known:
                known[kind] = self._joint(*kind, first, second)
            table = known[kind][is_source, is_target]
            ordered = table if node1 <= node2 else np.swapaxes(table, 2, 3)
            yield Factor(tuple(sorted({node1, node2})), ordered)

    def _alone(self, mean: float) -> Float[np.ndarray, "marked taus values"]:
        """E_p[F] and E_p[f] at the nodes of τ and of a token."""
        return self._race(mean) @ self._rule.position_pair.sum(axis=1)

    def _joint(
        self, mean1: float, mean2: float, is_loop: bool, first: np.ndarray, second: np.ndarray
    ) -> Float[np.ndarray, "marked marked z *values"]:
        """E[F F′] of a position with its marks; of one variable where its two tokens are one."""
        left = (self._race(mean1) @ self._rule.position_pair)[:, None, first]
        right = self._race(mean2)[None, :, second]
        return np.sum(left * right, axis=-1) if is_loop else left @ np.swapaxes(right, -1, -2)

    def _race(self, mean: float) -> Float[np.ndarray, "marked taus values nodes"]:
        """F(c) = exp(−e^c) and f(c) = e^c exp(−e^c) at c = τ + μ + β′(ω + γp)."""
        logit = self._rule.token[:, None] + self._setting.gamma * self._rule.position
        c = self._rule.tau[:, None, None] + mean + self._setting.temperature * logit
        growth = np.exp(np.minimum(c, _LARGEST))
        return np.stack([np.exp(-growth), growth * np.exp(-growth)])


def _variables(pair: QueryPair, r: float) -> tuple[Nodes, Nodes, list[tuple[int, int]]]:
    """The variable of each position of x, of each of y, and the two of each token in both."""
    if r == 1:
        names = {token: node for node, token in enumerate(dict.fromkeys(pair.x + pair.y))}
        return tuple(names[t] for t in pair.x), tuple(names[t] for t in pair.y), []
    first = {token: node for node, token in enumerate(dict.fromkeys(pair.x))}
    second = {token: len(first) + node for node, token in enumerate(dict.fromkeys(pair.y))}
    shared = [(first[t], second[t]) for t in first if t in second and r > 0]
    return tuple(first[t] for t in pair.x), tuple(second[t] for t in pair.y), shared


def _eliminated(factors: list[Factor], node: int) -> Factor:
    """The product of the factors that hold `node`, summed over its values."""
    waiting = sorted(factors, key=lambda factor: len(factor.nodes))
    while len(waiting) > 2:  # smallest first, so that only the last product is large
        first, second, *rest = waiting
        waiting = sorted([_product(first, second), *rest], key=lambda some: len(some.nodes))
    if len(waiting) == 1:
        (only,) = waiting
        kept = tuple(other for other in only.nodes if other != node)
        return Factor(kept, only.table.sum(axis=2 + only.nodes.index(node)))
    return _contracted(waiting[0], waiting[1], node)


def _product(first: Factor, second: Factor) -> Factor:
    nodes = tuple(sorted({*first.nodes, *second.nodes}))
    return Factor(nodes, _spread(first, nodes) * _spread(second, nodes))


def _spread(factor: Factor, nodes: Nodes) -> np.ndarray:
    """The table with axes of length 1 for the nodes it does not hold."""
    missing = [2 + place for place, node in enumerate(nodes) if node not in factor.nodes]
    return np.expand_dims(factor.table, missing)


def _contracted(first: Factor, second: Factor, node: int) -> Factor:
    """The product of two factors summed over `node`, as a product of matrices."""
    both = [n for n in first.nodes if n in second.nodes and n != node]
    left = [n for n in first.nodes if n not in second.nodes]
    right = [n for n in second.nodes if n not in first.nodes]
    count = first.table.shape[-1]
    one = _ordered(first, [*both, *left, node])
    other = _ordered(second, [*both, node, *right])
    one = one.reshape(*one.shape[:2], count ** len(both), count ** len(left), count)
    other = other.reshape(*other.shape[:2], count ** len(both), count, count ** len(right))
    product = one @ other
    nodes = (*both, *left, *right)
    joined = Factor(nodes, product.reshape(*product.shape[:2], *[count] * len(nodes)))
    return Factor(tuple(sorted(nodes)), _ordered(joined, sorted(nodes)))


def _ordered(factor: Factor, nodes: Sequence[int]) -> np.ndarray:
    return factor.table.transpose(0, 1, *(2 + factor.nodes.index(node) for node in nodes))


@functools.lru_cache(maxsize=64)
def _rule(setting: Setting, length: int, r: float, accuracy: float) -> Rule:
    """The nodes of τ are those of K_attn; tokens and positions have uniform grids."""
    digits, beta = np.log(1 / accuracy), setting.temperature
    gumbel = quadrature_rule(beta, setting.gamma, length, accuracy)
    tau, place = np.unique([gumbel.tau1, gumbel.tau2], return_inverse=True)
    first, second = place.reshape(2, -1)
    # The frequencies of `quadrature`, the largest that any pair of strings asks for.
    alone = (digits + 2) / np.pi
    token = _uniform_nodes(alone * beta, r, digits)
    resolved = 2 * np.pi / (tau[-1] - tau[-2])  # by the grid of τ, where it is not bent
    position = _uniform_nodes(max(alone, 2 * resolved) * beta * setting.gamma, r, digits)
    pairs = (_pair_weights(nodes, r) for nodes in (token, position))
    token_pair, position_pair = pairs
    return Rule(tau, first, second, gumbel.weight, token, token_pair, position, position_pair)


def _uniform_nodes(frequency: float, r: float, digits: float) -> Float[np.ndarray, "values"]:
    """A grid for two standard normal variables of correlation r.

    Fine enough for the frequency and for the narrow direction ω − ω′ of the Gaussian, of variance
    2 − 2r.
    """
    if frequency == 0:
        return np.zeros(1)
    narrow = np.sqrt(2 - 2 * r) if 0.5 < r < 1 else 1.0
    radius = gaussian_radius(digits)
    half = int(np.ceil(radius / (narrow * gaussian_step(frequency, digits))))
    return radius / half * np.arange(-half, half + 1)


def _pair_weights(
    node: Float[np.ndarray, "values"], r: float
) -> Float[np.ndarray, "values values"]:
    if r == 1:
        weight = np.diag(np.exp(-(node**2) / 2))
    else:
        square = node[:, None] ** 2 + node**2 - 2 * r * node[:, None] * node
        weight = np.exp(-square / (2 * (1 - r**2)))
    return weight / weight.sum()
