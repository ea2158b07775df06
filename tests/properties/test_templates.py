"""What holds for all templates, against enumeration of the strings that match."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ktrans.tasks import Template

REGULAR, WILDCARDS = "ab", "αβγδ"
# Two regular tokens and as many others as a string has positions: a larger alphabet adds nothing.
ALPHABET = REGULAR + "wxyz"

lengths = st.integers(1, 4)


def templates(length):
    return st.text(alphabet=REGULAR + WILDCARDS, min_size=length, max_size=length)


pairs = lengths.flatmap(lambda k: st.tuples(templates(k), templates(k)))


def strings_of(spec):
    """All sub(z, s) by enumerating the injective maps s, straight from the definition."""
    wildcards = sorted(set(spec) & set(WILDCARDS))
    tokens = [token for token in ALPHABET if token not in spec]
    for image in itertools.permutations(tokens, len(wildcards)):
        s = dict(zip(wildcards, image, strict=True))
        yield tuple(s.get(symbol, symbol) for symbol in spec)


@given(pairs)
def test_meeting_is_decided_as_by_enumeration_and_the_witness_matches_both(pair):
    first, second = pair
    common = set(strings_of(first)) & set(strings_of(second))
    witness = Template(first).meets(Template(second))
    assert (witness is not None) == bool(common)
    if witness is not None:
        assert Template(first).matches(witness) and Template(second).matches(witness)


@given(pairs)
def test_meeting_is_symmetric(pair):
    first, second = map(Template, pair)
    assert (first.meets(second) is None) == (second.meets(first) is None)


@given(
    lengths.flatmap(lambda k: st.tuples(templates(k), st.text(ALPHABET, min_size=k, max_size=k)))
)
def test_matching_is_membership_in_the_enumerated_strings(case):
    spec, string = case
    assert Template(spec).matches(string) == (tuple(string) in set(strings_of(spec)))


@given(lengths.flatmap(templates), st.permutations(WILDCARDS))
def test_renaming_wildcards_changes_no_string(spec, names):
    renamed = spec.translate(str.maketrans(WILDCARDS, "".join(names)))
    assert set(strings_of(renamed)) == set(strings_of(spec))
    assert Template(renamed).partition == Template(spec).partition
    assert Template(renamed).meets(Template(spec)) is not None
