"""K_attn by sum-product quadrature, with a bound on the error of every value.

Softmax is a Gumbel race, s_i = ∫ f(τ + βu_i) Π_{a≠i} F(τ + βu_a) dτ with F(c) = exp(−e^c) and
f = −F′. For fixed (τ, τ′) the expectation over the token variables ω is a graphical model on the
tokens whose edges are the positions; `sum_product` eliminates them one by one.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ktrans._numerics import in_float64, is_traced, to_host
from ktrans.kernels.attention.multigraph import Edges, PairGraph, directed_girth
from ktrans.kernels.attention.quadrature import (
    Nodes,
    Rule,
    padded,
    quadrature_rule,
    rule_accuracies,
    two_rule_bound,
)
from ktrans.kernels.attention.sum_product import (
    Elimination,
    HalfTables,
    MarkedTables,
    PositionTables,
    Table,
    Tables,
    elimination_order,
)
from ktrans.kernels.base import Bounded

Scalar = Float[Array, ""] | float

_CHUNK_ENTRIES = 1 << 19  # table entries in flight: larger chunks fall out of the cache


@in_float64
def exact_values(
    graphs: Sequence[PairGraph],
    beta: Scalar,
    gamma: Scalar,
    rtol: float,
) -> Bounded:
    """K_attn of each class with a bound on its error.

    Args:
        graphs: Pair classes.
        beta: Inverse temperature, 0 < β < ∞.
        gamma: Strength of the positional embedding, γ ≥ 0.
        rtol: Target for the bound, relative to 1 + γ².

    Returns:
        Certified values and bounds, shape (number of graphs,).
    """
    size = (float(jax.lax.stop_gradient(beta)), float(jax.lax.stop_gradient(gamma)))
    fine, coarse = (
        quadrature_rule(*size, string_length(graphs), accuracy)
        for accuracy in rule_accuracies(rtol)
    )
    values = rule_values(graphs, beta, gamma, fine)
    if is_traced(values):
        return Bounded(values, np.full(values.shape, np.nan))
    check = rule_values(graphs, beta, gamma, _match(coarse, fine))
    return Bounded(values, two_rule_bound(values, check, size[1], rtol))


def cost(graphs: Sequence[PairGraph], beta: float, gamma: float, rtol: float) -> float:
    """An estimate of the multiplications that `exact_values` needs."""
    rule = quadrature_rule(beta, gamma, string_length(graphs), rule_accuracies(rtol).fine)
    parts = {component.edges for graph in graphs for component in graph}
    return sum(10.0 * len(rule.weight) * _table_entries(edges, rule) for edges in parts)


def _table_entries(edges: Edges, rule: Rule) -> int:
    """Combinations of token values in the dearest step of a component's elimination."""
    values = len(rule.tokens[directed_girth(edges)].node)
    return values ** (1 if _joins_nothing(rule) else elimination_order(edges)[1])


def rule_values(
    graphs: Sequence[PairGraph],
    beta: Scalar,
    gamma: Scalar,
    rule: Rule,
) -> Any:
    """K_attn of each class by one rule, shape (number of graphs,)."""
    components = sorted({component.edges for graph in graphs for component in graph})
    integrals = _component_integrals(components, beta, gamma, rule)
    sums = dict(zip(components, integrals, strict=True))

    def value(graph: PairGraph) -> Any:
        parts = [(sums[part.edges], part.reversed_) for part in graph]
        turned = [Sums(*(s[rule.swapped] for s in part)) if turn else part for part, turn in parts]
        return rule.weight @ _pair_sum(turned)

    return to_host(jnp.stack([value(graph) for graph in graphs]))


def string_length(graphs: Sequence[PairGraph]) -> int:
    """The largest number of positions among the classes."""
    return max(sum(len(part.edges) for part in graph) for graph in graphs)


def _pair_sum(parts: list["Sums"]) -> Any:
    """Both marks in one component, all others plain."""
    plain, pair = parts[0]
    for part in parts[1:]:
        plain, pair = plain * part.plain, pair * part.plain + plain * part.pair
    return pair


class Sums(NamedTuple):
    """A component's sums without marks and over all pairs of marks, for each (τ, τ′)."""

    plain: Any
    pair: Any


def _component_integrals(
    components: list[Edges], beta: Scalar, gamma: Scalar, rule: Rule
) -> list[Sums]:
    """The sums of every component at all nodes (τ, τ′), in chunks that stay in the cache."""
    orders = [elimination_order(edges) for edges in components]
    kinds = [
        _kind(edges, width, rule) for edges, (_, width) in zip(components, orders, strict=True)
    ]
    results: dict[int, Sums] = {}
    for kind in sorted(set(kinds)):
        members = [i for i, some in enumerate(kinds) if some == kind]
        token = rule.tokens[kind.girth]
        chunks = []
        for tables in _chunks(beta, gamma, rule, token.node, kind.rank):
            elimination = Elimination(jnp.asarray(token.weight), tables)
            chunks.append([Sums(*elimination.sums(components[i], orders[i][0])) for i in members])
        for i, parts in zip(members, zip(*chunks, strict=True), strict=True):
            results[i] = _joined(parts, len(rule.weight))
    return [results[i] for i in range(len(components))]


class _Kind(NamedTuple):
    """Which nodes a component needs, and the number of token axes of its largest table."""

    girth: int
    rank: int


def _kind(edges: Edges, width: int, rule: Rule) -> _Kind:
    if _joins_nothing(rule):
        return _Kind(2, 1)
    return _Kind(directed_girth(edges), max(width - 1, 2))


def _joins_nothing(rule: Rule) -> bool:
    """Whether γ = 0: no position variable, so that the two tokens of a position are independent."""
    return len(rule.position.node) == 1


