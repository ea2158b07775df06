"""Variable elimination on the multigraph of a pair of strings, with the two softmax marks.

K_attn sums over pairs of positions (i, j) whose edges meet at a token: the source of edge i (the
softmax weight s_i of x) and the target of edge j (the weight t_j of y) are *marked*, f in place of
F. A table carries, besides its plain product, everything needed to complete a pair of marks later:

    plain       no mark                         pair        both marks, at one token
    source[v]   a source mark waiting at v      target[v]   a target mark waiting at v

so one elimination gives the sum over all (i, j) at once. Missing entries are zeros.
"""

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ktrans.kernels.attention.multigraph import Edges, nodes_of

_LETTERS = "abcdefghijklmnopqrstuvwxy"
_SHARED_KEY = 120  # products of few factors: what parallel positions make


class Table(NamedTuple):
    """A function of the values of some tokens; axes: batch "z", then one for each of its tokens."""

    plain: Array
    pair: Array | None
    source: dict[str, Array]
    target: dict[str, Array]


class MarkedTables(NamedTuple):
    """E_p[F F′] of one position, with the marks f F′, F f′ and f f′."""

    plain: Array
    source: Array
    target: Array
    pair: Array


class PositionTables(NamedTuple):
    """What a position contributes.

    `edge` has axes batch, value of x_i, value of y_i, its `pair` weighted by γ². `loop`, for
    x_i = y_i, has axes batch and that one value, its `pair` weighted by 1 + γ².
    """

    edge: MarkedTables
    loop: MarkedTables

    @property
    def shape(self) -> tuple[int, ...]:
        """Batch and number of values of a token."""
        return self.loop.plain.shape


class HalfTables(NamedTuple):
    """At γ = 0 a position joins nothing: F for its source, F′ for its target, with their marks."""

    source: Table
    target: Table

    @property
    def shape(self) -> tuple[int, ...]:
        """Batch and number of values of a token."""
        return self.source.plain.shape


Tables = PositionTables | HalfTables


class Factor(NamedTuple):
    """A table, the tokens its axes stand for, and how it was made (equal for equal tables)."""

    nodes: tuple[int, ...]
    key: Hashable
    table: Table


class Elimination:
    """Eliminations that share a batch: what several components have in common is made once.

    Args:
        weights: Quadrature weights of the values of one token.
        tables: What a position contributes.
    """

    def __init__(self, weights: Float[Array, "values"], tables: Tables) -> None:
        self._tables = tables
        self._weights = jnp.broadcast_to(weights, tables.shape)
        self._known: dict[Hashable, Table] = {}

    def sums(
        self, edges: Edges, order: Sequence[int]
    ) -> tuple[Float[Array, "batch"], Float[Array, "batch"]]:
        """E[Π F F′] and Σ_(i,j) E[marked Π] of one connected component, for each batch entry.

        Args:
            edges: The component's positions as pairs of tokens.
            order: The order in which its tokens are eliminated.
        """
        factors = [factor for edge in edges for factor in self._edge(edge)]
        factors += [self._node(node) for node in nodes_of(edges)]
        for node in order:
            touching = [factor for factor in factors if node in factor.nodes]
            rest = [factor for factor in factors if node not in factor.nodes]
            factors = [*rest, self._eliminate(node, touching)]
        result = functools.reduce(self._product, factors)  # one, unless positions join nothing
        zero = jnp.zeros_like(result.table.plain)
        return result.table.plain, zero if result.table.pair is None else result.table.pair

    def _node(self, node: int) -> Factor:
        return Factor((node,), "ω", Table(self._weights, None, {}, {}))

    def _edge(self, edge: tuple[int, int]) -> list[Factor]:
        """The tables of one position, its tokens in increasing order."""
        a, b = edge
        if isinstance(self._tables, HalfTables):
            source, target = self._tables
            return [Factor((a,), "x", source), Factor((b,), "y", target)]
        if a == b:
            return [Factor((a,), "loop", _marked(self._tables.loop, "a", "a"))]
        position = self._tables.edge
        if a < b:
            return [Factor((a, b), "x→y", _marked(position, "a", "b"))]
        table = self._remember("y→x", lambda: _turned(position))
        return [Factor((b, a), "y→x", table)]

    def _eliminate(self, node: int, touching: list[Factor]) -> Factor:
        """Multiply the factors that hold `node` and sum over its values."""
        touching = self._merge_equal(touching)
        while len(touching) > 2:  # smallest first, so that only the last product is large
            first, second, *rest = sorted(touching, key=lambda factor: len(factor.nodes))
            touching = self._merge_equal([self._product(first, second), *rest])
        if len(touching) == 1:
            return self._sum_out(touching[0], node)
        return self._product(touching[0], touching[1], drop=node)

    def _merge_equal(self, factors: list[Factor]) -> list[Factor]:
        """Multiply together the factors on the same tokens."""
        merged: dict[tuple[int, ...], Factor] = {}
        for factor in sorted(factors, key=lambda factor: repr(factor.key)):
            known = merged.get(factor.nodes)
            merged[factor.nodes] = factor if known is None else self._product(known, factor)
        return list(merged.values())

    def _product(self, first: Factor, second: Factor, drop: int | None = None) -> Factor:
        """The product of two factors, summed over `drop`."""
        joint = sorted({*first.nodes, *second.nodes})
        letter = {node: _LETTERS[position] for position, node in enumerate(joint)}
        left, right = ("".join(letter[node] for node in f.nodes) for f in (first, second))
        kept = tuple(node for node in joint if node != drop)
        out = "".join(letter[node] for node in kept)
        key = (first.key, left, second.key, right, out)

        def make() -> Table:
            one, two = _spread(first.table, left), _spread(second.table, right)
            return _gather(_multiply(one, two, left, right, out), out)

        return Factor(kept, key, self._remember(key, make))

    def _sum_out(self, factor: Factor, node: int) -> Factor:
        axis = factor.nodes.index(node)
        kept = tuple(other for other in factor.nodes if other != node)
        letters = _LETTERS[: len(factor.nodes)].replace(_LETTERS[axis], "")
        marks = ({m: t for m, t in some.items() if m in letters} for some in factor.table[2:])
        table = _sum(Table(factor.table.plain, factor.table.pair, *marks), axis + 1)
        return Factor(kept, (factor.key, axis), _gather(table, letters))

    def _remember(self, key: Hashable, make: Callable[[], Table]) -> Table:
        """The table of this key; what joins three positions or more is large and rarely shared."""
        if key in self._known:
            return self._known[key]
        table = make()
        if table.plain.ndim <= 2 or len(str(key)) < _SHARED_KEY:
            self._known[key] = table
        return table


