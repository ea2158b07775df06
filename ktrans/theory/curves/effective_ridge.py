"""The effective ridge κ of n samples: Σ_i λ_i / (λ_i + κ) + λ / κ = n, for real and complex λ."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy.optimize import brentq

from ktrans.theory.spectrum.population import Spectrum

# Kernel values are good to about this, relative to the mean diagonal: below it an eigenvalue of
# order s, which is a combination of them divided by (m)_s, is zero.
_VALUE_ROUNDING = 1e-12
_SMALLEST_LOG = -600.0
_SOLVED = 1e-13  # of n
_MOST_STEPS = 1000

Ridges = Float[np.ndarray, "j"] | Complex[np.ndarray, "j"]


class PopulationModes(NamedTuple):
    """Eigenvalues, zero where they are rounding, with multiplicities as floating-point numbers."""

    eigenvalues: Float[np.ndarray, "e"]
    multiplicities: Float[np.ndarray, "e"]


def read_modes(spectrum: Spectrum) -> PopulationModes:
    """The spectrum without its rounding."""
    strings = spectrum.vocab_size - np.arange(max(spectrum.orders) + 1.0)
    falling = np.concatenate([[1.0], np.cumprod(strings)])[spectrum.orders]
    zero = spectrum.eigenvalues * falling < _VALUE_ROUNDING * spectrum.trace
    values = np.where(zero, 0.0, spectrum.eigenvalues)
    return PopulationModes(values, spectrum.multiplicities.astype(np.float64))


def effective_ridges(modes: PopulationModes, n: float, ridges: Ridges) -> Ridges:
    """κ for each λ: the positive root for λ ≥ 0, that in the half-plane of λ for a complex one.

    Raises:
        ValueError: if n is not positive, or a ridge is zero and there are no more than n
            eigenfunctions.
    """
    if np.iscomplexobj(ridges):
        return _complex_roots(modes, n, ridges)
    return np.array([_positive_root(modes, n, ridge) for ridge in ridges.tolist()])


def _positive_root(modes: PopulationModes, n: float, ridge: float) -> float:
    """By bisection-like search of the logarithm of κ and two steps of Newton."""
    values, counts = modes
    number = float(counts[values > 0].sum())
    if n <= 0 or (ridge == 0 and n >= number):
        raise ValueError(
            f"`num_samples` must be positive and, at zero ridge, below the number of "
            f"eigenfunctions, {number:.15g}; got {n:.15g}."
        )

    def excess(log_kappa: float) -> float:
        return float(_excess(modes, n, ridge, np.exp(log_kappa)))

    # Each term is at most its numerator over κ.
    largest = np.log((counts @ values + ridge) / n)
    # SciPy's annotation leaves open what is returned.
    root: Any = brentq(excess, _SMALLEST_LOG, largest + 1e-9, xtol=1e-14)
    kappa = np.exp(root)
    # Newton in κ itself, whose relative rounding is less than that of its logarithm.
    for _ in range(2):
        kappa = _newton(modes, n, ridge, kappa)
    return float(kappa)


def _complex_roots(modes: PopulationModes, n: float, ridges: Ridges) -> Ridges:
    """Steps κ ← (λ + κ Σ_i L_i) / n, and of Newton for their fixed point where those are better.

    The map takes the sector between λ and the positive axis into itself, so it has one fixed point
    there and converges to it, if slowly.
    """
    kappa = (ridges + modes.multiplicities @ modes.eigenvalues) / n
    for _ in range(_MOST_STEPS):
        excess = _excess(modes, n, ridges, kappa)
        if (np.abs(excess) <= _SOLVED * n).all():
            return kappa
        newton = kappa * (1 + excess / (n - _learnt(modes, kappa) ** 2 @ modes.multiplicities))
        left = np.abs(newton * _excess(modes, n, ridges, newton))
        better = _in_sector(newton, ridges) & (left < np.abs(kappa * excess) / 2)
        kappa = np.where(better, newton, kappa * (1 + excess / n))
    raise ArithmeticError(f"no effective ridge was found for {n} samples at ridges {ridges}.")


def _in_sector(kappa: Ridges, ridges: Ridges) -> Bool[np.ndarray, "j"]:
    angle = np.angle(kappa) / np.angle(ridges)
    return (angle >= 0) & (angle <= 1)


def _excess(modes: PopulationModes, n: float, ridge: Any, kappa: Any) -> Any:
    return _learnt(modes, kappa) @ modes.multiplicities + ridge / kappa - n


def _newton(modes: PopulationModes, n: float, ridge: Any, kappa: Any) -> Any:
    learnt = _learnt(modes, kappa)
    slope = (learnt * (1 - learnt)) @ modes.multiplicities + ridge / kappa
    return kappa * (1 + _excess(modes, n, ridge, kappa) / slope)


def _learnt(modes: PopulationModes, kappa: Any) -> Any:
    """L_i for each κ, shape (…, e)."""
    return modes.eigenvalues / (modes.eigenvalues + np.asarray(kappa)[..., None])
