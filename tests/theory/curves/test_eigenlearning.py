import functools

import numpy as np
import pytest

import ktrans as kt
from ktrans.theory.curves.eigenlearning import (
    corrected_samples_needed,
    in_distribution_curve,
    learnability,
)
from tests.all_strings import all_strings
from tests.gram.small_kernel import SmallKernel

CONSERVED = 1e-10  # asked of Σ L_i = n
WITHIN = 0.05  # asked of curves against measurement
KERNEL = SmallKernel()
SHARP = kt.TransformerKernel(beta=1.0, gamma=1.0, activation=kt.Cosine(b1=1.5, b2=0.4))
DEFAULT = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))


@functools.cache
def small_spectrum():
    return kt.population_spectrum(KERNEL, kt.tasks.load("aba_abb", vocab_size=10**4))


def measured(kernel, task, n, seeds, ridge=1e-6):
    """Mean squared error on unseen symbols and its standard error."""
    errors = [
        np.mean((kt.KernelRidge(kernel, ridge=ridge).fit(data).predict_unseen() - task.labels) ** 2)
        for data in (task.sample(n, seed=seed) for seed in range(seeds))
    ]
    return np.mean(errors), np.std(errors, ddof=1) / np.sqrt(seeds)


@pytest.mark.parametrize("n", [1, 2, 64, 4096, 10**5])
def test_learnability_is_conserved_at_zero_ridge(n):
    total = learnability(small_spectrum(), num_samples=n, ridge=0.0).total
    np.testing.assert_allclose(total, n, rtol=0, atol=max(CONSERVED, 1e-14 * n))


def test_with_a_ridge_the_effective_ridge_solves_its_equation():
    found = learnability(small_spectrum(), num_samples=50, ridge=0.3)
    spent = found.total + 0.3 / found.effective_ridge
    np.testing.assert_allclose(spent, 50, rtol=CONSERVED)
    squares = small_spectrum().multiplicities @ found.learnabilities**2
    np.testing.assert_allclose(found.overfitting, 50 / (50 - squares), rtol=CONSERVED)


def test_the_corrected_curve_tends_to_the_closed_form_as_diversity_grows():
    gaps = []
    for m in (10**3, 10**5, 10**7):
        task = kt.tasks.load("aba_abb", vocab_size=m)
        plain = kt.learning_curve(KERNEL, task, num_samples=[10**3], ridge=0.1)
        corrected = kt.theory.corrected_learning_curve(KERNEL, task, num_samples=[10**3], ridge=0.1)
        gaps.append(np.abs(corrected.predictions / plain.predictions - 1).max())
    # At ρ → ∞ they differ by what the r trivial modes take of the n samples.
    assert gaps[0] > max(gaps[1:])
    assert max(gaps[1:]) < 2 / 10**3


@pytest.mark.parametrize(("n", "seeds"), [(1024, 6)])
def test_it_predicts_the_error_on_unseen_symbols_where_samples_collide(n, seeds):
    task = kt.tasks.load("aba_abb", vocab_size=n)
    error, stderr = measured(SHARP, task, n, seeds)
    assert stderr < 0.02 * error
    corrected = kt.theory.corrected_learning_curve(SHARP, task, num_samples=[n], ridge=1e-6).mse[0]
    plain = kt.learning_curve(SHARP, task, num_samples=[n], ridge=1e-6).mse[0]
    assert abs(corrected - error) < WITHIN * error < abs(plain - error)


# With four samples a token, counts of tokens are far from Gaussian: 6 % were measured there.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "m", "within"), [(SHARP, 4096, WITHIN), (DEFAULT, 1000, 0.08)], ids=["1", "4"]
)
def test_it_holds_at_thousands_of_samples(kernel, m, within):
    task = kt.tasks.load("aba_abb", vocab_size=m)
    error, stderr = measured(kernel, task, 4096, 6)
    assert stderr < 0.01 * error
    corrected = kt.theory.corrected_learning_curve(
        kernel, task, num_samples=[4096], ridge=1e-6
    ).mse[0]
    plain = kt.learning_curve(kernel, task, num_samples=[4096], ridge=1e-6).mse[0]
    np.testing.assert_allclose(corrected, error, rtol=within)
    assert plain > 1.25 * error


def test_label_noise_and_sampling_spread_the_predictions():
    task = kt.tasks.load("same_different", vocab_size=60, noise_std=0.5)
    found = [
        kt.KernelRidge(KERNEL, ridge=0.5).fit(task.sample(100, seed=seed)).predict_unseen()
        for seed in range(200)
    ]
    curve = kt.theory.corrected_learning_curve(KERNEL, task, num_samples=[100], ridge=0.5)
    # The variance of 200 draws is known to 10 %, two standard errors are 20 %.
    np.testing.assert_allclose(curve.variance[0], np.var(found, axis=0), rtol=0.25)
    np.testing.assert_allclose(curve.predictions[0], np.mean(found, axis=0), atol=0.04)


