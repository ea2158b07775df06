import json

import numpy as np
import pytest

from experiments.block_structure import Config, compute, figure_of
from ktrans.cli.output import write_json
from ktrans.plotting.svg import write_figure

# The kernel is evaluated once for all of this file, which takes a few seconds.
pytestmark = pytest.mark.slow

# Of exponents fitted to a sweep: fluctuations of one sample for each point, and corrections of
# relative order ρ/n and 1/ρ at its ends.
EXPONENT = 0.08


@pytest.fixture(scope="module")
def result():
    return compute(Config.quick())


@pytest.fixture(scope="module")
def rho(result):
    return np.array([each.diversity for each in result.by_diversity])


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def test_the_share_of_other_entries_falls_like_one_over_the_diversity(result, rho):
    n = result.by_diversity[0].num_samples
    share = np.array([1 - each.share_equal for each in result.by_diversity]) - 1 / n
    assert rho[-1] / rho[1] >= 10**3
    np.testing.assert_allclose(slope(rho[1:], share[1:]), -1.0, atol=EXPONENT)


def test_the_frobenius_norm_off_the_diagonal_falls_like_its_square_root(result, rho):
    norms = [
        each.frobenius * np.sqrt(1 - each.collisions.diagonal_share) for each in result.by_diversity
    ]
    np.testing.assert_allclose(slope(rho, norms), -0.5, atol=EXPONENT)


def test_the_operator_norm_falls_like_one_over_the_diversity_down_to_the_diagonal(result, rho):
    norms = np.array([each.operator_norm for each in result.by_diversity])
    small = rho <= 100
    np.testing.assert_allclose(slope(rho[small], norms[small]), -1.0, atol=EXPONENT)
    # What is left at large ρ is of the order of the diagonal over n, here K(x, x) − N = 0.34.
    assert norms[-1] < 2 * 0.34 / result.by_diversity[-1].num_samples


def test_eigenvalues_tend_to_their_limits_within_weyls_bound(result):
    for each in [*result.by_diversity, *result.by_samples]:
        gap = np.abs(each.eigenvalues - each.limits)
        assert (gap <= each.operator_norm + each.residuals).all()
    first, *_, last = result.by_diversity
    # The least eigenvalue of N is the one that collisions hide.
    assert first.eigenvalues[-1] > 30 * first.limits[-1]
    np.testing.assert_allclose(last.eigenvalues, last.limits, rtol=0.25)


def test_angles_fall_like_the_root_of_the_diversity_once_blocks_are_seen(result, rho):
    angles = np.array([each.angles for each in result.by_diversity])
    np.testing.assert_allclose(slope(rho[1:], angles[1:, -1]), -0.5, atol=EXPONENT)
    assert angles[0, 0] > 1.5  # radians: orthogonal while collisions outweigh N
    np.testing.assert_allclose(slope(rho[-2:], angles[-2:, 0]), -0.5, atol=EXPONENT)


def test_angles_fall_with_the_number_of_samples_too(result):
    counts = np.array([each.num_samples for each in result.by_samples])
    angles = np.array([each.angles for each in result.by_samples])
    np.testing.assert_allclose(slope(counts, angles[:, -1]), -0.5, atol=EXPONENT)
    assert (np.diff(angles[:, 0]) < 0).all()


def test_the_same_diversity_has_many_margins(result):
    star, matching, within = result.margins.values()
    np.testing.assert_array_equal(star.diversity, within.diversity)
    middle = slice(1, -1)
    spread = 5 * (star.stderr + within.stderr)[middle]
    assert (star.margin[middle] - within.margin[middle] > spread).all()
    # Many more edges than a star, and yet no smaller a margin: colours matter, not numbers.
    assert (matching.edges[middle] > 10 * star.edges[middle]).all()
    assert (matching.margin[middle] > star.margin[middle] - spread).all()


def test_it_is_written_and_drawn(result, tmp_path):
    write_json(tmp_path / "results.json", result.to_dict())
    rows = json.loads((tmp_path / "results.json").read_text())["by_diversity"]
    assert len(rows) == len(result.by_diversity)
    path = write_figure(tmp_path / "block_structure.pdf", figure_of(result))
    assert path.read_bytes().startswith(b"%PDF")
