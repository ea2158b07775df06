import json

import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.comparison import compare
from ktrans.solvers.ridge import KernelRidge
from tests.coincidence_kernel import CoincidenceKernel

TASK = kt.tasks.load("aba_abb", vocab_size=40)
MLP = kt.MLPKernel(
    kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)
KERNELS = {"coincidences": CoincidenceKernel(weight=0.1), "MLP": MLP}
DESIGN = {"num_samples": [20, 400], "num_seeds": 3, "ridge": 0.01, "num_test": 300}


@pytest.fixture(scope="module")
def found():
    return compare(KERNELS, TASK, **DESIGN)


def test_all_kernels_are_fitted_to_the_same_training_sets(found):
    for name, kernel in KERNELS.items():
        models = [KernelRidge(kernel, ridge=0.01).fit(TASK.sample(400, seed=s)) for s in range(3)]
        expected = [np.mean((m.predict_unseen() - TASK.labels) ** 2) for m in models]
        # A comparison stops at a relative residual of 1e-7.
        np.testing.assert_allclose(found.kernels[name].unseen[1], expected, rtol=1e-6)


def test_errors_in_distribution_are_those_of_fresh_strings(found):
    model = KernelRidge(MLP, ridge=0.01).fit(TASK.sample(400, seed=0))
    test = TASK.sample(20_000, seed=77)
    expected = np.mean((model.predict(test) - test.labels) ** 2)
    # 300 test strings have a standard error of less than a tenth.
    assert found.kernels["MLP"].in_distribution[1, 0] == pytest.approx(expected, rel=0.3)


def test_a_perceptron_learns_symbols_and_a_kernel_with_coincidences_the_rule(found):
    mlp, other = found.kernels["MLP"], found.kernels["coincidences"]
    assert mlp.unseen[1].min() > 0.95
    assert mlp.in_distribution[1].mean() < 0.6 * mlp.in_distribution[0].mean()
    assert other.unseen[1].max() < 0.25
    difference = found.difference("MLP")["unseen"]
    np.testing.assert_allclose(difference.mean, (other.unseen - mlp.unseen).mean(1), rtol=1e-12)
    assert np.all(difference.mean[1] + 5 * difference.stderr[1] < 0)


def test_measured_errors_follow_the_closed_forms(found):
    for each in found.kernels.values():
        # At n ten times m the approximation is this good on unseen symbols, and no better than
        # this in distribution, where a perceptron depends on which tokens were drawn how often.
        for kind, off in (("unseen", 0.2), ("in_distribution", 0.5)):
            curve = getattr(each.curves, kind)[[0, -1]]
            np.testing.assert_allclose(each.summary[kind].mean, curve, rtol=off)


def test_eigenvalues_are_those_of_the_gram_matrix(found):
    matrix = MLP(TASK.sample(400, seed=0).tokens) / 400
    values = found.kernels["MLP"].eigenvalues
    assert values.sum() == pytest.approx(np.trace(matrix))
    assert values[0] == pytest.approx(np.linalg.norm(matrix, 2))


def test_reasons_are_told(found):
    mlp, other = found.kernels["MLP"].reasons, found.kernels["coincidences"].reasons
    assert mlp[0].startswith("N is singular: the prediction on fresh strings is the same for all")
    assert "it has learnt" in mlp[-1]
    assert "ν_min" in other[0] and "n*" in other[0]
    assert other[-1].endswith("what is learnt carries over to unseen symbols.")


def test_a_comparison_is_json_with_none_for_what_is_not_finite(found):
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["kernels"]["MLP"]["certificate"]["sample_scale"] is None
    assert record["reference"] == "coincidences"
    assert len(record["reference_minus"]["MLP"]["unseen"]["mean"]) == 2
    assert record["design"]["num_samples"] == [20, 400]


def test_tasks_that_are_not_uniform_have_the_limit_curve_alone():
    task = kt.TemplateTask.from_templates(
        {"αβα": 1.0, "αββ": -1.0}, vocab_size=20, substitution=kt.tasks.Zipf(1.0)
    )
    options = {"num_samples": [10], "num_seeds": 1, "ridge": 0.1, "num_test": 10}
    (each,) = compare({"MLP": MLP}, task, **options).kernels.values()
    assert each.curves.unseen is None
    assert np.isnan(each.summary["unseen"].stderr[0])
    assert each.curves.limit.shape == each.curves.num_samples.shape


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"num_samples": []}, ValueError, "`num_samples` must have at least one entry"),
        ({"num_samples": [0]}, ValueError, "`num_samples` must be from 1 to 1000000; got 0"),
        ({"num_samples": [2.5]}, TypeError, r"`num_samples` must be an integer; got 2\.5"),
        ({"num_samples": 7}, TypeError, "`num_samples` must be a sequence of integers; got 7"),
        ({"num_seeds": 0}, ValueError, "`num_seeds` must be from 1 to 1000; got 0"),
        ({"num_test": 0}, ValueError, "`num_test` must be from 1"),
        ({"ridge": -1.0}, ValueError, r"`ridge` must be non-negative; got -1\.0"),
        ({"kernels": {}}, ValueError, "`kernels` must be kernels by name, at least one"),
        ({"kernels": {"rbf": "rbf"}}, TypeError, "`kernel` must be a token-symmetric kernel"),
        ({"task": kt.tasks.load("copy")}, ValueError, "`task` has symbols as labels"),
    ],
)
def test_wrong_inputs_are_named(changes, kind, sentence):
    given = {"task": TASK, "kernels": KERNELS} | DESIGN | changes
    task, kernels = given.pop("task"), given.pop("kernels")
    with pytest.raises(kind, match=sentence):
        compare(kernels, task, **given)
