"""K_attn and its relatives by sum-product quadrature, each value with a bound that is a theorem.

Softmax is a Gumbel race, s_i = ∫ f(τ + βu_i) Π_{a≠i} F(τ + βu_a) dτ with F(c) = exp(−e^c) and
f = −F′. For fixed (τ, τ′) the expectation over the Gaussians is a graphical model on the tokens
whose edges are the positions. `bounds` proves what uniform grids err by, `grids` chooses them,
`elimination` plans the sums and `engine` computes them.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

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
    jobs = _class_jobs(graphs, (beta, gamma), Parameters(beta, gamma), rtol)
    return _bounded(jobs, 1 + gamma**2)


def query_values(pairs: Sequence[QueryPair], setting: Setting, rtol: float) -> Bounded:
    """K^{qq′} = E[smax(u_q)ᵀ (X Yᵀ + γ² I) smax(v_q′)] of each pair of queries.

    The logits are those of `models`, with β√(1 + γ²) for β, r = (X Yᵀ + γ² I)_qq′/(1 + γ²) and the
    means a (X Xᵀ + γ² I) e_q.

    Args:
        pairs: Pairs of queries.
        setting: 0 < β < ∞, γ ≥ 0, any finite a.
        rtol: Target for the bound, relative to 1 + γ².

    Returns:
        Certified values and bounds, shape (number of pairs,).
    """
    jobs = [_query_job(pair, setting, rtol) for pair in pairs]
    return _bounded(jobs, 1 + setting.gamma**2)


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
    return _bounded([_attended_job(pair, beta, gamma, rtol) for pair in pairs], 1.0)


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
    moved = Parameters(point[0] + shift[0], point[1] + shift[1])
    return _values(_class_jobs(graphs, point, moved, rtol))


def class_cost(graph: PairGraph, beta: float, gamma: float, rtol: float) -> float:
    """An estimate of the multiplications that `exact_values` needs for a class."""
    return _cost(class_model(graph), _class_target(graph, (beta, gamma), rtol))


def query_cost(pair: QueryPair, setting: Setting, rtol: float) -> float:
    """An estimate of the multiplications that `query_values` needs for a pair."""
    job = _query_job(pair, setting, rtol)
    return _cost(job.model, job.target)


def attended_cost(pair: Attended, beta: float, gamma: float, rtol: float) -> float:
    """An estimate of the multiplications that `attended_values` needs for a pair."""
    job = _attended_job(pair, beta, gamma, rtol)
    return _cost(job.model, job.target)


class _Job(NamedTuple):
    """A sum to be computed: of a model, by the rule for a target, at parameters.

    `is_symmetric`: whether its terms at (τ, τ′) and (τ′, τ) are equal.
    """

    model: Model
    is_symmetric: bool
    target: Target
    parameters: Parameters


def _class_jobs(
    graphs: Sequence[PairGraph], point: tuple[float, float], parameters: Parameters, rtol: float
) -> list[_Job]:
    return [
        _Job(class_model(graph), is_symmetric(graph), _class_target(graph, point, rtol), parameters)
        for graph in graphs
    ]


def _class_target(graph: PairGraph, point: tuple[float, float], rtol: float) -> Target:
    return Target(*point, 1.0, sum(len(part.edges) for part in graph), rtol)


def _query_job(pair: QueryPair, setting: Setting, rtol: float) -> _Job:
    r, beta = correlation(pair, setting.gamma), setting.temperature
    both = [some.tolist() for some in logit_means(pair, setting)]
    distinct = sorted({*both[0], *both[1]})
    numbers = tuple([distinct.index(mean) for mean in some] for some in both)
    model = attention_model(pair.x, pair.y, r, numbers)  # pyright: ignore[reportArgumentType]
    is_symmetric = is_symmetric_pair(pair, setting) and (r < 1 or grids_can_be_swapped(model))
    parameters = Parameters(beta, setting.gamma, r, tuple(distinct))
    return _Job(model, is_symmetric, Target(beta, setting.gamma, r, len(pair.x), rtol), parameters)


def _attended_job(pair: Attended, beta: float, gamma: float, rtol: float) -> _Job:
    model = attended_model(*pair[:2], *map(set, pair[2:]))
    target = Target(beta, gamma, 1.0, len(pair.x), rtol)
    return _Job(model, False, target, Parameters(beta, gamma))


def _bounded(jobs: list[_Job], scale: float) -> Bounded:
    """Values, and the bound of each one's rule times the scale of its terms."""
    values = _values(jobs)
    bounds = [error_bound(_rule(job.target), job.target, job.parameters.means) for job in jobs]
    return Bounded(values, scale * np.array(bounds), bool(np.isfinite(values).all()))


def _values(jobs: list[_Job]) -> np.ndarray:
    """The sums, those of one rule and the same parameters together."""
    groups: dict[tuple[Target, Parameters], list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault(job[2:], []).append(place)
    is_real = all(np.isrealobj(each) for job in jobs for each in job.parameters[:2])
    found = np.zeros(len(jobs), dtype=float if is_real else complex)
    for (target, parameters), places in groups.items():
        models, symmetric = zip(*(jobs[place][:2] for place in places), strict=True)
        found[places] = model_values(models, symmetric, parameters, _rule(target))
    return found


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
