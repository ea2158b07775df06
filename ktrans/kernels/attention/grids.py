"""The grids of K_attn: as coarse as the bounds allow, and what they err by in all.

Everything that F sees is c = τ + βω + βγp. Where β is not tiny the steps of τ and of every βω are
multiples of one step, so that a table over c = h·(first, …) serves all of them; at tiny β, where
such a step would be too fine, c runs over all sums τ + βω in turn. Either way a token's value a at
τ_i is found in row `offset + per_tau·i + per_value·a`.
"""

import functools
import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ktrans._rounding import ELEMENTARY_ULPS, UNIT, gamma
from ktrans.kernels.attention.bounds import (
    Race,
    Shifts,
    copied_token_shifts,
    gaussian_radius,
    gaussian_tail,
    position_shifts,
    race_excess,
    race_shifts,
    token_shifts,
    weight_excess,
)

LEAF = -1

_SHARE = 0.25  # of the error for each of tokens, τ with τ′, positions, and what is cut off
_LEAF_SHARE = 0.1  # of that of the tokens; leaves cost little, so they have finer grids
_WASTE = 0.05
_MOST_PARTS = 16
_MOST_ROWS = 4000  # of the tables over c: memory grows with the square
_UNDERFLOW = 2.0**-960  # far above what products below the smallest double can add up to
_OUTWARD = 1 + 2.0**-20  # the bound itself is computed in floating point
_PAIRWISE = 256  # roundings in a chain of NumPy's pairwise sum, of any length
_EXPONENT = 40  # and in a Gaussian's prefactor and exponent: see `_rounding`
_LEAST_SCALE = 2.0**-1000  # of β, and of βγ, so that nodes are normal numbers


class Target(NamedTuple):
    """What a rule is for: β of the logits, γ, the copies' correlation r, k and the error wanted."""

    beta: float
    gamma: float
    correlation: float
    length: int
    rtol: float

    @property
    def spread(self) -> float:
        """The standard deviation of a logit."""
        return self.beta * math.sqrt(1 + self.gamma**2)


class Axis(NamedTuple):
    """The nodes of βω for a token, and where they stand in the rows of the tables."""

    offset: int
    per_value: int
    node: Float[np.ndarray, "values"]

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.node)


class Rule(NamedTuple):
    """Nodes and weights, and a bound on the error of a sum over them.

    Attributes:
        rows: The values of c for which tables are made: the lattice, or all sums of `tau` and the
            nodes of the one axis.
        tau: The grid of τ and of τ′.
        tau_step: Its step.
        per_tau: Rows from one τ to the next.
        axes: The nodes of a token by its kind: `LEAF` if one position alone holds it, otherwise the
            `edges` of `bounds.token_shifts`.
        position: Nodes of βγp.
        kept: The pairs (τ, τ′) that are summed over; the others hold next to nothing.
        error: The bound, relative to 1 + γ², without rounding.
        slop: What sums over positive weights exceed their integrals by, a factor.
    """

    rows: Float[np.ndarray, "rows"]
    tau: Float[np.ndarray, "taus"]
    tau_step: float
    per_tau: int
    axes: dict[int, Axis]
    position: Float[np.ndarray, "nodes"]
    kept: Bool[np.ndarray, "taus taus"]
    error: float
    slop: float


def error_bound(rule: Rule, target: Target, means: Iterable[float]) -> float:
    """A bound on the error of a sum over the rule, of marks with Σ Q_ij s_i t_j ≤ 1, all told.

    Where the positions' scale βγ is below `_LEAST_SCALE` they are left out of the logits. A softmax
    moves by at most twice the largest change of a logit, so the value by at most 4βγ E max |p|,
    which is within `_UNDERFLOW`.
    """
    return _OUTWARD * (rule.error + rule.slop * _rounding(rule, target, means)) + _UNDERFLOW


