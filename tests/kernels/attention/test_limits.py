"""K_attn at the ends of the range of β."""

import math

import numpy as np
import pytest

import ktrans as kt
from tests import reference

PAIRS = [("ab", "ba"), ("aab", "aba"), ("abc", "bca"), ("abaD", "bccD"), ("aaa", "bbb")]


def rows(x, y):
    return [[ord(c) for c in x]], [[ord(c) for c in y]]


def argmax_by_sampling(x, y, gamma, num_samples, seed):
    """The race of argmaxes by Monte Carlo: mean and standard error."""
    rng = np.random.default_rng(seed)
    omega = {token: rng.standard_normal(num_samples) for token in sorted({*x, *y})}
    p = rng.standard_normal((len(x), num_samples))
    i, j = (np.argmax([omega[c] + gamma * q for c, q in zip(s, p, strict=True)], 0) for s in (x, y))
    values = (np.array(list(x))[i] == np.array(list(y))[j]) + gamma**2 * (i == j)
    return values.mean(), values.std(ddof=1) / np.sqrt(num_samples)


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_infinite_beta_agrees_with_sampled_argmaxes(x, y):
    values = kt.AttentionKernel(beta=math.inf, gamma=0.8).bounded(*rows(x, y))
    mean, stderr = argmax_by_sampling(x, y, 0.8, 200_000, seed=0)
    assert not values.certified
    assert values.bound[0, 0] < 1e-3
    assert abs(values.value[0, 0] - mean) < 5 * stderr + values.bound[0, 0]


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_infinite_beta_without_positions_is_the_jaccard_index(x, y):
    value = kt.AttentionKernel(beta=math.inf, gamma=0.0)(*rows(x, y))[0, 0]
    assert value == len({*x} & {*y}) / len({*x} | {*y})


@pytest.mark.parametrize("gamma", [0.0, 0.8])
def test_values_tend_to_the_limit(gamma):
    """The error falls at least like 1/β, here by more than a factor of 1.8 from 4 to 8."""
    pair = rows("ab", "ac")
    limit = kt.AttentionKernel(beta=math.inf, gamma=gamma)(*pair)[0, 0]
    near, far = (
        abs(kt.AttentionKernel(beta=beta, gamma=gamma, rtol=1e-3)(*pair)[0, 0] - limit)
        for beta in (8.0, 4.0)
    )
    assert near < far / 1.8


def test_the_limits_agree_with_the_reference_at_one_position():
    mean, _ = reference.attention_by_sampling("a", "b", 1.0, 0.5, 10, seed=0)
    for beta in (0.0, 1.0, math.inf):
        value = kt.AttentionKernel(beta=beta, gamma=0.5)(*rows("a", "b"))[0, 0]
        assert value == pytest.approx(mean, abs=1e-9)  # 0.25 whatever β is


def test_monte_carlo_of_an_infinite_beta_is_refused():
    with pytest.raises(ValueError, match="`beta` must be finite for Monte Carlo; got inf"):
        kt.AttentionKernel(beta=math.inf, gamma=0.5).estimate([[0, 1]])
