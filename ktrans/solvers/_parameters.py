"""Hyperparameters as scikit-learn keeps them, down to those of a kernel and its activation."""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any, TypeVar

import equinox as eqx

P = TypeVar("P", bound="Parametrised")


class Parametrised:
    """Hyperparameters stored as given under the names of `__init__`, and checked by `fit`.

    Those of a kernel are reached as `kernel__beta`, `kernel__activation__b1`.
    """

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The hyperparameters by name; `deep` with those of the kernel."""
        own = {name: getattr(self, name) for name in self._parameter_names()}
        below = {
            f"{name}__{path}": entry
            for name, value in own.items()
            for path, entry in fields_below(value)
        }
        return own | (below if deep else {})

    def set_params(self: P, **params: Any) -> P:
        """Change hyperparameters, a kernel by putting another in its place; returns `self`."""
        for name in sorted(params, key=lambda name: "__" in name):
            self._set_parameter(name, params[name])
        return self

    def _set_parameter(self, name: str, value: Any) -> None:
        own, _, path = name.partition("__")
        if own not in self._parameter_names() or (path and name not in self.get_params()):
            known = ", ".join(self.get_params())
            raise ValueError(f"`{name}` is no parameter of {type(self).__name__}; it has {known}.")
        setattr(self, own, with_field(getattr(self, own), path, value) if path else value)

    def __repr__(self) -> str:
        parameters = self.get_params(deep=False).items()
        return f"{type(self).__name__}({', '.join(f'{name}={v!r}' for name, v in parameters)})"


def fields_below(value: Any) -> Iterator[tuple[str, Any]]:
    """Paths and values of the fields of a kernel, "beta", "activation", "activation__b1", …."""
    if not isinstance(value, eqx.Module):
        return
    for field in dataclasses.fields(value):
        entry = getattr(value, field.name)
        yield field.name, entry
        for path, deeper in fields_below(entry):
            yield f"{field.name}__{path}", deeper


def with_field(value: Any, path: str, entry: Any) -> Any:
    """A kernel with another entry at a path, its own checks made again.

    Example:
        >>> from ktrans.kernels.activations import Cosine
        >>> with_field(Cosine(b1=1.0, b2=0.5), "b2", 0.0).b2
        0.0
    """
    name, _, below = path.partition("__")
    new = with_field(getattr(value, name), below, entry) if below else entry
    return dataclasses.replace(value, **{name: new})
