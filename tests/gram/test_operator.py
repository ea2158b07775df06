import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ktrans as kt
from ktrans.gram import incidence, operator
from ktrans.gram.base import AbstractGram
from ktrans.gram.operator import GramOperator
from ktrans.gram.sharded import BLOCK
from tests.gram.small_kernel import SmallKernel

EXACT = 1e-13
KERNEL = SmallKernel()
SYMBOLS = ["?x", "?y", "?z", "a", "b"]

strings = st.lists(st.sampled_from(SYMBOLS), min_size=3, max_size=3).map(tuple)


@st.composite
def datasets(draw):
    """Samples of random templates; wildcards also take the regular tokens of other templates."""
    specs = draw(st.lists(strings, min_size=1, max_size=3, unique=True))
    vocabulary = draw(st.integers(4, 12))
    names = [*"ab", *(f"t{i}" for i in range(vocabulary))]
    task = kt.TemplateTask.from_templates(
        {kt.Template(list(spec)): 0.0 for spec in specs},
        vocab_size=len(names),
        substitution_tokens=names,
    )
    return task.sample(draw(st.integers(1, 60)), seed=draw(st.integers(0, 99)))


@st.composite
def arrays(draw):
    """Strings that follow no template at all."""
    shape = draw(st.integers(1, 50)), draw(st.integers(1, 4))
    vocabulary = draw(st.integers(1, 8))
    seed = draw(st.integers(0, 999))
    return np.random.default_rng(seed).integers(-2, vocabulary, shape)


def relative_error(gram: AbstractGram, columns: int = 2) -> float:
    vectors = np.random.default_rng(0).standard_normal((gram.shape[1], columns))
    dense = gram.to_dense()
    scale = np.abs(dense) @ np.abs(vectors)
    return float(np.max(np.abs(gram @ vectors - dense @ vectors) / scale))


@settings(max_examples=10, deadline=None)
@given(datasets())
def test_products_of_random_tasks_equal_the_dense_ones(data):
    gram = GramOperator(KERNEL, data)
    assert gram.method == "linear"
    assert relative_error(gram) < EXACT
    np.testing.assert_allclose(gram.diagonal(), gram.to_dense().diagonal(), rtol=EXACT)


@settings(max_examples=10, deadline=None)
@given(arrays())
def test_products_of_arbitrary_strings_equal_the_dense_ones(tokens):
    gram = GramOperator(KERNEL, tokens)
    assert gram.templates == "inferred"
    assert relative_error(gram) < EXACT


@settings(max_examples=8, deadline=None)
@given(arrays(), st.lists(st.integers(-2, 8), max_size=4))
def test_the_choice_of_regular_tokens_never_changes_the_result(tokens, regular):
    gram = GramOperator(KERNEL, tokens, regular_tokens=regular)
    assert relative_error(gram) < EXACT


@settings(max_examples=8, deadline=None)
@given(arrays(), st.integers(1, 9))
def test_products_with_other_strings_equal_the_dense_ones(tokens, count):
    others = np.random.default_rng(count).integers(-3, 10, (count, tokens.shape[1]))
    limit = operator._SMALL_CROSS
    operator._SMALL_CROSS = 0
    try:
        gram = GramOperator(KERNEL, tokens).cross(others)
    finally:
        operator._SMALL_CROSS = limit
    assert gram.shape == (count, len(tokens))
    assert isinstance(gram, operator.CrossGram)
    assert relative_error(gram) < EXACT
    np.testing.assert_allclose(gram.to_dense(), KERNEL(others, tokens), rtol=EXACT)


def test_small_products_with_other_strings_are_looked_up():
    gram = GramOperator(KERNEL, np.arange(12).reshape(4, 3)).cross(np.arange(6).reshape(2, 3))
    assert relative_error(gram) < EXACT


def test_a_vector_gives_a_vector_and_columns_give_columns():
    gram = GramOperator(KERNEL, np.arange(12).reshape(4, 3))
    assert (gram @ np.ones(4)).shape == (4,)
    assert (gram @ np.ones((4, 2))).shape == (4, 2)
    assert (gram @ np.ones(4)).dtype == np.float64


