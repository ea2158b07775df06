import numpy as np
import pytest

from ktrans.kernels.attention.exact import exact_values
from ktrans.kernels.attention.multigraph import pair_graph
from ktrans.kernels.attention.quasi_monte_carlo import quasi_monte_carlo_values

EXACT = 1e-12
X = np.array([[0, 1, 0], [0, 1, 1], [0, 1, 2], [0, 0, 1]])
Y = np.array([[0, 1, 1], [1, 0, 1], [2, 0, 1], [3, 4, 5]])


@pytest.mark.parametrize(
    ("beta", "gamma"), [(1.0, 0.7), pytest.param(4.0, 0.5, marks=pytest.mark.slow)]
)
def test_values_are_within_five_standard_errors_of_the_exact_ones(beta, gamma):
    some = quasi_monte_carlo_values(X, Y, beta, gamma, 1e-4)
    pairs = [pair_graph(x, y) for x, y in zip(X.tolist(), Y.tolist(), strict=True)]
    truth = exact_values(pairs, beta, gamma, 1e-6)
    # 16 scramblings: Student's t with 15 degrees of freedom, five deviations are at 2e-4
    assert np.all(np.abs(some.mean - truth.value) < 5 * some.stderr + truth.bound)
    assert np.all(some.stderr <= 1e-4)


def test_more_points_lower_the_standard_error_faster_than_monte_carlo():
    few, many = (
        quasi_monte_carlo_values(X, Y, 1.0, 0.7, 0.0, max_points=n).stderr for n in (256, 8192)
    )
    assert np.all(many < few / 10)  # independent points would give √32 = 5.7


def test_points_end_at_the_given_number_and_the_standard_error_says_so():
    some = quasi_monte_carlo_values(X, Y, 8.0, 1.0, 1e-9, max_points=64)
    assert np.any(some.stderr > 1e-9)


def test_limits_without_randomness_are_exact():
    rest = quasi_monte_carlo_values(X, Y, 0.0, 0.7, 1e-6)
    agreements = (X[:, :, None] == Y[:, None, :]).sum(axis=(1, 2))
    np.testing.assert_allclose(rest.mean, agreements / 9 + 0.7**2 / 3, atol=EXACT)
    assert np.all(rest.stderr < EXACT)
    one = quasi_monte_carlo_values(np.array([[3], [3]]), np.array([[3], [4]]), 2.0, 0.5, 1e-6)
    np.testing.assert_allclose(one.mean, [1.25, 0.25], atol=EXACT)


def test_the_same_seed_gives_the_same_values():
    first, second, other = (
        quasi_monte_carlo_values(X, Y, 2.0, 0.7, 1e-2, seed=seed).mean for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_long_strings_with_large_beta_are_within_reach():
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 12, (2, 3, 16))
    some = quasi_monte_carlo_values(*tokens, 16.0, 1.0, 1e-2)
    assert np.all(some.stderr <= 1e-2)
    assert np.all((some.mean > 0) & (some.mean < 2))
