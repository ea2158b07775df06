"""Template tasks: sizes, ids, sampling, diversity, refusals."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from ktrans.tasks import Template, TemplateTask, Wildcard, Zipf, load

STANDARD_ERRORS = 5.0


def make(templates=None, vocab_size=20, **options):
    templates = {"αβα": 1.0, "αββ": -1.0} if templates is None else templates
    return TemplateTask.from_templates(templates, vocab_size=vocab_size, **options)


MIXED = {"aαβ": 1.0, "αab": 0.5, "aba": -1.0, "αβγ": 2.0}


def test_sizes_count_cls_and_ids_come_in_the_documented_order():
    task = make(MIXED, vocab_size=10)
    assert (task.num_templates, task.context_length, task.max_wildcards) == (4, 4, 3)
    assert task.regular_token_ids == {"a": 10, "b": 11} and task.cls_id == 12
    assert np.array_equal(task.substitution_ids, np.arange(10))
    assert np.array_equal(task.unseen_ids, np.arange(13, 23)) and task.num_tokens == 23


def test_template_codes_hold_ids_and_negative_wildcards():
    task = make(MIXED, vocab_size=10)
    expected = [[10, -1, -2, 12], [-1, 10, 11, 12], [10, 11, 10, 12], [-1, -2, -3, 12]]
    assert np.array_equal(task.template_codes, expected)


@pytest.mark.parametrize("method", ["sample", "sample_unseen"])
def test_every_sampled_string_matches_its_template_with_its_recorded_map(method):
    task = make(MIXED, vocab_size=6, substitution="zipf")
    data = getattr(task, method)(500, seed=3)
    names = {i: name for name, i in task.regular_token_ids.items()}
    assert set(data.template_ids.tolist()) == set(range(4))
    for row, z, image in zip(data.tokens, data.template_ids, data.substitutions, strict=True):
        template = task.templates[z]
        string = [names.get(int(t), f"t{t}") for t in row[:-1]]
        assert template.matches(string) and row[-1] == task.cls_id
        image = [f"t{t}" for t in image if t >= 0]
        mapping = dict(zip(template.wildcards, image, strict=True))
        assert template.substitute(mapping) == tuple(string)


def test_seen_and_unseen_tokens_have_only_regular_tokens_and_cls_in_common():
    task = make(MIXED, vocab_size=6)
    seen, unseen = task.sample(2000).tokens, task.sample_unseen(2000).tokens
    shared = set(seen.ravel().tolist()) & set(unseen.ravel().tolist())
    assert shared == {*task.regular_token_ids.values(), task.cls_id}
    assert unseen.max() < task.num_tokens


def test_one_seed_gives_one_dataset_and_another_seed_another():
    task = make(noise_std=0.5)
    first, again, other = task.sample(50, seed=1), task.sample(50, seed=1), task.sample(50, seed=2)
    assert np.array_equal(first.tokens, again.tokens)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.tokens, other.tokens)


def test_template_frequencies_follow_the_weights_given_by_template():
    task = make(weights={"αββ": 3.0, "αβα": 1.0})
    assert np.array_equal(task.weights, [0.25, 0.75])
    n = 40_000
    share = np.mean(task.sample(n).template_ids == 0)
    assert abs(share - 0.25) <= STANDARD_ERRORS * np.sqrt(0.25 * 0.75 / n)


def test_uniform_substitution_gives_every_injective_map_the_same_frequency():
    n, cases = 60_000, 5 * 4
    data = make({"αβ": 1.0}, vocab_size=5).sample(n)
    counts = Counter(map(tuple, data.substitutions.tolist()))
    assert len(counts) == cases
    error = np.sqrt(n / cases * (1 - 1 / cases))
    assert max(abs(count - n / cases) for count in counts.values()) <= STANDARD_ERRORS * error


def test_label_noise_has_mean_zero_and_the_stated_deviation():
    n, task = 50_000, make(noise_std=0.3)
    data = task.sample(n)
    noise = data.labels - np.array([1.0, -1.0])[data.template_ids]
    assert abs(noise.mean()) <= STANDARD_ERRORS * 0.3 / np.sqrt(n)
    assert abs(noise.std() - 0.3) <= STANDARD_ERRORS * 0.3 / np.sqrt(2 * n)


def test_without_noise_labels_are_exactly_those_of_the_templates():
    task = make(MIXED)
    data = task.sample(100)
    assert np.array_equal(data.labels, np.array([1.0, 0.5, -1.0, 2.0])[data.template_ids])


def test_symbolic_labels_are_the_tokens_that_the_map_gives():
    task = make({"αβα": "β", "αββ": "yes"}, vocab_size=30)
    assert task.labels == (Wildcard("β"), "yes") and task.is_symbolic
    for data in (task.sample(300), task.sample_unseen(300)):
        first = data.template_ids == 0
        assert np.array_equal(data.labels[first], data.tokens[first, 1])
        assert np.all(data.labels[~first] == task.regular_token_ids["yes"])
        assert np.issubdtype(data.labels.dtype, np.integer)


def test_a_million_strings_are_drawn_at_once():
    data = load("aba_abb", vocab_size=100_000).sample(1_000_000)
    assert data.tokens.shape == (1_000_000, 4)


def test_fresh_strings_match_and_share_no_substituted_token():
    task = make(MIXED)
    kept = {*task.regular_token_ids.values(), task.cls_id}
    fresh = []
    for tokens in task.fresh_strings():
        for row, codes in zip(tokens, task.template_codes, strict=True):
            assert np.array_equal(row[codes >= 0], codes[codes >= 0])
            fresh += sorted(set(row.tolist()) - kept)
    assert len(fresh) == len(set(fresh)) == 2 * (2 + 1 + 0 + 3)
    assert not set(fresh) & set(task.substitution_ids.tolist())


def test_diversity_is_m_over_w_for_uniform_substitution():
    assert make({"αβα": 1, "ααα": 0}, vocab_size=1000).diversity == 500.0
    assert make({"ab": 1}).diversity == float("inf")


def test_diversity_counts_only_the_tokens_that_a_template_may_use():
    tokens = list("abcdefgh")
    task = make({"aαβ": 1, "αβα": 0}, vocab_size=None, substitution_tokens=tokens)
    assert task.vocab_size == 8 and task.diversity == 7 / 2
    assert task.regular_token_ids == {"a": 0} and task.cls_id == 8
    data = task.sample(2000)
    substituted = data.substitutions
    assert not np.any(substituted[data.template_ids == 0] == 0)
    assert np.any(substituted[data.template_ids == 1] == 0)


def test_diversity_of_weighted_substitution_is_the_reciprocal_of_the_largest_frequency():
    task = make({"αβγ": 1.0}, vocab_size=12, substitution=Zipf(1.5))
    n = 100_000
    share = np.mean(np.any(task.sample(n).substitutions == 0, axis=1))
    p = 1 / task.diversity
    assert abs(share - p) <= STANDARD_ERRORS * np.sqrt(p * (1 - p) / n)


def test_only_equal_weights_count_as_uniform():
    assert make().is_uniform and make(substitution=[2.0] * 20).is_uniform
    assert make(substitution=Zipf(0.0)).is_uniform
    assert not make(substitution="zipf").is_uniform
    assert not make(substitution=[1.0] * 19 + [0.0]).is_uniform


def test_templates_that_meet_are_reported_with_the_string_that_matches_both():
    templates = {"αα": 0.0, "Aα": 1.0, "αB": -1.0}
    task = TemplateTask.from_templates(templates, substitution_tokens=["A", "B", "c"])
    assert task.meeting == task.contradiction == (1, 2, ("A", "B")) and not task.disjoint
    assert make({"αβ": 1.0, "αα": -1.0}).disjoint


def test_templates_do_not_meet_in_strings_that_cannot_be_drawn():
    assert make({"Aα": 1.0, "βB": -1.0}).disjoint
    options = {"substitution_tokens": ["A", "B", "c"], "substitution": [0.0, 1.0, 1.0]}
    assert TemplateTask.from_templates({"Aα": 1.0, "βB": -1.0}, **options).disjoint
    few = {"αβB": 1.0, "αAβ": -1.0}
    tokens = ["A", "B", "c"]
    assert TemplateTask.from_templates(few, substitution_tokens=tokens).meeting == (
        0, 1, ("c", "A", "B"),
    )  # fmt: skip


def test_meeting_with_equal_labels_is_not_a_contradiction():
    tokens = ["A", "B", "c"]
    task = TemplateTask.from_templates({"Aα": 1.0, "βB": 1.0}, substitution_tokens=tokens)
    assert not task.disjoint and task.contradiction is None


def test_one_template_with_two_labels_is_refused_whatever_its_wildcards_are_called():
    with pytest.raises(ValueError, match="'αβα' and 'βαβ' differ in the names of their wildcards"):
        make({"αβα": 1.0, "βαβ": -1.0})
    assert make({"αβα": 1.0, "βαβ": 1.0}).num_templates == 2
    with pytest.raises(ValueError, match="must give one template one label"):
        make({"αβ": "α", "βα": "α"})
    assert make({"αβ": "α", "βα": "β"}).is_symbolic


def test_a_subset_keeps_order_and_duplicates():
    data = make().sample(10)
    part = data.subset([3, 3, 1])
    assert np.array_equal(part.tokens, data.tokens[[3, 3, 1]]) and len(part) == 3
    assert len(data.subset(data.template_ids == 0)) == np.sum(data.template_ids == 0)
    assert part.task is data.task


def test_datasets_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        make().sample(3).tokens[0, 0] = 1


def test_sampling_leaves_the_labels_of_the_task_alone():
    task = make()
    task.sample(5)
    assert np.array_equal(task.labels, [1.0, -1.0])


def test_a_field_can_be_replaced_and_is_checked_again():
    assert dataclasses.replace(make(), vocab_size=99).diversity == 99 / 2
    with pytest.raises(ValueError, match="`vocab_size` must leave a token"):
        dataclasses.replace(make(), vocab_size=1)


def test_templates_may_be_given_as_tokens_or_objects():
    task = make({("?x", "go"): 1.0, Template(["?x", "?x"]): 0.0})
    assert [str(template) for template in task.templates] == ["?x go", "?x ?x"]


@pytest.mark.parametrize(
    ("templates", "options", "error", "message"),
    [
        (["αβ"], {}, TypeError, "must map templates to labels"),
        ({}, {}, ValueError, "at least one template"),
        ({"αβ": 1, "α": 0}, {}, ValueError, "equal lengths; 'αβ' has 2 symbols and 'α' has 1"),
        ({"αβ": 1, Template("αβ"): 0}, {}, ValueError, "'αβ' occurs twice"),
        ({"αβ": float("nan")}, {}, ValueError, "label of 'αβ'` must be finite; got nan"),
        ({"αβ": 10**400}, {}, ValueError, "must be finite"),
        ({"αβ": True}, {}, TypeError, "label of 'αβ'` must be a number; got True"),
        ({"αβ": None}, {}, TypeError, "must be a number; got None"),
        ({"αβ": "γ"}, {}, ValueError, "must be one of its wildcards .* got the wildcard 'γ'"),
        ({"αβ": "?x"}, {}, ValueError, "got the wildcard"),
        ({"αβ": ""}, {}, ValueError, "position 0"),
        ({"αβ": 1, "αα": "α"}, {}, ValueError, "all numbers .* or all symbols"),
        ({"αβ": "α"}, {"noise_std": 0.1}, ValueError, "`noise_std` must be 0"),
        (None, {"vocab_size": 1}, ValueError, "2 wildcards but 1 tokens"),
        (None, {"vocab_size": 0}, ValueError, "`vocab_size` must be at least 1; got 0"),
        (None, {"vocab_size": 10.0}, TypeError, "`vocab_size` must be an integer; got 10.0"),
        (None, {"vocab_size": True}, TypeError, "`vocab_size` must be an integer; got True"),
        (None, {"vocab_size": None}, ValueError, "`vocab_size` must be given"),
        (None, {"vocab_size": 10**12}, ValueError, "`vocab_size` must be at most"),
        (None, {"noise_std": -0.5}, ValueError, "`noise_std` must be non-negative; got -0.5"),
        (None, {"noise_std": float("inf")}, ValueError, "`noise_std` must be finite"),
        (None, {"noise_std": "0.1"}, TypeError, "`noise_std` must be a number"),
        (None, {"weights": [1.0, -1.0]}, ValueError, "`weights` must be positive"),
        (None, {"weights": [1.0, float("nan")]}, ValueError, "weight of 'αββ'` must be finite"),
        (None, {"weights": [1.0]}, ValueError, "one weight for each of the 2 templates; got 1"),
        (None, {"weights": {"αβα": 1.0}}, ValueError, r"check \['αββ'\]"),
        (None, {"weights": 3.0}, TypeError, "`weights` must be a mapping"),
        (None, {"substitution": "zip"}, ValueError, "`substitution` must be .* got 'zip'"),
        (None, {"substitution": 3}, TypeError, "`substitution` must be"),
        (None, {"substitution": [1.0, 2.0]}, ValueError, "one entry for each of the 20"),
        (None, {"substitution": [-1.0] * 20}, ValueError, r"substitution\[0\]` must be non-neg"),
        (None, {"substitution": [1.0] + [0.0] * 19}, ValueError, "2 wildcards but 1 tokens"),
        (None, {"substitution_tokens": ["a", "a"]}, ValueError, "must be distinct"),
        (None, {"substitution_tokens": ["a", "?b"]}, ValueError, "regular tokens"),
        (None, {"substitution_tokens": ["a", "b"]}, ValueError, "one entry for each of the 20"),
        (None, {"substitution_tokens": "ab"}, TypeError, "must be a list of tokens"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(templates, options, error, message):
    with pytest.raises(error, match=message):
        make(templates, **options)


def test_regular_tokens_count_against_the_tokens_that_replace_wildcards():
    with pytest.raises(ValueError, match="2 wildcards but 1 tokens"):
        make({"aαβ": 1.0}, vocab_size=None, substitution_tokens=["a", "b"])


@pytest.mark.parametrize(
    ("n", "seed", "error", "message"),
    [
        (0, 0, ValueError, "`n` must be from 1 to 1000000000; got 0"),
        (2.0, 0, TypeError, "`n` must be an integer; got 2.0"),
        (True, 0, TypeError, "`n` must be an integer"),
        (3, -1, ValueError, "`seed` must be at least 0"),
        (3, None, TypeError, "`seed` must be an integer"),
    ],
)
def test_sample_refuses_sizes_and_seeds_that_are_no_counts(n, seed, error, message):
    with pytest.raises(error, match=message):
        make().sample(n, seed=seed)


def test_label_codes_need_symbolic_labels():
    with pytest.raises(ValueError, match="symbolic labels"):
        _ = make().label_codes
