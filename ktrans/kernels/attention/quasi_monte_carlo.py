"""K_attn by randomised quasi-Monte Carlo, where elimination is too dear.

Softmax does not see a constant added to all its logits, so the Gaussian (u, v) is projected on
logits of mean zero: at most 2k − 2 dimensions in place of one for each token and position. Their
principal axes come first in the Sobol' sequence, whose first coordinates are its best.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Int
from scipy.stats import qmc

from ktrans._numerics import in_float64, to_host
from ktrans.kernels.base import Estimate

NUM_SCRAMBLINGS = 16  # the standard error is then known to 18 %
_FIRST_POINTS = 1 << 9
_CHUNK = 1 << 12  # points in flight
_HALF_SPACING = 2.0**-31  # Sobol' points are multiples of 2^−30; their midpoints are never 0


class Integrands(NamedTuple):
    """E[smax(u)ᵀ C smax(v)] with (u, v) = means + axes · normal, for each of c pairs of strings."""

    coupling: Float[np.ndarray, "c k k"] | Float[Array, "c k k"]
    means: Float[np.ndarray, "c logits"] | Float[Array, "c logits"]
    axes: Float[np.ndarray, "c logits d"] | Float[Array, "c logits d"]


def quasi_monte_carlo_values(
    tokens1: Int[np.ndarray, "c k"],
    tokens2: Int[np.ndarray, "c k"],
    beta: float,
    gamma: float,
    precision: float,
    seed: int = 0,
    max_points: int = 1 << 17,
) -> Estimate:
    """K_attn(x_c, y_c) for each row c, to a requested standard error.

    The mean over 16 independent scramblings of a Sobol' sequence in (ω, p), its standard error from
    their spread. The number of points is doubled until the standard error is small enough.

    Args:
        tokens1: Strings x, shape (c, k), any integers.
        tokens2: Strings y, shape (c, k).
        beta: Inverse temperature, 0 ≤ β < ∞.
        gamma: Strength of the positional embedding, γ ≥ 0.
        precision: Standard error to stop at, absolute, > 0.
        seed: Seed of the scramblings.
        max_points: Number of points of each scrambling to stop at in any case.

    Returns:
        Estimated values and standard errors, each of shape (c,). A standard error above `precision`
        says that `max_points` was reached.

    References:
        Owen, Scrambling Sobol' and Niederreiter–Xing points, Journal of Complexity 14 (1998).

    Example:
        >>> import numpy as np
        >>> from ktrans.kernels.attention.quasi_monte_carlo import quasi_monte_carlo_values
        >>> x, y = np.array([[0, 1, 0]]), np.array([[0, 1, 1]])
        >>> estimate = quasi_monte_carlo_values(x, y, 1.0, 0.7, precision=1e-4)
        >>> bool(estimate.stderr[0] <= 1e-4)
        True
    """
    length, own = tokens1.shape[1], np.concatenate([tokens1, tokens2], axis=1)
    covariance = _agreement(own, own) + gamma**2 * np.tile(np.eye(length), (2, 2))
    integrands = Integrands(
        coupling=_agreement(tokens1, tokens2) + gamma**2 * np.eye(length),
        means=np.zeros((len(tokens1), 2 * length)),
        axes=beta * principal_axes(covariance),
    )
    return estimate_integrands(integrands, precision, seed, max_points)


@in_float64
def estimate_integrands(
    integrands: Integrands, precision: float, seed: int, max_points: int
) -> Estimate:
    """The value of each integrand, as `quasi_monte_carlo_values` has it for K_attn."""
    count, dimension = len(integrands.axes), integrands.axes.shape[2]
    if dimension == 0:  # strings of one position: nothing is random
        return Estimate(np.asarray(integrands.coupling[:, 0, 0]), np.zeros(count))
    mean, stderr = np.zeros(count), np.full(count, np.inf)
    sequences, open_ = _sequences(dimension, seed), np.arange(count)
    totals = np.zeros((NUM_SCRAMBLINGS, count))
    used, wanted = 0, min(_FIRST_POINTS, max_points)
    while len(open_) and used < max_points:
        rows = np.resize(open_, 1 << (len(open_) - 1).bit_length())  # few shapes to compile
        some = Integrands(*(jnp.asarray(part[rows]) for part in integrands))
        more = _more_totals(sequences, wanted - used, some)
        totals[:, open_] += more[:, : len(open_)]
        used, wanted = wanted, min(2 * wanted, max_points)
        means = totals[:, open_] / used
        mean[open_] = means.mean(axis=0)
        stderr[open_] = means.std(axis=0, ddof=1) / np.sqrt(NUM_SCRAMBLINGS)
        open_ = open_[stderr[open_] > precision]
    return Estimate(mean, stderr)


def _sequences(dimension: int, seed: int) -> list[qmc.Sobol]:
    seeds = np.random.SeedSequence(seed).spawn(NUM_SCRAMBLINGS)
    return [qmc.Sobol(dimension, rng=np.random.default_rng(some)) for some in seeds]


def _more_totals(
    sequences: list[qmc.Sobol], number: int, integrands: Integrands
) -> Float[np.ndarray, "scramblings c"]:
    """The sums over the next `number` points of each sequence."""
    return np.stack([_next_sum(sequence, number, integrands) for sequence in sequences])


def _next_sum(sequence: qmc.Sobol, number: int, integrands: Integrands) -> Float[np.ndarray, "c"]:
    total = np.zeros(len(integrands.axes))
    for start in range(0, number, _CHUNK):
        points = sequence.random(min(_CHUNK, number - start))
        total += to_host(_sum_over_points(jnp.asarray(points), integrands))
    return total


@jax.jit
def _sum_over_points(points: Float[Array, "points d"], integrands: Integrands) -> Float[Array, "c"]:
    """Σ over the points of smax(u)ᵀ C smax(v), pair by pair."""
    normal = ndtri(points + _HALF_SPACING)

    def total(pair: Integrands) -> Float[Array, ""]:
        first, second = jnp.split(pair.means + normal @ pair.axes.T, 2, axis=1)
        weights1, weights2 = jax.nn.softmax(first), jax.nn.softmax(second)
        return jnp.sum((weights1 @ pair.coupling) * weights2)

    return jax.lax.map(total, integrands)


def _agreement(
    tokens1: Int[np.ndarray, "c k1"], tokens2: Int[np.ndarray, "c k2"]
) -> Float[np.ndarray, "c k1 k2"]:
    return (tokens1[:, :, None] == tokens2[:, None, :]).astype(np.float64)


def principal_axes(
    covariance: Float[np.ndarray, "c logits logits"],
) -> Float[np.ndarray, "c logits d"]:
    """A with A Aᵀ the covariance of the centred logits (u, v), largest directions first."""
    length = covariance.shape[1] // 2
    centre = np.kron(np.eye(2), np.eye(length) - 1 / length)
    eigenvalue, direction = np.linalg.eigh(centre @ covariance @ centre)
    axes = direction * np.sqrt(np.maximum(eigenvalue, 0.0))[:, None, :]
    return axes[:, :, ::-1][:, :, : 2 * length - 2]
