"""The documentation that Debian packages install, as text for language models, offline."""

import gzip
import zlib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from ktrans._checks import as_int, as_real
from ktrans._files import check_size
from ktrans.networks.text import Text

ROOT = "/usr/share/doc"
# Sources of the kernel's documentation, and the Debian Administrator's Handbook in English.
PATTERNS = ("linux-doc-*/Documentation/**/*.rst*", "debian-handbook/html/en-US/*.html")
MAX_BYTES = 2**26  # of a file, packed and unpacked; the largest of these has some 10⁶
_LEAST = 3
_SKIPPED = ("script", "style", "head")
_REMEDY = "leave it out, or reinstall its package"


def read_documentation(
    root: str | Path = ROOT,
    *,
    patterns: Sequence[str] = PATTERNS,
    held_out: float = 0.1,
    seed: int = 0,
) -> Text:
    """Documentation in reStructuredText and HTML, packed or not, in three parts.

    linux-doc has some 24 MB of text, twice the sources of Python's standard library. Install the
    packages, or unpack them anywhere: apt-get download linux-doc-6.1, dpkg -x FILE FOLDER.

    Args:
        root: Where packages have their documentation; FOLDER/usr/share/doc of unpacked ones.
        patterns: Which files, as `Path.glob` has it. Of HTML the text is kept.
        held_out: Share of the files in validation, and in test; above 0 and below .5.
        seed: Of the draw of files.

    Returns:
        The parts, a document a file, in the order of their paths.

    Raises:
        FileNotFoundError: there is no such documentation.
        ValueError: a file is damaged, too large or not UTF-8, or `held_out` is impossible.

    Example:
        >>> from ktrans.networks.documentation import read_documentation
        >>> read_documentation("nowhere")
        Traceback (most recent call last):
        FileNotFoundError: There is no documentation below 'nowhere'; install linux-doc or ...
    """
    share, folder = as_real("held_out", held_out), Path(root)
    if not 0 < share < 0.5:
        raise ValueError(f"`held_out` must be above 0 and below 0.5; got {share}.")
    found = {path for pattern in patterns for path in folder.glob(pattern) if _is_wanted(path)}
    if len(found) < _LEAST:
        raise FileNotFoundError(
            f"There is no documentation below '{root}'; install linux-doc or debian-handbook, or "
            "give the folder usr/share/doc of unpacked packages."
        )
    documents = [_read(path) for path in sorted(found)]
    held = min(max(1, round(share * len(documents))), (len(documents) - 1) // 2)
    order = np.random.default_rng(as_int("seed", seed, 0)).permutation(len(documents))
    parts = order[2 * held :], order[:held], order[held : 2 * held]
    return Text(*(tuple(documents[i] for i in np.sort(part)) for part in parts))


def _is_wanted(path: Path) -> bool:
    """Links lead to files that are there under their own names."""
    return path.is_file() and not path.is_symlink() and path.stat().st_size > 0


def _read(path: Path) -> str:
    check_size(path, MAX_BYTES, _REMEDY)
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = _unpack(path)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 at byte {error.start}; {_REMEDY}.") from None
    return _text_of(text) if ".html" in path.suffixes else text


def _unpack(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}); {_REMEDY}.") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{str(path)!r} must unpack to at most {MAX_BYTES} bytes; {_REMEDY}.")
    return content


class _TextParser(HTMLParser):
    """Collects what is shown of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.depth = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Enter what is not shown."""
        self.depth += tag in _SKIPPED

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self.depth -= tag in _SKIPPED

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if self.depth == 0:
            self.parts.append(data)


def _text_of(page: str) -> str:
    """The text of a page, without empty lines."""
    parser = _TextParser()
    parser.feed(page)
    lines = (line.strip() for line in "".join(parser.parts).splitlines())
    return "\n".join(filter(None, lines)) + "\n"
