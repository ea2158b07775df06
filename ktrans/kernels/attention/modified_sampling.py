"""E[smax(u_q)ᵀ (X Yᵀ + γ² I) smax(v_q′)] by randomised quasi-Monte Carlo.

Where elimination is too dear; as for K_attn, with means and a correlation of the two strings.
"""

import numpy as np

from ktrans.kernels.attention.modified_pairs import (
    QueryPair,
    Setting,
    correlation,
    coupling,
    logit_means,
)
from ktrans.kernels.attention.quasi_monte_carlo import (
    Integrands,
    estimate_integrands,
    principal_axes,
)
from ktrans.kernels.base import Estimate


def quasi_monte_carlo_values(
    pairs: list[QueryPair],
    setting: Setting,
    precision: float,
    seed: int = 0,
    max_points: int = 1 << 15,
) -> Estimate:
    """The value of each pair of queries, to a requested standard error.

    Args:
        pairs: Pairs of queries, of strings of one length.
        setting: β ≥ 0, γ ≥ 0, any finite a.
        precision: Standard error to stop at, absolute, > 0.
        seed: Seed of the scramblings.
        max_points: Number of points of each scrambling to stop at in any case.

    Returns:
        Estimated values and standard errors, each of shape (number of pairs,); see
        `quasi_monte_carlo.quasi_monte_carlo_values`.
    """
    covariance = np.array([_covariance(pair, setting.gamma) for pair in pairs])
    integrands = Integrands(
        coupling=np.array([coupling(pair, setting.gamma) for pair in pairs]),
        means=np.array([np.concatenate(logit_means(pair, setting)) for pair in pairs]),
        axes=setting.temperature * principal_axes(covariance),
    )
    return estimate_integrands(integrands, precision, seed, max_points)


def _covariance(pair: QueryPair, gamma: float) -> np.ndarray:
    """Of the logits (u_q, v_q′)/β′."""
    own = [coupling(pair._replace(x=s, y=s), gamma) for s in (pair.x, pair.y)]
    cross = correlation(pair, gamma) * coupling(pair, gamma)
    return np.block([[own[0], cross], [cross.T, own[1]]])
