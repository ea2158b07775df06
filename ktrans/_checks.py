"""Sentences for bad arguments: each names the argument, the value and the remedy."""

import difflib
import math
import operator
from collections.abc import Iterable, Sequence
from numbers import Real
from types import UnionType
from typing import Any, get_args

import numpy as np
from jaxtyping import Float

# What parameters are: a number, a whole one, and several; the functions below read them.
Number = float | int | np.floating | np.integer
Whole = int | np.integer
Numbers = Sequence[Number] | np.ndarray

SHOWN = 60
LARGEST_SEED = 2**63 - 1


class ConvergenceError(RuntimeError):
    """A solver stopped before its tolerance; the sentence holds the residual."""


def shown(value: object) -> str:
    """The value as an error message shows it: on one line and not at length."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def one_line(text: object) -> str:
    """The text without line breaks or runs of blanks, to be quoted in a sentence."""
    return " ".join(str(text).split())


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known names, or all of them, to end a sentence about an unknown one.

    Example:
        >>> suggest("ridge", ["ridges", "seeds"])
        "did you mean 'ridges'?"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names)
    return (
        f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names)}."
    )


def as_int(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """`value` as an int in a range; a float or a bool is refused, not cast."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be an integer; got {shown(value)}.")
    if number < minimum or (maximum is not None and number > maximum):
        wanted = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ValueError(f"`{name}` must be {wanted}; got {shown(number)}.")
    return number


def as_ints(name: str, values: object, minimum: int, maximum: int | None = None) -> tuple[int, ...]:
    """`values`, a sequence, as ints in a range."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
        raise TypeError(f"`{name}` must be a sequence of integers; got {shown(values)}.")
    return tuple(as_int(name, value, minimum, maximum) for value in values)


def as_distinct(name: str, values: object, minimum: int, maximum: int | None = None) -> list[int]:
    """`values`, a sequence, as one or more ints in a range, each once."""
    found = list(as_ints(name, values, minimum, maximum))
    if not found or len(set(found)) < len(found):
        raise ValueError(f"`{name}` must be one or more distinct integers; got {shown(found)}.")
    return found


def as_real(name: str, value: object) -> float:
    """`value` as a finite float; a bool or a string is refused, not cast."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
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


def as_positive(name: str, value: object) -> float:
    """`value` as a finite float above zero."""
    number = as_real(name, value)
    if number <= 0:
        raise ValueError(f"`{name}` must be positive; got {number}.")
    return number


def as_probability(name: str, value: object) -> float:
    """`value` as a float between 0 and 1, neither included."""
    number = as_real(name, value)
    if not 0 < number < 1:
        raise ValueError(f"`{name}` must be between 0 and 1; got {number}.")
    return number


def check_kind(name: str, value: object, kind: type | UnionType) -> None:
    """Raise unless the value is of the kind, or of one of them."""
    if not isinstance(value, kind):
        kinds: tuple[Any, ...] = get_args(kind) or (kind,)
        wanted = " or ".join(each.__name__ for each in kinds)
        raise TypeError(f"`{name}` must be a {wanted}; got {shown(value)}.")


def check_word(name: str, value: object, words: tuple[str, ...]) -> None:
    """Raise unless the value is one of the words."""
    if not isinstance(value, str) or value not in words:
        listed = ", ".join(f'"{word}"' for word in words)
        raise ValueError(f"`{name}` must be one of {listed}; got {shown(value)}.")


def check_flag(name: str, value: object) -> None:
    """Raise unless the value is True or False: any word would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False; got {shown(value)}.")


def as_array(name: str, values: object) -> np.ndarray:
    """`values` as an array whose rows have one length."""
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(
            f"`{name}` must have rows of equal length; got rows of different lengths."
        ) from None


def as_reals(name: str, values: object) -> Float[np.ndarray, "..."]:
    """`values` as an array of float64; truth values, text and objects are refused, not cast."""
    array = as_array(name, values)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"`{name}` must hold real numbers; got {shown(values)}.")
    return array.astype(np.float64)
