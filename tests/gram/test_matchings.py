import itertools

from hypothesis import given
from hypothesis import strategies as st

from ktrans.patterns.matchings import (
    count_matchings,
    moebius_transform,
    partial_matchings,
    submatchings,
)

widths = st.integers(0, 4)


def test_there_are_7_matchings_of_two_wildcards_and_34_of_three():
    assert len(partial_matchings(2, 2)) == 7
    assert len(partial_matchings(3, 3)) == 34


@given(widths, widths, st.integers(0, 4))
def test_matchings_are_distinct_partial_injections_and_are_counted(w1, w2, largest):
    found = partial_matchings(w1, w2, largest)
    assert len(set(found)) == len(found) == count_matchings(w1, w2, largest)
    for matching in found:
        assert len({a for a, _ in matching}) == len({b for _, b in matching}) == len(matching)
        assert len(matching) <= largest


def test_all_injections_of_three_into_three_are_found():
    expected = {tuple(enumerate(image)) for image in itertools.permutations(range(3))}
    assert {matching for matching in partial_matchings(3, 3) if len(matching) == 3} == expected


@given(widths, widths, st.randoms(use_true_random=False))
def test_sums_of_moebius_coefficients_over_submatchings_give_the_values_back(w1, w2, random):
    values = {matching: random.uniform(-1, 1) for matching in partial_matchings(w1, w2)}
    coefficients = moebius_transform(values)
    for matching, value in values.items():
        total = sum(coefficients[subset] for subset in submatchings(matching))
        assert abs(total - value) < 1e-12  # sums of up to 16 rounded terms