def _rounding(rule: Rule, target: Target, means: Iterable[float]) -> float:
    """What rounding does to a sum over the rule.

    *Chains.* Every term is positive, so relative errors add along the longest chain: γ_N. N counts,
    for c = 1 or 2 copies: sums over the p of k tables, ck·nodes; those over 2k tokens; an exp in
    each of 2k factors F and of (2 + c)k Gaussian weights, a power in each of k tables, of
    `ELEMENTARY_ULPS` ulps (2 UNIT each); 3k products of factors with their 2k + 2 sums of marks.

    *Gaussian weights.* The exponent x²/2 is off by at most 10 UNIT of itself, β, γ and the node
    included. As (x²/2) e^{−x²/2} ≤ (2/e) e^{−x²/4}, the mean of x²/2 over a grid is at most 1.05;
    with e^a − 1 ≤ 2a that is 21 UNIT a variable, 40 with the prefactor. For copies x is
    z = (p − rp′)/√(1 − r²), off by at most 4 UNIT (|p| + |p′|)/√(1 − r²), and by Cauchy and Schwarz
    the mean of |z|(|p| + |p′|) is at most 4.2: 40 UNIT/√(1 − r²) more for each of 2k pairs.

    *Arguments.* A c that is off by A changes a term by a factor within e^{±A(1 + Σ e^c)}, Σ over
    the string; the integral over τ of (1 + Σ_a e^{c_a}) f(c_i) Π F is 2s_i, in sums (1 + δ) times
    that, and where the exponent is not small the term vanishes: 2·2·2A for two strings. Rows, p,
    means and the β of a query have 8 roundings at most; an exp off by some ulps is an A too.

    *Correlation.* r itself is off by 4 UNIT at most, and |dK/dr| ≤ 4β²(1 + γ²)W by Price's theorem:
    it is Σ_t E Σ_ij Q_ij ∂_t s_i ∂_t t_j over the Gaussians t, and Σ_i |∂_t s_i| ≤ 2β S_t, S_t the
    weight of those i whose logit holds t, Σ_t S_t = 1 over tokens, and over positions.
    """
    k, r = target.length, target.correlation
    copies, nodes = (1 if r == 1 else 2), max(axis.size for axis in rule.axes.values())
    exps = 2 * ELEMENTARY_ULPS * (2 * k + (2 + copies) * k + k)
    products = 3 * k * (2 * k + 4)
    chain = copies * k * len(rule.position) + 2 * k * nodes + exps + products + _PAIRWISE
    chain += (2 + copies) * k * _EXPONENT
    if r < 1:
        chain += math.ceil(2 * k * _EXPONENT / math.sqrt((1 - r) * (1 + r)))
    is_rounded = 0 < r < 1 or 0 < target.gamma**2 < 2.0**-50  # where 1/(1 + γ²) may become 1
    drift = 16 * UNIT * target.spread**2 if is_rounded else 0.0
    reach = max(map(abs, means)) + np.abs(rule.rows).max() + rule.position[-1]
    argument = UNIT * (8 * float(reach) + 2 * ELEMENTARY_ULPS)
    return gamma(chain) + 2 * 2 * 2 * argument + drift


@functools.lru_cache(maxsize=256)
def rule_for(target: Target) -> Rule | None:
    """The rule whose error is at most `rtol` relative to 1 + γ²; None where it would be too large.

    Args:
        target: 0 < β < ∞, γ ≥ 0, 0 ≤ r ≤ 1.
    """
    if target.beta < _LEAST_SCALE:
        return None
    with np.errstate(over="ignore"):  # at tiny γ some shifts cost infinitely much
        strips = _Strips.of(target)
    layout = min(filter(None, (_lattice(target, strips), _sums(target, strips))),
                 key=lambda some: len(some.rows), default=None)  # fmt: skip
    if layout is None:
        return None
    tau, axes = layout.tau, layout.axes
    kept, dropped = _kept(target, tau, layout.tau_step)
    position, errors = _positions(target, strips.position)
    errors += [dropped, *_tails(target, tau, layout.tau_step)]
    errors += [strips.tau.error(layout.tau_step)] * 2
    errors += _token_errors(target, strips, axes)
    slop = _slop(target, layout, position)
    return Rule(
        layout.rows, tau, layout.tau_step, layout.per_tau, axes, position, kept,
        slop * sum(errors), slop,
    )  # fmt: skip


