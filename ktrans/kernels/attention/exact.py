"""K_attn and its relatives by sum-product quadrature, each value with a bound that is a theorem.

Softmax is a Gumbel race, s_i = ∫ f(τ + βu_i) Π_{a≠i} F(τ + βu_a) dτ with F(c) = exp(−e^c) and
f = −F′. For fixed (τ, τ′) the expectation over the Gaussians is a graphical model on the tokens
whose edges are the positions. `bounds` proves what uniform grids err by, `grids` chooses them,
`elimination` plans the sums and `engine` computes them.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ktrans.kernels.attention.elimination import Model
from ktrans.kernels.attention.engine import Parameters, model_values, multiplications
from ktrans.kernels.attention.grids import Rule, Target, error_bound, rule_for
from ktrans.kernels.attention.models import (
    attended_model,
    attention_model,
    class_model,
    grids_can_be_swapped,
    is_symmetric,
)
from ktrans.kernels.attention.modified_pairs import (
    QueryPair,
    Setting,
    correlation,
    is_symmetric_pair,
    logit_means,
)
from ktrans.kernels.attention.multigraph import PairGraph
from ktrans.kernels.base import Bounded

MAX_COST = 3e11  # multiplications for one pair of strings, about a minute on two cores

_COMPLEX_STEP = 1e-40  # its square vanishes beside 1: derivatives without cancellation


class Attended(NamedTuple):
    """Two strings, and positions i of x and j of y over which E[s_i t_j] is summed."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    places1: frozenset[int]
    places2: frozenset[int]


def exact_values(graphs: Sequence[PairGraph], beta: float, gamma: float, rtol: float) -> Bounded:
    """K_attn of each class with a bound on its error.

    Args:
        graphs: Pair classes.
        beta: Inverse temperature, 0 < β < ∞.
        gamma: Strength of the positional embedding, γ ≥ 0.
        rtol: Target for the bound, relative to 1 + γ².

    Returns:
        Certified values and bounds, shape (number of graphs,).

    Raises:
        ValueError: if the grids would be too large.
    """
    targets = [class_target(graph, beta, gamma, rtol) for graph in graphs]
    models, symmetric = map(class_model, graphs), map(is_symmetric, graphs)
    parameters = Parameters(beta, gamma)
    return _by_rule(list(models), list(symmetric), targets, parameters, 1 + gamma**2)


def query_values(pair: QueryPair, setting: Setting, rtol: float) -> Bounded:
    """K^{qq′} = E[smax(u_q)ᵀ (X Yᵀ + γ² I) smax(v_q′)] of one pair of queries.

    The logits are those of `models`, with β√(1 + γ²) for β, r = (X Yᵀ + γ² I)_qq′/(1 + γ²) and the
    means a (X Xᵀ + γ² I) e_q.

    Args:
        pair: A pair of queries.
        setting: 0 < β < ∞, γ ≥ 0, any finite a.
        rtol: Target for the bound, relative to 1 + γ².

    Returns:
        Certified value and bound, shape (1,).
    """
    model, parameters, target = _query(pair, setting, rtol)
    is_symmetric = is_symmetric_pair(pair, setting)
    if target.correlation == 1:
        is_symmetric &= grids_can_be_swapped(model)
    return _by_rule([model], [is_symmetric], [target], parameters, 1 + setting.gamma**2)


def attended_values(pairs: Sequence[Attended], beta: float, gamma: float, rtol: float) -> Bounded:
    """Σ E[s_i t_j] over some positions i of x and j of y, with s, t as in K_attn.

    Args:
        pairs: Strings and positions.
        beta: Inverse temperature, 0 < β < ∞.
        gamma: Strength of the positional embedding, γ ≥ 0.
        rtol: Target for the bound, absolute: the values are at most 1.

    Returns:
        Certified values and bounds, shape (number of pairs,).
    """
    targets = [Target(beta, gamma, 1.0, len(pair.x), rtol) for pair in pairs]
    models = [attended_model(*pair[:2], *map(set, pair[2:])) for pair in pairs]
    return _by_rule(models, [False] * len(pairs), targets, Parameters(beta, gamma), 1.0)


