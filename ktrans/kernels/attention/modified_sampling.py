"""E[smax(u_q)ᵀ (X Yᵀ + γ² I) smax(v_q′)] by randomised quasi-Monte Carlo.

Where elimination is too dear. As for K_attn, the Gaussian (u, v) is projected on logits of mean
zero, and its principal axes come first in the Sobol' sequence.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri, softmax
from scipy.stats import qmc

from ktrans.kernels.attention.modified_pairs import (
    QueryPair,
    Setting,
    correlation,
    coupling,
    logit_means,
)
from ktrans.kernels.attention.quasi_monte_carlo import NUM_SCRAMBLINGS
from ktrans.kernels.base import Estimate

_FIRST_POINTS = 1 << 9
_HALF_SPACING = 2.0**-31  # Sobol' points are multiples of 2^−30; their midpoints are never 0


class _Integrand(NamedTuple):
    """Logits as mean + axes · normal, both strings in one vector, and X Yᵀ + γ² I."""

    means: Float[np.ndarray, "logits"]
    axes: Float[np.ndarray, "logits d"]
    weights: Float[np.ndarray, "k k"]

    def total(self, points: Float[np.ndarray, "points d"]) -> float:
        """The sum over points of the unit cube."""
        logits = self.means + ndtri(points + _HALF_SPACING) @ self.axes.T
        s, t = (softmax(half, axis=1) for half in np.split(logits, 2, axis=1))
        return float(np.sum((s @ self.weights) * t))


def quasi_monte_carlo_values(
    pairs: list[QueryPair],
    setting: Setting,
    precision: float,
    seed: int = 0,
    max_points: int = 1 << 15,
) -> Estimate:
    """The value of each pair of queries, to a requested standard error.

    The mean over 16 independent scramblings of a Sobol' sequence, its standard error from their
    spread. The number of points is doubled until the standard error is small enough.

    Args:
        pairs: Pairs of queries.
        setting: β ≥ 0, γ ≥ 0, any finite a.
        precision: Standard error to stop at, absolute, > 0.
        seed: Seed of the scramblings.
        max_points: Number of points of each scrambling to stop at in any case.

    Returns:
        Estimated values and standard errors, each of shape (number of pairs,).

    References:
        Owen, Scrambling Sobol' and Niederreiter–Xing points, Journal of Complexity 14 (1998).
    """
    parts = [_estimate(_integrand(pair, setting), precision, seed, max_points) for pair in pairs]
    mean, stderr = np.array(parts).reshape(-1, 2).T
    return Estimate(mean, stderr)


def _estimate(
    integrand: _Integrand, precision: float, seed: int, max_points: int
) -> tuple[float, float]:
    if integrand.axes.shape[1] == 0:  # strings of one position: nothing is random
        return float(integrand.weights.sum()), 0.0
    totals, used = np.zeros(NUM_SCRAMBLINGS), 0
    mean, stderr = 0.0, np.inf
    sequences = _sequences(integrand.axes.shape[1], seed)
    for number in _numbers(max_points):
        totals += [integrand.total(sequence.random(number)) for sequence in sequences]
        used += number
        means = totals / used
        mean, stderr = float(means.mean()), float(means.std(ddof=1) / np.sqrt(NUM_SCRAMBLINGS))
        if stderr <= precision:
            break
    return mean, stderr


def _numbers(max_points: int) -> Iterator[int]:
    """How many points to add each time, so that their number doubles."""
    used = 0
    while used < max_points:
        more = min(max(_FIRST_POINTS, used), max_points - used)
        yield more
        used += more


def _sequences(dimension: int, seed: int) -> list[qmc.Sobol]:
    seeds = np.random.SeedSequence(seed).spawn(NUM_SCRAMBLINGS)
    return [qmc.Sobol(dimension, rng=np.random.default_rng(some)) for some in seeds]


def _integrand(pair: QueryPair, setting: Setting) -> _Integrand:
    means, weights = np.concatenate(logit_means(pair, setting)), coupling(pair, setting.gamma)
    return _Integrand(means, _principal_axes(pair, setting), weights)


def _principal_axes(pair: QueryPair, setting: Setting) -> Float[np.ndarray, "logits d"]:
    """A with A Aᵀ the covariance of the centred logits (u_q, v_q′), largest directions first."""
    k = len(pair.x)
    own = [coupling(pair._replace(x=s, y=s), setting.gamma) for s in (pair.x, pair.y)]
    cross = correlation(pair, setting.gamma) * coupling(pair, setting.gamma)
    covariance = np.block([[own[0], cross], [cross.T, own[1]]])
    centre = np.kron(np.eye(2), np.eye(k) - 1 / k)
    eigenvalue, direction = np.linalg.eigh(centre @ covariance @ centre)
    axes = setting.temperature * direction * np.sqrt(np.maximum(eigenvalue, 0.0))
    return axes[:, ::-1][:, : 2 * k - 2]
