"""The power series of K_attn as polynomials that hold for all pairs of strings of one length.

A cumulant of a uniformly random one-hot vector is a sum over partitions of its indices into blocks,
each block at one position, with weight (−1)^{B−1} (B − 1)! k^{−B}. With the edges of `series` laid
between the blocks, every term counts maps of a small multigraph into the pair of strings: its edges
are positions, its nodes tokens. Connected graphs multiply.
"""

import functools
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ktrans.kernels.attention.multigraph import (
    Edges,
    canonical_form,
    connected_components,
)
from ktrans.kernels.attention.series import EdgeCounts, as_order, as_pair, edge_counts

_POSITION = canonical_form(((0, 1),))  # an edge on its own: any position, k of them


class Term(NamedTuple):
    """A product of counts, each of a connected multigraph, times k^{−power}."""

    counts: tuple[Edges, ...]
    power: int


class SeriesPolynomial(NamedTuple):
    """∂_β^b ∂_γ^g K_attn at (0, 0) as Σ coefficient · Π counts/k^power; `str` prints it.

    In print, S_ab = Σ_t n_tᵃ m_tᵇ for the numbers n_t, m_t of token t in x, y; tr(…) is the trace
    of a word in X and Y; ⟨ab,ac,…⟩ is the number of ways to choose a position i for each pair of
    letters, x_i for the first and y_i for the second, so that equal letters are equal tokens.
    """

    terms: Mapping[Term, Fraction]

    def evaluate(self, x: Sequence[Hashable], y: Sequence[Hashable]) -> Fraction:
        """The exact value for two strings of equal length."""
        pair = tuple(zip(*as_pair(x, y), strict=True))
        return sum(
            (
                coefficient
                * Fraction(math.prod(count(g, pair) for g in term.counts), len(pair) ** term.power)
                for term, coefficient in self.terms.items()
            ),
            Fraction(0),
        )

    def __str__(self) -> str:
        ordered = sorted(self.terms.items(), key=lambda item: (item[0].power, item[0].counts))
        text = " ".join(_printed(term, coefficient) for term, coefficient in ordered)
        return text.removeprefix("+ ") or "0"


