"""Features of strings: from any callable, from callables by name, or from a kernel."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ktrans._checks import shown
from ktrans.kernels.base import TokenSymmetricKernel

ONLY = "features"
_MOST_OF_KERNEL = 6000  # strings whose Gram matrix is split into features

Features = dict[str, Float[np.ndarray, "n d"]]


def evaluate(
    features: object,
    tokens: Int[np.ndarray, "n k"],
    batch_size: int,
    progress: Callable[[Any], Any] = iter,
) -> Features:
    """The features of each layer, in the order in which the layers come.

    Args:
        features: A callable from tokens (n, k) to features (n, d), or to a mapping of such by
            layer; a mapping of callables; or a kernel, whose features have its Gram matrix.
        tokens: The strings.
        batch_size: Strings a call.
        progress: From the batches to the batches.

    Raises:
        TypeError: `features` is nothing of that.
        ValueError: what it returns has another shape, or is not finite.
    """
    if isinstance(features, TokenSymmetricKernel):
        return {ONLY: _of_kernel(features, tokens)}
    call = _by_layer(features)
    batches = [tokens[i : i + batch_size] for i in range(0, len(tokens), batch_size)]
    parts = [_read(call(batch), len(batch)) for batch in progress(batches)]
    if any(part.keys() != parts[0].keys() for part in parts):
        raise ValueError("`features` must return the same layers at each call; they differ.")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_kernel(
    kernel: TokenSymmetricKernel, tokens: Int[np.ndarray, "n k"]
) -> Float[np.ndarray, "n n"]:
    """Rows with the kernel's values as inner products, by the square root of the Gram matrix."""
    if len(tokens) > _MOST_OF_KERNEL:
        raise ValueError(
            f"`features` is a kernel, for which at most {_MOST_OF_KERNEL} strings are taken; got "
            f"{len(tokens)}: use fewer substitutions or samples."
        )
    values, vectors = np.linalg.eigh(np.asarray(kernel(tokens, tokens), np.float64))
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _by_layer(features: object) -> Callable[[Any], Any]:
    if isinstance(features, Mapping):
        calls = {str(name): call for name, call in features.items()}
        if calls and all(map(callable, calls.values())):
            return lambda tokens: {name: call(tokens) for name, call in calls.items()}
    elif callable(features):
        return features
    raise TypeError(
        "`features` must be a callable from tokens (n, k) to features (n, d), a mapping of such, "
        f"or a kernel; got {shown(features)}."
    )


def _read(found: Any, count: int) -> Features:
    layers = found if isinstance(found, Mapping) else {ONLY: found}
    if not layers:
        raise ValueError("`features` must return at least one layer; got none.")
    return {str(name): _array(str(name), values, count) for name, values in layers.items()}


def _array(name: str, values: Any, count: int) -> Float[np.ndarray, "n d"]:
    array = np.asarray(values)
    if array.ndim != 2 or len(array) != count or array.dtype.kind not in "iuf" or not array.size:
        raise ValueError(
            f"`features` must return real numbers of shape ({count}, d) for {count} strings, in "
            f"layer {name!r}; got {array.dtype} of shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"`features` must return finite numbers; layer {name!r} has NaN or infinity."
        )
    return array.astype(np.float64)
