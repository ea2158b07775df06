"""Successive sampling and inclusion probabilities, against enumeration."""

import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from ktrans.tasks import Zipf
from ktrans.tasks.substitution import draw_maps, sample_diversity, weight_table

ROUNDING = 1e-12
STANDARD_ERRORS = 5.0

WEIGHTS = {
    "integers": [1, 2, 3, 4, 5, 6],
    "one heavy token": [1, 1, 1, 1, 1, 10**6],
    "many scales": [1, 10**3, 10**6, 10**9, 10**12],
}


def probability_of(ordered_image, weights):
    """P[the wildcards receive these tokens in this order], in rational arithmetic."""
    left, probability = sum(weights), Fraction(1)
    for token in ordered_image:
        probability *= Fraction(weights[token], left)
        left -= weights[token]
    return probability


def inclusion_by_enumeration(weights, w):
    """P[heaviest token in the image], by enumerating the ordered images in rational arithmetic."""
    heaviest = weights.index(max(weights))
    images = itertools.permutations(range(len(weights)), w)
    return float(sum(probability_of(i, weights) for i in images if heaviest in i))


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
@pytest.mark.parametrize("w", [1, 2, 3, 4])
def test_inclusion_of_the_heaviest_token_agrees_with_enumeration(weights, w):
    expected = inclusion_by_enumeration(weights, w)
    value = sample_diversity(np.array(weights, dtype=float), w)
    assert 1 / value == pytest.approx(expected, rel=ROUNDING)


def test_inclusion_for_many_tokens_agrees_with_adaptive_quadrature():
    weights = Zipf(1.2).weights(40)
    rates = [mpmath.mpf(float(p)) / mpmath.fsum(map(float, weights)) for p in weights]
    ringing = [lambda x, p=p: -mpmath.expm1(-p * x) for p in rates[1:]]

    def few(x):  # P[fewer than 3 of the others have rung], from the elementary symmetric sums
        coefficients = [mpmath.mpf(1), mpmath.mpf(0), mpmath.mpf(0)]
        for clock in ringing:
            q = clock(x)
            coefficients = [
                coefficients[d] * (1 - q) + (coefficients[d - 1] * q if d else 0) for d in range(3)
            ]
        return mpmath.fsum(coefficients)

    density = lambda x: rates[0] * mpmath.exp(-rates[0] * x) * few(x)  # noqa: E731
    expected = mpmath.quad(density, [0, 1, 3, 10, 30, 100, 300, mpmath.inf])
    assert 1 / sample_diversity(weights, 3) == pytest.approx(float(expected), rel=ROUNDING)


def test_diversity_is_m_over_w_for_equal_weights_and_one_if_all_tokens_are_used():
    assert sample_diversity(np.full(999, 3.0), 4) == 999 / 4
    assert sample_diversity(np.array([1.0, 5.0, 9.0, 0.0]), 3) == 1.0


@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [1, 2, 3, 10], [4, 0, 1, 1000]])
def test_maps_are_drawn_with_the_probabilities_of_successive_sampling(weights):
    n, w = 200_000, 2
    table = weight_table(np.arange(4), np.array(weights, dtype=float))
    maps = draw_maps(np.random.default_rng(0), table, n, w)
    for image in itertools.permutations(range(4), w):
        p = float(probability_of(image, weights))
        share = np.mean(np.all(maps == image, axis=1))
        assert abs(share - p) <= STANDARD_ERRORS * np.sqrt(p * (1 - p) / n)


def test_maps_are_injective_when_one_weight_dwarfs_the_others_and_all_tokens_are_used():
    table = weight_table(np.arange(5), np.array([1e-17, 1.0, 1e9, 3.0, 0.0]))
    maps = draw_maps(np.random.default_rng(0), table, 10_000, 4)
    assert np.array_equal(np.sort(maps, axis=1), np.tile(np.arange(4), (10_000, 1)))
    assert np.all(maps[:, 3] == 0)


def test_zipf_weights_fall_as_a_power_and_refuse_negative_exponents():
    assert np.array_equal(Zipf(2.0).weights(3), [1.0, 1 / 4, 1 / 9])
    with pytest.raises(ValueError, match="exponent"):
        Zipf(-1.0)
