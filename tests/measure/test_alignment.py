import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.alignment import cumulative_power, target_alignment
from ktrans.theory import population_power
from tests.all_strings import all_strings
from tests.gram.small_kernel import SmallKernel
from tests.tolerances import ROUNDING

KERNEL = SmallKernel()
TASK = kt.tasks.load("aba_abb", vocab_size=12)


@pytest.fixture(scope="module")
def samples():
    data = TASK.sample(200, seed=4)
    return kt.GramOperator(KERNEL, data), data.labels


def test_alignment_and_power_are_those_of_the_dense_matrix(samples):
    operator, y = samples
    dense = operator.to_dense()
    wanted = y @ dense @ y / (np.linalg.norm(dense) * (y @ y))
    np.testing.assert_allclose(target_alignment(operator, y), wanted, rtol=ROUNDING)
    values, vectors = np.linalg.eigh(dense)
    power = np.cumsum((y @ vectors[:, ::-1]) ** 2) / (y @ y)
    # Up to where eigenvalues are distinct: within an eigenspace the order is arbitrary.
    gaps = np.flatnonzero(-np.diff(values[::-1]) > 1e-6)[:20]
    found = cumulative_power(operator, y, count=30)
    np.testing.assert_allclose(found[gaps], power[gaps], atol=1e-9)  # of eigenvectors


def test_all_eigenvectors_hold_all_of_the_target(samples):
    operator, y = samples
    np.testing.assert_allclose(cumulative_power(operator, y, count=200)[-1], 1.0, rtol=ROUNDING)


def test_a_kernel_that_is_the_target_is_aligned():
    class Target(SmallKernel):
        def evaluate_pairs(self, tokens1, tokens2):
            def sign(tokens):
                return np.where(tokens[:, 0] == tokens[:, 2], 1.0, -1.0)

            values = sign(tokens1) * sign(tokens2)
            return kt.Bounded(values, np.zeros(len(values)))

    data = TASK.sample(100)
    alignment = target_alignment(kt.GramOperator(Target(), data), data.labels)
    np.testing.assert_allclose(alignment, 1.0, rtol=ROUNDING)


@pytest.mark.parametrize("weights", [None, {"αβα": 0.8, "αββ": 0.2}])
def test_population_power_is_that_of_the_matrix_of_all_strings(weights):
    task = kt.TemplateTask.from_templates({"αβα": 1.0, "αββ": -2.0}, vocab_size=9, weights=weights)
    found = population_power(KERNEL, task)
    strings, probabilities = all_strings(task)
    root = np.sqrt(probabilities)
    matrix = root[:, None] * np.asarray(KERNEL(strings)) * root
    target = root * np.where(strings[:, 0] == strings[:, 2], 1.0, -2.0)
    values, vectors = np.linalg.eigh(matrix)
    shares = (target @ vectors) ** 2 / (target @ target)
    held = shares > 1e-12  # by the trivial representation alone
    np.testing.assert_allclose(found.eigenvalues, values[held][::-1], rtol=1e-9)
    np.testing.assert_allclose(found.power, shares[held][::-1], rtol=1e-9)
    assert found.ranks == tuple(
        int(np.sum(values > each * (1 - 1e-9))) for each in found.eigenvalues
    )
    alignment = target @ matrix @ target / (np.linalg.norm(matrix) * (target @ target))
    np.testing.assert_allclose(found.alignment, alignment, rtol=1e-9)


def test_the_alignment_of_samples_tends_to_that_of_the_population():
    # More samples than strings: the diagonal of K̂ no longer counts.
    data = TASK.sample(20_000, seed=0)
    found = target_alignment(kt.GramOperator(KERNEL, data), data.labels)
    wanted = population_power(KERNEL, TASK).alignment
    np.testing.assert_allclose(found, wanted, rtol=0.1)  # fluctuation of the labels' mean


@pytest.mark.parametrize(
    ("labels", "error", "sentence"),
    [
        (["a"] * 200, TypeError, "`labels` must be numbers"),
        (np.zeros(200), ValueError, "`labels` must be 200 numbers that are not all zero"),
        (np.ones(3), ValueError, r"not all zero; got shape \(3,\)"),
    ],
)
def test_labels_are_checked(samples, labels, error, sentence):
    with pytest.raises(error, match=sentence):
        target_alignment(samples[0], labels)
