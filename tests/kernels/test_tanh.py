import jax
import numpy as np
import pytest

import ktrans as kt
from tests import reference_tanh as reference
from tests.tolerances import DIFFERENCES, ROUNDING

TANH = kt.Tanh()
DUALS = [(0, TANH.dual, TANH.dual_error), (1, TANH.derivative_dual, TANH.derivative_dual_error)]
COVARIANCES = [(1.0, 1.0, 0.5), (0.3, 2.0, -0.6), (1.0, 1.0, 1 - 1e-9), (4.0, 1e-3, 0.05)]


def random_covariance(rng, largest):
    a, b = 10 ** rng.uniform(-12, np.log10(largest), 2)
    if rng.random() < 0.4:
        b = a * (1 + 10 ** rng.uniform(-16, 0))
    shrink = rng.choice([1.0, 1 - 10 ** rng.uniform(-17, 0), 10 ** rng.uniform(-12, 0)])
    return a, b, np.sqrt(a * b) * rng.choice([-1, 1]) * shrink


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 1])
def test_sums_over_frequencies_are_the_expectations(order):
    for a, b, c in [(1.0, 1.0, 0.5), (0.3, 2.0, -0.6)]:
        exact = reference.in_digits(order, a, b, c)
        assert abs(exact - reference.in_frequencies(order, a, b, c)) < ROUNDING
        assert abs(exact - float(DUALS[order][1](a, b, c))) <= DUALS[order][2](a, b, c)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("count", [60, pytest.param(1200, marks=pytest.mark.slow)])
def test_values_are_within_their_bounds_at_random_covariances(order, count):
    rng = np.random.default_rng(order)
    _, dual, error = DUALS[order]
    triples = [random_covariance(rng, 60.0) for _ in range(count)]
    values, bounds = (formula(*np.array(triples).T) for formula in (dual, error))
    scales = [min(1, np.sqrt(a * b)) if order == 0 else 1.0 for a, b, _ in triples]
    for triple, value, bound, scale in zip(triples, values, bounds, scales, strict=True):
        # The oracle's own rounding is a fifth of the bound.
        assert abs(reference.in_frequencies(order, *triple) - value) <= bound
        assert bound < ROUNDING * scale


@pytest.mark.parametrize("order", [0, 1])
def test_bounds_hold_for_covariances_that_are_off(order):
    rng = np.random.default_rng(2)
    _, dual, error = DUALS[order]
    for _ in range(60):
        a, b, c = random_covariance(rng, 60.0)
        widths = 10 ** rng.uniform(-14, 0.3, 3) * np.array([a, b, np.sqrt(a * b)])
        other = np.array([a, b, c]) + widths * rng.uniform(-1, 1, 3)
        if min(other[:2]) <= 0 or other[0] * other[1] < other[2] ** 2:
            continue
        truth = reference.in_frequencies(order, *map(float, other))
        assert abs(truth - dual(a, b, c)) <= error(a, b, c, *widths * (1 + ROUNDING))


@pytest.mark.parametrize("variance", [1e3, 1e4, 1e6])
def test_bounds_hold_where_no_step_is_fine_enough(variance):
    # tanh is nearly a sign: at correlation ½ within E|tanh u − sign u| = O(1/√a) of ⅓.
    for partner in (variance, 1.0):
        c = 0.5 * np.sqrt(variance * partner)
        assert TANH.dual_error(variance, partner, c) <= 2
    sign = 2 / np.pi * np.arcsin(0.5)
    missing = 2 * np.sqrt(2 / np.pi) * np.log(2) / np.sqrt(variance)
    value, bound = TANH.dual(variance, variance, variance / 2), None
    bound = TANH.dual_error(variance, variance, variance / 2)
    assert abs(value - sign) <= bound + missing


def test_steps_reach_rounding_up_to_a_variance_of_a_hundred():
    for variance in (1e-12, 1e-3, 1.0, 10.0, 100.0):
        bound = TANH.dual_error(variance, variance, 0.7 * variance)
        assert bound < ROUNDING * min(1, variance)


