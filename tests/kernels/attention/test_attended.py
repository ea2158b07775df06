import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.attention.attended import attended_weights
from ktrans.kernels.attention.exact import Attended
from ktrans.kernels.base import STANDARD_ERRORS
from tests.tolerances import ROUNDING

PAIRS = [
    ((0, 1, 0, 9), (2, 3, 3, 9)),
    ((0, 1, 0, 9), (1, 0, 0, 9)),
    ((0, 1, 2, 3), (1, 2, 0, 3)),  # a cycle of tokens
    ((0, 1), (2, 3)),
]


def moments(pair, attention):
    """E[s_i t_j] for all i and j: values and bounds, and whether all of them are certified."""
    x, y = pair
    places = [frozenset([place]) for place in range(len(x))]
    found = attended_weights([Attended(x, y, i, j) for i in places for j in places], attention)
    value, bound, certified = (np.array(some) for some in zip(*found, strict=True))
    return value.reshape(len(x), -1), bound.reshape(len(x), -1), certified.all()


def simulated(x, y, beta, gamma, draws=20_000, seed=0):
    rng = np.random.default_rng(seed)
    omega, p = rng.standard_normal((draws, 10)), rng.standard_normal((draws, len(x)))
    s, t = (np.exp(beta * (omega[:, list(string)] + gamma * p)) for string in (x, y))
    s, t = s / s.sum(1, keepdims=True), t / t.sum(1, keepdims=True)
    products = s[:, :, None] * t[:, None, :]
    return products.mean(0), products.std(0, ddof=1) / np.sqrt(draws)


@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 0.7), (1.0, 0.0), (1.7, 1.2)])
@pytest.mark.parametrize("pair", PAIRS)
def test_moments_are_those_of_simulated_attention(pair, beta, gamma):
    attention = kt.AttentionKernel(beta, gamma, rtol=1e-4)
    value, bound, certified = moments(pair, attention)
    mean, stderr = simulated(*pair, beta, gamma)
    assert certified
    assert stderr.max() < 3e-3
    assert np.all(np.abs(value - mean) <= STANDARD_ERRORS * stderr + bound)


@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_moments_add_up_to_one_and_to_k_attn(gamma):
    attention = kt.AttentionKernel(1.0, gamma, rtol=1e-7)
    for x, y in PAIRS[:2]:
        value, bound, _ = moments((x, y), attention)
        coupling = (np.array(x)[:, None] == np.array(y)) + gamma**2 * np.eye(len(x))
        known = attention.bounded([x], [y])
        allowed = (coupling * bound).sum() + known.bound[0, 0]
        assert abs((coupling * value).sum() - known.value[0, 0]) <= allowed
        assert abs(value.sum() - 1) <= bound.sum() < 1e-5


def test_uniform_attention_has_equal_moments():
    value, _, _ = moments(PAIRS[0], kt.AttentionKernel(0.0, 0.7))
    np.testing.assert_allclose(value, 1 / 16, rtol=ROUNDING)


def test_sampled_moments_agree_with_exact_ones():
    sampled = kt.AttentionKernel(1.0, 0.7, rtol=1e-4, method="quasi-monte-carlo")
    exact = kt.AttentionKernel(1.0, 0.7, rtol=1e-6)
    found, known = moments(PAIRS[1], sampled), moments(PAIRS[1], exact)
    assert not found[2]
    assert found[1].max() < 1e-3
    assert np.all(np.abs(found[0] - known[0]) <= found[1] + known[1])
