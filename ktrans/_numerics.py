"""Numbers on their way out: float64 whatever JAX is set to, NumPy on the host, plain in JSON."""

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

MAX_DENSE_BYTES = 8 * 2**30

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


def check_key(key: Any) -> None:
    """Raise unless `key` is one of `jax.random`, which may be traced."""
    dtype = getattr(key, "dtype", np.dtype(bool))
    if not (jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == np.uint32):
        raise TypeError(f"`key` must be a key such as jax.random.key(0); got {type(key).__name__}.")


def to_host(array: Any) -> Any:
    """The array as NumPy; a traced one as it is.

    A float64 JAX array turns into float32 in the first operation made with 64-bit types off, so
    results leave the library as NumPy arrays.
    """
    return array if is_traced(array) else np.asarray(array)


def as_plain(value: Any) -> Any:
    """The value for JSON: arrays as lists, numbers that are not finite as None."""
    if isinstance(value, np.ndarray | np.generic):
        return as_plain(value.tolist())
    if isinstance(value, dict):
        return {name: as_plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def check_dense_size(shape: tuple[int, int]) -> None:
    """Refuse a matrix that would not fit, and name the memory before it is taken."""
    needed = 8 * shape[0] * shape[1]
    if needed > MAX_DENSE_BYTES:
        raise ValueError(
            f"the dense matrix of shape {shape} needs {needed / 2**30:.1f} GiB, more than "
            f"{MAX_DENSE_BYTES / 2**30:.0f} GiB; use products (`GramOperator(kernel, tokens) @ v`) "
            "or a subset of the samples."
        )