def attention_series_polynomial(*, order: object) -> SeriesPolynomial:
    """A derivative of K_attn at (0, 0) as a polynomial in traces and token counts.

    ∂_β^b ∂_γ^g K_attn(x, y) at (β, γ) = (0, 0), for all strings x, y of any one length k.

    Args:
        order: (b, g), non-negative whole numbers. Seconds up to b = 8, half a minute at b = 10.

    Returns:
        The polynomial, with exact fractions.

    Raises:
        TypeError: if an order is not a whole number.
        ValueError: if an order is negative.

    Example:
        >>> from ktrans.kernels.attention.series_polynomial import attention_series_polynomial
        >>> print(attention_series_polynomial(order=(2, 2)))
        8·tr(XYᵀ)/k^2 - 8·S_11/k^3
    """
    b, g = as_order(order)
    terms: Counter[Term] = Counter()
    for counts in edge_counts(b // 2, g // 2) if b % 2 == g % 2 == 0 else ():
        crossing = math.prod(math.factorial(n) for n in counts.across)
        weight = counts.weight * math.factorial(b) * math.factorial(g) / crossing
        for drawing, ways in _drawings(counts).items():
            terms[_term(drawing)] += weight * ways * _cumulant_weight(drawing)  # type: ignore[assignment]
    return SeriesPolynomial({t: Fraction(value) for t, value in terms.items() if value})


@functools.lru_cache(maxsize=1 << 12)
def count(graph: Edges, pair: Edges) -> int:
    """The number of maps of edges to positions under which equal nodes are equal tokens."""

    def extend(edges: Edges, place: dict[int, int]) -> int:
        if not edges:
            return 1
        (a, b), *rest = edges
        total = 0
        for first, second in pair:
            wanted = {**place, a: place.get(a, first)}
            wanted[b] = wanted.get(b, second)
            if wanted[a] == first and wanted[b] == second:
                total += extend(tuple(rest), wanted)
        return total

    return extend(graph, {})


class _Position(NamedTuple):
    """A position in a drawing: its two tokens, and how many blocks of x and of y lie at it."""

    tokens: tuple[int, int]
    blocks: tuple[int, int]


Drawing = tuple[_Position, ...]


@functools.lru_cache(maxsize=1 << 10)
def _drawings(counts: EdgeCounts) -> Counter[Drawing]:
    """All ways to put the ends of the edges into blocks, up to renaming."""
    ends = {"across": (0, 1), "within1": (0, 0), "within2": (1, 1)}
    drawings: Counter[Drawing] = Counter({(): 1})
    for name, numbers in counts._asdict().items():
        for kind, number in enumerate(numbers):
            for _ in range(number):
                drawings = _with_edge(drawings, ends[name], kind == 1)
    return drawings


def _with_edge(
    drawings: Counter[Drawing], sides: tuple[int, int], is_position: bool
) -> Counter[Drawing]:
    result: Counter[Drawing] = Counter()
    for drawing, ways in drawings.items():
        for first, ways1, drawing1 in _with_end(drawing, sides[0]):
            for second, ways2, drawing2 in _with_end(drawing1, sides[1]):
                join = _merged if is_position else _identified
                joined = join(drawing2, (first, second), sides)
                result[_normal(joined)] += ways * ways1 * ways2
    return result


def _with_end(drawing: Drawing, side: int) -> Iterator[tuple[int, int, Drawing]]:
    """The end of an edge in each block there is (those at a position together), or in a new one."""
    for place, position in enumerate(drawing):
        if position.blocks[side]:
            yield place, position.blocks[side], drawing
    fresh = 1 + max((t for position in drawing for t in position.tokens), default=-1)
    block = (1, 0) if side == 0 else (0, 1)
    yield len(drawing), 1, (*drawing, _Position((fresh, fresh + 1), block))


def _identified(drawing: Drawing, places: tuple[int, int], sides: tuple[int, int]) -> Drawing:
    """The drawing with the tokens at two ends made equal."""
    kept, gone = (drawing[p].tokens[s] for p, s in zip(places, sides, strict=True))
    return tuple(
        position._replace(tokens=tuple(kept if t == gone else t for t in position.tokens))
        for position in drawing
    )


def _merged(drawing: Drawing, places: tuple[int, int], sides: tuple[int, int]) -> Drawing:
    """The drawing with two positions made equal."""
    first, second = places
    if first == second:
        return drawing
    for side in (0, 1):
        drawing = _identified(drawing, places, (side, side))
    one, other = drawing[first].blocks, drawing[second].blocks
    merged = drawing[first]._replace(blocks=(one[0] + other[0], one[1] + other[1]))
    return (merged, *(p for i, p in enumerate(drawing) if i not in places))


def _normal(drawing: Drawing) -> Drawing:
    """Positions sorted by what they look like, tokens renamed in that order.

    Two isomorphic drawings may stay apart: that costs time only.
    """
    look: dict[int, int] = dict.fromkeys((t for p in drawing for t in p.tokens), 0)
    for _ in range(3):
        seen = {
            t: tuple(sorted((p.blocks, look[p.tokens[0]], look[p.tokens[1]], p.tokens.index(t))
                            for p in drawing if t in p.tokens))
            for t in look
        }  # fmt: skip
        rank = {s: i for i, s in enumerate(sorted(set(seen.values())))}
        look = {t: rank[s] for t, s in seen.items()}
    ordered = sorted(drawing, key=lambda p: (p.blocks, look[p.tokens[0]], look[p.tokens[1]]))
    names: dict[int, int] = {}
    return tuple(
        sorted(
            position._replace(
                tokens=tuple(names.setdefault(t, len(names)) for t in position.tokens)
            )
            for position in ordered
        )
    )


def _cumulant_weight(drawing: Drawing) -> int:
    """Π (−1)^{B−1} (B − 1)! over the two strings, B the number of blocks."""
    totals = [sum(position.blocks[side] for position in drawing) for side in (0, 1)]
    return math.prod((-1) ** (b - 1) * math.factorial(b - 1) for b in totals)


def _term(drawing: Drawing) -> Term:
    power = sum(sum(position.blocks) for position in drawing)
    graphs = [_canonical(g) for g in connected_components(tuple(p.tokens for p in drawing))]
    counts = tuple(sorted(graph for graph in graphs if graph != _POSITION))
    return Term(counts, power - graphs.count(_POSITION))


@functools.lru_cache(maxsize=1 << 14)
def _canonical(edges: Edges) -> Edges:
    return canonical_form(edges)


def _printed(term: Term, coefficient: Fraction) -> str:
    sign = "-" if coefficient < 0 else "+"
    factors = [str(abs(coefficient))] if abs(coefficient) != 1 or not term.counts else []
    for graph, power in sorted(Counter(term.counts).items()):
        factors.append(_name(graph) + (f"^{power}" if power > 1 else ""))
    return f"{sign} {'·'.join(factors)}" + {0: "", 1: "/k"}.get(term.power, f"/k^{term.power}")


def _name(graph: Edges) -> str:
    """S_ab for a star, a trace for a cycle, otherwise the list of the edges."""
    degree = Counter(node for edge in graph for node in edge)
    centres = [node for node, n in degree.items() if n > 1]
    if len(centres) == 1 and all(a != b for a, b in graph):
        out, into = (sum(edge[end] == centres[0] for edge in graph) for end in (0, 1))
        return f"S_{out}{into}"
    if set(degree.values()) == {2}:
        return f"tr({_word(graph)})"
    nodes = dict.fromkeys(node for edge in graph for node in edge)
    letters = dict(zip(nodes, "abcdefghijklmnopqrstuvwxyz", strict=False))
    return "⟨" + ",".join(letters[a] + letters[b] for a, b in graph) + "⟩"


def _word(graph: Edges) -> str:
    """The word read off a closed walk: leaving by x and entering by y is X Yᵀ."""
    place, side, word = 0, 0, ""
    unused = {(p, s) for p in range(len(graph)) for s in (0, 1)}
    while unused:
        token = graph[place][side]
        unused.discard((place, side))
        entry = next((p, s) for p, s in sorted(unused) if graph[p][s] == token)
        unused.discard(entry)
        word += "XY"[side] + "XY"[entry[1]] + "ᵀ"
        place, side = entry[0], 1 - entry[1]
    return word
