"""Numbers as the closed forms want them, or one sentence that names the argument."""

import math
import numbers
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def read_ridge(ridge: object) -> float:
    """λ as a finite number that is not negative."""
    number = read_number("ridge", ridge)
    if number < 0:
        raise ValueError(f"`ridge` must be non-negative; got {number}.")
    return number


def read_positive(name: str, value: object) -> float:
    """A finite number above zero."""
    number = read_number(name, value)
    if number <= 0:
        raise ValueError(f"`{name}` must be positive; got {number}.")
    return number


def read_counts(num_samples: object) -> Float[np.ndarray, "n"]:
    """Numbers of samples as an array, finite and not negative."""
    if not isinstance(num_samples, Sequence | np.ndarray) or isinstance(num_samples, str):
        raise TypeError(f"`num_samples` must be a sequence of numbers; got {num_samples!r}.")
    counts = np.asarray(num_samples)
    if counts.ndim != 1 or (counts.size and counts.dtype.kind not in "iuf"):
        raise TypeError(f"`num_samples` must be a sequence of numbers; got {num_samples!r}.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"`num_samples` must be finite and non-negative; got {num_samples!r}.")
    return counts.astype(np.float64)


def read_number(name: str, value: object) -> float:
    """A finite number, or one sentence that names the argument."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number; got {value!r}.")
    if not math.isfinite(value):
        raise ValueError(f"`{name}` must be finite; got {value}.")
    return float(value)
