import functools

import numpy as np
import pytest

from ktrans.kernels.activations import Cosine, ReLU
from ktrans.kernels.attention.exact import exact_values
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.attention.monte_carlo import (
    empirical_bernstein,
    estimate_attention,
    estimate_transformer,
)
from ktrans.kernels.attention.multigraph import pair_graph

ROUNDING = 1e-14
BETA, GAMMA = 1.5, 0.7
X = np.array([[0, 1, 0], [0, 1, 1], [2, 3, 4]])
Y = np.array([[1, 0, 1], [5, -7, 1 << 40], [2, 2, 4], [0, 1, 0]])


def exact(tokens1, tokens2):
    return np.array([[exact_value(x, y) for y in tokens2.tolist()] for x in tokens1.tolist()])


def exact_value(x, y):
    return all_values()[pair_graph(x, y)]


@functools.cache
def all_values():
    strings1, strings2 = X.tolist(), Y.tolist()
    pairs = {pair_graph(x, y) for x in strings1 for y in strings2}
    graphs = sorted(pairs | {pair_graph(x, x) for x in strings1 + strings2})
    # far below the standard errors of some 1e-3
    return dict(zip(graphs, exact_values(graphs, BETA, GAMMA, 1e-5).value, strict=True))


def estimate(tokens1=X, tokens2=Y, seed=0, num_samples=8000, **options):
    return estimate_attention(tokens1, tokens2, BETA, GAMMA, seed, num_samples, **options)


def test_means_are_within_five_standard_errors_of_the_exact_values():
    some = estimate()
    assert np.all(np.abs(some.mean - exact(X, Y)) < 5 * some.stderr)
    assert np.all(some.stderr < 0.5 * (1 + GAMMA**2) / np.sqrt(8000))  # Popoviciu's inequality


@pytest.mark.parametrize("activation", [Cosine(b1=1.0, b2=0.5), ReLU()])
def test_transformer_means_are_within_five_standard_errors_of_the_exact_values(activation):
    some = estimate_transformer(X, Y, BETA, GAMMA, activation, seed=0, num_samples=8000)
    selves = [np.array([exact_value(x, x) for x in tokens.tolist()]) for tokens in (X, Y)]
    truth = activation.dual(selves[0][:, None], selves[1][None], exact(X, Y))
    assert np.all(np.abs(some.mean - truth) < 5 * some.stderr)
    assert np.all(some.stderr < 0.01)


def test_standard_errors_match_the_spread_over_seeds():
    runs = [estimate(seed=seed, num_samples=200) for seed in range(100)]
    spread = np.std([some.mean for some in runs], axis=0, ddof=1)
    stated = np.sqrt(np.mean([some.stderr**2 for some in runs], axis=0))
    # the ratio of two standard deviations has a spread of 1/√200, taken five times
    assert np.all(np.abs(stated / spread - 1) < 5 / np.sqrt(200))


@pytest.mark.parametrize("options", [{"tile": 1}, {"tile": 2}])
def test_the_same_seed_gives_the_same_estimate_in_any_tiles(options):
    whole, parts = estimate(num_samples=100), estimate(num_samples=100, **options)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(parts.stderr, whole.stderr, rtol=0, atol=ROUNDING)


def test_calls_with_other_strings_share_the_draws():
    alone = estimate(X[1:2], Y[3:], num_samples=100)
    np.testing.assert_allclose(
        alone.mean, estimate(num_samples=100).mean[1:2, 3:], rtol=0, atol=ROUNDING
    )


def test_another_seed_gives_other_draws():
    assert not np.allclose(estimate(seed=1).mean, estimate(seed=2).mean, rtol=0, atol=1e-6)


def test_the_estimated_gram_matrix_is_positive_semi_definite_with_few_draws():
    strings = np.random.default_rng(0).integers(0, 6, (40, 3))
    eigenvalues = np.linalg.eigvalsh(estimate(strings, strings, num_samples=5, tile=16).mean)
    assert eigenvalues[0] > -40 * ROUNDING
    assert eigenvalues[-1] > 1


def test_float32_draws_estimate_the_same_values():
    some = estimate(dtype=np.float32)
    assert some.mean.dtype == np.float64
    assert np.all(np.abs(some.mean - exact(X, Y)) < 5 * some.stderr)


def test_a_kernel_that_is_one_for_every_draw_has_no_standard_error():
    some = estimate_attention(np.array([[0, 1]]), np.array([[1, 0]]), BETA, 1.0, 0, 1000)
    np.testing.assert_allclose(some.mean, 1.0, atol=ROUNDING)
    assert some.stderr[0, 0] < 1e-8  # rounding of the variance, under the root


def test_empirical_bernstein_intervals_hold_and_exceed_the_standard_error():
    some, number = estimate(num_samples=4000), 4000
    variance = number * some.stderr**2
    width = empirical_bernstein(some.mean, variance, 1 + GAMMA**2, number, some.mean.size, 0.01)
    assert np.all(np.abs(some.mean - exact(X, Y)) <= width)
    assert np.all(width > 3 * some.stderr) and np.all(width < 0.05)


def test_the_kernel_gives_intervals_for_all_entries_at_once():
    kernel = AttentionKernel(beta=BETA, gamma=GAMMA)
    found = kernel.confidence_intervals(X, Y, delta=0.01, seed=3, num_samples=4000)
    assert np.array_equal(found.value, kernel.estimate(X, Y, seed=3, num_samples=4000).mean)
    assert np.all(np.abs(found.value - kernel(X, Y)) <= found.bound)
    assert not found.certified
    wider = kernel.confidence_intervals(X, Y, delta=0.001, seed=3, num_samples=4000)
    assert np.all(wider.bound > found.bound)


def test_impossible_arguments_are_named():
    with pytest.raises(ValueError, match="`num_samples` must be at least 2; got 1"):
        estimate(num_samples=1)
    with pytest.raises(ValueError, match="`delta` must be between 0 and 1; got 1"):
        empirical_bernstein(np.zeros((1, 1)), np.zeros((1, 1)), 1.0, 10, 1, 1.0)
