import numpy as np
import pytest
from sklearn.base import clone

import ktrans as kt
from ktrans.kernels.next_token import NextTokenKernel
from ktrans.solvers.next_token import NextTokenRidge
from ktrans.tasks.candidates import candidate_pairs
from tests.gram.small_kernel import SmallKernel

BASE = SmallKernel(scale=0.2)
HEADS = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-4)
WITH_B = NextTokenKernel(BASE, b_variance=1.0, attention=HEADS)
WITHOUT_B = NextTokenKernel(BASE, b_variance=0.0)

TASKS = {
    "copy": {"α": "α"},
    "first": {"αβ": "α"},
    "select by pattern": {"ααβ": "α", "αβα": "β"},
}


def task_of(name, vocab_size=500):
    return kt.TemplateTask.from_templates(TASKS[name], vocab_size=vocab_size)


@pytest.mark.parametrize(("name", "n"), [("copy", 10), ("first", 20), ("select by pattern", 60)])
def test_with_b_unseen_symbols_are_predicted_from_few_samples(name, n):
    task = task_of(name)
    model = NextTokenRidge(WITH_B, ridge=1e-4).fit(task.sample(n))
    unseen, found = task.sample_unseen(40), model.predict_unseen()
    assert found.accuracy == 1.0
    assert (found.margin > 0.05).all()
    np.testing.assert_array_equal(model.predict(unseen), unseen.labels)


@pytest.mark.parametrize("name", TASKS)
def test_without_b_no_unseen_symbol_is_predicted_from_however_many_samples(name):
    task = task_of(name, vocab_size=40)
    model = NextTokenRidge(WITHOUT_B, ridge=1e-3).fit(task.sample(100))
    unseen, found = task.sample_unseen(40), model.predict_unseen()
    labels = found.enlarged.labels == 1
    np.testing.assert_array_equal(found.scores[labels], 0.0)
    assert (found.margin <= 0).all()
    assert found.accuracy == 0.0
    assert found.error >= 1.0
    assert not np.any(model.predict(unseen) == unseen.labels)


@pytest.mark.parametrize("kernel", [WITHOUT_B, WITH_B], ids=["without b", "with b"])
def test_labels_that_are_regular_tokens_need_no_b(kernel):
    task = kt.TemplateTask.from_templates({"aα": "s", "bα": "t"}, vocab_size=500)
    model = NextTokenRidge(kernel, ridge=1e-4).fit(task.sample(60))
    assert model.predict_unseen().accuracy == 1.0
    unseen = task.sample_unseen(20)
    assert model.score(unseen, unseen.labels) == 1.0


def test_scores_on_unseen_symbols_are_those_of_unseen_strings():
    task = task_of("select by pattern")
    model = NextTokenRidge(WITH_B, ridge=1e-2).fit(task.sample(30))
    found, unseen = model.predict_unseen(), task.sample_unseen(10)
    scores = model.scores(unseen, unseen.substitutions)
    for row, z in zip(scores, unseen.template_ids, strict=True):
        expected = found.scores[found.enlarged.template_ids == z][:2]
        np.testing.assert_allclose(row, expected, rtol=1e-9)


def test_the_fit_solves_the_dense_system_of_all_pairs():
    data = task_of("first", vocab_size=6).sample(15)
    model = NextTokenRidge(WITH_B, ridge=0.1, negatives=100).fit(data)
    pairs = candidate_pairs(data, 100, 0)
    matrix = WITH_B(pairs.tokens)
    duals = np.linalg.solve(matrix + 0.1 * np.eye(len(matrix)), pairs.labels)
    tests = np.array([[3, 4, 6, 3], [3, 4, 6, 5]])
    found = model.scores(tests[:, :3], tests[:, 3:])[:, 0]
    np.testing.assert_allclose(found, WITH_B(tests, pairs.tokens) @ duals, rtol=1e-7)


def test_without_b_candidates_are_independent_regressions():
    task = kt.TemplateTask.from_templates({"aα": "s", "bα": "t"}, vocab_size=50)
    data = task.sample(40)
    model = NextTokenRidge(WITHOUT_B, ridge=0.1, negatives=0).fit(data)
    s = task.regular_token_ids["s"]
    alone = kt.KernelRidge(BASE, ridge=0.1).fit(data.tokens, (data.labels == s).astype(float))
    test = task.sample_unseen(10)
    found = model.scores(test, np.array([s]))[:, 0]
    np.testing.assert_allclose(found, alone.predict(test.tokens), atol=1e-8)


def test_a_tie_is_no_prediction():
    task = task_of("copy", vocab_size=30)
    # All candidates of training but [CLS] are wrong and score 0 or less, like every unseen token.
    model = NextTokenRidge(WITHOUT_B, ridge=1.0, negatives=0).fit(task.sample(20).subset([0]))
    string = task.sample_unseen(1)
    assert model.predict(string)[0] == task.sample(20).labels[0]
    own = model.scores(string, string.tokens)
    np.testing.assert_array_equal(own, 0.0)


def test_scikit_learn_can_clone_it():
    model = clone(NextTokenRidge(WITH_B, ridge=0.1, negatives=3))
    assert model.get_params()["negatives"] == 3
    assert "ridge=0.1" in repr(model)


def test_wrong_inputs_are_named():
    numbers, data = kt.tasks.load("aba_abb", vocab_size=20), task_of("copy").sample(5)
    with pytest.raises(ValueError, match="`dataset` must have symbols as labels"):
        NextTokenRidge(WITH_B, ridge=0.1).fit(numbers.sample(5))
    with pytest.raises(TypeError, match="`dataset` must be a Dataset; got ndarray"):
        NextTokenRidge(WITH_B, ridge=0.1).fit(data.tokens)
    with pytest.raises(ValueError, match="`negatives` must be at least 0; got -1"):
        NextTokenRidge(WITH_B, ridge=0.1, negatives=-1).fit(data)
    with pytest.raises(TypeError, match="`kernel` must be a token-symmetric kernel"):
        NextTokenRidge("rbf", ridge=0.1).fit(data)
    with pytest.raises(ValueError, match="not fitted yet"):
        NextTokenRidge(WITH_B, ridge=0.1).predict(data)
