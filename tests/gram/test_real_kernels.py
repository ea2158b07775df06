import numpy as np
import pytest
from hypothesis import given, settings

import ktrans as kt
from ktrans.kernels.coefficients import PairValues
from tests.gram.real_kernels import KERNELS, MLP, NAMES, TRANSFORMER, ten_templates
from tests.gram.test_operator import EXACT, datasets

KNOWN = PairValues(TRANSFORMER)  # each kind of pair is evaluated once in all examples


def error_against(dense, gram, columns=2):
    vectors = np.random.default_rng(0).standard_normal((gram.shape[1], columns))
    scale = np.abs(dense) @ np.abs(vectors)
    return float(np.max(np.abs(gram @ vectors - dense @ vectors) / scale))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(datasets())
def test_products_of_the_transformer_kernel_on_random_tasks_equal_the_dense_ones(data):
    gram = kt.GramOperator(TRANSFORMER, data, values=KNOWN)
    assert gram.method == "linear"
    assert error_against(gram.to_dense(), gram) < EXACT


@settings(max_examples=6, deadline=None)
@given(datasets())
def test_products_of_an_mlp_kernel_on_random_tasks_equal_the_dense_ones(data):
    gram = kt.GramOperator(MLP, data)
    assert error_against(MLP(data.tokens), gram) < EXACT


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_products_diagonal_and_cross_products_are_those_of_the_kernel_itself(kernel):
    data = kt.tasks.load("aba_abb", vocab_size=9).sample(400)
    gram = kt.GramOperator(kernel, data)
    assert error_against(kernel(data.tokens), gram) < EXACT
    np.testing.assert_allclose(gram.diagonal(), kernel.diagonal(data.tokens), rtol=EXACT)
    others = data.task.sample_unseen(5).tokens
    assert error_against(kernel(others, data.tokens), gram.cross(others)) < EXACT


def test_products_of_ten_templates_with_up_to_four_wildcards_equal_the_dense_ones():
    data = ten_templates(12).sample(500)
    gram = kt.GramOperator(MLP, data)
    assert len(gram.refinement.codes) == 10
    assert error_against(MLP(data.tokens), gram) < EXACT
