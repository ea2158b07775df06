"""Canonical classes of pairs of strings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ktrans.kernels.attention.elimination import elimination_order
from ktrans.kernels.attention.multigraph import pair_graph
from tests import reference


@pytest.mark.parametrize(("k", "count"), [(1, 2), (2, 9), (3, 37), (4, 186)])
def test_number_of_classes(k, count):
    assert len({pair_graph(x, y) for x, y in reference.joint_strings(k)}) == count


@pytest.mark.slow
def test_number_of_classes_of_five_positions():
    assert len({pair_graph(x, y) for x, y in reference.joint_strings(5)}) == 985


@given(
    st.integers(1, 7).flatmap(
        lambda k: st.tuples(
            st.lists(st.integers(0, 5), min_size=k, max_size=k),
            st.lists(st.integers(0, 5), min_size=k, max_size=k),
            st.permutations(range(k)),
            st.permutations(range(6)),
        )
    )
)
def test_class_is_invariant(case):
    x, y, positions, names = case
    renamed = [[names[string[i]] for i in positions] for string in (x, y)]
    assert pair_graph(x, y) == pair_graph(*renamed) == pair_graph(*reversed(renamed))


def test_different_classes_differ_by_brute_force():
    """At k = 3 two pairs share a class exactly when some renaming and reordering joins them."""
    strings = list(reference.joint_strings(3))

    def signature(x, y):
        options = []
        for order in itertools.permutations(range(3)):
            for first, second in ((x, y), (y, x)):
                names = {}
                word = [first[i] for i in order] + [second[i] for i in order]
                options.append(tuple(names.setdefault(c, len(names)) for c in word))
        return min(options)

    assert len({(pair_graph(x, y), signature(x, y)) for x, y in strings}) == 37


@pytest.mark.parametrize(
    ("x", "y"), [("a" * 12, "bcdefghijklm"), ("abcdefghijkl", "bcdefghijkla"), ("abab", "cdcd")]
)
def test_symmetric_graphs_of_any_size_have_a_form(x, y):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    assert pair_graph(x, y) == pair_graph([x[i] for i in order], [y[i] for i in order])


def test_elimination_order_of_a_forest_joins_two_tokens():
    (path,) = pair_graph("abcd", "bcde")
    assert elimination_order(path.edges)[1] == 2
    (cycle,) = pair_graph("abcd", "bcda")
    assert elimination_order(cycle.edges)[1] == 3
