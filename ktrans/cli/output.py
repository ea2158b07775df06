"""What commands and experiments write: records and figures, each whole or not there."""

import json
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ktrans._files import write_whole


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


def write_json(path: Path, record: Any) -> Path:
    """Write a record as JSON, refusing what JSON has no words for (NaN, infinities)."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2)
    return write_whole(path, lambda stream: stream.write(text.encode() + b"\n"))


def write_figure(path: Path, figure: Figure) -> Path:
    """Write a figure in the format of the suffix."""
    kind = path.suffix.lstrip(".")
    return write_whole(path, lambda stream: figure.savefig(stream, format=kind))
