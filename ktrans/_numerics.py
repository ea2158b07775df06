"""Precision: how the library computes in float64 whatever the global setting of JAX is."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.core
import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


def in_float64(function: Callable[P, T]) -> Callable[P, T]:
    """Run `function` with 64-bit types enabled, and leave the user's setting as it was."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped


def is_traced(*values: Any) -> bool:
    """Whether any of the values is being traced by a JAX transformation."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def to_host(array: Any) -> Any:
    """The array as NumPy; a traced one as it is.

    A float64 JAX array turns into float32 in the first operation made with 64-bit types off, so
    results leave the library as NumPy arrays.
    """
    return array if is_traced(array) else np.asarray(array)
