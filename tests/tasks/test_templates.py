"""Templates: reading, matching, substituting, meeting."""

import pytest

from ktrans.tasks import Template, Wildcard


def test_greek_letters_are_wildcards_and_other_characters_regular_tokens():
    template = Template("aαbα")
    assert template.symbols == ("a", Wildcard("α"), "b", Wildcard("α"))
    assert template.wildcards == ("α",) and template.num_wildcards == 1
    assert template.regular_tokens == ("a", "b") and template.length == 4


def test_every_greek_letter_is_a_wildcard_capitals_and_final_sigma_too():
    assert Template("ΑΩςϑά").num_wildcards == 5


def test_a_micro_sign_is_read_as_mu():
    assert Template("\u00b5\u03bc").wildcards == ("μ",)


def test_tokens_that_begin_with_a_question_mark_are_wildcards():
    template = Template(["if", "?x", "?y", "?x"])
    assert template.wildcards == ("?x", "?y") and template.regular_tokens == ("if",)
    assert Template(["α"]).regular_tokens == ("α",)


@pytest.mark.parametrize("spec", ["aαβ", "ab", ["?x", "?y"], ["if", "a", "?x"], ["α", "b"]])
def test_templates_are_equal_by_value_and_built_again_from_their_spec(spec):
    template = Template(spec)
    assert Template(template.spec) == template and hash(Template(spec)) == hash(template)
    assert eval(repr(template)) == template


def test_a_greek_regular_token_is_not_a_wildcard_of_that_name():
    assert Template(["α"]) != Template("α")


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("α β", ValueError, "position 1"),
        ("αβ?", ValueError, "position 2"),
        ("α\x1b", ValueError, "position 1"),
        ("", ValueError, "from 1 to 1000 symbols"),
        ([], ValueError, "from 1 to 1000 symbols"),
        (["?x", ""], ValueError, "position 1"),
        (["?x", "a b"], ValueError, "position 1"),
        (["?"], ValueError, "position 0"),
        (["a", "[CLS]"], ValueError, "position 1"),
        (["a", 3], TypeError, "position 1"),
        (7, TypeError, "string or a sequence"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_position(spec, error, message):
    with pytest.raises(error, match=message):
        Template(spec)


@pytest.mark.parametrize(
    ("spec", "string", "expected"),
    [
        ("αβα", "xyx", True),
        ("αβα", "xxx", False),
        ("αβα", "xyz", False),
        ("aα", "ab", True),
        ("aα", "aa", False),
        ("aα", "ba", False),
        ("αβ", "xyz", False),
        ("αβ", "x", False),
        ("ab", "ab", True),
        ("αα", (7, 7), True),
    ],
)
def test_matching_is_injective_and_avoids_the_regular_tokens(spec, string, expected):
    assert Template(spec).matches(string) is expected


def test_substitution_gives_a_string_that_matches():
    assert Template("aαβα").substitute({"α": "x", "β": "y"}) == ("a", "x", "y", "x")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"α": "x"}, "as keys"),
        ({"α": "x", "β": "y", "γ": "z"}, "as keys"),
        ({"α": "x", "β": "x"}, "distinct tokens"),
        ({"α": "a", "β": "x"}, "distinct tokens"),
    ],
)
def test_maps_that_are_no_substitution_maps_are_refused(mapping, message):
    with pytest.raises(ValueError, match=message):
        Template("aαβ").substitute(mapping)


@pytest.mark.parametrize(
    ("first", "second", "witness"),
    [
        ("αβ", "αα", None),
        ("Aα", "αB", ("A", "B")),
        ("αβα", "βγβ", ("a", "b", "a")),
        ("aα", "bα", None),
        ("aα", "αa", None),
        ("abα", "αβa", None),
        ("ab", "ab", ("a", "b")),
        ("α", "αβ", None),
    ],
)
def test_templates_meet_exactly_where_a_string_matches_both(first, second, witness):
    assert Template(first).meets(Template(second)) == witness
