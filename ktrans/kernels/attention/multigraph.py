"""A pair of strings as a directed multigraph: an edge x_i → y_i for each position i.

K_attn(x, y) depends on the pair only through the isomorphism class of this graph, up to reversing
all edges at once (renaming tokens, permuting positions, swapping the strings).
"""

import functools
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

Edge = tuple[int, int]
Edges = tuple[Edge, ...]


class Component(NamedTuple):
    """A connected component in canonical form; `reversed_` where x and y had to be swapped."""

    edges: Edges
    reversed_: bool

    @property
    def flipped(self) -> "Component":
        """The same component of the pair (y, x)."""
        symmetric = canonical_form(reverse(self.edges)) == self.edges
        return self if symmetric else self._replace(reversed_=not self.reversed_)


PairGraph = tuple[Component, ...]


def pair_graph(x: Sequence[Hashable], y: Sequence[Hashable]) -> PairGraph:
    """The canonical class of the pair (x, y), equal for isomorphic pairs only."""
    return _pair_graph(_rename(zip(x, y, strict=True)))


@functools.lru_cache(maxsize=1 << 16)
def _pair_graph(edges: Edges) -> PairGraph:
    components = [_orient(part) for part in connected_components(edges)]
    flipped = sorted(component.flipped for component in components)
    return tuple(min(sorted(components), flipped))


def pair_strings(graph: PairGraph) -> tuple[list[int], list[int]]:
    """A pair of strings of this class."""
    x: list[int] = []
    y: list[int] = []
    for edges, swapped in graph:
        first = max([-1, *x, *y]) + 1  # components share no token
        for a, b in reverse(edges) if swapped else edges:
            x.append(first + a)
            y.append(first + b)
    return x, y


def nodes_of(edges: Iterable[Edge]) -> list[int]:
    """The tokens of the graph, in increasing order."""
    return sorted({node for edge in edges for node in edge})


def reverse(edges: Edges) -> Edges:
    """The graph of the swapped pair (y, x)."""
    return tuple((b, a) for a, b in edges)


def connected_components(edges: Edges) -> list[Edges]:
    """The edges of each connected component (of the graph without directions)."""
    parts: list[tuple[set[int], list[Edge]]] = []
    for edge in edges:
        touching = [part for part in parts if part[0] & set(edge)]
        merged = (
            set(edge).union(*(nodes for nodes, _ in touching)),
            [edge for _, some in touching for edge in some] + [edge],
        )
        parts = [part for part in parts if part not in touching] + [merged]
    return [tuple(some) for _, some in parts]


@functools.lru_cache(maxsize=1 << 16)
def _orient(edges: Edges) -> Component:
    """The smaller of the canonical forms of the component and of its reverse."""
    forward = canonical_form(_rename(edges))
    backward = canonical_form(_rename(reverse(edges)))
    return Component(min(forward, backward), backward < forward)


@functools.lru_cache(maxsize=1 << 16)
def canonical_form(edges: Edges) -> Edges:
    """The least relabelling of the edges among those that colour refinement cannot tell apart."""
    return min(_labellings(edges, dict.fromkeys(nodes_of(edges), 0), _core(edges)))


def _labellings(edges: Edges, colour: dict[int, int], core: set[int]) -> Iterable[Edges]:
    """Relabelled edges for each way of individualising nodes until every colour is unique."""
    colour = _refine(edges, colour)
    sizes = Counter(colour.values())
    tied = [node for node, c in colour.items() if sizes[c] > 1]
    if not tied:
        yield tuple(sorted((colour[a], colour[b]) for a, b in edges))
        return
    cell = min(colour[node] for node in (core.intersection(tied) or tied))
    choices = [node for node in tied if colour[node] == cell]
    if not core.intersection(tied):  # equal colours in trees that hang on a fixed core: one orbit
        choices = choices[:1]
    for node in choices:
        yield from _labellings(edges, {n: 2 * c + (n != node) for n, c in colour.items()}, core)


def _core(edges: Edges) -> set[int]:
    """The nodes left when those with at most one neighbour are taken away again and again."""
    links = {frozenset(edge) for edge in edges if edge[0] != edge[1]}
    while True:
        degree = Counter(node for link in links for node in link)
        kept = {link for link in links if all(degree[node] > 1 for node in link)}
        if kept == links:
            return set(degree)
        links = kept


def _refine(edges: Edges, colour: dict[int, int]) -> dict[int, int]:
    """Colour refinement: split colours by the neighbours' colours until nothing changes."""
    while True:
        signature = {
            node: (
                c,
                sorted(colour[b] for a, b in edges if a == node),
                sorted(colour[a] for a, b in edges if b == node),
                sum(a == b == node for a, b in edges),
            )
            for node, c in colour.items()
        }
        ranks = {repr(s): rank for rank, s in enumerate(_distinct(signature.values()))}
        refined = {node: ranks[repr(s)] for node, s in signature.items()}
        if len(ranks) == len(set(colour.values())):
            return refined
        colour = refined


def _distinct(signatures: Iterable[tuple]) -> list[tuple]:
    return sorted({repr(s): s for s in signatures}.values())


def _rename(edges: Iterable[tuple[Hashable, Hashable]]) -> Edges:
    """Integer names in order of first appearance."""
    names: dict[Hashable, int] = {}
    return tuple(
        (names.setdefault(a, len(names)), names.setdefault(b, len(names))) for a, b in edges
    )
