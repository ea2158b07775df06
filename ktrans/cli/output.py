"""What commands and experiments write: records, whole or not there."""

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ktrans._files import name_failure, write_whole


def prepare_folder(folder: Path) -> Path:
    """Make the folder and try to write there, before anything long is computed.

    Raises:
        OSError: if that is not possible.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with name_failure(folder), tempfile.TemporaryFile(dir=folder):
        return folder


def print_json(record: Any) -> None:
    """Print a record as one JSON object, refusing what JSON has no words for.

    Letters that standard output has no bytes for are escaped in the way of JSON.
    """
    encoding = sys.stdout.encoding or "utf-8"
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    if text.encode(encoding, "ignore").decode(encoding) != text:
        text = json.dumps(record, allow_nan=False)
    print_lines([text])


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, or in silence the first of them if the reader leaves, as `head` does."""
    try:
        with name_failure(Path("standard output")):
            for line in lines:
                print(line)
            sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


def drop_output() -> None:
    """Send what is not said yet nowhere, so that nothing fails when Python says it at the end."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def write_json(path: Path, record: Any) -> Path:
    """Write a record as JSON, refusing what JSON has no words for (NaN, infinities)."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2)
    return write_whole(path, lambda stream: stream.write(text.encode() + b"\n"))
