"""The quadrature rule of K_attn: nodes for the Gumbel variables, the tokens and the positions.

Every integrand is analytic and decays, so uniform grids converge exponentially in 1/step. A grid of
step h errs by what the integrand holds at the frequency ξ = 2π/h and its multiples, and frequencies
that aliasing lets through may cancel one another. Write l = ln 1/ε for the target ε. What damps a
frequency: f in τ by |Γ(1 + iξ)| ~ e^{−πξ/2}; a softmax in the logits by e^{−πξ/β}; each Gaussian
variable that sees it, by its characteristic function. Hence

* τ: in one of τ, τ′ a frequency reaches the p of all positions, e^{−πξ/2 − (βγξ)²/2k}; in both
  with opposite signs the p see nothing, but Γ counts twice, e^{−πξ}.
* ω of a component without directed cycles: the strings x and y must both carry the frequency for
  the p to see nothing, e^{−2πξ/β}; otherwise p and other tokens damp it, e^{−πξ/β − cξ²/2k} with
  1/c = 1 + 1/γ². Along a directed cycle of g tokens (y permutes tokens of x) they share it:
  e^{−2(1 − 1/g)πξ/β}, which is least for g = 2.
* p: its poles at π/(βγ), and e^{iξβγp} must be integrated rightly for the damping of τ. A fine grid
  costs little here: p is summed out before tokens are joined.
* To the left the integrand falls only like e^τ. τ = x − e^{−(x + X)} makes that double-exponential
  and leaves τ = x where the probability is; X ≈ 5.2 standard deviations of βu keeps the strip of
  analyticity wide wherever the weight is not small. Beyond the bend the p damp nothing any more:
  what is left there, e^{−X + Var(βu)/2}, must make up for it, with e^{−πξ/2} of the strip. At large
  β there is little to gain by a bend, and the grid stays uniform: then all of τ + βω falls on one
  lattice, which the tables can share.

Nothing here is trusted: the bound on a value comes from comparing two rules (`two_rule_bound`).
"""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_COARSENING = 10.0  # the coarse rule aims at an error this much larger than the fine one's
_MARGIN = 10.0  # a rule's error stays below this multiple of its aim, measured over the range
_ROUNDING = 2e-14  # relative to 1 + γ²; sums of some 10⁷ positive terms, measured below 5e-15
_NEGLIGIBLE = 5.0  # nats below ε at which a node is left out
_HERMITE_SCALE = 0.7  # below it Gauss–Hermite may have fewer nodes than a uniform grid
_GAUSSIAN_STEP = 0.82  # of a standard normal variable, for e^{−25}
_LATTICE_REFINEMENT = 2  # lattice points for one step of τ: lets βω take steps between
_LATTICE_SPREAD = 3.0  # standard deviation of a logit from which the grid of τ stays uniform


class Nodes(NamedTuple):
    """Nodes and weights for one standard normal variable."""

    node: Float[np.ndarray, "values"]
    weight: Float[np.ndarray, "values"]


class Rule(NamedTuple):
    """Nodes (τ, τ′) with weights, and the nodes of a token's ω and of a position's p.

    `tokens[girth]` serves the components whose shortest directed cycle has 2 or at least 3 tokens,
    `tokens[0]` those without one. The nodes (τ, τ′) are symmetric: `swapped` gives for each the
    place of (τ′, τ). Where `lattice` is positive, every τ and βω is a multiple of it.
    """

    tau1: Float[np.ndarray, "z"]
    tau2: Float[np.ndarray, "z"]
    weight: Float[np.ndarray, "z"]
    swapped: Int[np.ndarray, "z"]
    tokens: dict[int, Nodes]
    position: Nodes
    lattice: float


def quadrature_rule(beta: float, gamma: float, length: int, accuracy: float) -> Rule:
    """The rule that aims at an absolute error of about `accuracy` (1e-3 to 1e-14).

    Args:
        beta: Inverse temperature β.
        gamma: Strength γ of the positional embedding.
        length: Number k of positions.
        accuracy: The aim ε.
    """
    digits = np.log(1 / accuracy)
    together = (beta * gamma) ** 2 / (2 * length)
    damped = gamma**2 / (1 + gamma**2) / (2 * length)
    tau = max(_frequency(together, np.pi / 2, digits + 3), (digits + 6) / np.pi)
    shared = _frequency(0.0, np.pi / beta, digits + 2)
    apart = max(_frequency(damped, np.pi / beta, digits + 2), shared / 2)
    omega = {0: apart, 3: max(0.75 * shared, apart), 2: shared}
    p = max(_frequency(0.0, np.pi, digits + 2), 2 * tau)
    position = normal_nodes(p * beta * gamma, beta * gamma, digits)
    step = 2 * np.pi / tau
    bent = bool(beta * np.sqrt(1 + gamma**2) < _LATTICE_SPREAD)
    lattice = 0.0 if bent else step / _LATTICE_REFINEMENT
    nodes = normal_nodes if bent else functools.partial(_lattice_nodes, lattice)
    tokens = {girth: nodes(frequency, beta, digits) for girth, frequency in omega.items()}
    gumbel = _gumbel_nodes(beta, gamma, step, digits, bent)
    return Rule(*gumbel, tokens, position, lattice)


