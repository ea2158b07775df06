"""The effective dimension of the population: how many directions a ridge leaves free."""

import numpy as np

from ktrans._checks import Number, as_non_negative, as_positive, check_kind
from ktrans.theory.spectrum.population import Spectrum


def population_effective_dimension(
    spectrum: Spectrum, *, num_samples: Number, ridge: Number
) -> float:
    """Σ_i n λ_i / (n λ_i + λ) of the population operator, each with its multiplicity.

    It bounds what n samples give, E tr K̂ (K̂ + λ)⁻¹ ≤ Σ_i n λ_i / (n λ_i + λ), since the trace is
    concave in K̂. Close to n the bound is loose, and `learnability(…).total` is near the mean.

    Args:
        spectrum: From `population_spectrum`.
        num_samples: n.
        ridge: λ > 0, absolute.

    Returns:
        Exact for the spectrum; may be above n.

    Raises:
        ValueError: if the ridge is not positive.

    References:
        Caponnetto and De Vito, "Optimal rates for the regularized least-squares algorithm", Found.
        Comput. Math. 7, 2007.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> spectrum = kt.population_spectrum(mlp, kt.tasks.load("aba_abb", vocab_size=100))
        >>> round(population_effective_dimension(spectrum, num_samples=50, ridge=1e3), 2)
        0.1
    """
    check_kind("spectrum", spectrum, Spectrum)
    scaled = as_non_negative("num_samples", num_samples) * spectrum.eigenvalues
    counts = spectrum.multiplicities.astype(np.float64)
    return float(counts @ (scaled / (scaled + as_positive("ridge", ridge))))
