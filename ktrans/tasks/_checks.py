"""Sentences for bad arguments: each names the argument, the value and the remedy."""

import difflib
import math
import operator
from collections.abc import Iterable
from numbers import Real

from numpy import bool_

SHOWN = 60


def shown(value: object) -> str:
    """The value as an error message shows it: on one line and not at length."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known names, or all of them, to end a sentence about an unknown one."""
    names = list(known)
    near = difflib.get_close_matches(name, names)
    return (
        f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names)}."
    )


def as_int(name: str, value: object, minimum: int) -> int:
    """`value` as an int of at least `minimum`; a float or a bool is refused, not cast."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | bool_):
        raise TypeError(f"`{name}` must be an integer; got {shown(value)}.")
    if number < minimum:
        raise ValueError(f"`{name}` must be at least {minimum}; got {shown(number)}.")
    return number


def as_real(name: str, value: object) -> float:
    """`value` as a finite float; a bool or a string is refused, not cast."""
    if isinstance(value, bool | bool_) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be a number; got {shown(value)}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be finite; got {shown(value)}.")
    return number


def as_non_negative(name: str, value: object) -> float:
    """`value` as a finite float that is not negative."""
    number = as_real(name, value)
    if number < 0:
        raise ValueError(f"`{name}` must be non-negative; got {number}.")
    return number
