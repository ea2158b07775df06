"""Powers of the embedding dimension, fitted with an interval."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, stats

# A first value that is not separated from zero by so many standard errors has no power to fit.
_SEPARATED = 3.0
CONFIDENCE = 0.95


class Decay(NamedTuple):
    """value ∝ d^(−exponent) over `first` ≤ d ≤ `last`, with a 95 % interval of the exponent.

    The interval is that of a fit to noisy values of an exact power; where the truth is a power
    only as d → ∞, the exponent is an effective one.
    """

    exponent: float
    lower: float
    upper: float
    first: int
    last: int


def fit_decay(
    dims: Int[np.ndarray, "d"], values: Float[np.ndarray, "d"], stderr: Float[np.ndarray, "d"]
) -> Decay | None:
    """Weighted least squares of values on C d^(−a), values of either sign.

    Args:
        dims: d, ascending, shape (d,).
        values: Estimates.
        stderr: Their standard errors, positive.

    Returns:
        The estimated decay; None for fewer than two dimensions, or where the value at the first
        is zero within three standard errors.

    Example:
        >>> dims = np.array([100, 200, 400])
        >>> round(fit_decay(dims, 5.0 / dims**2, np.full(3, 1e-6)).exponent, 9)
        2.0
    """
    if len(dims) < 2 or not abs(values[0]) > _SEPARATED * stderr[0]:
        return None
    scaled = dims / dims[0]
    found, covariance = optimize.curve_fit(
        lambda d, amplitude, power: amplitude * d**-power,
        scaled, values / values[0], p0=(1.0, 1.0), sigma=stderr / abs(values[0]),
        absolute_sigma=True,
    )  # fmt: skip
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(covariance[1, 1]))
    exponent = float(found[1])
    return Decay(exponent, exponent - half, exponent + half, int(dims[0]), int(dims[-1]))
