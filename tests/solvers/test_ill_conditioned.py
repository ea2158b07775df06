"""Systems that are hard: each is solved, or the solver says that it is not."""

import numpy as np
import pytest

import ktrans as kt
from tests.gram.real_kernels import KERNELS, MLP, NAMES, TRANSFORMER, ten_templates, true_residual

CONVERGED = 2e-10  # the tolerance of 1e-10, and the rounding of the dense matrix product


def assert_honest(model, kernel, data, ridge):
    truth = true_residual(kernel, data.tokens, data.labels, ridge, model.dual_coef_)
    assert model.solution.converged == (truth <= CONVERGED)
    if not model.solution.converged:
        assert truth == pytest.approx(model.solution.residual_norm, rel=0.5)


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
@pytest.mark.parametrize("method", ["tables", "dense"])
def test_a_tiny_ridge_is_solved_or_refused(kernel, method):
    data = kt.tasks.load("aba_abb", vocab_size=150).sample(1500)
    model = kt.KernelRidge(kernel, ridge=1e-8, method=method, on_failure="return").fit(data)
    assert model.solution.converged
    assert_honest(model, kernel, data, 1e-8)


def test_twenty_tokens_and_a_hundred_thousand_samples_are_a_problem_of_760_strings():
    data = kt.tasks.load("aba_abb", vocab_size=20, noise_std=0.1).sample(100_000)
    model = kt.KernelRidge(TRANSFORMER, ridge=1e-8).fit(data)
    strings, index, copies = np.unique(data.tokens, axis=0, return_inverse=True, return_counts=True)
    assert len(model.gram_.distinct.first) == len(strings) == 760
    means = np.bincount(index.reshape(-1), data.labels) / copies
    # The weighted problem by an eigendecomposition, f = W^-½ S (S + λ)⁻¹ W^½ ȳ.
    root = np.sqrt(copies)
    values, modes = np.linalg.eigh(TRANSFORMER(strings) * np.outer(root, root))
    expected = modes @ (values / (values + 1e-8) * (modes.T @ (root * means))) / root
    np.testing.assert_allclose(model.predict(strings), expected, atol=1e-8)


@pytest.mark.parametrize("ridge", [0.1, 1e-8])
@pytest.mark.parametrize("method", ["tables", "dense"])
def test_ten_templates_with_a_singular_template_matrix_are_solved_or_refused(method, ridge):
    data = ten_templates(200).sample(1200)
    model = kt.KernelRidge(MLP, ridge=ridge, method=method, on_failure="return").fit(data)
    fresh = model.predict_unseen()
    np.testing.assert_allclose(fresh, fresh[0], atol=1e-6)
    assert_honest(model, MLP, data, ridge)


def test_too_few_iterations_on_a_hard_system_are_refused_with_the_residual():
    data = kt.tasks.load("aba_abb", vocab_size=150).sample(1500)
    options = {"method": "conjugate_gradients", "max_iterations": 30}
    with pytest.raises(RuntimeError, match=r"max_iterations.*relative residual"):
        kt.KernelRidge(TRANSFORMER, ridge=1e-8, **options).fit(data)
