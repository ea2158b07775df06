import numpy as np
import pytest

import ktrans as kt
from ktrans.theory.curves.cavity import cavity_learning_curve
from tests.gram.small_kernel import SmallKernel

KERNEL = SmallKernel()
DEFAULT = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))


def measured(kernel, task, n, ridge, seeds):
    """Predictions of ridge regression on unseen symbols, shape (seeds, r)."""
    matrix, found = kt.template_matrix(kernel, task), []
    for seed in range(seeds):
        data = task.sample(n, seed=seed)
        dual = np.linalg.solve(kernel(data.tokens) + ridge * np.eye(n), data.labels)
        found.append(matrix @ np.bincount(data.template_ids, dual, len(matrix)))
    return np.array(found)


def test_it_follows_the_measurement_where_samples_of_a_token_are_few():
    task = kt.tasks.load("aba_abb", vocab_size=150)
    found = measured(KERNEL, task, 450, 0.01, 25)
    errors = np.mean((found - task.labels) ** 2, axis=1)
    stderr = errors.std(ddof=1) / 5
    (cavity,) = cavity_learning_curve(KERNEL, task, num_samples=[450], ridge=0.01).mse
    (gaussian,) = kt.theory.corrected_learning_curve(
        KERNEL, task, num_samples=[450], ridge=0.01
    ).mse
    assert abs(cavity - errors.mean()) < 3 * stderr < 0.5 * abs(gaussian - errors.mean())


@pytest.mark.slow
def test_it_closes_the_gap_of_the_gaussian_curve_at_four_samples_a_token():
    task = kt.tasks.load("aba_abb", vocab_size=1000)
    errors = np.mean((measured(DEFAULT, task, 4096, 1e-6, 8) - task.labels) ** 2, axis=1)
    stderr = errors.std(ddof=1) / np.sqrt(8)
    assert stderr < 0.01 * errors.mean()
    (cavity,) = cavity_learning_curve(DEFAULT, task, num_samples=[4096], ridge=1e-6).mse
    (gaussian,) = kt.theory.corrected_learning_curve(
        DEFAULT, task, num_samples=[4096], ridge=1e-6
    ).mse
    np.testing.assert_allclose(cavity, errors.mean(), rtol=0.025)
    assert gaussian < 0.96 * errors.mean()


def test_it_tends_to_the_closed_form_as_diversity_grows():
    task = kt.tasks.load("aba_abb", vocab_size=10**6)
    cavity = cavity_learning_curve(KERNEL, task, num_samples=[50], ridge=0.1)
    plain = kt.learning_curve(KERNEL, task, num_samples=[50], ridge=0.1)
    np.testing.assert_allclose(cavity.predictions, plain.predictions, rtol=1e-3)  # 50 / 10⁶ collide


def test_templates_without_wildcards_and_with_one_are_allowed_with_a_ridge():
    labels = {"AB": 1.0, "Aα": -1.0, "αβ": 0.5}
    task = kt.TemplateTask.from_templates(labels, vocab_size=40)
    found = measured(KERNEL, task, 60, 1.0, 60)
    curve = cavity_learning_curve(KERNEL, task, num_samples=[60], ridge=1.0)
    stderr = found.std(axis=0, ddof=1) / np.sqrt(60)
    # A tenth for n far from infinity: the frequencies of templates vary.
    np.testing.assert_allclose(curve.predictions[0], found.mean(0), atol=5 * stderr.max(), rtol=0.1)


def test_one_wildcard_needs_a_ridge():
    task = kt.TemplateTask.from_templates({"AB": 1.0, "αβ": -1.0}, vocab_size=40)
    with pytest.raises(ValueError, match="`ridge` must be positive where tokens tell all of"):
        cavity_learning_curve(KERNEL, task, num_samples=[10], ridge=0)
