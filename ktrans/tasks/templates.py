"""Templates: strings of regular tokens and wildcards, what matches them, and which of them meet."""

import itertools
import string as ascii_letters
import unicodedata
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ktrans._checks import check_kind, shown

CLS = "[CLS]"
MOST_SYMBOLS = 1000
MICRO_SIGN, MU = "\u00b5", "\u03bc"


@dataclass(frozen=True)
class Wildcard:
    """A symbol of a template that stands for any token, the same wherever it occurs.

    Args:
        name: "α" (a Greek letter) or "?x" (a question mark and more).

    Example:
        >>> str(Wildcard("α"))
        'α'
    """

    name: str

    def __post_init__(self):
        if not isinstance(self.name, str) or not is_wildcard_name(self.name):
            raise ValueError(
                f'`name` must be a Greek letter or "?" and more; got {shown(self.name)}.'
            )

    def __str__(self) -> str:
        return self.name


Symbol = Wildcard | str


@dataclass(frozen=True, init=False, repr=False)
class Template:
    """A template z: a string of k symbols, each a regular token or a wildcard.

    A string matches z if it is sub(z, s) for an injective substitution map s of the wildcards whose
    image avoids the regular tokens of z.

    Args:
        spec: a string, one symbol a character, in which Greek letters are wildcards; or a sequence
            of tokens, in which those that begin with "?" are wildcards.

    Raises:
        TypeError: `spec` is neither, or a token is not a string.
        ValueError: `spec` is empty or a symbol cannot be read; the message shows its position.

    References:
        Boix-Adserà et al. (2024), definitions of template and substitution map.

    Example:
        >>> Template("aαβα").wildcards, Template("aαβα").regular_tokens
        (('α', 'β'), ('a',))
        >>> str(Template(["if", "?x", "?x"]))
        'if ?x ?x'
    """

    symbols: tuple[Symbol, ...]

    def __init__(self, spec: object):
        object.__setattr__(self, "symbols", _parse(spec))

    def __str__(self) -> str:
        names = [str(symbol) for symbol in self.symbols]
        return ("" if self.is_plain else " ").join(names)

    def __repr__(self) -> str:
        return f"Template({self.spec!r})"

    @property
    def length(self) -> int:
        """Number of symbols, without the [CLS] that tasks append."""
        return len(self.symbols)

    @cached_property
    def wildcards(self) -> tuple[str, ...]:
        """Names of the wildcards in order of first appearance."""
        names = (symbol.name for symbol in self.symbols if isinstance(symbol, Wildcard))
        return tuple(dict.fromkeys(names))

    @property
    def num_wildcards(self) -> int:
        """Number w of distinct wildcards."""
        return len(self.wildcards)

    @cached_property
    def regular_tokens(self) -> tuple[str, ...]:
        """The distinct regular tokens in order of first appearance."""
        return tuple(dict.fromkeys(s for s in self.symbols if isinstance(s, str)))

    @cached_property
    def partition(self) -> tuple[int, ...]:
        """Which positions carry equal symbols, each as the rank of its symbol's first appearance.

        Example:
            >>> Template("aαaβ").partition
            (0, 1, 0, 2)
        """
        return _partition(self.symbols)

    @cached_property
    def is_plain(self) -> bool:
        """Whether a string of one character a symbol reads back as this template."""
        text = "".join(str(symbol) for symbol in self.symbols)
        return len(text) == self.length and _reads_as(text, self.symbols)

    @property
    def spec(self) -> str | list[str]:
        """What builds this template again: a string where one reads back, a list otherwise."""
        return str(self) if self.is_plain else [str(symbol) for symbol in self.symbols]

    def matches(self, string: Sequence[Hashable]) -> bool:
        """Whether the string of tokens is sub(z, s) for an allowed substitution map s.

        Args:
            string: k tokens, as a str of one character each or as any sequence.

        Returns:
            True or False, exact; strings of another length do not match.

        Example:
            >>> Template("aαα").matches("abb"), Template("aαα").matches("aaa")
            (True, False)
        """
        regular_agree = all(
            token == symbol
            for token, symbol in zip(string, self.symbols, strict=False)
            if isinstance(symbol, str)
        )
        # Symbols of a template stand for pairwise distinct tokens, so equal partitions say that s
        # is well defined, injective and avoids the regular tokens.
        return regular_agree and _partition(string) == self.partition

    def substitute(self, mapping: Any) -> tuple[str, ...]:
        """The string sub(z, s).

        Args:
            mapping: s, from the name of each wildcard to a token.

        Returns:
            A tuple of k tokens.

        Raises:
            ValueError: s lacks a wildcard, has another, is not injective or meets a regular token.

        Example:
            >>> Template("αβα").substitute({"α": "x", "β": "y"})
            ('x', 'y', 'x')
        """
        self._check_substitution(mapping)
        return tuple(s if isinstance(s, str) else mapping[s.name] for s in self.symbols)

    def _check_substitution(self, mapping: Any) -> None:
        check_kind("mapping", mapping, Mapping)
        for token in mapping.values():
            check_kind("mapping", token, str)
        if set(mapping) != set(self.wildcards):
            raise ValueError(
                f"`mapping` must have the wildcards {list(self.wildcards)} of {str(self)!r} as "
                f"keys; got {shown(list(mapping))}."
            )
        tokens = list(mapping.values())
        if len({*tokens, *self.regular_tokens}) < len(tokens) + len(self.regular_tokens):
            raise ValueError(
                f"`mapping` must send the wildcards of {str(self)!r} to distinct tokens that are "
                f"not regular tokens of it; got {shown(dict(mapping))}."
            )

    def meets(self, other: "Template") -> tuple[str, ...] | None:
        """A string that matches both templates, or None where they are disjoint.

        The strings that match z have exactly the equality pattern of z. So z and z′ meet if they
        have the same partition of positions and, class by class, regular tokens agree and a regular
        token that faces a wildcard is none of that wildcard's template's own.

        Args:
            other: the template z′.

        Returns:
            A tuple of tokens, the witness, or None; exact.

        Example:
            >>> Template("Aα").meets(Template("αB"))
            ('A', 'B')
            >>> Template("αβ").meets(Template("αα")) is None
            True
        """
        if not isinstance(other, Template):
            raise TypeError(f"`other` must be a Template; got {shown(other)}.")
        if self.partition != other.partition:
            return None
        fresh = _fresh_tokens({*self.regular_tokens, *other.regular_tokens})
        tokens: dict[tuple[Symbol, Symbol], str] = {}
        for pair in dict.fromkeys(zip(self.symbols, other.symbols, strict=True)):
            token = self._common_token(pair, other, fresh)
            if token is None:
                return None
            tokens[pair] = token
        return tuple(tokens[pair] for pair in zip(self.symbols, other.symbols, strict=True))

    def _common_token(
        self, pair: tuple[Symbol, Symbol], other: "Template", fresh: Iterator[str]
    ) -> str | None:
        match pair:
            case str() as mine, str() as theirs:
                return mine if mine == theirs else None
            case str() as mine, Wildcard():
                return None if mine in other.regular_tokens else mine
            case Wildcard(), str() as theirs:
                return None if theirs in self.regular_tokens else theirs
        return next(fresh)


