"""`save` and `load`: any result as JSON, given back equal; infinities and NaN are kept apart."""

import importlib
import json
import math
import sys
from dataclasses import is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ktrans._checks import shown
from ktrans._files import read_json, refuse_damage, write_whole
from ktrans._numerics import in_float64
from ktrans._provenance import versions
from ktrans._results import parts
from ktrans.gram.dense import PrecomputedGram
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.coefficients import PairValues
from ktrans.kernels.registry import kernel_from_dict, kernel_to_dict
from ktrans.solvers._estimator import Estimator
from ktrans.tasks import Template

FORMAT = 1
MAX_BYTES = 2**30
_ROOMS = ("copying", "measure", "networks", "solvers", "sweeps", "tasks", "theory")


def save(result: Any, path: str | Path) -> Path:
    """Write a result, kernel, task or fitted model as JSON.

    Args:
        result: Whatever ktrans gives back.
        path: The file, which is whole or not there.

    Returns:
        The path.

    Raises:
        TypeError: if the result holds what a file cannot, such as a function.

    Example:
        >>> import ktrans as kt, tempfile
        >>> task = kt.tasks.load("aba_abb", vocab_size=9)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kt.load(kt.save(task, f"{folder}/task.json")) == task
        True
    """
    record = {"ktrans": FORMAT, "versions": versions(), "result": _encode(result)}
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return write_whole(Path(path), lambda stream: stream.write(text.encode() + b"\n"))


def load(path: str | Path) -> Any:
    """What `save` wrote, equal to the last bit. Nothing in the file is run.

    Args:
        path: The file, at most 1 GiB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: if it is damaged, or of a format that this version does not know.
    """
    file = Path(path)
    record = read_json(file, max_bytes=MAX_BYTES, remedy="save it again")
    if record.get("ktrans") != FORMAT:
        raise ValueError(
            f"{str(file)!r} is not a file of `ktrans.save` in format {FORMAT}; save it again."
        )
    for room in _ROOMS:
        importlib.import_module(f"ktrans.{room}")
    with refuse_damage(file, "save it again"):
        return _decode(record["result"])


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic):
        return _encode_array(np.asarray(value))
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray):
        return _encode_array(value)
    if isinstance(value, list):
        return [_encode(entry) for entry in value]
    if isinstance(value, dict):
        return {"dict": [[_encode(key), _encode(entry)] for key, entry in value.items()]}
    if isinstance(value, jax.Array):
        return {"device": _encode_array(np.asarray(value))}
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    return _encode_object(value)


def _encode_array(array: np.ndarray) -> dict[str, Any]:
    """Entries in one list; complex ones as pairs, Python integers beyond 64 bits as they are."""
    flat = array.reshape(-1)
    if array.dtype.kind == "c":
        entries = [_encode(part) for z in flat.tolist() for part in (z.real, z.imag)]
    else:
        entries = [_encode(entry) for entry in flat.tolist()]
    return {"array": entries, "dtype": array.dtype.str, "shape": list(array.shape)}


def _encode_object(value: Any) -> dict[str, Any]:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    for kind, (known, write, _) in _KINDS.items():
        if isinstance(value, known):
            return {kind: write(value)}
    if isinstance(value, TokenSymmetricKernel) and not name.startswith("ktrans."):
        return {"kernel": kernel_to_dict(value)}
    if isinstance(value, tuple) and not hasattr(value, "_asdict"):
        return {"tuple": [_encode(entry) for entry in value]}
    if not _is_ours(value, name):
        raise TypeError(
            f"`result` holds what a file cannot, {shown(value)}; save the arrays of it."
        )
    held = {key: _encode(entry) for key, entry in parts(value).items()}
    return {"type": name.removeprefix("ktrans."), "fields": held}


def _is_ours(value: Any, name: str) -> bool:
    known = is_dataclass(value) or hasattr(value, "_asdict") or isinstance(value, Estimator)
    return known and name.startswith("ktrans.")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return _decode_array(value)
    if "dict" in value:
        return {_decode(key): _decode(entry) for key, entry in value["dict"]}
    if "type" in value:
        return _decode_object(value)
    ((name, held),) = value.items()
    if name == "kernel":
        return kernel_from_dict(held)
    if name in _KINDS:
        return _KINDS[name][2](held)
    plain = {"float": float, "fraction": Fraction, "tuple": lambda x: tuple(map(_decode, x))}
    return _on_device(_decode(held)) if name == "device" else plain[name](held)


@in_float64
def _on_device(array: np.ndarray) -> jax.Array:
    return jnp.asarray(array)


def _decode_array(value: dict[str, Any]) -> Any:
    dtype, entries = np.dtype(value["dtype"]), [_decode(entry) for entry in value["array"]]
    if dtype.kind == "c":
        entries = [complex(*pair) for pair in zip(entries[::2], entries[1::2], strict=True)]
    array = np.empty(len(entries), dtype)
    array[:] = entries
    array = array.reshape(value["shape"])
    return array[()] if array.ndim == 0 else array


def _decode_object(value: dict[str, Any]) -> Any:
    module, _, name = value["type"].rpartition(".")
    kind: Any = getattr(sys.modules[f"ktrans.{module}"], name)
    held = {key: _decode(entry) for key, entry in value["fields"].items()}
    is_network = module.startswith("networks.") and issubclass(kind, eqx.Module)
    if is_network or issubclass(kind, Estimator):
        return _restored(kind, held)
    if not (issubclass(kind, tuple) or is_dataclass(kind)):
        raise TypeError(f"{name} is not a class of results")
    build: Any = kind
    return build(**held)


def _restored(kind: type, held: dict[str, Any]) -> Any:
    """A fitted model or network as it was, without fitting or drawing it again."""
    model = object.__new__(kind)
    vars(model).update(held)
    return model


def _write_operator(operator: GramOperator) -> Any:
    return _encode(
        {
            "kernel": operator.kernel,
            "tokens": operator.tokens,
            "regular_tokens": operator.regular_tokens,
            "task": operator.task,
        }
    )


def _read_operator(record: Any) -> GramOperator:
    return GramOperator.restored(**_decode(record))


_KINDS: dict[str, tuple[type, Any, Any]] = {
    "template": (Template, lambda template: template.spec, Template),
    "operator": (GramOperator, _write_operator, _read_operator),
    "gram": (
        PrecomputedGram,
        lambda gram: _encode(gram.matrix),
        lambda record: PrecomputedGram(_decode(record)),
    ),
    "values": (
        PairValues,
        lambda values: _encode(values.kernel),
        lambda record: PairValues(_decode(record)),
    ),
}
