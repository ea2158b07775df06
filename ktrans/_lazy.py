"""Names of a package that are loaded when they are asked for."""

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(
    package: str, names: Mapping[str, str], rooms: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: Its name.
        names: Modules below it, each with the names that it gives, separated by spaces.
        rooms: Modules below it that are names themselves.
    """
    places = {name: module for module, listed in names.items() for name in listed.split()}
    known = sorted([*places, *rooms.split()])

    def load(name: str) -> Any:
        if name == "__version__":
            return importlib.metadata.version(package)
        if name in places:
            value = getattr(importlib.import_module(f"{package}.{places[name]}"), name)
        elif name in rooms.split():
            value = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: known, known
