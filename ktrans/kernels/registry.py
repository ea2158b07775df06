"""Kernels as plain tables, for files and records, and back; nothing in them is executed."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ktrans._checks import check_kind, shown, suggest
from ktrans.kernels.activations import (
    GELU,
    Activation,
    Cosine,
    Erf,
    Identity,
    ReLU,
    Sine,
    Tanh,
)
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.attention.modified import ModifiedAttentionKernel, ModifiedTransformerKernel
from ktrans.kernels.attention.tied import TiedAttentionKernel
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
from ktrans.kernels.mlp import MLPKernel
from ktrans.kernels.transformer import TransformerKernel

KERNELS: dict[str, type[TokenSymmetricKernel]] = {
    "attention": AttentionKernel,
    "transformer": TransformerKernel,
    "mlp": MLPKernel,
    "incidence_mlp": IncidenceMLPKernel,
    "modified_attention": ModifiedAttentionKernel,
    "modified_transformer": ModifiedTransformerKernel,
    "tied_attention": TiedAttentionKernel,
}

ACTIVATIONS: dict[str, type[Activation]] = {
    "cos": Cosine,
    "sin": Sine,
    "relu": ReLU,
    "erf": Erf,
    "gelu": GELU,
    "tanh": Tanh,
    "identity": Identity,
}

# JSON has no infinity, and β may be infinite.
_INFINITY = "inf"


def kernel_from_dict(table: object) -> TokenSymmetricKernel:
    """The kernel that a table describes.

    Args:
        table: {"type": one of `KERNELS`, and its hyperparameters by name}. An activation is a table
            too, {"type": "cos", "b1": 1.0, "b2": 0.5}, or its name where it has no parameters. The
            string "inf" stands for infinity.

    Returns:
        The kernel.

    Raises:
        TypeError, ValueError: an unknown type or key, a missing one, or a value out of range.

    Example:
        >>> kernel_from_dict({"type": "attention", "beta": 1.0, "gamma": 0.7}).gamma
        0.7
    """
    return _build("kernel", KERNELS, table)


def kernel_to_dict(kernel: object) -> dict[str, Any]:
    """The table from which `kernel_from_dict` builds the same kernel.

    Args:
        kernel: A kernel of a class in `KERNELS`.

    Returns:
        Strings, numbers and such tables, fit for JSON and TOML.

    Raises:
        TypeError: a class that is not registered, or an activation that holds a function.

    Example:
        >>> import ktrans as kt
        >>> kernel_to_dict(kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(),
        ...     weight_variance=2.0, bias_variance=0.0))["activation"]
        {'type': 'relu'}
    """
    return _describe("kernel", KERNELS, kernel)


def register_kernel(name: Any, kernel_class: Any) -> None:
    """Give a kernel class of your own a name, so that tables and sweeps know it.

    Args:
        name: The "type" of its tables; not one that is taken by another class.
        kernel_class: A `TokenSymmetricKernel` whose fields are numbers, strings and activations.

    Raises:
        TypeError: if the class is none of a kernel.
        ValueError: if the name is taken.
    """
    if not (isinstance(kernel_class, type) and issubclass(kernel_class, TokenSymmetricKernel)):
        raise TypeError(
            f"`kernel_class` must be a subclass of TokenSymmetricKernel; got {shown(kernel_class)}."
        )
    check_kind("name", name, str)
    if KERNELS.setdefault(name, kernel_class) is not kernel_class:
        raise ValueError(
            f"`name` must be a free one; {name!r} is taken by {KERNELS[name].__name__}."
        )


def _build(word: str, classes: Mapping[str, type], table: object) -> Any:
    record = {"type": table} if isinstance(table, str) else table
    if not isinstance(record, Mapping) or not isinstance(record.get("type"), str):
        raise TypeError(f"`{word}` must be a table with a `type`; got {shown(table)}.")
    name, values = record["type"], {key: v for key, v in record.items() if key != "type"}
    if name not in classes:
        raise ValueError(f"there is no {word} of type {shown(name)}; {suggest(name, classes)}")
    _check_names(f"the {word} '{name}'", classes[name], values)
    return classes[name](**{key: _value(key, entry) for key, entry in values.items()})


def _value(key: str, entry: Any) -> Any:
    if key == "activation":
        return _build("activation", ACTIVATIONS, entry)
    return math.inf if entry == _INFINITY else entry


def _check_names(what: str, known_class: type, values: Mapping[str, Any]) -> None:
    fields = {each.name: each for each in dataclasses.fields(known_class)}
    for key in values:
        if key not in fields:
            raise ValueError(f"{what} has no `{key}`; {suggest(str(key), fields)}")
    for name, each in fields.items():
        if each.default is dataclasses.MISSING and name not in values:
            raise ValueError(f"{what} needs a value for `{name}`; add it.")


def _describe(word: str, classes: Mapping[str, type], value: object) -> dict[str, Any]:
    names = {known: name for name, known in classes.items()}
    if type(value) not in names:
        raise TypeError(
            f"`{word}` must be of a class that a file can name ({', '.join(classes)}); got "
            f"{type(value).__name__}: ktrans.kernels.registry.register_kernel names a kernel class."
        )
    fields = dataclasses.fields(value)  # type: ignore[arg-type]
    return {"type": names[type(value)]} | {f.name: _plain(getattr(value, f.name)) for f in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Activation):
        return _describe("activation", ACTIVATIONS, value)
    if isinstance(value, str):
        return value
    number = np.asarray(value).item()
    return _INFINITY if number == math.inf else number
