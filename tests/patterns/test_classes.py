"""Pair classes of arbitrary strings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ktrans.patterns import classes as ways
from ktrans.patterns.classes import as_tokens, equality_pattern, pair_classes


def rows(n, k):
    return st.lists(
        st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=1, max_size=n
    ).map(lambda values: np.array(values, dtype=np.int64))


@given(st.integers(1, 5).flatmap(lambda k: st.tuples(rows(6, k), rows(6, k))))
def test_pairs_of_one_class_have_the_same_joint_pattern(case):
    first, second = case
    classes = pair_classes(first, second)
    for i in range(len(first)):
        for j in range(len(second)):
            c = classes.index[i, j]
            pair = np.concatenate([first[i], second[j]])[None]
            shown = np.concatenate([classes.tokens1[c], classes.tokens2[c]])[None]
            assert np.array_equal(equality_pattern(pair), equality_pattern(shown))


def test_pattern_renames_in_order_of_first_appearance():
    assert equality_pattern(np.array([[7, 3, 7, 5]])).tolist() == [[0, 1, 0, 2]]


def test_no_class_is_listed_twice():
    tokens = np.random.default_rng(0).integers(0, 3, (40, 4))
    classes = pair_classes(tokens, tokens)
    joint = equality_pattern(np.concatenate([classes.tokens1, classes.tokens2], axis=1))
    assert len(np.unique(joint, axis=0)) == len(joint)


@pytest.mark.parametrize("few", [0, 10**9], ids=["by groups", "by joint patterns"])
def test_both_ways_find_the_same_classes(few, monkeypatch):
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 3, (50, 4)), rng.integers(0, 3, (40, 4))
    monkeypatch.setattr(ways, "_FEW_PAIRS", few)
    monkeypatch.setattr(ways, "_JOINT_BLOCK", 300)
    classes = pair_classes(first, second)
    i, j = np.divmod(np.arange(2000), 40)
    joint = equality_pattern(np.hstack([first[i], second[j]]))
    pairs = np.hstack([classes.tokens1, classes.tokens2])[classes.index.reshape(-1)]
    assert np.array_equal(joint, equality_pattern(pairs))
    assert len(classes.tokens1) == len(np.unique(joint, axis=0))


def test_long_strings_have_classes_too():
    tokens = np.stack([np.arange(70), np.arange(70) + 70, np.arange(70) + 1, np.arange(70)])
    classes = pair_classes(tokens, tokens)
    index = classes.index
    assert index[0, 0] == index[1, 1] == index[0, 3]
    assert index[0, 1] == index[1, 3]
    assert index[0, 2] != index[2, 0]
    assert len(classes.tokens1) == 6


@pytest.mark.parametrize(
    ("tokens", "error", "match"),
    [
        ([[0.5, 1.0]], TypeError, "integer array of token ids; got dtype float64"),
        ([[True, False]], TypeError, "got dtype bool"),
        ([0, 1], ValueError, "shape"),
        ([[0, 1], [2]], ValueError, "equal length"),
    ],
)
def test_bad_tokens_get_one_sentence(tokens, error, match):
    with pytest.raises(error, match=match):
        as_tokens(tokens)
