"""Files that are either whole or not there, and read back only where they are whole."""

import errno
import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ktrans._checks import one_line

AGAIN = "delete it to compute it again"
_SHOWN = 120
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> Path:
    """Write to a temporary name beside `path`, then rename: a reader never sees half a file.

    Raises:
        OSError: if that is not possible, naming `path`; a file that was there before stays.
    """
    with name_failure(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    return path


@contextmanager
def name_failure(path: Path) -> Iterator[None]:
    """Let an OSError name `path`; the name of a temporary file would tell the user nothing."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def refuse_damage(path: Path, remedy: str = AGAIN) -> Iterator[None]:
    """Say that `path` is damaged where what is done with its content fails.

    Args:
        path: The file that was read.
        remedy: What to do, to end the sentence.

    Raises:
        ValueError: for whatever fails, but for a want of memory or of permission.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # A place in a file that cannot be, as a damaged archive may name, is an OSError too.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise ValueError(f"{str(path)!r} is damaged ({_told(error)}); {remedy}.") from None


def check_size(path: Path, max_bytes: int, remedy: str = AGAIN) -> None:
    """Refuse what is no file, or larger than what is ever kept there, before it is read.

    Raises:
        ValueError: naming the file, and its size where that is too large.
        OSError: if it is not there.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError(f"{str(path)!r} must be a file; move away what is there.")
    if size > max_bytes:
        raise ValueError(
            f"{str(path)!r} must have at most {max_bytes} bytes; it has {size}: {remedy}."
        )


def read_json(path: Path, *, max_bytes: int, remedy: str = AGAIN) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: The file.
        max_bytes: A larger one is refused unread.
        remedy: What to do about a damaged one.

    Raises:
        ValueError: it is too large or no JSON object.
        OSError: it cannot be read.
    """
    check_size(path, max_bytes, remedy)
    content = path.read_bytes()
    with refuse_damage(path, remedy):
        return _object(content)


def read_arrays(path: Path, *, max_bytes: int, remedy: str = AGAIN) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; pickled objects are refused, all checksums checked.

    Args:
        path: The file.
        max_bytes: Of the file, and of what it holds when unpacked.
        remedy: What to do about a damaged one.

    Raises:
        ValueError: it is too large or damaged.
        OSError: it cannot be read.
    """
    check_size(path, max_bytes, remedy)
    with path.open("rb") as stream, refuse_damage(path, remedy):
        archive = zipfile.ZipFile(stream)
        if sum(entry.file_size for entry in archive.infolist()) > max_bytes:
            raise ValueError(f"more than {max_bytes} bytes when unpacked")
        return {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}


def check_array(
    name: str, array: np.ndarray, shape: tuple[int | None, ...], dtype: np.typing.DTypeLike
) -> None:
    """Raise unless the array has the type and the shape; None stands for any length."""
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for length, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype != dtype:
        wanted = str(shape).replace("None", "any")
        raise ValueError(
            f"{name} is {array.dtype} of shape {array.shape}, not {np.dtype(dtype)} of {wanted}"
        )


def check_numbers(record: Any, *names: str) -> None:
    """Raise unless there is a number under each of the names."""
    for name in names:
        if not isinstance(record[name], int | float):
            raise TypeError(f"{name!r} is no number")


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Unpacked as a whole first, so that the checksum stands for its header too."""
    content = archive.read(name)
    packed = io.BytesIO(content)
    version = np.lib.format.read_magic(packed)
    shape, _, dtype = _HEADERS[version](packed)
    if math.prod(shape) * dtype.itemsize > len(content):  # before memory is taken for it
        raise ValueError(f"{name} is shorter than an array of shape {shape}")
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)


def _told(error: Exception) -> str:
    """What failed, in one line that may stand in brackets."""
    if isinstance(error, KeyError) and error.args:
        return f"it lacks {error.args[0]!r}"
    text = one_line(error).rstrip(".")
    return text[:_SHOWN] or type(error).__name__


def _umask() -> int:
    """The umask, which can only be read by setting it; temporary files ignore it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
