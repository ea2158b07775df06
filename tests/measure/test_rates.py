import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.rates import compare_with_theorem, fit_bound, power_law
from ktrans.measure.unseen import (
    Plan,
    UnseenErrors,
    measure_unseen,
    root_mean_square,
    spread,
    systematic,
)
from tests.coincidence_kernel import CoincidenceKernel
from tests.tolerances import ROUNDING

KERNEL = CoincidenceKernel(weight=0.1)
LARGE = 10.0**9


def made(n, rho, seeds=40, exponents=(-1.0, -1.0), noise=0.0):
    """Errors n^a + ρ^b + noise / √n, for two templates that err alike."""
    n, rho = np.array(n, np.int64), np.array(rho, float)
    draws = np.random.default_rng(0).standard_normal((len(n), seeds, 2))
    shared = n ** exponents[0] + rho ** exponents[1]
    errors = shared[:, None, None] + noise * draws / np.sqrt(n)[:, None, None]
    return UnseenErrors(n, rho, errors, np.full(2, 0.5), 1.0)


def test_measured_errors_are_those_of_ridge_regression():
    task = kt.tasks.load("aba_abb", vocab_size=50, noise_std=0.5)
    plan = Plan(num_samples=(30, 60), vocab_sizes=(50,), seeds=(3, 4), ridge=0.2)
    cells = measure_unseen(KERNEL, task, plan)
    model = kt.KernelRidge(KERNEL, ridge=0.2).fit(task.sample(60, seed=4))
    wanted = model.predict_unseen() - task.labels
    # To the residual of conjugate gradients.
    np.testing.assert_allclose(cells.at_num_samples(60).errors[0, 1], wanted, rtol=1e-6)
    np.testing.assert_allclose(cells.worst[1, 1], np.abs(wanted).max(), rtol=1e-6)
    assert cells.diversity.tolist() == [25.0, 25.0]


def test_the_mean_square_is_that_of_the_systematic_part_and_the_spread():
    cells = made([10.0, 100.0], [LARGE, LARGE], noise=2.0)
    parts = [f(cells.errors, cells.weights) ** 2 for f in (root_mean_square, systematic, spread)]
    # The spread divides by seeds − 1 and the systematic part is freed of that of the mean.
    np.testing.assert_allclose(parts[0], parts[1] + parts[2], rtol=ROUNDING)


def test_the_interval_of_an_exponent_holds_it_and_shrinks_with_training_sets():
    n = np.array([100, 316, 1000, 3160, 10**4, 31600, 10**5])
    few, many = (
        power_law(n, made(n, np.full(7, LARGE), seeds, (-9.0, -9.0), 1.0), spread)
        for seeds in (10, 160)
    )
    assert few.low < -0.5 < few.high and many.low < -0.5 < many.high
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_one_cell_has_no_slope():
    with pytest.raises(ValueError, match="`x` must have at least two cells to have a slope; got 1"):
        power_law(np.ones(1), made([10], [10]), root_mean_square)


def test_the_fitted_bound_holds_and_touches():
    cells = made([10, 100, 1000, 1000], [LARGE, LARGE, LARGE, 30], exponents=(-0.5, -0.5))
    bound = fit_bound(cells, delta=0.1)
    np.testing.assert_allclose(bound.looseness, 1.0, rtol=1e-4)  # √(1/LARGE) is left of ρ
    np.testing.assert_allclose(bound.constant_n, np.log(10) ** -0.5, rtol=1e-4)
    np.testing.assert_allclose(bound(cells.num_samples, cells.diversity), bound.values)
    loose = fit_bound(made([10, 1000], [LARGE, LARGE]), delta=0.1)
    np.testing.assert_allclose(loose.looseness, [1.0, 10.0], rtol=1e-4)


def test_a_probability_is_between_0_and_1():
    with pytest.raises(ValueError, match=r"`delta` must be between 0 and 1; got 1\.0"):
        fit_bound(made([10], [10]), delta=1.0)


def test_the_verdict_says_which_rates_are_sharp():
    n = [100.0, 1000.0, 10000.0, *[10000.0] * 4]
    rho = [LARGE] * 3 + [10.0, 20.0, 40.0, 80.0]
    sharp = compare_with_theorem(made(n, rho, exponents=(-9.0, -0.5), noise=3.0), delta=0.1)
    assert sharp.spread.low < -0.5 < sharp.spread.high
    assert "n^-1/2, which is sharp here" in sharp.verdict[2]
    loose = compare_with_theorem(made(n, rho, noise=0.01), delta=0.1)
    assert "faster than the theorem's n^-1/2" in loose.verdict[0]
    assert "faster than the theorem's ρ^-1/2" in loose.verdict[3]
    assert f"C_n = {loose.bound.constant_n:.3g}" in loose.verdict[4]
    slow = compare_with_theorem(made(n, rho, exponents=(-0.2, -0.5)), delta=0.1)
    assert "more slowly than the theorem's n^-1/2" in slow.verdict[0]


def test_what_is_within_its_sampling_error_has_no_exponent():
    n = np.array([100, 1000, 10000, 10000, 10000])
    rho = np.array([LARGE, LARGE, LARGE, 10.0, 20.0])
    size = rho**-0.5 + n**-0.5
    errors = size[:, None, None] * np.array([1.0, -1.0])[None, :, None] * np.ones(2)
    found = compare_with_theorem(UnseenErrors(n, rho, errors, np.full(2, 0.5), 1.0), delta=0.1)
    assert np.isnan(found.systematic.exponent) and np.isnan(found.systematic.low)
    assert "Its systematic part is within its own sampling error" in found.verdict[1]
