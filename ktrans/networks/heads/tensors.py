"""Tensors of weight files, one at a time: safetensors (one file or shards), GGUF, plain arrays."""

import abc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ktrans._checks import suggest
from ktrans._files import read_json, refuse_damage

INDEX, SINGLE, CONFIGURATION = "model.safetensors.index.json", "model.safetensors", "config.json"
MAX_JSON = 2**26  # the index of the largest public models has some 10⁷ bytes
_FLOATS = ("F64", "F32", "F16", "BF16")
_GGUF_MAGIC = b"GGUF"
_REMEDY = "give the file of a network's weights"


class Tensors(abc.ABC):
    """The tensors of a file by name; each is read when it is asked for, and not kept.

    Attributes:
        path: What was opened, for sentences about it.
        settings: Sizes that the file or the `config.json` beside it states, by its own words.
    """

    path: Path
    settings: Mapping[str, Any]

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """All names."""

    @abc.abstractmethod
    def _load(self, name: str) -> np.ndarray:
        """The tensor of a name that is there."""

    def read(self, name: str, ndim: int) -> Float32[np.ndarray, "..."]:
        """A tensor in float32, refused unless it is there, has `ndim` axes and is finite."""
        if name not in self.names:
            raise ValueError(
                f"{str(self.path)!r} lacks the tensor {name!r}; {suggest(name, self.names[:20])}"
            )
        array = np.asarray(self._load(name), np.float32)
        if array.ndim != ndim:
            raise ValueError(
                f"{str(self.path)!r} must hold {name!r} with {ndim} axes; got shape {array.shape}."
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"{str(self.path)!r} must hold finite numbers; {name!r} has NaN or infinity."
            )
        return array

    def refuse_type(self, name: str, kind: str) -> None:
        """Say that a tensor has a type that is not read."""
        raise ValueError(
            f"{str(self.path)!r} must hold {name!r} as float16, bfloat16, float32 or float64; got "
            f"{kind}."
        )


class SafeTensors(Tensors):
    """One safetensors file, or the shards that an index names."""

    def __init__(self, path: Path, files: list[Path]):
        self.path, self.settings = path, _read_configuration(path.parent)
        self._open = _import_safetensors()
        self._files = {name: file for file in files for name in self._list(file)}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, of all shards."""
        return tuple(self._files)

    def _list(self, file: Path) -> list[str]:
        with _refuse_safetensors(file), self._open(file, "numpy") as opened:
            return list(opened.keys())

    def _load(self, name: str) -> np.ndarray:
        # Opened anew for each tensor: pages of a mapped file would stay in memory.
        file = self._files[name]
        with _refuse_safetensors(file), self._open(file, "numpy") as opened:
            kind = opened.get_slice(name).get_dtype()
            array = opened.get_tensor(name) if kind in _FLOATS else None
        if array is None:
            self.refuse_type(name, kind)
        return array  # type: ignore[return-value]


class GGUF(Tensors):
    """A GGUF file; quantised tensors are expanded by the library `gguf`."""

    def __init__(self, path: Path):
        self.path, self._gguf = path, _import_gguf()
        with refuse_damage(path, _REMEDY):
            reader = self._gguf.GGUFReader(path)
            self._tensors = {tensor.name: tensor for tensor in reader.tensors}
            self.settings = {name: field.contents() for name, field in _scalars(reader)}

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._tensors)

    def _load(self, name: str) -> np.ndarray:
        tensor = self._tensors[name]
        with refuse_damage(self.path, _REMEDY):
            return self._gguf.quants.dequantize(tensor.data, tensor.tensor_type)


class Arrays(Tensors):
    """Arrays that are in memory, such as those of a checkpoint."""

    def __init__(self, path: Path, arrays: Mapping[str, np.ndarray]):
        self.path, self.settings, self._arrays = path, {}, arrays

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._arrays)

    def _load(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        if array.dtype.kind != "f":
            self.refuse_type(name, str(array.dtype))
        return array


def open_tensors(path: Path) -> Tensors:
    """The tensors of a safetensors file, its index, a GGUF file, or a folder that holds one.

    Raises:
        ImportError: the library that reads the file is not installed.
        FileNotFoundError: there is no such file, or a shard is missing.
        ValueError: the file is of another kind, or damaged.
    """
    if path.is_dir():
        path = _find_in_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no '{path}'; give the path of what to read.")
    if path.name.endswith(".json"):
        return SafeTensors(path, _read_index(path))
    with path.open("rb") as stream:
        magic = stream.read(len(_GGUF_MAGIC))
    return GGUF(path) if magic == _GGUF_MAGIC else SafeTensors(path, [path])


def _find_in_folder(folder: Path) -> Path:
    candidates = [folder / SINGLE, folder / INDEX, *sorted(folder.glob("*.safetensors"))]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"'{folder}' has no {SINGLE}, no {INDEX} and no configuration.json of a training by "
            "ktrans; give the file itself."
        )
    return found


def _read_index(path: Path) -> list[Path]:
    record = read_json(path, max_bytes=MAX_JSON, remedy=_REMEDY)
    with refuse_damage(path, _REMEDY):
        shards = sorted(set(record["weight_map"].values()))
        if not shards or any(Path(shard).name != shard for shard in shards):
            raise ValueError("its shards must be files of its own folder")
    files = [path.parent / shard for shard in shards]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(
                f"There is no '{file}', which {path.name!r} names; give a folder with all shards."
            )
    return files


def _read_configuration(folder: Path) -> dict[str, Any]:
    path = folder / CONFIGURATION
    if not path.is_file():
        return {}
    record = read_json(path, max_bytes=MAX_JSON, remedy="delete it and give `heads`")
    text = record.get("text_config")  # of models that see and read
    return record | (text if isinstance(text, dict) else {})


@contextmanager
def _refuse_safetensors(path: Path) -> Iterator[None]:
    """Say in one sentence why the library does not take a file."""
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{str(path)!r} is not a safetensors file: {told}; {_REMEDY}.") from None


def _import_safetensors() -> Callable[..., Any]:
    try:
        from safetensors import safe_open
    except ImportError:
        raise ImportError(
            "reading weights needs the package `safetensors`; install it, or ktrans[gpt2]."
        ) from None
    return safe_open


def _import_gguf() -> Any:
    try:
        import gguf  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ImportError(
            "reading GGUF files needs the package `gguf`; install it, or ktrans[gguf]."
        ) from None
    return gguf


def _scalars(reader: Any) -> Iterator[tuple[str, Any]]:
    """Fields that hold one number or word: lists of tokens are long, and no size is among them."""
    for name, field in reader.fields.items():
        if len(field.types) == 1:
            yield name, field
