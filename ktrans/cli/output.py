"""What commands and experiments write: records and figures, whole or not there, and progress."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.figure import Figure
from tqdm import tqdm

from ktrans._files import write_whole
from ktrans.plotting.svg import draw_svg

T = TypeVar("T")


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


def print_json(record: Any) -> None:
    """Print a record as one JSON object, refusing what JSON has no words for."""
    print(json.dumps(record, ensure_ascii=False, allow_nan=False))


def write_json(path: Path, record: Any) -> Path:
    """Write a record as JSON, refusing what JSON has no words for (NaN, infinities)."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2)
    return write_whole(path, lambda stream: stream.write(text.encode() + b"\n"))


def write_figure(path: Path, figure: Figure) -> Path:
    """Write a figure in the format of the suffix; SVG has the same bytes for the same figure."""
    kind = path.suffix.lstrip(".")
    if kind == "svg":
        return write_whole(path, lambda stream: stream.write(draw_svg(figure)))
    return write_whole(path, lambda stream: figure.savefig(stream, format=kind))


def show_progress(steps: Iterable[T], word: str) -> Iterable[T]:
    """The steps, with a progress bar."""
    return progress_bar(word)(steps)


def progress_bar(word: str) -> Callable[[Iterable[T]], Iterable[T]]:
    """A progress bar on standard error, gone when the loop is over."""
    return lambda steps: tqdm(list(steps), desc=word, file=sys.stderr, leave=False)
