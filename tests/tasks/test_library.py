"""Named tasks are what their descriptions say."""

import numpy as np
import pytest

from ktrans.tasks import describe, load, names

EXPECTED = {
    "same_different": {"αα": 1, "αβ": -1},
    "aba_abb": {"αβα": 1, "αββ": -1},
    "aabb_abab": {"ααββ": 1, "αβαβ": -1},
    "majority_2": {"ααα": 1, "αββ": -1},
    "regular_cue": {"aαβ": 1, "bαβ": -1},
}


@pytest.mark.parametrize("name", names())
def test_every_named_task_is_disjoint_described_and_can_be_sampled(name):
    task = load(name, vocab_size=50)
    assert task.disjoint and task.name == name and task.vocab_size == 50
    assert describe(name).count("\n") == 0 and len(describe(name)) > 10
    assert task.sample(5).tokens.shape == (5, task.context_length)


@pytest.mark.parametrize("name", [name for name in names() if not load(name).is_symbolic])
def test_regression_labels_are_balanced_so_that_chance_loss_is_one(name):
    labels = load(name).labels
    assert np.array_equal(np.abs(labels), np.ones(len(labels))) and labels.sum() == 0


@pytest.mark.parametrize("name", EXPECTED)
def test_small_tasks_have_the_templates_of_the_paper(name):
    task = load(name)
    found = {str(z): y for z, y in zip(task.templates, task.labels, strict=True)}
    assert found == EXPECTED[name]


@pytest.mark.parametrize("voters", [2, 4, 6, 8])
def test_the_label_of_a_majority_task_says_whether_the_first_symbol_is_the_more_frequent(voters):
    task = load(f"majority_{voters}")
    for template, label in zip(task.templates, task.labels, strict=True):
        string = str(template)
        assert len(string) == voters + 1
        assert label == (1 if 2 * string.count(string[0]) > len(string) else -1)


def test_identity_rules_cannot_be_told_from_either_triple_alone():
    task = load("identity_rules")
    for half in (slice(0, 3), slice(3, 6)):
        sums = {}
        for template, label in zip(task.templates, task.labels, strict=True):
            part = template.partition[half]
            pattern = tuple(part.index(x) for x in part)
            sums[pattern] = sums.get(pattern, 0.0) + label
        assert sums == dict.fromkeys(sums, 0.0) and len(sums) == 3


def test_copying_and_recall_have_symbolic_labels():
    for name in ("copy", "associative_recall"):
        assert load(name).is_symbolic
    data = load("copy").sample(20)
    assert np.array_equal(data.labels, data.tokens[:, 0])


def test_random_templates_are_as_asked_disjoint_and_reproducible():
    options = dict(num_templates=30, length=6, num_wildcards=3, num_regular=2, seed=5)
    task = load("random_templates", **options)
    assert task.num_templates == 30 and task.disjoint
    assert {z.num_wildcards for z in task.templates} == {3}
    assert {t for z in task.templates for t in z.regular_tokens} <= {"a", "b"}
    assert task.templates == load("random_templates", **options).templates
    assert task.templates != load("random_templates", **options | {"seed": 6}).templates


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(num_templates=9, length=3), ValueError, "only 3; ask for fewer"),
        (dict(num_templates=0), ValueError, "`num_templates` must be at least 1"),
        (dict(length=2, num_wildcards=3), ValueError, "`num_wildcards` must be at most"),
        (dict(num_regular=99), ValueError, "`num_regular` must be at most 26"),
        (dict(num_wildcards=0), ValueError, "must not both be 0"),
        (dict(length=2.5), TypeError, "`length` must be an integer"),
        (dict(colour=1), TypeError, "no option `colour`"),
    ],
)
def test_random_templates_refuse_what_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        load("random_templates", **options)


def test_options_reach_the_task():
    task = load("aba_abb", vocab_size=30, noise_std=0.2, weights=[1, 3], substitution="zipf")
    assert task.noise_std == 0.2 and not task.is_uniform
    assert np.array_equal(task.weights, [0.25, 0.75])
    assert load("same_different", substitution_tokens=["u", "v"]).vocab_size == 2


@pytest.mark.parametrize("find", [load, describe])
def test_an_unknown_name_is_answered_with_similar_ones(find):
    with pytest.raises(ValueError, match="no task 'aba_abc'; did you mean 'aba_abb'"):
        find("aba_abc")
    with pytest.raises(ValueError, match="no task 'xyzzy'; known: same_different"):
        find("xyzzy")
