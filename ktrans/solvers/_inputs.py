"""Strings and matrices at the door of `fit` and `predict`, and what is wrong with them.

The sentences hold the phrases that scikit-learn's own checks look for.
"""

from typing import Any

import numpy as np

from ktrans._checks import as_array
from ktrans.patterns.classes import as_tokens


def read_strings(tokens: Any) -> np.ndarray:
    """Integer strings of shape (n, k), k ≥ 1.

    Raises:
        TypeError: if the entries are not integers, or the array is sparse.
        ValueError: if the shape is another one, or the entries are complex, infinite or NaN.
    """
    array = _as_table("tokens", tokens)
    # An array without entries has the dtype of nothing in particular.
    untyped = array.dtype.kind == "O" or array.size == 0
    return as_tokens(_integers(array) if untyped else array)


def read_matrix(matrix: Any) -> np.ndarray:
    """Finite real numbers of shape (n1, n).

    Raises:
        TypeError: if the entries are no numbers, or the array is sparse.
        ValueError: if the shape is another one, or the entries are complex, infinite or NaN.
    """
    array = _as_table("tokens", matrix)
    if array.dtype.kind != "O":
        return array
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            "`tokens` must hold numbers: each argument must be a string or a real number; got "
            "other objects."
        ) from None
    return _finite("tokens", numbers)


def check_width(array: np.ndarray, width: int, owner: str, meaning: str) -> None:
    """Refuse rows of another width than those that were fitted."""
    found = array.shape[1]
    if found != width:
        raise ValueError(
            f"`tokens` must {meaning}: X has {found} features, but {owner} is expecting {width} "
            "features as input."
        )


def _as_table(name: str, data: Any) -> np.ndarray:
    if hasattr(data, "tocsr"):
        raise TypeError(f"`{name}` must be a dense array; got a sparse one, call .toarray() first.")
    array = as_array(name, data)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: `{name}` has dtype {array.dtype}.")
    if array.ndim != 2:
        raise ValueError(
            f"`{name}` must have two axes; got shape {array.shape}. Reshape your data, one string "
            "to (1, k)."
        )
    if array.shape[1] == 0:
        raise ValueError(
            f"`{name}` has 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    return _finite(name, array)


def _finite(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite; it holds NaN or inf.")
    return array


def _integers(array: np.ndarray) -> np.ndarray:
    """Python integers in an array of objects, as data frames hold them."""
    try:
        whole = array.astype(np.int64)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or not (whole == array).all():
        raise TypeError("`tokens` must be an integer array of token ids; got other objects.")
    return whole