def test_pairs_of_wildcards_are_scattered_only_where_two_samples_share_them():
    data = kt.tasks.load("aba_abb", vocab_size=2000).sample(3000)
    gram = GramOperator(KERNEL, data)
    pairs = gram.core.shard.levels[1]
    assert all(len(slot.index) == BLOCK for slot in pairs.slots)
    assert relative_error(gram, 1) < EXACT


def test_five_wildcards_and_few_tokens_are_exact():
    tokens = np.random.default_rng(0).permuted(np.tile(np.arange(7), (200, 1)), axis=1)[:, :5]
    gram = GramOperator(KERNEL, tokens)
    assert gram.method == "linear"
    assert len(gram.core.shard.levels) == 5
    assert relative_error(gram) < EXACT


def test_too_many_wildcards_fall_back_to_the_blocked_look_up(monkeypatch):
    monkeypatch.setattr(incidence, "MAX_MATCHINGS", 10)
    tokens = np.random.default_rng(0).integers(0, 9, (40, 4))
    gram = GramOperator(KERNEL, tokens)
    assert gram.method == "blocked"
    assert "blocked look-up" in gram.description
    assert relative_error(gram) < EXACT
    assert relative_error(gram.cross(tokens[:5])) < EXACT


def test_too_many_declared_templates_are_inferred_instead(monkeypatch):
    monkeypatch.setattr(operator, "MAX_GROUPS", 6)
    tokens = np.random.default_rng(0).integers(0, 9, (60, 3))
    gram = GramOperator(KERNEL, tokens, regular_tokens=np.arange(9))
    assert (gram.templates, gram.method) == ("inferred", "linear")
    assert relative_error(gram) < EXACT


def test_cls_is_inferred_to_be_regular():
    tokens = kt.tasks.load("aba_abb", vocab_size=50).sample(100).tokens
    gram = GramOperator(KERNEL, tokens)
    assert gram.regular_tokens.tolist() == [tokens[0, -1]]
    assert len(gram.refinement.codes) == 2


def test_copies_of_strings_are_merged():
    data = kt.tasks.load("aba_abb", vocab_size=4).sample(500)
    gram = GramOperator(KERNEL, data)
    assert len(gram.distinct.first) == 24
    assert gram.distinct.multiplicity.sum() == 500
    np.testing.assert_array_equal(
        data.tokens[gram.distinct.first][gram.distinct.index], data.tokens
    )


def test_fresh_strings_see_each_refined_template_through_one_number():
    data = kt.tasks.load("aba_abb", vocab_size=6).sample(100)
    gram = GramOperator(KERNEL, data)
    fresh = data.task.fresh_strings()[0]
    expected = KERNEL(fresh, data.tokens)
    np.testing.assert_allclose(gram.unseen(fresh)[:, gram.refinement.group], expected, rtol=EXACT)


def test_a_matrix_too_large_is_refused_with_its_size():
    data = kt.tasks.load("aba_abb", vocab_size=1000).sample(50_000)
    with pytest.raises(ValueError, match=r"needs 18\.6 GiB.*use products"):
        GramOperator(KERNEL, data).to_dense()


def test_wrong_inputs_are_named():
    gram = GramOperator(KERNEL, np.arange(12).reshape(4, 3))
    with pytest.raises(ValueError, match=r"`vectors` must have shape \(4,\)"):
        gram @ np.ones(3)
    with pytest.raises(TypeError, match="real numbers"):
        gram @ np.ones(4, dtype=complex)
    with pytest.raises(TypeError, match="integer array"):
        GramOperator(KERNEL, np.ones((2, 2)))
    with pytest.raises(ValueError, match="at least one string"):
        GramOperator(KERNEL, np.zeros((0, 3), dtype=int))
    with pytest.raises(TypeError, match="`kernel` must be a token-symmetric kernel"):
        GramOperator("rbf", np.arange(12).reshape(4, 3))
    with pytest.raises(ValueError, match="must have 3 positions"):
        gram.cross(np.zeros((2, 4), dtype=int))


def test_tables_are_built_when_they_are_first_needed(monkeypatch):
    monkeypatch.setattr(operator, "build_linear_time_gram", None)
    data = kt.tasks.load("aba_abb", vocab_size=9).sample(30)
    model = kt.KernelRidge(KERNEL, ridge=0.1).fit(data)
    assert model.predict(data).shape == (30,)
    assert model.gram_.method == "linear"
    with pytest.raises(TypeError, match="not callable"):
        model.gram_ @ data.labels
