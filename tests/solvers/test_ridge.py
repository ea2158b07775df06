import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge as SklearnRidge

import ktrans as kt
from ktrans._checks import ConvergenceError
from ktrans.gram.operator import GramOperator
from ktrans.solvers.ridge import KernelRidge
from ktrans.solvers.solution import ConvergenceWarning
from tests.gram.small_kernel import NegativeKernel, SmallKernel

KERNEL = SmallKernel()
SOLVED = 1e-8  # duals at residual 1e-10 and condition number up to 100
METHODS = ["dense", "tables", "conjugate_gradients"]


def sample(n, vocab_size, name="aba_abb", noise=0.1, seed=0):
    return kt.tasks.load(name, vocab_size=vocab_size, noise_std=noise).sample(n, seed=seed)


def direct(data, ridge):
    return np.linalg.solve(KERNEL(data.tokens) + ridge * np.eye(len(data)), data.labels)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("vocab_size", [12, 200])
def test_every_method_solves_the_ridge_system(method, vocab_size):
    data = sample(300, vocab_size)
    model = KernelRidge(KERNEL, ridge=0.1, method=method).fit(data)
    expected = direct(data, 0.1)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(model.dual_coef_, expected, atol=SOLVED * scale)
    assert model.solution.method == method
    assert model.solution.converged