@pytest.mark.parametrize("variance", [1e-40, 1e-160, 1e-300])
def test_tiny_variances_leave_the_covariance(variance):
    # tanh u tanh v = uv(1 + O(u² + v²)), far below rounding.
    for share in (1.0, 0.5, 1 - 1e-12):
        c = share * variance
        value, bound = TANH.dual(variance, variance, c), TANH.dual_error(variance, variance, c)
        assert abs(value - c) <= bound < ROUNDING * variance + 1e-300
        assert abs(TANH.derivative_dual(variance, variance, c) - 1) < ROUNDING


def test_vanishing_variances():
    assert TANH.dual(0.0, 1.0, 0.0) == TANH.dual(0.0, 0.0, 0.0) == 0
    assert TANH.derivative_dual(0.0, 0.0, 0.0) == pytest.approx(1, abs=ROUNDING)
    alone = TANH.derivative_dual(0.0, 1.0, 0.0)
    assert alone == pytest.approx(reference.in_frequencies(1, 0.0, 1.0, 0.0), abs=ROUNDING)


@pytest.mark.parametrize("triple", COVARIANCES)
def test_duals_are_symmetric_and_odd_and_even_in_the_covariance(triple):
    a, b, c = triple
    for order, dual, _ in DUALS:
        sign = 1 if order else -1
        assert dual(b, a, c) == pytest.approx(dual(a, b, c), abs=ROUNDING)
        assert dual(a, b, -c) == pytest.approx(sign * dual(a, b, c), abs=ROUNDING)


@pytest.mark.parametrize("triple", COVARIANCES)
def test_compiled_equals_eager(triple):
    with jax.enable_x64(True):
        for _, dual, _ in DUALS:
            assert float(jax.jit(dual)(*triple)) == pytest.approx(dual(*triple), abs=ROUNDING)


@pytest.mark.parametrize("triple", [(1.0, 1.0, 0.5), (2.0, 0.3, -0.6)])
def test_gradients_match_differences(triple):
    step = 1e-4
    with jax.enable_x64(True):
        for _, dual, _ in DUALS:
            slopes = jax.grad(dual, argnums=(0, 1, 2))(*triple)
            for axis in range(3):
                move = step * (np.arange(3) == axis)
                up, down = (dual(*(np.array(triple) + s * move)) for s in (1, -1))
                assert float(slopes[axis]) == pytest.approx((up - down) / 2 / step, abs=DIFFERENCES)


@pytest.mark.parametrize("triple", [(1.0, 1.0, 1.0), (4.0, 1.0, 2.0), (0.0, 0.0, 0.0)])
def test_gradients_are_finite_at_coincident_inputs(triple):
    with jax.enable_x64(True):
        for _, dual, _ in DUALS:
            assert np.all(np.isfinite(jax.grad(dual, argnums=(0, 1, 2))(*triple)))
        assert np.all(np.isfinite(jax.hessian(TANH.dual, argnums=(0, 1, 2))(*triple)))


def test_results_are_float64_with_64_bit_types_off():
    with jax.enable_x64(False):
        assert TANH.dual(1.0, 2.0, 0.3).dtype == np.float64
        assert np.isclose(jax.jit(TANH.dual)(1.0, 2.0, 0.3), TANH.dual(1.0, 2.0, 0.3), rtol=1e-6)


def test_quadrature_agrees():
    custom = kt.Custom(jax.numpy.tanh, num_nodes=160)
    for triple in COVARIANCES[:3]:
        assert abs(custom.dual(*triple) - TANH.dual(*triple)) < 1e-7  # the poles are near


def test_one_layer_of_tanh_is_its_dual():
    kernel = kt.MLPKernel(
        kind="nngp", depth=1, activation=TANH, weight_variance=1.5, bias_variance=0.2
    )
    found = kernel.by_agreement(4)
    for agreements in range(5):
        first = 1.5 * agreements / 4 + 0.2
        truth = 1.5 * reference.in_frequencies(0, 1.7, 1.7, first) + 0.2
        assert abs(truth - found.value[agreements]) <= found.bound[agreements] < ROUNDING
    assert found.certified
