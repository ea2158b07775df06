"""A linear probe: ridge regression on features, scored on seen and on unseen symbols."""

import numpy as np
from jaxtyping import Float

from ktrans.measure.probing.moments import Moments

RELATIVE_RIDGES = tuple(10.0**power for power in range(-5, 3))


def fit(
    features: Float[np.ndarray, "n d"], labels: Float[np.ndarray, "n"], ridge: float | None
) -> tuple[Float[np.ndarray, "d"], float]:
    """The weights w = Φᵀ(ΦΦᵀ + λI)⁻¹ y, and λ.

    Args:
        features: Φ.
        labels: y.
        ridge: λ ≥ 0; None: the one of `RELATIVE_RIDGES`, times the mean ‖φ‖², with the least
            leave-one-out error on the n samples.

    Example:
        >>> weights, ridge = fit(np.eye(3), np.arange(3.0), 1.0)
        >>> weights, ridge
        (array([0. , 0.5, 1. ]), 1.0)
    """
    left, singular, right = np.linalg.svd(features, full_matrices=False)
    if ridge is None:
        scale = float(np.mean(np.sum(features**2, axis=1))) or 1.0
        candidates = [scale * share for share in RELATIVE_RIDGES]
        ridge = min(candidates, key=lambda each: _left_out(left, singular, labels, each))
    gain = np.divide(singular, singular**2 + ridge, out=np.zeros_like(singular), where=singular > 0)
    return right.T @ (gain * (left.T @ labels)), ridge


def _left_out(
    left: Float[np.ndarray, "n q"],
    singular: Float[np.ndarray, "q"],
    labels: Float[np.ndarray, "n"],
    ridge: float,
) -> float:
    """Mean squared error of predicting each sample from the others, Φ = left diag(singular) …."""
    kept = singular**2 / (singular**2 + ridge)
    residuals = labels - left @ (kept * (left.T @ labels))
    return float(np.mean((residuals / (1 - left**2 @ kept)) ** 2))


def mean_squared_error(
    weights: Float[np.ndarray, "d"],
    features: Float[np.ndarray, "n d"],
    labels: Float[np.ndarray, "n"],
) -> float:
    """Of the probe on strings with their labels."""
    return float(np.mean((features @ weights - labels) ** 2))


def closed_form(
    moments: Moments,
    labels: Float[np.ndarray, "r"],
    weights: Float[np.ndarray, "r"],
    num_samples: int,
    ridge: float,
    noise: float,
) -> float:
    """The error on unseen symbols without collisions, f = R D f*, R = N (D N + Σ)⁻¹.

    D = n diag(w), and Σ = E‖φ‖² − N_zz + λ: what a string has beyond its template acts as an extra
    ridge. Label noise τ² adds the variance τ² Σ_z n w_z R².

    Args:
        moments: N and E‖φ‖² − N_zz, estimated.
        labels: f*.
        weights: w, of the templates.
        num_samples: n.
        ridge: λ.
        noise: τ.

    References:
        The theory page, section on learning curves; Boix-Adserà et al. (2024), section 3.
    """
    matrix, counts = moments.template_matrix, num_samples * weights
    system = counts[:, None] * matrix + np.diag(moments.self_kernel + ridge)
    reach = np.linalg.solve(system.T, matrix.T).T
    errors = (reach @ (counts * labels) - labels) ** 2 + noise**2 * reach**2 @ counts
    return float(weights @ errors)