class _Strips(NamedTuple):
    """Where contours may shift: for τ and τ′, a token of each kind of component, a position."""

    tau: Shifts
    tokens: dict[int, Shifts]
    position: Shifts | None

    @classmethod
    def of(cls, target: Target) -> "_Strips":
        beta, strength, r, k, _ = target
        if r == 1:
            tokens = {edges: token_shifts(beta, strength, edges) for edges in range(k + 1)}
        else:
            tokens = dict.fromkeys(range(k + 1), copied_token_shifts(beta, r))
        tokens[LEAF] = tokens[0]
        seen = beta * strength >= _LEAST_SCALE
        position = position_shifts(beta * strength, r) if seen else None
        return cls(race_shifts(beta * strength, r, k), tokens, position)


class _Layout(NamedTuple):
    rows: Float[np.ndarray, "rows"]
    tau: Float[np.ndarray, "taus"]
    tau_step: float
    per_tau: int
    axes: dict[int, Axis]


def _lattice(target: Target, strips: _Strips) -> _Layout | None:
    """τ and all βω on multiples of one step."""
    beta, tau_step = target.beta, strips.tau.step(_portion(target, 2))
    widest = {kind: some.step(_token_error(target, kind)) for kind, some in strips.tokens.items()}
    units = _commensurate(tau_step, {kind: beta * some for kind, some in widest.items()})
    if units is None:
        return None
    tau_step, per_tau = units
    step, (first, count) = tau_step / per_tau, _range(target, tau_step)
    radius = _radius(target, _tokens(target))
    spacing = {kind: math.floor(beta * some / step * (1 + 1e-12)) for kind, some in widest.items()}
    half = {kind: math.ceil(radius * beta / (step * each)) for kind, each in spacing.items()}
    reach = max(half[kind] * spacing[kind] for kind in half)
    if per_tau * count + 2 * reach > _MOST_ROWS:
        return None
    rows = step * np.arange(per_tau * first - reach, per_tau * (first + count - 1) + reach + 1)
    axes = {
        kind: Axis(reach - half[kind] * each, each, step * each * _symmetric(half[kind]))
        for kind, each in spacing.items()
    }
    return _Layout(rows, tau_step * np.arange(first, first + count), tau_step, per_tau, axes)


def _sums(target: Target, strips: _Strips) -> _Layout | None:
    """All sums τ + βω, with one axis for all tokens."""
    tau_step = strips.tau.step(_portion(target, 2))
    step = strips.tokens[LEAF].step(_token_error(target, LEAF))
    half = math.ceil(_radius(target, _tokens(target)) / step)
    first, count = _range(target, tau_step)
    if count * (2 * half + 1) > _MOST_ROWS:
        return None
    axis = Axis(0, 1, target.beta * step * _symmetric(half))
    tau = tau_step * np.arange(first, first + count)
    rows = np.add.outer(tau, axis.node).ravel()
    return _Layout(rows, tau, tau_step, axis.size, dict.fromkeys(strips.tokens, axis))


def _commensurate(tau_step: float, token_steps: dict[int, float]) -> tuple[float, int] | None:
    """A step of τ, little finer than asked for, and in how many parts that tokens are counted.

    A token takes as many whole parts as fit. Few parts make small tables; of those that waste next
    to no more than the best, the fewest.
    """
    finest = min(token_steps.values())
    costly = [some for kind, some in token_steps.items() if kind != LEAF]

    def step(parts: tuple[int, int]) -> float:
        return min(tau_step / parts[0], finest / parts[1])

    def use(parts: tuple[int, int]) -> float:
        unit = step(parts)
        tokens = [math.floor(some / unit) * unit / some for some in costly]
        return math.log(parts[0] * unit / tau_step) + sum(map(math.log, tokens)) / len(tokens)

    counts = range(1, _MOST_PARTS + 1)
    choices = list(itertools.product(counts, counts))
    enough = max(map(use, choices)) - _WASTE
    if finest < tau_step / _MOST_PARTS:
        return None
    parts = max((some for some in choices if use(some) >= enough), key=step)
    return parts[0] * step(parts), parts[0]


def _symmetric(half: int) -> np.ndarray:
    return np.arange(-half, half + 1)


