"""A test of whether N is nonsingular that errs at most at its level, whatever the features.

N is singular if Σ_i v_i μ_i = 0 for some v ≠ 0, μ_i the mean feature of template i. On features
f(s) ∈ R^{r × q} of independent substitutions s, let m be their mean over n substitutions and

    T(v) = n ‖vᵀm‖² / ((1/(n − 1)) Σ_s ‖vᵀ(f(s) − m)‖²).

If Σ_i v_i μ_i = 0, n‖vᵀm‖² is a quadratic form in a Gaussian (for large n) with the denominator as
its mean, and P[T(v) > t²] ≤ P[|g| > t] for every covariance (Székely and Bakirov 2003, for levels
up to .215), with Student's g of n − 1 degrees. As min_v T(v) ≤ T(v) at whichever v it is, N is
called nonsingular if the minimum, a generalised eigenvalue, is above t².

The test loses power with the number of directions in which features vary. So r directions are
learned first, by ridge regression of the templates on the features of one half of the
substitutions, and the test is done on the other half, whose tokens are others; then the halves
change places, and the p-value is twice the smaller one.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.special import stdtr

_RIDGE = 1e-3  # of the regression, relative to the mean square of a feature vector
# Differences this much smaller than the features are rounding, not knowledge.
_RESOLUTION = 1e-7
_LARGEST_LEVEL = 0.215


def nonsingular_p_value(features: Float[np.ndarray, "b r d"]) -> float:
    """The p-value of the hypothesis that N is singular; valid where it is at most .215.

    Args:
        features: Of r templates under b independent substitutions.

    Returns:
        A bound on a probability that holds for large b; 1 where it is above .215.

    References:
        Székely and Bakirov (2003), Extremal probabilities for Gaussian quadratic forms.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> noise, means = 0.3 * rng.standard_normal((100, 2, 5)), np.eye(2, 5)
        >>> nonsingular_p_value(noise + means) < 1e-6, nonsingular_p_value(noise + means[0]) > 0.1
        (True, True)
    """
    half = len(features) // 2
    pair = features[:half], features[half : 2 * half]
    p = 2 * min(_tested(*pair), _tested(*reversed(pair)))
    return p if p <= _LARGEST_LEVEL else 1.0


def _tested(learn: Float[np.ndarray, "b r d"], test: Float[np.ndarray, "b r d"]) -> float:
    seen = test @ _directions(learn)
    statistic, degrees = least_statistic(seen), len(test) - 1
    return float(2 * stdtr(degrees, -np.sqrt(statistic)))


def _directions(features: Float[np.ndarray, "b r d"]) -> Float[np.ndarray, "d r"]:
    """Ridge regression of the templates' indicators, in features of mean square one."""
    count, templates, dim = features.shape
    rows = features.reshape(-1, dim)
    scale = np.mean(np.sum(rows**2, axis=1))
    if scale == 0:
        return np.zeros((dim, templates))
    gram = rows @ rows.T / scale
    targets = np.tile(np.eye(templates), (count, 1))
    return rows.T @ np.linalg.solve(gram + _RIDGE * np.eye(len(gram)), targets) / scale


def least_statistic(features: Float[np.ndarray, "b r q"]) -> float:
    """min_v T(v), zero where no feature differs by more than rounding."""
    count = len(features)
    mean = features.mean(axis=0)
    spread = np.sqrt(np.mean((features - mean) ** 2, axis=(0, 1)))
    largest = np.abs(features).max(initial=0.0)
    if largest == 0:
        return 0.0
    unit = 1 / np.maximum(spread, _RESOLUTION * largest)
    mean, centred = mean * unit, (features - mean) * unit
    signal = count * mean @ mean.T
    noise = np.einsum("brq,bsq->rs", centred, centred) / (count - 1)
    floor = _RESOLUTION**2 * max(np.trace(signal), np.trace(noise)) * np.eye(len(noise))
    return float(max(eigh(signal, noise + floor, eigvals_only=True)[0], 0.0))