class Accuracies(NamedTuple):
    """What two rules aim at."""

    fine: float
    coarse: float


def rule_accuracies(rtol: float) -> Accuracies:
    """The aims of two rules whose comparison gives a bound of `rtol`, relative to 1 + γ²."""
    return Accuracies(rtol / _MARGIN / _COARSENING, rtol / _MARGIN)


def two_rule_bound(
    fine: Float[np.ndarray, "c"], coarse: Float[np.ndarray, "c"], gamma: float, rtol: float
) -> Float[np.ndarray, "c"]:
    """A bound on the error of values by the fine rule.

    The distance to the coarse rule, whose error is by design ten times the finer rule's, plus what
    the finer rule may err by where the coarser is right by accident.
    """
    floor = (1 + gamma**2) * (_MARGIN * rule_accuracies(rtol).fine + _ROUNDING)
    return np.abs(fine - coarse) + floor


def _frequency(quadratic: float, linear: float, exponent: float) -> float:
    """The ξ > 0 at which quadratic ξ² + linear ξ reaches the exponent."""
    return 2 * exponent / (linear + np.sqrt(linear**2 + 4 * quadratic * exponent))


def normal_nodes(frequency: float, scale: float, digits: float) -> Nodes:
    """Nodes for E[g(scale·ω)] with g analytic in a strip of half-width π, up to a frequency of ω.

    Gauss–Hermite where the strip is wide against the Gaussian, elsewhere a uniform grid, no coarser
    than the Gaussian weight allows.
    """
    if scale == 0:
        return Nodes(np.zeros(1), np.ones(1))
    radius = gaussian_radius(digits)
    half = int(np.ceil(radius / gaussian_step(frequency, digits)))
    hermite = int(np.ceil(1.3 * (scale * digits / (2 * np.pi)) ** 2 + 8))
    if scale < _HERMITE_SCALE and hermite < 2 * half + 1:
        node, weight = np.polynomial.hermite_e.hermegauss(hermite)
    else:
        node = radius / half * np.arange(-half, half + 1)
        weight = np.exp(-(node**2) / 2)
    return Nodes(node, weight / weight.sum())


def _lattice_nodes(step: float, frequency: float, beta: float, digits: float) -> Nodes:
    """A uniform grid whose βω are multiples of `step`."""
    spacing = max(1, int(beta * gaussian_step(frequency, digits) / step)) * step / beta
    half = int(np.ceil(gaussian_radius(digits) / spacing))
    node = spacing * np.arange(-half, half + 1)
    weight = np.exp(-(node**2) / 2)
    return Nodes(node, weight / weight.sum())


def gaussian_step(frequency: float, digits: float) -> float:
    """The step of a uniform grid that resolves a frequency and the Gaussian weight."""
    return min(2 * np.pi / frequency, _GAUSSIAN_STEP * np.sqrt(25 / digits))


def gaussian_radius(digits: float) -> float:
    """Beyond which a standard normal variable is left out."""
    return np.sqrt(2 * digits) + 0.2


def padded(nodes: Nodes, size: int) -> Nodes:
    """The same rule with idle nodes up to a size, so that rules share compiled code."""
    spare = (0, max(0, size - len(nodes.node)))
    return Nodes(np.pad(nodes.node, spare), np.pad(nodes.weight, spare))


def _gumbel_nodes(
    beta: float, gamma: float, step: float, digits: float, bent: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(τ, τ′) on a square grid, without the pairs whose share is below the accuracy."""
    spread = beta * np.sqrt(1 + gamma**2)  # standard deviation of one logit
    undamped = digits + 2 + spread**2 / 2 - np.pi**2 / step
    onset = max(5.2 * spread * np.sqrt(digits / 25) + 1.5, undamped)
    tail = np.log(max(digits + spread**2 / 2 - onset, 1.0)) + 0.5
    lower = -onset - tail if bent else -digits - _NEGLIGIBLE - spread**2
    upper = np.sqrt(2 * digits) * spread + np.log(digits + 3)
    grid = step * np.arange(np.floor(lower / step), np.ceil(upper / step) + 1)
    bend = np.exp(-(grid + onset)) if bent else np.zeros_like(grid)
    tau, weight = grid - bend, step * (1 + bend)
    size = _log_size(tau, spread, digits) + np.log(weight)
    kept = np.add.outer(size, size) > -digits - _NEGLIGIBLE
    first, second = np.nonzero(kept)
    place = np.zeros(kept.shape, dtype=int)
    place[first, second] = np.arange(len(first))
    return tau[first], tau[second], weight[first] * weight[second], place[second, first]


def _log_size(
    tau: Float[np.ndarray, "nodes"], spread: float, digits: float
) -> Float[np.ndarray, "nodes"]:
    """A bound on ½ log E f², up to a factor of k; E f f′ is at most the product (Cauchy–Schwarz).

    E f² ≤ sup_L min(1, e^{2(τ + L)}) e^{−L²/2σ²} to the left, and the probability that all logits
    are this low to the right.
    """
    if spread == 0:
        return np.minimum(tau, 0.0)
    left = np.where(-tau <= 2 * spread**2, -((tau / spread) ** 2) / 4, tau + spread**2)
    low = np.maximum(tau - np.log(digits + 3), 0) / spread
    return np.where(tau < 0, left, -(low**2) / 4)
