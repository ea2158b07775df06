"""K_attn at the ends of the range of β, where it needs no quadrature.

At β = ∞ softmax picks the largest logit: K_attn(x, y) = Σ_ij (X Yᵀ + γ² I)_ij P[u_i and v_j are
the largest], a sum of orthant probabilities of Gaussian differences. At γ = 0 equal tokens tie and
share the weight; the largest of the distinct tokens of both strings decides, which gives the
Jaccard index of the two sets of tokens.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.stats import multivariate_normal

from ktrans._numerics import in_float64, is_traced, to_host
from ktrans.kernels.base import STANDARD_ERRORS, Bounded

_ROUNDING = 1e-15
_REPEATS = 8  # independent estimates of an orthant probability, for its standard error
_POINTS = 4000  # for each dimension of an orthant


@in_float64
def zero_beta_values(
    tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"], gamma: Any
) -> Bounded:
    """K_attn at β = 0: S₁₁/k² + γ²/k, with S₁₁ the number of position pairs with x_i = y_j."""
    k = tokens1.shape[1]
    equal = np.sum(tokens1[:, :, None] == tokens2[:, None, :], axis=(1, 2))
    values = jnp.asarray(equal / k**2) + gamma**2 / k
    bound = jnp.full(values.shape, jnp.nan) if is_traced(values) else _ROUNDING * values
    return Bounded(to_host(values), to_host(bound), certified=True)


def infinite_beta_values(
    tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"], gamma: float
) -> Bounded:
    """K_attn at β = ∞: exact at γ = 0, otherwise estimated, the bound five standard errors."""
    if gamma == 0:
        sets = [(set(x), set(y)) for x, y in zip(tokens1.tolist(), tokens2.tolist(), strict=True)]
        values = np.array([len(x & y) / len(x | y) for x, y in sets])
        return Bounded(values, _ROUNDING * values, certified=True)
    rows = [_argmax_race(x, y, gamma) for x, y in zip(tokens1, tokens2, strict=True)]
    repeats = np.array(rows)
    stderr = repeats.std(axis=1, ddof=1) / np.sqrt(_REPEATS)
    bound = STANDARD_ERRORS * stderr + _ROUNDING
    return Bounded(repeats.mean(axis=1), bound, certified=False)


def _argmax_race(
    x: Int[np.ndarray, "k"], y: Int[np.ndarray, "k"], gamma: float
) -> Float[np.ndarray, "repeats"]:
    """Independent estimates of Σ_ij (X Yᵀ + γ² I)_ij P[u_i and v_j are the largest]."""
    k = len(x)
    tokens = np.unique(np.concatenate([x, y]))
    onto = [(s[:, None] == tokens[None, :]).astype(float) for s in (x, y)]
    u, v = (np.concatenate([some, gamma * np.eye(k)], axis=1) for some in onto)  # logits of (ω, p)
    weight = onto[0] @ onto[1].T + gamma**2 * np.eye(k)
    return sum(
        weight[i, j]
        * _orthant(np.concatenate([u[i] - np.delete(u, i, 0), v[j] - np.delete(v, j, 0)]))
        for i in range(k)
        for j in range(k)
        if weight[i, j] > 0
    ) + np.zeros(_REPEATS)


def _orthant(forms: Float[np.ndarray, "d logits"]) -> Float[np.ndarray, "repeats"]:
    """Estimates of P[all linear forms of a standard normal vector are positive]."""
    distinct = _distinct(forms / np.linalg.norm(forms, axis=1, keepdims=True))
    if distinct is None:
        return np.zeros(_REPEATS)
    if len(distinct) == 0:
        return np.ones(_REPEATS)
    covariance, origin = distinct @ distinct.T, np.zeros(len(distinct))
    seeds = map(np.random.default_rng, range(_REPEATS))
    law: Any = multivariate_normal  # its stub types are those of one dimension
    cdf = law(origin, covariance, allow_singular=True, maxpts=_POINTS * len(origin)).cdf
    return np.array([cdf(origin, rng=rng) for rng in seeds])


def _distinct(forms: Float[np.ndarray, "d logits"]) -> Float[np.ndarray, "e logits"] | None:
    """Each form once; None where one is the negative of another, which leaves probability zero."""
    kept: list[np.ndarray] = []
    for form in forms:
        if any(np.allclose(form, -other) for other in kept):
            return None
        if not any(np.allclose(form, other) for other in kept):
            kept.append(form)
    return np.array(kept).reshape(len(kept), forms.shape[1])
