import numpy as np
import pytest

import ktrans as kt
from ktrans.theory import bounded_template_matrix, template_matrix
from tests.coincidence_kernel import CoincidenceKernel

MLP = kt.MLPKernel(
    kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)


def test_entries_are_kernel_values_on_fresh_strings():
    task = kt.tasks.load("marked_aba_abb", vocab_size=30)
    matrix = template_matrix(CoincidenceKernel(), task)
    cls = task.cls_id
    ids = task.regular_token_ids
    first = [[ids["a"], 500, 501, 500, cls], [ids["b"], 500, 501, 501, cls]]
    second = [[ids["a"], 700, 701, 700, cls], [ids["b"], 700, 701, 701, cls]]
    wanted = CoincidenceKernel()(first, second)
    np.testing.assert_array_equal(matrix[np.ix_([0, 3], [0, 3])], wanted)


def test_it_is_the_limit_of_samples_that_share_nothing():
    task = kt.tasks.load("aba_abb", vocab_size=10**6)
    data = task.sample(40, seed=0)
    gram = CoincidenceKernel()(data.tokens)
    limit = template_matrix(CoincidenceKernel(), task)[np.ix_(data.template_ids, data.template_ids)]
    distinct = ~np.eye(40, dtype=bool)
    np.testing.assert_array_equal(gram[distinct], limit[distinct])


@pytest.mark.parametrize("name", ["aba_abb", "majority_4", "regular_cue", "identity_rules"])
def test_it_is_symmetric_with_its_bound(name):
    matrix = bounded_template_matrix(MLP, kt.tasks.load(name, vocab_size=50))
    np.testing.assert_array_equal(matrix.value, matrix.value.T)
    np.testing.assert_array_equal(matrix.bound, matrix.bound.T)
    assert matrix.certified
    assert matrix.bound.max() < 1e-11


def test_estimates_stay_estimates():
    task = kt.tasks.load("aba_abb", vocab_size=10)
    assert not bounded_template_matrix(CoincidenceKernel(certified=False), task).certified


def test_kernels_without_token_symmetry_are_refused():
    task = kt.tasks.load("aba_abb", vocab_size=10)
    with pytest.raises(TypeError, match=r"`kernel` must be .*; got function"):
        template_matrix(lambda x, y: x @ y.T, task)


def test_tasks_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"`task` must be a TemplateTask.*got str"):
        template_matrix(MLP, "aba_abb")
