import numpy as np
import pytest

import ktrans as kt
from ktrans.solvers.ridge import KernelRidge
from ktrans.theory import learning_curve, samples_needed, template_matrix
from tests.coincidence_kernel import CoincidenceKernel

EXACT = 1e-9
KERNEL = CoincidenceKernel(weight=0.1)
TRANSFORMER = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))


def test_two_balanced_templates_have_the_power_law():
    task = kt.tasks.load("aba_abb", vocab_size=10)
    counts, ridge = np.array([1, 64, 10**4]), 0.01
    matrix = template_matrix(TRANSFORMER, task)
    sigma = TRANSFORMER.diagonal(task.fresh_strings()[0])[0] - matrix[0, 0] + ridge
    wanted = (1 + counts * np.linalg.eigvalsh(matrix)[0] / (2 * sigma)) ** -2
    found = learning_curve(TRANSFORMER, task, num_samples=counts, ridge=ridge)
    np.testing.assert_allclose(found.mse, wanted, rtol=EXACT)
    assert found.predictions.shape == (3, 2)


def test_ridge_regression_without_collisions_follows_it_exactly():
    labels = {"aαβα": 1.0, "aαββ": -2.0, "bααβ": 0.5}
    task = kt.TemplateTask.from_templates(labels, vocab_size=10**7)
    data = task.sample(60, seed=3)
    kept = [np.flatnonzero(data.template_ids == z)[:8] for z in range(3)]
    data = data.subset(np.concatenate(kept))  # eight of each template: counts equal to n w_z
    assert len(np.unique(data.substitutions)) == data.substitutions.size
    model = KernelRidge(KERNEL, ridge=0.3).fit(data)
    curve = learning_curve(KERNEL, task, num_samples=[24], ridge=0.3)
    np.testing.assert_allclose(model.predict_unseen(), curve.predictions[0], rtol=EXACT)


def test_label_noise_adds_the_variance_of_the_ridge_predictor():
    quiet = kt.tasks.load("same_different", vocab_size=10**7)
    noisy = kt.tasks.load("same_different", vocab_size=10**7, noise_std=0.5)
    data = quiet.sample(41, seed=1)
    data = data.subset(
        np.concatenate([np.flatnonzero(data.template_ids == z)[:10] for z in (0, 1)])
    )
    rows = []
    for i in range(20):  # the predictor is linear in the labels
        unit = np.eye(20)[i]
        model = KernelRidge(KERNEL, ridge=0.3).fit(data.tokens, unit)
        rows.append(model.predict(quiet.fresh_strings()[0]))
    wanted = 0.25 * np.sum(np.square(rows), axis=0)
    found = learning_curve(KERNEL, noisy, num_samples=[20], ridge=0.3)
    np.testing.assert_allclose(found.variance[0], wanted, rtol=EXACT)
    np.testing.assert_allclose(
        found.predictions, learning_curve(KERNEL, quiet, num_samples=[20], ridge=0.3).predictions
    )


def test_gradient_flow_without_collisions_follows_it_exactly():
    labels = {"aαβα": 1.0, "aαββ": -2.0, "bααβ": 0.5}
    task = kt.TemplateTask.from_templates(labels, vocab_size=10**7)
    data = task.sample(60, seed=3)
    kept = [np.flatnonzero(data.template_ids == z)[:8] for z in range(3)]
    data = data.subset(np.concatenate(kept))
    assert len(np.unique(data.substitutions)) == data.substitutions.size
    flow = kt.KernelGradientFlow(KERNEL).fit(data)
    for time in (0.01, 0.3, 10.0):
        curve = learning_curve(KERNEL, task, num_samples=[24], time=time)
        np.testing.assert_allclose(flow.predict_unseen([time]), curve.predictions, rtol=EXACT)


