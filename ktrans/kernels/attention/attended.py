"""Σ E[s_i t_j] over some positions of two strings: attention that both pay to some tokens.

With s = smax(βu) and t = smax(βv) as in K_attn, K_attn(x, y) = Σ_ij (X Yᵀ + γ² I)_ij E[s_i t_j]. A
term that copies attended tokens into the logits needs parts of the sum by themselves.
"""

from collections.abc import Sequence

import numpy as np

from ktrans.kernels.attention.exact import MAX_COST, Attended, attended_cost, attended_values
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.attention.quasi_monte_carlo import (
    Integrands,
    estimate_integrands,
    principal_axes,
)
from ktrans.kernels.base import STANDARD_ERRORS, Bounded

_ROUNDING = 2.0**-52
_MOST_POINTS = 1 << 15


def attended_weights(pairs: Sequence[Attended], attention: AttentionKernel) -> list[Bounded]:
    """Σ E[s_i t_j] for each pair of strings with its positions.

    Args:
        pairs: Pairs of strings, tokens any integers, and the positions i and j summed over.
        attention: Its β < ∞, γ, `rtol` (here relative to 1) and `method`.

    Returns:
        For each pair a certified value and bound; estimated where sampled.

    Example:
        >>> import ktrans as kt
        >>> attention = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-6)
        >>> everywhere = frozenset(range(3))
        >>> (total,) = attended_weights(
        ...     [Attended((0, 1, 0), (2, 3, 3), everywhere, everywhere)], attention)
        >>> round(float(total.value), 6)
        1.0
    """
    if attention.beta == 0:
        return [_uniform(pair) for pair in pairs]
    setting = float(attention.beta), float(attention.gamma), attention.rtol
    exact = [pair for pair in pairs if _is_exact(pair, attention)]
    found = attended_values(exact, *setting)
    rows = zip(found.value.tolist(), found.bound.tolist(), strict=True)
    known = {pair: Bounded(*row, True) for pair, row in zip(exact, rows, strict=True)}
    return [known.get(pair) or _sampled(pair, attention) for pair in pairs]


def _uniform(pair: Attended) -> Bounded:
    share = len(pair.places1) * len(pair.places2) / len(pair.x) ** 2
    return Bounded(share, _ROUNDING * share, True)


def _is_exact(pair: Attended, attention: AttentionKernel) -> bool:
    if attention.method != "auto":
        return attention.method == "exact"
    beta, gamma = float(attention.beta), float(attention.gamma)
    return attended_cost(pair, beta, gamma, attention.rtol) <= MAX_COST


def _sampled(pair: Attended, attention: AttentionKernel) -> Bounded:
    k, gamma = len(pair.x), attention.gamma
    own = np.array(pair.x + pair.y)
    covariance = (own[:, None] == own) + gamma**2 * np.tile(np.eye(k), (2, 2))
    coupling = np.zeros((1, k, k))
    coupling[np.ix_([0], sorted(pair.places1), sorted(pair.places2))] = 1.0
    integrands = Integrands(
        coupling=coupling,
        means=np.zeros((1, 2 * k)),
        axes=attention.beta * principal_axes(covariance[None].astype(float)),
    )
    precision = attention.rtol / STANDARD_ERRORS
    found = estimate_integrands(integrands, precision, seed=0, max_points=_MOST_POINTS)
    return Bounded(float(found.mean[0]), float(STANDARD_ERRORS * found.stderr[0]), False)