@settings(max_examples=3, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_arbitrary_strings_are_solved_on_the_tables(n, vocabulary, k, seed):
    generator = np.random.default_rng(seed)
    tokens, labels = generator.integers(0, vocabulary, (n, k)), generator.standard_normal(n)
    model = KernelRidge(KERNEL, ridge=0.5, method="tables").fit(tokens, labels)
    expected = np.linalg.solve(KERNEL(tokens) + 0.5 * np.eye(n), labels)
    np.testing.assert_allclose(model.dual_coef_, expected, atol=SOLVED)


def test_predictions_agree_with_scikit_learn():
    data, test = sample(400, 30), sample(50, 30, seed=1)
    oracle = SklearnRidge(alpha=0.1, kernel="precomputed").fit(KERNEL(data.tokens), data.labels)
    model = KernelRidge(KERNEL, ridge=0.1).fit(data)
    expected = oracle.predict(KERNEL(test.tokens, data.tokens))
    np.testing.assert_allclose(model.predict(test.tokens), expected, atol=1e-9)
    np.testing.assert_array_equal(model.predict(test), model.predict(test.tokens))


def test_predictions_on_unseen_symbols_need_no_samples():
    data = sample(300, 20)
    model = KernelRidge(KERNEL, ridge=0.1).fit(data)
    unseen = data.task.sample_unseen(20)
    expected = model.predict_unseen()[unseen.template_ids]
    np.testing.assert_allclose(model.predict(unseen), expected, rtol=1e-10)


def test_wildcards_that_hit_regular_tokens_are_told_apart_on_unseen_symbols():
    task = kt.TemplateTask.from_templates(
        {"aα": 1.0, "αb": -1.0}, vocab_size=6, substitution_tokens=list("abcdef")
    )
    data = task.sample(200)
    model = KernelRidge(KERNEL, ridge=0.1).fit(data)
    expected = model.predict(task.fresh_strings()[0])
    np.testing.assert_allclose(model.predict_unseen(), expected, rtol=1e-10)


def test_columns_of_labels_are_solved_together():
    data = sample(300, 50)
    labels = np.stack([data.labels, data.labels**2, np.zeros(300)], axis=1)
    model = KernelRidge(KERNEL, ridge=0.1, method="tables").fit(data.tokens, labels)
    single = KernelRidge(KERNEL, ridge=0.1, method="dense").fit(data.tokens, labels[:, 1])
    assert model.predict(data.tokens[:4]).shape == (4, 3)
    np.testing.assert_allclose(model.dual_coef_[:, 1], single.dual_coef_, atol=SOLVED)
    np.testing.assert_array_equal(model.dual_coef_[:, 2], np.zeros(300))


@pytest.mark.slow
def test_a_preconditioned_solve_of_a_hundred_thousand_samples_takes_few_iterations():
    data = sample(100_000, 10_000, noise=0.0)
    model = KernelRidge(KERNEL, ridge=0.1).fit(data)
    assert model.solution.method == "tables"
    assert model.solution.residual_norm < 1e-10
    assert model.solution.num_iterations < 42


@pytest.mark.slow
@pytest.mark.parametrize("vocab_size", [20, 100, 1000])
def test_a_tiny_ridge_converges(vocab_size):
    model = KernelRidge(KERNEL, ridge=1e-8).fit(sample(5000, vocab_size, noise=0.0))
    assert model.solution.converged


def test_no_ridge_interpolates_the_mean_labels_of_copies():
    data = sample(200, 5)
    model = KernelRidge(KERNEL, ridge=0.0).fit(data)
    same = np.all(data.tokens == data.tokens[0], axis=1)
    assert same.sum() > 1
    np.testing.assert_allclose(model.predict(data.tokens[:1]), data.labels[same].mean(), rtol=1e-9)


def test_leave_one_out_predictions_are_those_of_a_fit_without_the_sample():
    data = sample(60, 5)
    predictions = KernelRidge(KERNEL, ridge=0.1).fit(data).leave_one_out()
    for i in (0, 7, 31):
        keep = np.arange(60) != i
        other = KernelRidge(KERNEL, ridge=0.1).fit(data.tokens[keep], data.labels[keep])
        np.testing.assert_allclose(predictions[i], other.predict(data.tokens[[i]])[0], rtol=1e-9)


@pytest.mark.parametrize("wrap", [np.asarray, aslinearoperator])
def test_a_precomputed_gram_matrix_is_accepted(wrap):
    data, test = sample(100, 30), sample(10, 30, seed=1)
    matrix = KERNEL(data.tokens)
    model = KernelRidge("precomputed", ridge=0.1).fit(wrap(matrix), data.labels)
    by_kernel = KernelRidge(KERNEL, ridge=0.1).fit(data)
    cross = wrap(KERNEL(test.tokens, data.tokens))
    np.testing.assert_allclose(model.predict(cross), by_kernel.predict(test), rtol=1e-9)


def test_an_operator_is_built_once_and_reused():
    data = sample(100, 30)
    gram = GramOperator(KERNEL, data)
    model = KernelRidge(KERNEL, ridge=0.1).fit(gram, data.labels)
    assert model.gram_ is gram


def test_failure_is_raised_warned_or_returned():
    data = sample(2000, 200)
    options = {"ridge": 1e-6, "max_iterations": 2, "method": "tables"}
    with pytest.raises(ConvergenceError, match=r"max_iterations.*relative residual"):
        KernelRidge(KERNEL, **options).fit(data)
    with pytest.warns(ConvergenceWarning, match="relative residual"):
        KernelRidge(KERNEL, on_failure="warn", **options).fit(data)
    model = KernelRidge(KERNEL, on_failure="return", **options).fit(data)
    assert not model.solution.converged
    assert model.solution.num_iterations == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_is_no_kernel_never_gives_a_silent_wrong_answer(method):
    data = sample(300, 40)
    model = KernelRidge(NegativeKernel(), ridge=0.1, method=method, on_failure="return").fit(data)
    matrix = NegativeKernel()(data.tokens) + 0.1 * np.eye(300)
    residual = np.linalg.norm(matrix @ model.dual_coef_ - data.labels)
    truth = residual / np.linalg.norm(data.labels)
    assert model.solution.converged == (truth < 1e-9)


def test_scikit_learn_can_clone_and_set_parameters():
    model = clone(KernelRidge(KERNEL, ridge=0.1))
    assert model.get_params()["ridge"] == 0.1
    assert model.set_params(ridge=0.5).ridge == 0.5
    assert "ridge=0.5" in repr(model)
    with pytest.raises(ValueError, match="`lamda` is no parameter of KernelRidge"):
        model.set_params(lamda=1.0)


def test_wrong_inputs_are_named():
    data = sample(20, 10)
    tokens, labels = data.tokens, data.labels
    with pytest.raises(ValueError, match=r"`ridge` must be non-negative; got -1\.0\."):
        KernelRidge(KERNEL, ridge=-1.0).fit(data)
    with pytest.raises(TypeError, match="`ridge` must be a number"):
        KernelRidge(KERNEL, ridge="0.1").fit(data)
    with pytest.raises(ValueError, match="`labels` must be finite"):
        KernelRidge(KERNEL, ridge=0.1).fit(tokens, np.full(20, np.nan))
    with pytest.raises(ValueError, match="one entry for each of the 20 samples"):
        KernelRidge(KERNEL, ridge=0.1).fit(tokens, labels[:5])
    with pytest.raises(TypeError, match="`labels` must be real numbers"):
        KernelRidge(KERNEL, ridge=0.1).fit(tokens, labels.astype(str))
    with pytest.raises(ValueError, match="`labels` must be given"):
        KernelRidge(KERNEL, ridge=0.1).fit(tokens)
    with pytest.raises(TypeError, match="must be a token-symmetric kernel"):
        KernelRidge("rbf", ridge=0.1).fit(data)
    with pytest.raises(ValueError, match="not fitted yet"):
        KernelRidge(KERNEL, ridge=0.1).predict(tokens)
    with pytest.raises(ValueError, match="`predict_unseen` needs the templates"):
        KernelRidge(KERNEL, ridge=0.1).fit(tokens, labels).predict_unseen()
    with pytest.raises(ValueError, match="linear-time GramOperator"):
        KernelRidge("precomputed", ridge=0.1, method="tables").fit(KERNEL(tokens), labels)
    with pytest.raises(ValueError, match=r"matrix of shape \(n1, 20\)"):
        KernelRidge("precomputed", ridge=0.1).fit(KERNEL(tokens), labels).predict(np.ones((2, 3)))
    with pytest.raises(ValueError, match="positive `ridge`"):
        KernelRidge(KERNEL, ridge=0.0).fit(data).leave_one_out()