def test_the_risk_in_distribution_is_that_of_ridge_regression():
    task = kt.tasks.load("aba_abb", vocab_size=30)
    strings, weights = all_strings(task)
    labels = np.repeat(task.labels, len(strings) // 2)
    risks = [
        weights @ (kt.KernelRidge(KERNEL, ridge=1.0).fit(data).predict(strings) - labels) ** 2
        for data in (task.sample(60, seed=seed) for seed in range(20))
    ]
    curve = in_distribution_curve(KERNEL, task, num_samples=[60], ridge=1.0)
    np.testing.assert_allclose(curve.risk[0], np.mean(risks), rtol=0.1)


@pytest.mark.slow
def test_gradient_flow_has_the_moments_of_its_approximation():
    task = kt.tasks.load("same_different", vocab_size=60, noise_std=0.5)
    times = [0.03, 1.0]
    flows = [
        kt.KernelGradientFlow(KERNEL, method="dense").fit(task.sample(100, seed=seed))
        for seed in range(200)
    ]
    found = np.array([flow.predict_unseen(times) for flow in flows])
    for i, time in enumerate(times):
        curve = kt.theory.corrected_learning_curve(KERNEL, task, num_samples=[100], time=time)
        # The variance of 200 draws is known to 10 %, two standard errors are 20 %.
        np.testing.assert_allclose(curve.variance[0], found[:, i].var(axis=0), rtol=0.25)
        np.testing.assert_allclose(curve.predictions[0], found[:, i].mean(axis=0), atol=0.04)


def test_the_risk_of_gradient_flow_in_distribution():
    task = kt.tasks.load("aba_abb", vocab_size=30)
    strings, weights = all_strings(task)
    labels = np.repeat(task.labels, len(strings) // 2)
    flows = (
        kt.KernelGradientFlow(KERNEL, method="dense").fit(task.sample(60, seed=seed))
        for seed in range(20)
    )
    risks = [(flow.predict(strings, [0.1, 1.0]) - labels) ** 2 @ weights for flow in flows]
    for time, risk in zip((0.1, 1.0), np.mean(risks, axis=0), strict=True):
        curve = in_distribution_curve(KERNEL, task, num_samples=[60], time=time)
        np.testing.assert_allclose(curve.risk[0], risk, rtol=0.1)


@pytest.mark.parametrize("curve", [kt.theory.corrected_learning_curve, in_distribution_curve])
def test_long_training_is_regression_without_ridge(curve):
    task = kt.tasks.load("aba_abb", vocab_size=1000, noise_std=0.3)
    late = curve(KERNEL, task, num_samples=[50, 3000], time=1e9)
    free = curve(KERNEL, task, num_samples=[50, 3000], ridge=0.0)
    for name, values in vars(free).items():
        np.testing.assert_allclose(getattr(late, name), values, rtol=1e-8, atol=0)  # 1 / time


def test_corrected_gradient_flow_tends_to_the_closed_form_as_diversity_grows():
    task = kt.tasks.load("aba_abb", vocab_size=10**7)
    for time in (0.01, 1.0, 100.0):
        plain = kt.learning_curve(KERNEL, task, num_samples=[10**3], time=time)
        corrected = kt.theory.corrected_learning_curve(KERNEL, task, num_samples=[10**3], time=time)
        # At ρ → ∞ they differ by what the r trivial modes take of the n samples.
        np.testing.assert_allclose(corrected.predictions, plain.predictions, rtol=2 / 10**3)


def test_samples_needed_with_collisions_invert_the_corrected_curve():
    task = kt.tasks.load("aba_abb", vocab_size=300)
    for rule in ({"ridge": 0.1}, {"time": 5.0}):
        n = corrected_samples_needed(KERNEL, task, mse=0.05, **rule)
        curve = kt.theory.corrected_learning_curve(KERNEL, task, num_samples=[n], **rule)
        np.testing.assert_allclose(curve.mse, [0.05], rtol=1e-9)  # of the bisection
    fewer = corrected_samples_needed(KERNEL, task, mse=0.05, ridge=0.1)
    assert 0 < fewer < kt.samples_needed(KERNEL, task, mse=0.05, ridge=0.1)


def test_too_many_samples_for_no_ridge_are_refused():
    spectrum = kt.population_spectrum(KERNEL, kt.tasks.load("aba_abb", vocab_size=5))
    with pytest.raises(ValueError, match="below the number of eigenfunctions, 40; got 40"):
        learnability(spectrum, num_samples=40, ridge=0.0)


def test_no_samples_have_no_risk_in_distribution():
    with pytest.raises(ValueError, match="`num_samples` must be positive; got 0"):
        in_distribution_curve(KERNEL, kt.tasks.load("aba_abb"), num_samples=[0], ridge=1.0)
