"""What every result can do: show itself, compare, become a dataset, be saved and given back.

All of it comes from the fields of a result and from its docstring: arrays annotated with their
shapes become variables with those dimensions, and the lines on attributes what they are called. A
result may have a table of its own.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from ktrans._tables import TextTable, short

if TYPE_CHECKING:
    import xarray as xr

# Every class of results by name, in the order in which they were made.
RESULTS: dict[str, type] = {}


class Result:
    """A class of results; inheriting it is all that is needed."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        if not cls.__name__.startswith("_"):
            RESULTS[cls.__name__] = cls

    def table(self) -> TextTable:
        """The result as a table: a row for each field, unless it has a better one."""
        rows = [[name, short(value)] for name, value in parts(self).items()]
        return TextTable([[type(self).__name__, ""], *rows])

    def to_dataset(self) -> "xr.Dataset":
        """The numbers as an xarray dataset, with names of dimensions and what each variable is."""
        import xarray as xr

        variables = dict(_variables(self, ""))
        attributes = {"title": _first_line(type(self)), "type": type(self).__name__}
        return xr.Dataset(variables, attrs=attributes | dict(_texts(self)))

    def __str__(self) -> str:
        return self.table().as_text()

    def _repr_html_(self) -> str:
        return self.table().as_html()

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and equal(parts(self), parts(other)))

    def __hash__(self) -> int:
        plain = (v for v in parts(self).values() if isinstance(v, str | int | tuple))
        return hash((type(self).__name__, *(v for v in plain if _is_hashable(v))))


def parts(value: Any) -> dict[str, Any]:
    """The fields of a result by name; for what is no dataclass, its attributes."""
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return value._asdict() if hasattr(value, "_asdict") else dict(vars(value))


def equal(first: Any, second: Any) -> bool:
    """Whether two values are the same to the last bit, NaN equal to NaN."""
    if hasattr(first, "__array__") or hasattr(second, "__array__"):
        return _equal_arrays(np.asarray(first), np.asarray(second))
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    if isinstance(first, float) and isinstance(second, float) and first != first:
        return second != second
    return bool(first == second)


def described(cls: type) -> dict[str, str]:
    """What the docstring says of each attribute."""
    text = inspect.getdoc(cls) or ""
    _, _, listed = text.partition("Attributes:\n")
    found = re.findall(r"^    ([\w, ]+): (.*(?:\n {5,}.*)*)", listed.split("\n\n")[0], re.MULTILINE)
    return {name: " ".join(words.split()) for names, words in found for name in names.split(", ")}


def _equal_arrays(first: np.ndarray, second: np.ndarray) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return np.array_equal(first, second, equal_nan=first.dtype.kind in "fc")


def _variables(result: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Numbers of a result, and those of the results within it under longer names."""
    import xarray as xr

    words, hints = described(type(result)), _hints(type(result))
    for name, value in parts(result).items():
        if isinstance(value, Result):
            yield from _variables(value, f"{prefix}{name}_")
        elif isinstance(value, Mapping):
            for key, entry in value.items():
                if isinstance(entry, Result):
                    yield from _variables(entry, f"{prefix}{name}_{key}_")
        elif _is_number(value):
            array = np.asarray(value)
            attributes = {"units": "1", "long_name": words.get(name, name)}
            dims = _dimensions(hints.get(name), array.ndim, f"{prefix}{name}")
            yield f"{prefix}{name}", xr.Variable(dims, array, attributes)


def _texts(result: Any) -> Iterator[tuple[str, str]]:
    for name, value in parts(result).items():
        is_text = isinstance(value, str) or (isinstance(value, tuple) and not _is_number(value))
        if is_text:
            yield name, value if isinstance(value, str) else "; ".join(map(short, value))


def _is_number(value: Any) -> bool:
    """Whether it is a number, or numbers in an array; also in a tuple, as it may be declared."""
    if isinstance(value, tuple) and (not value or isinstance(value[0], str | tuple)):
        return False
    if not isinstance(value, np.ndarray | tuple | bool | int | float | complex | np.generic):
        return False
    try:
        return np.asarray(value).dtype.kind in "bifcu"
    except ValueError:
        return False


def _dimensions(hint: Any, ndim: int, name: str) -> tuple[str, ...]:
    """Names of the axes from the shape that the field declares, no name twice."""
    declared = getattr(hint, "dim_str", "").split()
    if len(declared) != ndim:
        declared = [f"{name}_{axis}" for axis in range(ndim)]
    return tuple(
        dim if dim not in declared[:i] else f"{dim}_{i + 1}" for i, dim in enumerate(declared)
    )


def _hints(cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(cls)
    except (NameError, TypeError):
        return {}


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or cls.__name__).partition("\n")[0]


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
