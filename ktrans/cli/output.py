"""Files that are either whole or not there."""

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def prepare_folder(folder: Path) -> Path:
    """Make the folder and try to write there, before anything long is computed.

    Raises:
        OSError: if that is not possible.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def write_whole(path: Path, content: bytes) -> Path:
    """Write to a temporary name beside `path`, then rename: a reader never sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        # The name of the temporary file would tell the user nothing.
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def write_json(path: Path, record: Any) -> Path:
    """Write a record as JSON, refusing what JSON has no words for (NaN, infinities)."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2)
    return write_whole(path, text.encode() + b"\n")


def write_figure(path: Path, figure: Figure) -> Path:
    """Write a figure in the format of the suffix."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lstrip("."))
    return write_whole(path, buffer.getvalue())


def _umask() -> int:
    """The umask, which can only be read by setting it; temporary files ignore it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
