"""Pairs of strings as the models of `elimination`: which Gaussians a logit sees, which marks meet.

A logit of position l of x is μ_l + β(ω[x_l] + γ p_l), and y's the same of its own copies of the
Gaussians, of correlation r with those of x. At r = 1 the two copies are one variable; at r = 0 they
have nothing to do with one another.
"""

import functools
from collections.abc import Hashable, Sequence

from ktrans.kernels.attention.elimination import Half, Model, Position, grid_kinds
from ktrans.kernels.attention.multigraph import (
    Edges,
    PairGraph,
    canonical_form,
    pair_strings,
)

String = Sequence[Hashable]


def attention_model(
    x: String,
    y: String,
    correlation: float = 1.0,
    means: tuple[Sequence[int], Sequence[int]] | None = None,
) -> Model:
    """Σ_ij (X Yᵀ + γ² I)_ij s_i t_j: marks meet at equal tokens, and at one position.

    Args:
        x: Tokens of the first string.
        y: Tokens of the second one, of the same length.
        correlation: r.
        means: For each position of x, and of y, the number of its mean μ among the parameters'.
    """
    first, second, copies = _variables(x, y, correlation)
    shared = {*x} & {*y}
    mean1, mean2 = means or ([0] * len(x), [0] * len(y))
    positions = tuple(
        Position(
            Half(first[a], a if a in shared else None, mean1[place]),
            Half(second[b], b if b in shared else None, mean2[place]),
            (int(a == b), 1),
        )
        for place, (a, b) in enumerate(zip(x, y, strict=True))
    )
    return Model(positions, copies)


def attended_model(x: String, y: String, places1: set[int], places2: set[int]) -> Model:
    """Σ s_i t_j over the positions i in `places1` of x and j in `places2` of y."""
    first, second, _ = _variables(x, y, 1.0)
    return Model(
        tuple(
            Position(
                Half(first[a], "attended" if place in places1 else None),
                Half(second[b], "attended" if place in places2 else None),
                (int(place in places1 and place in places2), 0),
            )
            for place, (a, b) in enumerate(zip(x, y, strict=True))
        )
    )


def class_model(graph: PairGraph) -> Model:
    """The model of K_attn for a class of pairs."""
    return attention_model(*pair_strings(graph))


def is_symmetric(graph: PairGraph) -> bool:
    """Whether the two strings can be swapped, on the grids too."""
    if tuple(sorted(part.flipped for part in graph)) != tuple(sorted(graph)):
        return False
    return grids_can_be_swapped(class_model(graph))


@functools.lru_cache(maxsize=1 << 14)
def grids_can_be_swapped(model: Model) -> bool:
    """Whether some swap of the strings, at r = 1, leaves each token on a grid of its own kind.

    The tokens of a directed cycle have two kinds of grid, and a swap need not respect them. The
    sums at (τ, τ′) and (τ′, τ) are then those of two rules, and twice half of a sum has no bound.
    """
    if 0 not in grid_kinds(model).values():
        return True
    return canonical_form(_drawing(model, 0)) == canonical_form(_drawing(model, 1))


def _drawing(model: Model, first: int) -> Edges:
    """Every position as a node between its two tokens; loops tell kinds of grids, and means."""
    kinds = grid_kinds(model)
    edges = [(token, token) for token, kind in kinds.items() if kind == 0]
    means = 1 + max(half.mean for position in model.positions for half in (position.x, position.y))
    for place, position in enumerate(model.positions):
        halves = position.x, position.y
        node, one, other = -1 - place, halves[first], halves[1 - first]
        loops = 2 + one.mean + means * other.mean
        edges += [(one.variable, node), (node, other.variable), *[(node, node)] * loops]
    return tuple(edges)


def _variables(
    x: String, y: String, correlation: float
) -> tuple[dict[Hashable, int], dict[Hashable, int], tuple[tuple[int, int], ...]]:
    """The variable of each token in x, in y, and the pairs that are copies of one token."""
    if correlation == 1:
        names = {token: place for place, token in enumerate(dict.fromkeys([*x, *y]))}
        return names, names, ()
    first = {token: place for place, token in enumerate(dict.fromkeys(x))}
    second = {token: len(first) + place for place, token in enumerate(dict.fromkeys(y))}
    copies = tuple((first[t], second[t]) for t in first if t in second and correlation > 0)
    return first, second, copies
