"""Which templates of a task share a string that can be drawn."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ktrans.tasks.templates import Symbol, Template, Wildcard

Witness = tuple[str, ...]


class Drawable(NamedTuple):
    """The tokens that wildcards take with positive probability.

    Attributes:
        regular: Those that are regular tokens of some template.
        others: Names of the others, or None where they have none.
        count: How many others there are.
    """

    regular: frozenset[str]
    others: tuple[str, ...] | None
    count: int


def drawable_meeting(first: Template, second: Template, drawable: Drawable) -> Witness | None:
    """A string that is drawn from both templates with positive probability, or None.

    `Template.meets` without more knows nothing of the alphabet: "AB" matches both Aα and αB, but is
    drawn from neither where A and B are not substitution tokens.

    Args:
        first: A template.
        second: Another one.
        drawable: The tokens of the task.

    Returns:
        The string, or None; exact.

    Example:
        >>> none = Drawable(frozenset(), None, 9)
        >>> drawable_meeting(Template("Aα"), Template("αB"), none) is None
        True
        >>> drawable_meeting(Template("Aα"), Template("αB"), Drawable(frozenset("AB"), None, 7))
        ('A', 'B')
    """
    string = first.meets(second)
    if string is None:
        return None
    pairs = list(zip(first.symbols, second.symbols, strict=True))
    mixed = {t for t, pair in zip(string, pairs, strict=True) if _kinds(pair) == 1}
    free = dict.fromkeys(t for t, pair in zip(string, pairs, strict=True) if _kinds(pair) == 2)
    if not mixed <= drawable.regular:
        return None
    return _named(string, list(free), {*first.regular_tokens, *second.regular_tokens}, drawable)


def same_template(first: Template, second: Template) -> bool:
    """Whether two templates differ in the names of their wildcards only.

    Example:
        >>> same_template(Template("αβ"), Template("βα"))
        True
    """
    return list(_numbered(first)) == list(_numbered(second))


def label_of(template: Template, label: object) -> object:
    """A label that does not depend on the names of wildcards: a wildcard by its number."""
    return template.wildcards.index(label.name) if isinstance(label, Wildcard) else str(label)


def _kinds(pair: tuple[Symbol, Symbol]) -> int:
    """How many of the two symbols are wildcards."""
    return sum(isinstance(symbol, Wildcard) for symbol in pair)


def _numbered(template: Template) -> Iterator[int | str]:
    for symbol in template.symbols:
        yield template.wildcards.index(symbol.name) if isinstance(symbol, Wildcard) else symbol


def _named(
    string: Witness, free: Sequence[str], taken: set[str], drawable: Drawable
) -> Witness | None:
    """The string with tokens of the task where two wildcards face each other, if there are any."""
    spare = [token for token in sorted(drawable.regular) if token not in taken]
    if len(free) > drawable.count + len(spare):
        return None
    if drawable.others is None:
        return string
    names = dict(zip(free, itertools.chain(drawable.others, spare), strict=False))
    return tuple(names.get(token, token) for token in string)