def elimination_order(edges: Edges) -> tuple[tuple[int, ...], int]:
    """A greedy elimination order and the largest number of tokens that one step joins."""
    links = {node: set[int]() for node in nodes_of(edges)}
    for a, b in edges:
        links[a].add(b)
        links[b].add(a)
    for node in links:
        links[node].discard(node)
    order, width = [], 1
    while links:
        node = min(links, key=lambda v: (len(links[v]), _fill(links, v), v))
        around = links.pop(node)
        width = max(width, len(around) + 1)
        for other in around:
            links[other] = (links[other] | around) - {node, other}
        order.append(node)
    return tuple(order), width


def _fill(links: dict[int, set[int]], node: int) -> int:
    around = links[node]
    return sum(len(around - links[other]) - 1 for other in around)


@jax.jit
def _turned(position: MarkedTables) -> Table:
    """The table of a position whose target token comes first."""
    return _marked(MarkedTables(*(jnp.swapaxes(array, 1, 2) for array in position)), "b", "a")


def _marked(position: MarkedTables, x: str, y: str) -> Table:
    return Table(position.plain, position.pair, {x: position.source}, {y: position.target})


def _spread(table: Table, letters: str) -> Table:
    """Marks named by axis (a, b, …) renamed by the letters of a product."""
    rename = dict(zip(_LETTERS, letters, strict=False))
    source, target = ({rename[m]: t for m, t in some.items()} for some in table[2:])
    return Table(table.plain, table.pair, source, target)


def _gather(table: Table, letters: str) -> Table:
    """The opposite of `_spread`."""
    rename = dict(zip(letters, _LETTERS, strict=False))
    source, target = ({rename[m]: t for m, t in some.items()} for some in table[2:])
    return Table(table.plain, table.pair, source, target)


@functools.partial(jax.jit, static_argnames="axis")
def _sum(table: Table, axis: int) -> Table:
    return jax.tree.map(lambda array: jnp.sum(array, axis), table)


@functools.partial(jax.jit, static_argnames=("left", "right", "out"))
def _multiply(first: Table, second: Table, left: str, right: str, out: str) -> Table:
    """The product rule: a pair is completed where one side's source meets the other's target."""
    spec = f"z{left},z{right}->z{out}"
    product = functools.partial(_contract, spec)
    pair = [product(first.pair, second.plain), product(first.plain, second.pair)]
    for mark in set(left) & set(right):
        pair += [
            product(first.source.get(mark), second.target.get(mark)),
            product(first.target.get(mark), second.source.get(mark)),
        ]
    waiting = (
        {
            mark: total
            for mark in out
            if (
                total := _total(
                    [product(one.get(mark), second.plain), product(first.plain, other.get(mark))]
                )
            )
            is not None
        }
        for one, other in zip(first[2:], second[2:], strict=True)
    )
    plain = jnp.einsum(spec, first.plain, second.plain, precision=jax.lax.Precision.HIGHEST)
    return Table(plain, _total(pair), *waiting)


def _contract(spec: str, first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return None
    return jnp.einsum(spec, first, second, precision=jax.lax.Precision.HIGHEST)


def _total(terms: list[Array | None]) -> Array | None:
    present = [term for term in terms if term is not None]
    return functools.reduce(jnp.add, present) if present else None
