import numpy as np
import pytest
from scipy.integrate import solve_ivp

import ktrans as kt
from ktrans._checks import ConvergenceError
from ktrans.solvers.gradient_flow import KernelGradientDescent, KernelGradientFlow
from ktrans.solvers.ridge import KernelRidge
from tests.gram.real_kernels import MLP, NAMES, TRANSFORMER
from tests.gram.small_kernel import SmallKernel

KERNEL = SmallKernel()
TIMES = [0.0, 0.05, 1.0, 30.0, np.inf]


def sample(n, vocab_size):
    return kt.tasks.load("aba_abb", vocab_size=vocab_size, noise_std=0.1).sample(n)


@pytest.mark.parametrize("kernel", [KERNEL, TRANSFORMER, MLP], ids=["small", *NAMES])
def test_flow_equals_an_integrator_of_the_differential_equation(kernel):
    data = sample(40, 6)
    matrix = kernel(data.tokens)
    times = [0.0, 0.1, 1.0, 5.0]
    path = solve_ivp(
        lambda _, f: -matrix @ (f - data.labels),
        (0, 5),
        np.zeros(40),
        t_eval=times,
        method="Radau",
        rtol=1e-11,
        atol=1e-12,
    )
    predictions = KernelGradientFlow(kernel).fit(data).predict(data.tokens, times)
    np.testing.assert_allclose(predictions, path.y.T, atol=1e-8)


def test_flow_without_end_equals_ridge_without_ridge():
    data = sample(100, 30)
    flow = KernelGradientFlow(KERNEL).fit(data)
    ridge = KernelRidge(KERNEL, ridge=0.0).fit(data)
    np.testing.assert_allclose(flow.predict(data, [np.inf])[0], ridge.predict(data), atol=1e-9)
    np.testing.assert_allclose(flow.predict_unseen([np.inf])[0], ridge.predict_unseen(), atol=1e-9)


@pytest.mark.parametrize("kernel", [TRANSFORMER, MLP], ids=NAMES)
def test_flow_without_end_is_the_limit_of_ridge_of_the_real_kernels(kernel):
    data = sample(100, 10)
    flow = KernelGradientFlow(kernel).fit(data).predict(data, [np.inf])[0]
    gaps = []
    for ridge in (1e-5, 1e-7):
        fitted = KernelRidge(kernel, ridge=ridge).fit(data).predict(data)
        gaps.append(np.abs(fitted - flow).max())
    assert gaps[0] < 1e-2
    assert gaps[1] < 0.02 * gaps[0]


def test_lanczos_of_the_transformer_kernel_equals_all_eigenvectors_to_its_stated_error():
    data = sample(300, 30)
    times = [0.1, 1.0, 10.0]
    exact = KernelGradientFlow(TRANSFORMER, method="dense").fit(data)
    options = {"method": "lanczos", "max_time": 10.0, "tolerance": 1e-8}
    krylov = KernelGradientFlow(TRANSFORMER, **options).fit(data)
    error = krylov.predict(data, times) - exact.predict(data, times)
    relative = np.linalg.norm(error, axis=1) / np.linalg.norm(data.labels)
    assert (relative <= krylov.error_estimate(times) + 1e-12).all()
    assert krylov.error_estimate(times).max() <= 1e-8


@pytest.mark.parametrize("vocab_size", [8, 100])
def test_lanczos_equals_all_eigenvectors_to_its_stated_error(vocab_size):
    data = sample(300, vocab_size)
    exact = KernelGradientFlow(KERNEL, method="dense").fit(data)
    krylov = KernelGradientFlow(KERNEL, method="lanczos", tolerance=1e-6).fit(data)
    error = krylov.predict(data, TIMES) - exact.predict(data, TIMES)
    relative = np.linalg.norm(error, axis=1) / np.linalg.norm(data.labels)
    assert (relative <= krylov.error_estimate(TIMES) + 1e-12).all()
    assert exact.error_estimate(TIMES).tolist() == [0.0] * 5
    assert krylov.error_estimate(TIMES).max() <= 1e-6


def test_predictions_on_unseen_symbols_are_those_of_fresh_strings():
    data = sample(100, 20)
    flow = KernelGradientFlow(KERNEL).fit(data)
    expected = flow.predict(data.task.fresh_strings()[0], TIMES)
    np.testing.assert_allclose(flow.predict_unseen(TIMES), expected, atol=1e-11)


def test_columns_of_labels_flow_together():
    data = sample(60, 20)
    labels = np.stack([data.labels, data.labels**2], axis=1)
    both = KernelGradientFlow(KERNEL).fit(data.tokens, labels).predict(data.tokens[:7], TIMES)
    second = KernelGradientFlow(KERNEL).fit(data.tokens, labels[:, 1])
    assert both.shape == (5, 7, 2)
    np.testing.assert_allclose(both[..., 1], second.predict(data.tokens[:7], TIMES), atol=1e-12)


def test_early_stopping_finds_the_least_error_on_unseen_symbols():
    data = sample(100, 10)
    flow = KernelGradientFlow(KERNEL).fit(data)
    stop = flow.early_stopping([0.0, 1.0, 100.0])
    errors = np.mean((flow.predict_unseen([0.0, 1.0, 100.0]) - data.task.labels) ** 2, axis=1)
    np.testing.assert_allclose(stop.errors, errors, rtol=1e-12)
    assert stop.error == errors.min()
    assert stop.time == [0.0, 1.0, 100.0][int(errors.argmin())]


@pytest.mark.parametrize("method", ["dense", "lanczos"])
def test_descent_equals_its_steps(method):
    data = sample(50, 10)
    matrix = KERNEL(data.tokens)
    rate = 1.5 / np.linalg.eigvalsh(matrix)[-1]
    duals, path = np.zeros(50), []
    for _ in range(20):
        path.append(matrix @ duals)
        duals -= rate * (matrix @ duals - data.labels)
    descent = KernelGradientDescent(KERNEL, rate, max_steps=20, method=method).fit(data)
    np.testing.assert_allclose(descent.predict(data, np.arange(20)), path, atol=1e-9)


def test_descent_that_would_diverge_is_refused():
    with pytest.raises(ValueError, match=r"`learning_rate` must be positive and below 2/λ_max"):
        KernelGradientDescent(KERNEL, 100.0).fit(sample(50, 10))


def test_a_basis_too_small_is_not_taken_for_the_answer():
    data = sample(500, 60)
    with pytest.raises(ConvergenceError, match="estimated error"):
        KernelGradientFlow(KERNEL, method="lanczos", max_iterations=8).fit(data)


def test_wrong_times_are_named():
    flow = KernelGradientFlow(KERNEL, max_time=10.0).fit(sample(50, 10))
    tokens = np.zeros((1, 4), dtype=int)
    with pytest.raises(ValueError, match=r"between 0 and `max_time`=10\.0"):
        flow.predict(tokens, [11.0])
    with pytest.raises(ValueError, match=r"`times` must have shape \(t,\)"):
        flow.predict(tokens, 1.0)
    with pytest.raises(TypeError, match="integer numbers of steps"):
        KernelGradientDescent(KERNEL, 1e-3).fit(sample(9, 9)).predict(tokens, [0.5])
