"""Features of torch models: hidden states by layer, for the probe; torch is imported when used."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ktrans._checks import check_word

READ_OUTS = ("mean", "first", "last")


def torch_features(
    model: Any, encode: Callable[[Any], Any] | None = None, *, read_out: str = "last"
) -> Callable[[Any], dict[str, Float[np.ndarray, "n d"]]]:
    """The hidden states of a torch model of Hugging Face's kind, layer by layer, as features.

    Args:
        model: Called with ids (n, l) and `output_hidden_states=True`, it returns what has
            `hidden_states`, a tensor (n, l, d) for each layer. Put it into evaluation mode first.
        encode: From the tokens of a task (n, k) to ids (n, l), such as
            `ktrans.networks.words.Sentences`; None: tokens are ids.
        read_out: "mean" over positions, the "first" or the "last" one.

    Returns:
        A callable from tokens (n, k) to features (n, d) by layer, for `ktrans.probe`.

    Raises:
        ImportError: torch is not installed, when the features are first asked for.

    Example:
        >>> from ktrans.interop.torch_features import torch_features
        >>> features = torch_features(None, read_out="middle")
        Traceback (most recent call last):
        ValueError: `read_out` must be one of "mean", "first", "last"; got 'middle'.
    """
    check_word("read_out", read_out, READ_OUTS)

    def features(tokens: Any) -> dict[str, Float[np.ndarray, "n d"]]:
        torch = _import_torch()
        ids = np.asarray(tokens if encode is None else encode(tokens), np.int64)
        with torch.no_grad():
            given = torch.as_tensor(ids).to(getattr(model, "device", "cpu"))
            states = model(given, output_hidden_states=True).hidden_states
            return {f"layer {i}": _read(each, read_out) for i, each in enumerate(states)}

    return features


def _import_torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise ImportError(
            "features of a torch model need the package `torch`; install it."
        ) from None


def _read(states: Any, read_out: str) -> Float[np.ndarray, "n d"]:
    array = states.float().cpu().numpy()
    return array.mean(axis=1) if read_out == "mean" else array[:, 0 if read_out == "first" else -1]
