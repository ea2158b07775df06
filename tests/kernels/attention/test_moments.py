import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.attention.moments import attention_moments
from ktrans.kernels.base import STANDARD_ERRORS
from tests.tolerances import ROUNDING

PAIRS = [
    ((0, 1, 0, 9), (2, 3, 3, 9)),
    ((0, 1, 0, 9), (1, 0, 0, 9)),
    ((0, 1, 2, 3), (1, 2, 0, 3)),  # a cycle of tokens
    ((0, 1), (2, 3)),
]


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
    (found,) = attention_moments([pair], attention)
    mean, stderr = simulated(*pair, beta, gamma)
    assert found.certified
    assert stderr.max() < 3e-3
    assert np.all(np.abs(found.value - mean) <= STANDARD_ERRORS * stderr + found.bound)


@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_moments_add_up_to_one_and_to_k_attn(gamma):
    attention = kt.AttentionKernel(1.0, gamma, rtol=1e-7)
    for (x, y), found in zip(PAIRS[:2], attention_moments(PAIRS[:2], attention), strict=True):
        coupling = (np.array(x)[:, None] == np.array(y)) + gamma**2 * np.eye(len(x))
        known = attention.bounded([x], [y])
        allowed = (coupling * found.bound).sum() + known.bound[0, 0]
        assert abs((coupling * found.value).sum() - known.value[0, 0]) <= allowed
        assert abs(found.value.sum() - 1) <= found.bound.sum() < 1e-5


def test_uniform_attention_has_equal_moments():
    (found,) = attention_moments(PAIRS[:1], kt.AttentionKernel(0.0, 0.7))
    np.testing.assert_allclose(found.value, 1 / 16, rtol=ROUNDING)


def test_sampled_moments_agree_with_exact_ones():
    sampled = kt.AttentionKernel(1.0, 0.7, rtol=1e-4, method="quasi-monte-carlo")
    exact = kt.AttentionKernel(1.0, 0.7, rtol=1e-6)
    (found,), (known,) = (attention_moments(PAIRS[1:2], kernel) for kernel in (sampled, exact))
    assert not found.certified
    assert found.bound.max() < 1e-3
    assert np.all(np.abs(found.value - known.value) <= found.bound + known.bound)