def is_wildcard_name(name: str) -> bool:
    """Whether the string names a wildcard: one Greek letter, or "?" and more."""
    return (len(name) == 1 and _is_greek(name)) or (len(name) > 1 and name.startswith("?"))


def normalised(text: str) -> str:
    """The text with accents composed and the keyboard's micro sign read as the μ it looks like."""
    return unicodedata.normalize("NFC", text).replace(MICRO_SIGN, MU)


def as_template(value: object) -> Template:
    """The value as a template: itself, or parsed."""
    return value if isinstance(value, Template) else Template(value)


def _partition(string: Sequence[Hashable]) -> tuple[int, ...]:
    ranks: dict[Hashable, int] = {}
    return tuple(ranks.setdefault(symbol, len(ranks)) for symbol in string)


def _fresh_tokens(taken: set[str]) -> Iterator[str]:
    letters = itertools.chain(ascii_letters.ascii_lowercase, ascii_letters.ascii_uppercase)
    names = itertools.chain(letters, (f"t{i}" for i in itertools.count()))
    return (name for name in names if name not in taken)


def _is_greek(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith("GREEK")


def _reads_as(text: str, symbols: tuple[Symbol, ...]) -> bool:
    try:
        return _parse(text) == symbols
    except ValueError:
        return False


def _parse(spec: object) -> tuple[Symbol, ...]:
    if not isinstance(spec, Sequence):
        raise TypeError(f"`spec` must be a string or a sequence of tokens; got {shown(spec)}.")
    if not 1 <= len(spec) <= MOST_SYMBOLS:
        given = shown(spec[: MOST_SYMBOLS + 1])
        raise ValueError(
            f"`spec` must have from 1 to {MOST_SYMBOLS} symbols; got {len(spec)}: {given}."
        )
    if not isinstance(spec, str):
        return tuple(_parse_token(spec, i) for i in range(len(spec)))
    text = normalised(spec)
    return tuple(_parse_character(text, i) for i in range(len(text)))


def _parse_character(text: str, position: int) -> Symbol:
    character = text[position]
    if character == "?":
        raise ValueError(
            f"template {shown(text)} has '?' at position {position}; write named wildcards as a "
            'list of tokens, ["?x", "?y"].'
        )
    if character.isspace() or not character.isprintable():
        raise ValueError(
            f"template {shown(text)} has {character!r} at position {position}; symbols are "
            "printable characters without blanks between them."
        )
    return Wildcard(character) if _is_greek(character) else character


def _parse_token(spec: Sequence[object], position: int) -> Symbol:
    token = spec[position]
    if not isinstance(token, str):
        raise TypeError(
            f"template {shown(spec)} has {shown(token)} at position {position}; tokens must be "
            "strings."
        )
    if token in ("", "?", CLS) or not token.isprintable() or any(c.isspace() for c in token):
        raise ValueError(
            f"template {shown(spec)} has {shown(token)} at position {position}; a token must be a "
            'printable word, "?name" for a wildcard, and [CLS] is appended by the task.'
        )
    return Wildcard(token) if token.startswith("?") else token
