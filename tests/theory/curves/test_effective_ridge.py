import numpy as np
import pytest

from ktrans.theory.curves.effective_ridge import PopulationModes, effective_ridges
from ktrans.theory.curves.filters import FlowFilter

SOLVED = 1e-9  # the roots of the oracle's polynomial are no better
MODES = PopulationModes(np.array([0.5, 0.02, 0.003, 0.0]), np.array([1.0, 9.0, 40.0, 7.0]))


def polynomial_roots(n, ridge):
    """All κ with Σ_i λ_i / (λ_i + κ) + λ / κ = n, denominators multiplied out."""
    values, counts = MODES.eigenvalues[:3], MODES.multiplicities[:3]
    everything = np.poly(np.append(-values, 0.0))
    total = -n * everything + 0j
    for i in range(3):
        rest = np.poly(np.append(-np.delete(values, i), 0.0))
        total[1:] += counts[i] * values[i] * rest
    total[1:] += ridge * np.poly(-values)
    return np.roots(total)


@pytest.mark.parametrize("n", [3.0, 49.0, 50.0, 51.0, 10.0**5])  # there are 50 eigenfunctions
@pytest.mark.parametrize("time", [1e-3, 1.0, 1e3, 1e6])
def test_complex_roots_are_the_ones_in_the_half_plane_of_the_ridge(n, time):
    ridges = FlowFilter(time).resolvents().ridges
    for ridge, kappa in zip(ridges, effective_ridges(MODES, n, ridges), strict=True):
        roots = polynomial_roots(n, ridge)
        (wanted,) = roots[roots.imag * ridge.imag > SOLVED * abs(roots.imag * ridge.imag).max()]
        np.testing.assert_allclose(kappa, wanted, rtol=SOLVED)


def test_a_ridge_close_to_the_positive_axis_has_nearly_the_positive_root():
    (real,) = effective_ridges(MODES, 20.0, np.array([0.1]))
    (near,) = effective_ridges(MODES, 20.0, np.array([0.1 + 1e-9j]))
    assert real > 0
    np.testing.assert_allclose(near, real, rtol=1e-6)  # analytic: as close as the ridges are
