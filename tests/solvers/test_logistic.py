import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

import ktrans as kt
from ktrans._checks import ConvergenceError
from ktrans.solvers.logistic import KernelLogisticRegression
from tests.gram.small_kernel import SmallKernel

KERNEL = SmallKernel()


def sample(n, vocab_size, labels=(1.0, -1.0)):
    task = kt.TemplateTask.from_templates(
        dict(zip(("αβα", "αββ", "ααβ"), labels, strict=False)), vocab_size=vocab_size
    )
    return task.sample(n)


def direct(matrix, classes, ridge):
    """Logits by a general minimiser, with one column of logits a class beyond two."""
    kinds, codes = np.unique(classes, return_inverse=True)
    columns = 1 if len(kinds) == 2 else len(kinds)

    def objective(flat):
        duals = flat.reshape(-1, columns)
        logits = matrix @ duals
        full = np.c_[np.zeros(len(codes)), logits] if columns == 1 else logits
        chances = np.exp(full - logsumexp(full, axis=1, keepdims=True))
        loss = -np.sum(np.log(chances[np.arange(len(codes)), codes]))
        error = chances - np.eye(len(kinds))[codes]
        gradient = matrix @ (error[:, -columns:] + ridge * duals)
        return loss + ridge / 2 * np.sum(duals * logits), gradient.ravel()

    start = np.zeros(len(codes) * columns)
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-9},
    )
    return matrix @ found.x.reshape(-1, columns)


@pytest.mark.parametrize("vocab_size", [4, 40])
def test_two_classes_agree_with_a_general_minimiser(vocab_size):
    data = sample(60, vocab_size)
    model = KernelLogisticRegression(KERNEL, ridge=0.5).fit(data)
    expected = direct(KERNEL(data.tokens), data.labels, 0.5)[:, 0]
    np.testing.assert_allclose(model.decision_function(data), expected, atol=1e-5)
    assert model.solution.converged


def test_three_classes_agree_with_a_general_minimiser():
    data = sample(60, 5, labels=(0.0, 1.0, 2.0))
    model = KernelLogisticRegression(KERNEL, ridge=0.5).fit(data)
    expected = direct(KERNEL(data.tokens), data.labels, 0.5)
    np.testing.assert_allclose(model.decision_function(data), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(data).sum(axis=1), 1.0, rtol=1e-14)


def test_elimination_and_conjugate_gradients_agree(monkeypatch):
    data = sample(60, 5, labels=(0.0, 1.0, 2.0))
    eliminated = KernelLogisticRegression(KERNEL, ridge=0.5).fit(data)
    monkeypatch.setattr("ktrans.solvers.logistic._ELIMINATED", 0)
    iterated = KernelLogisticRegression(KERNEL, ridge=0.5).fit(data)
    assert eliminated.solution.num_iterations < iterated.solution.num_iterations
    # Both stop at a relative gradient norm of 1e-8.
    np.testing.assert_allclose(eliminated.dual_coef_, iterated.dual_coef_, atol=1e-6)


def test_a_matrix_of_low_rank_is_solved():
    features = np.random.default_rng(0).standard_normal((40, 3))
    labels = features[:, 0] > 0
    model = KernelLogisticRegression("precomputed", ridge=0.1).fit(features @ features.T, labels)
    assert model.solution.converged
    assert model.score(features @ features.T, labels) > 0.95


def test_classes_are_learned_and_carry_over_to_unseen_symbols():
    data = sample(500, 40, labels=(0.0, 1.0, 2.0))
    names = np.array(["first", "second", "third"])[data.labels.astype(int)]
    by_name = KernelLogisticRegression(KERNEL, ridge=0.1).fit(data.tokens, names)
    assert by_name.score(data, names) > 0.95
    model = KernelLogisticRegression(KERNEL, ridge=0.1).fit(data)
    assert model.predict_unseen().tolist() == [0.0, 1.0, 2.0]
    fresh = data.task.fresh_strings()[0]
    np.testing.assert_allclose(model.predict_proba_unseen(), model.predict_proba(fresh), rtol=1e-9)


def test_too_few_iterations_are_reported():
    with pytest.raises(ConvergenceError, match="max_iterations"):
        KernelLogisticRegression(KERNEL, ridge=1e-3, max_iterations=3).fit(sample(200, 20))


def test_wrong_inputs_are_named():
    data = sample(30, 9)
    with pytest.raises(ValueError, match="`ridge` must be positive"):
        KernelLogisticRegression(KERNEL, ridge=0.0).fit(data)
    with pytest.raises(ValueError, match="at least two classes"):
        KernelLogisticRegression(KERNEL, ridge=1.0).fit(data.tokens, np.ones(30))
    with pytest.raises(ValueError, match="which are no classes"):
        KernelLogisticRegression(KERNEL, ridge=1.0).fit(data.tokens, np.linspace(0, 1, 30))
    with pytest.raises(ValueError, match=r"must have shape \(n,\)"):
        KernelLogisticRegression(KERNEL, ridge=1.0).fit(data.tokens, np.ones((30, 2)))