def _positions(target: Target, strips: Shifts | None) -> tuple[np.ndarray, list[float]]:
    """The nodes of βγp, and what they err by: the steps of all positions, and what is cut off."""
    if strips is None:
        return np.zeros(1), []
    count = _positions_of(target)
    step = strips.step(_portion(target, count))
    half = math.ceil(_radius(target, count) / step)
    errors = [count * strips.error(step), count * gaussian_tail(half * step)]
    return target.beta * target.gamma * step * _symmetric(half), errors


def _token_errors(target: Target, strips: _Strips, axes: dict[int, Axis]) -> list[float]:
    """The steps of leaves, those of others, of the kind that errs most, and what is cut off."""
    beta = target.beta
    errors = {kind: strips.tokens[kind].error(_step(axis, beta)) for kind, axis in axes.items()}
    leaf, others = errors.pop(LEAF), max(errors.values())
    cut = _tokens(target) * max(gaussian_tail(axis.node[-1] / beta) for axis in axes.values())
    return [_tokens(target) * leaf, _inner(target) * others, cut]


def _token_error(target: Target, kind: int) -> float:
    """What the grid of one token may err by."""
    if kind == LEAF:
        return _LEAF_SHARE * _portion(target, _tokens(target))
    return (1 - _LEAF_SHARE) * _portion(target, _inner(target))


def _range(target: Target, step: float) -> tuple[int, int]:
    """The first τ in steps and their number: what lies outside is within its portion."""
    race, wanted = Race(target.spread, target.length), math.log(_portion(target, 16))
    ends = []
    for side in (-1, 1):
        end = 0
        while race.log_tail(step * end, step, side) > wanted:
            end += side
        ends.append(end)
    return ends[0], ends[1] - ends[0] + 1


def _tails(target: Target, tau: np.ndarray, step: float) -> list[float]:
    """What lies outside of the grid of τ, and of that of τ′."""
    race = Race(target.spread, target.length)
    ends = ((tau[0], -1), (tau[-1], 1))
    return [2 * math.exp(race.log_tail(end, step, side)) for end, side in ends]


def _kept(target: Target, tau: np.ndarray, step: float) -> tuple[np.ndarray, float]:
    """Which pairs (τ, τ′) are kept, and a bound on the sum of the others."""
    race = Race(target.spread, target.length)
    share = step**2 * np.exp(np.minimum(race.log_shares(tau), 0.0))
    ascending = np.sort(share, axis=None)
    total = np.cumsum(ascending)
    count = int(np.searchsorted(total, _portion(target, 4)))
    return share >= ascending[count], float(total[count - 1]) if count else 0.0


def _slop(target: Target, layout: _Layout, position: np.ndarray) -> float:
    """(1 + δ)² (1 + ε)^variables: what sums over positive weights may have in excess of 1."""
    narrow = math.sqrt(1 - target.correlation**2) if target.correlation < 1 else 1.0
    tokens = max(_step(axis, target.beta) for axis in layout.axes.values())
    excess = _tokens(target) * math.log1p(weight_excess(tokens / narrow))
    if len(position) > 1:
        step = position[len(position) // 2 + 1] / (target.beta * target.gamma)
        excess += _positions_of(target) * math.log1p(weight_excess(step / narrow))
    return (1 + race_excess(layout.tau_step)) ** 2 * math.exp(2 * excess)


def _portion(target: Target, parts: int) -> float:
    """One of some equal parts of the error that one of four kinds of it may have."""
    return target.rtol * _SHARE / parts


def _radius(target: Target, variables: int) -> float:
    return gaussian_radius(_portion(target, 4 * variables))


def _tokens(target: Target) -> int:
    """The most tokens that two strings have."""
    return 2 * target.length


def _inner(target: Target) -> int:
    """The most tokens that more than one side of a position, or a copy, holds."""
    return target.length if target.correlation == 1 else _tokens(target)


def _positions_of(target: Target) -> int:
    """The variables p: one a position, or two copies."""
    return target.length * (1 if target.correlation == 1 else 2)


def _step(axis: Axis, beta: float) -> float:
    return float(axis.node[axis.size // 2 + 1]) / beta