def test_label_noise_adds_the_variance_of_gradient_flow():
    noisy = kt.tasks.load("same_different", vocab_size=10**7, noise_std=0.5)
    data = noisy.sample(41, seed=1)
    data = data.subset(
        np.concatenate([np.flatnonzero(data.template_ids == z)[:10] for z in (0, 1)])
    )
    # The predictor is linear in the labels: a column for each.
    flow = kt.KernelGradientFlow(KERNEL).fit(data.tokens, np.eye(20))
    rows = flow.predict(noisy.fresh_strings()[0], [0.3])[0]
    found = learning_curve(KERNEL, noisy, num_samples=[20], time=0.3)
    np.testing.assert_allclose(found.variance[0], 0.25 * np.sum(rows**2, axis=1), rtol=EXACT)


def test_long_training_is_regression_without_ridge():
    task = kt.tasks.load("aba_abb", vocab_size=10)
    late = learning_curve(KERNEL, task, num_samples=[10, 1000], time=1e9)
    free = learning_curve(KERNEL, task, num_samples=[10, 1000], ridge=0)
    np.testing.assert_allclose(late.predictions, free.predictions, rtol=EXACT)


def test_nothing_is_predicted_from_no_samples():
    curve = learning_curve(KERNEL, kt.tasks.load("aba_abb"), num_samples=[0], ridge=0.1)
    np.testing.assert_array_equal(curve.predictions, np.zeros((1, 2)))
    assert curve.mse.tolist() == [1.0]


def test_samples_needed_inverts_the_curve():
    task = kt.tasks.load("aba_abb", vocab_size=10)
    n = samples_needed(KERNEL, task, mse=0.05, ridge=0.1)
    curve = learning_curve(KERNEL, task, num_samples=[n], ridge=0.1)
    np.testing.assert_allclose(curve.mse, [0.05], rtol=EXACT)
    assert samples_needed(KERNEL, task, mse=2.0, ridge=0.1) == 0.0


def test_a_singular_template_matrix_never_gets_there():
    mlp = kt.MLPKernel(
        kind="ntk", depth=3, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
    )
    task = kt.tasks.load("aba_abb", vocab_size=10)
    assert samples_needed(mlp, task, mse=0.9, ridge=0.1) == np.inf
    curve = learning_curve(mlp, task, num_samples=[10, 10**6], ridge=0.1)
    np.testing.assert_allclose(curve.mse, 1.0, rtol=EXACT)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"ridge": -1.0}, ValueError, r"`ridge` must be non-negative; got -1\.0"),
        ({"ridge": "0.1"}, TypeError, "`ridge` must be a number; got '0.1'"),
        ({"ridge": np.nan}, ValueError, "`ridge` must be finite; got nan"),
        ({"time": 1.0}, TypeError, "exactly one of `ridge` and `time`"),
        ({"ridge": None, "time": -1.0}, ValueError, r"`time` must be positive; got -1\.0"),
        ({"num_samples": [-1]}, ValueError, "`num_samples` must be finite and non-negative"),
        ({"num_samples": 64}, TypeError, "`num_samples` must be a sequence of numbers; got 64"),
        ({"num_samples": ["a"]}, TypeError, "`num_samples` must be a sequence of numbers"),
    ],
)
def test_bad_arguments_are_refused(changes, error, sentence):
    given = {"num_samples": [10], "ridge": 0.1} | changes
    with pytest.raises(error, match=sentence):
        learning_curve(KERNEL, kt.tasks.load("aba_abb", vocab_size=10), **given)


def test_symbolic_labels_have_no_curve():
    with pytest.raises(ValueError, match="`task` has symbols as labels"):
        learning_curve(KERNEL, kt.tasks.load("copy"), num_samples=[10], ridge=0.1)


def test_a_template_without_wildcards_needs_a_ridge():
    task = kt.TemplateTask.from_templates({"AB": 1.0, "αα": -1.0}, vocab_size=10)
    with pytest.raises(ValueError, match="`ridge` must be positive where a template has no wild"):
        learning_curve(KERNEL, task, num_samples=[10], ridge=0)


def test_the_error_wanted_is_positive():
    with pytest.raises(ValueError, match=r"`mse` must be positive; got 0\.0"):
        samples_needed(KERNEL, kt.tasks.load("aba_abb"), mse=0, ridge=0.1)
