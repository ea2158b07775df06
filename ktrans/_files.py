"""Files that are either whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> Path:
    """Write to a temporary name beside `path`, then rename: a reader never sees half a file.

    Raises:
        OSError: if that is not possible, naming `path`; a file that was there before stays.
    """
    try:
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
    except OSError as error:
        # The name of the temporary file would tell the user nothing.
        raise OSError(error.errno, error.strerror, str(path)) from None
    return path


def _umask() -> int:
    """The umask, which can only be read by setting it; temporary files ignore it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