def _joined(parts: Sequence[Sums], length: int) -> Sums:
    """The chunks put together; on the host, unless they are traced."""
    return Sums(*(to_host(jnp.concatenate(some)[:length]) for some in zip(*parts, strict=True)))


def _chunks(
    beta: Scalar, gamma: Scalar, rule: Rule, omega: Float[np.ndarray, "values"], rank: int
) -> Iterator[Tables]:
    """What a position contributes, for successive chunks of (τ, τ′)."""
    whole = 1 << (len(rule.weight) - 1).bit_length()
    size = max(1, min(_CHUNK_ENTRIES // len(omega) ** rank, whole))
    spare = -len(rule.weight) % size
    tau1, tau2 = (np.pad(tau, (0, spare)) for tau in (rule.tau1, rule.tau2))
    contribute = _contribution(beta, gamma, rule, omega)
    for start in range(0, len(tau1), size):
        yield contribute(tau1[start : start + size], tau2[start : start + size])


def _contribution(
    beta: Scalar, gamma: Scalar, rule: Rule, omega: Float[np.ndarray, "values"]
) -> Callable[[np.ndarray, np.ndarray], Tables]:
    """The way to the tables of a chunk of (τ, τ′)."""
    if _joins_nothing(rule):
        return lambda tau1, tau2: _half_tables(tau1, tau2, omega, beta)
    if rule.lattice == 0 or is_traced(beta, gamma):
        position = rule.position
        return lambda tau1, tau2: _position_tables(tau1, tau2, omega, position, beta, gamma)

    def place(values: np.ndarray) -> np.ndarray:
        return np.rint(values / rule.lattice).astype(int)

    shifts = place(float(beta) * omega)
    first = place(rule.tau1).min() + shifts.min()
    count = place(rule.tau1).max() + shifts.max() - first + 1
    c = rule.lattice * np.arange(first, first + count)
    table = _lattice_tables(c, rule.position, beta, gamma)
    return lambda tau1, tau2: _windows(
        table, place(tau1) - first, place(tau2) - first, shifts, gamma
    )


@jax.jit
def _lattice_tables(
    c: Float[Array, "c"], position: Nodes, beta: Scalar, gamma: Scalar
) -> MarkedTables:
    """E_p[F(c + βγp) F(c′ + βγp)] and its marked versions at all pairs (c, c′) of the lattice."""
    race = _race(c[:, None] + beta * gamma * position.node)
    edge = functools.partial(jnp.einsum, "cp,dp,p->cd", precision=jax.lax.Precision.HIGHEST)
    return _marked_tables(edge, race, race, position.weight, gamma**2)


@jax.jit
def _windows(
    table: MarkedTables,
    row: Int[Array, "z"],
    column: Int[Array, "z"],
    shifts: Int[Array, "values"],
    gamma: Scalar,
) -> PositionTables:
    """The part of the lattice that each (τ, τ′) sees."""
    rows, columns = row[:, None] + shifts, column[:, None] + shifts
    edge = MarkedTables(*(some[rows[:, :, None], columns[:, None, :]] for some in table))
    loop = MarkedTables(*(some[rows, columns] for some in table))
    meets = (1 + gamma**2) / gamma**2  # a loop's pair, where the edge's is weighted by γ²
    return PositionTables(edge, loop._replace(pair=meets * loop.pair))


@jax.jit
def _position_tables(
    tau1: Float[Array, "z"],
    tau2: Float[Array, "z"],
    omega: Float[Array, "values"],
    position: Nodes,
    beta: Scalar,
    gamma: Scalar,
) -> PositionTables:
    """E_p[F F′] and its marked versions, for a position that joins two tokens and for a loop."""
    shift = beta * omega[:, None] + beta * gamma * position.node
    first, second = _race(tau1[:, None, None] + shift), _race(tau2[:, None, None] + shift)
    edge = functools.partial(jnp.einsum, "zap,zbp,p->zab", precision=jax.lax.Precision.HIGHEST)
    loop = functools.partial(jnp.einsum, "zap,zap,p->za", precision=jax.lax.Precision.HIGHEST)
    return PositionTables(
        _marked_tables(edge, first, second, position.weight, gamma**2),
        _marked_tables(loop, first, second, position.weight, 1 + gamma**2),
    )


def _marked_tables(
    join: Callable[..., Array],
    first: "_Race",
    second: "_Race",
    p: Array | np.ndarray,
    meets: Scalar,
) -> MarkedTables:
    return MarkedTables(
        join(first.plain, second.plain, p),
        join(first.marked, second.plain, p),
        join(first.plain, second.marked, p),
        meets * join(first.marked, second.marked, p),
    )


@jax.jit
def _half_tables(
    tau1: Float[Array, "z"], tau2: Float[Array, "z"], omega: Float[Array, "values"], beta: Scalar
) -> HalfTables:
    first, second = (_race(tau[:, None] + beta * omega) for tau in (tau1, tau2))
    return HalfTables(
        Table(first.plain, None, {"a": first.marked}, {}),
        Table(second.plain, None, {}, {"a": second.marked}),
    )


class _Race(NamedTuple):
    plain: Array
    marked: Array


def _race(c: Array) -> _Race:
    """F(c) = exp(−e^c) and f(c) = e^c exp(−e^c)."""
    return _Race(jnp.exp(-jnp.exp(c)), jnp.exp(c - jnp.exp(c)))


def _match(coarse: Rule, fine: Rule) -> Rule:
    """The coarse rule in the shapes of the fine one, so that nothing is compiled again."""
    return coarse._replace(
        tokens={g: padded(nodes, len(fine.tokens[g].node)) for g, nodes in coarse.tokens.items()},
        position=padded(coarse.position, len(fine.position.node)),
    )