def partial_derivatives(
    graphs: Sequence[PairGraph], beta: float, gamma: float, rtol: float
) -> np.ndarray:
    """∂K_attn/∂β and ∂K_attn/∂γ of each class, shape (2, number of graphs).

    On fixed nodes the sums are analytic in β and γ, so that Im K(β + iη)/η is the derivative to
    rounding for tiny η.
    """
    steps = [[1j * _COMPLEX_STEP, 0j], [0j, 1j * _COMPLEX_STEP]]
    moved = [class_sums(graphs, (beta, gamma), some, rtol) for some in steps]
    return np.imag(moved) / _COMPLEX_STEP


def class_sums(
    graphs: Sequence[PairGraph], point: tuple[float, float], shift: Sequence[complex], rtol: float
) -> np.ndarray:
    """The sums for K_attn at complex β and γ, a shift away from the point that the rule is for."""
    targets = [class_target(graph, *point, rtol) for graph in graphs]
    models, symmetric = list(map(class_model, graphs)), list(map(is_symmetric, graphs))
    moved = Parameters(point[0] + shift[0], point[1] + shift[1])
    return _sums(models, symmetric, targets, moved)


def class_cost(graph: PairGraph, beta: float, gamma: float, rtol: float) -> float:
    """An estimate of the multiplications that `exact_values` needs for a class."""
    return _cost(class_model(graph), class_target(graph, beta, gamma, rtol))


def query_cost(pair: QueryPair, setting: Setting, rtol: float) -> float:
    """An estimate of the multiplications that `query_values` needs."""
    model, _, target = _query(pair, setting, rtol)
    return _cost(model, target)


def attended_cost(pair: Attended, beta: float, gamma: float, rtol: float) -> float:
    """An estimate of the multiplications that `attended_values` needs for a pair."""
    model = attended_model(*pair[:2], *map(set, pair[2:]))
    return _cost(model, Target(beta, gamma, 1.0, len(pair.x), rtol))


def class_target(graph: PairGraph, beta: float, gamma: float, rtol: float) -> Target:
    """What the rule for a class must meet."""
    return Target(beta, gamma, 1.0, sum(len(part.edges) for part in graph), rtol)


def _query(pair: QueryPair, setting: Setting, rtol: float) -> tuple[Model, Parameters, Target]:
    r, beta = correlation(pair, setting.gamma), setting.temperature
    both = [some.tolist() for some in logit_means(pair, setting)]
    distinct = sorted({*both[0], *both[1]})
    numbers = tuple([distinct.index(mean) for mean in some] for some in both)
    model = attention_model(pair.x, pair.y, r, numbers)  # pyright: ignore[reportArgumentType]
    parameters = Parameters(beta, setting.gamma, r, tuple(distinct))
    return model, parameters, Target(beta, setting.gamma, r, len(pair.x), rtol)


def _by_rule(
    models: list[Model],
    symmetric: list[bool],
    targets: list[Target],
    parameters: Parameters,
    scale: float,
) -> Bounded:
    """Values, and the bound of each one's rule times the scale of its terms."""
    values = _sums(models, symmetric, targets, parameters)
    bounds = [scale * error_bound(_rule(target), target, parameters.means) for target in targets]
    return Bounded(values, np.array(bounds), bool(np.isfinite(values).all()))


def _sums(
    models: list[Model], symmetric: list[bool], targets: list[Target], parameters: Parameters
) -> np.ndarray:
    """The models' values, those of one rule together."""
    found: dict[int, Any] = {}
    for target in dict.fromkeys(targets):
        places = [i for i, some in enumerate(targets) if some == target]
        values = model_values(
            [models[i] for i in places], [symmetric[i] for i in places], parameters, _rule(target)
        )
        found |= dict(zip(places, values, strict=True))
    return np.array([found[i] for i in range(len(models))])


def _rule(target: Target) -> Rule:
    rule = rule_for(target)
    if rule is None:
        raise ValueError(
            f"`method` 'exact' needs too large grids at beta = {target.beta:g}, gamma = "
            f'{target.gamma:g} and rtol = {target.rtol:g}; choose "auto" or a larger rtol.'
        )
    return rule


@functools.lru_cache(maxsize=1 << 14)
def _cost(model: Model, target: Target) -> float:
    rule = rule_for(target)
    return math.inf if rule is None else multiplications(model, rule)
