"""Intervals of slopes cover what they state, in simulations with a known slope."""

import numpy as np
import pytest

from ktrans.measure.rates import power_law
from ktrans.measure.unseen import Statistic, UnseenErrors, root_mean_square, spread

N = np.array([512.0, 2048.0, 8192.0, 32768.0])
SIMULATIONS = 2000  # a standard error of .005 of the coverage


def simulated(rng: np.random.Generator, seeds: int, shared: float) -> UnseenErrors:
    """Errors that fall like n^−½, a part of them the same for all training sets."""
    noise = rng.standard_normal((len(N), seeds, 2)) + shared * np.array([1.0, -1.0])
    return UnseenErrors(N, N, noise / np.sqrt(N)[:, None, None], np.full(2, 0.5), 1.0)


@pytest.mark.parametrize("seeds", [3, 5, 12])
@pytest.mark.parametrize(
    ("statistic", "shared", "most"),
    # The spread of two sets that are left of three is rough: its intervals are a little wide.
    [(root_mean_square, 0.0, 0.97), (root_mean_square, 1.0, 0.97), (spread, 1.0, 0.98)],
)
def test_ninety_five_per_cent_intervals_cover_ninety_five_per_cent(
    seeds: int, statistic: Statistic, shared: float, most: float
):
    rng = np.random.default_rng(5)
    laws = [power_law(N, simulated(rng, seeds, shared), statistic) for _ in range(SIMULATIONS)]
    covered = np.mean([law.low <= -0.5 <= law.high for law in laws])
    assert 0.93 <= covered <= most


def test_a_single_training_set_has_no_interval():
    law = power_law(N, simulated(np.random.default_rng(0), 1, 1.0), root_mean_square)
    assert np.isnan(law.low) and np.isnan(law.high)
