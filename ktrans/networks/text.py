"""Text as data: a file or a folder, split into documents to train, to validate and to test on."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ktrans._checks import as_int, as_real

# The files of WikiText-2 and WikiText-103, in the order of the fields of `Text`.
_WIKITEXT = ("wiki.train", "wiki.valid", "wiki.test")
_WIKITEXT_FORMS = (".tokens", ".raw")


class Text(NamedTuple):
    """Documents, each one string.

    Attributes:
        train: What tokenizers and networks are trained on.
        validation: What is looked at during training.
        test: What is looked at once, at the end.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def read_text(
    path: str | Path,
    *,
    files: str = "**/*",
    exclude: Iterable[str] = (),
    held_out: float = 0.1,
    seed: int = 0,
) -> Text:
    """The text of a file or of a folder, in three parts.

    A folder of WikiText-2 or WikiText-103 (wiki.train.tokens, wiki.valid.tokens, wiki.test.tokens,
    or the same with .raw) has its three parts. The files of any other folder are dealt out whole:
    a share `held_out` of them, drawn by the seed, to validation, as many to test, the others to
    training. One single file is cut at line ends: the last lines are test, those before them
    validation.

    Args:
        path: The file or the folder, in UTF-8.
        files: Which files of a folder: a pattern of `Path.glob`, such as "**/*.py".
        exclude: Names of folders that are left out, at any depth.
        held_out: Share of the files (of the lines of a single file) in validation, and in test.
        seed: Of the draw of files.

    Returns:
        The parts, documents in the order of their paths; empty and hidden files are left out.

    Raises:
        FileNotFoundError: there is nothing at `path`, or a part of WikiText is missing.
        ValueError: fewer than three files or lines, a file that is not UTF-8, an impossible share.

    References:
        Merity et al. (2016), Pointer sentinel mixture models (WikiText).

    Example:
        >>> import sysconfig
        >>> from ktrans.networks import read_text
        >>> text = read_text(sysconfig.get_path("stdlib"), files="json/*.py")
        >>> [len(part) for part in text], "def loads" in "".join(sum(text, ()))
        ([3, 1, 1], True)
    """
    root, share = Path(path), _read_share(held_out)
    if root.is_file():
        return _split_lines(root, share)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no '{root}'; give the path of what to read.")
    if any((root / (name + form)).exists() for name in _WIKITEXT for form in _WIKITEXT_FORMS):
        return _read_wikitext(root)
    return _split_files(root, _list_files(root, files, frozenset(exclude)), share, seed)


def _read_share(held_out: object) -> float:
    share = as_real("held_out", held_out)
    if not 0 < share < 0.5:
        raise ValueError(f"`held_out` must be above 0 and below 0.5; got {share}.")
    return share


def _split_lines(path: Path, share: float) -> Text:
    lines = _read(path).splitlines(keepends=True)
    held = _held_out(path, len(lines), "lines", share)
    ends = len(lines) - 2 * held, len(lines) - held
    train, validation, test = lines[: ends[0]], lines[slice(*ends)], lines[ends[1] :]
    return Text(("".join(train),), ("".join(validation),), ("".join(test),))


def _read_wikitext(root: Path) -> Text:
    form = next(form for form in _WIKITEXT_FORMS if list(root.glob(f"wiki.*{form}")))
    paths = [root / (name + form) for name in _WIKITEXT]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{str(root)!r} has files of WikiText but lacks {path.name!r}.")
    return Text(*((_read(path),) for path in paths))


def _list_files(root: Path, pattern: str, exclude: frozenset[str]) -> list[Path]:
    """The files that match, by their path within the folder, which no machine's own is part of."""

    def is_wanted(path: Path) -> bool:
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") for part in parts)
        left_out = hidden or not exclude.isdisjoint(parts[:-1])
        return not left_out and path.is_file() and path.stat().st_size > 0

    found = filter(is_wanted, root.glob(pattern))
    return sorted(found, key=lambda path: path.relative_to(root).parts)


def _split_files(root: Path, paths: list[Path], share: float, seed: int) -> Text:
    held = _held_out(root, len(paths), "files that match `files` and are not empty", share)
    order = np.random.default_rng(as_int("seed", seed, 0)).permutation(len(paths))
    drawn = order[2 * held :], order[:held], order[held : 2 * held]
    return Text(*(tuple(_read(paths[i]) for i in np.sort(part)) for part in drawn))


def _held_out(path: Path, count: int, things: str, share: float) -> int:
    """How many files or lines each of validation and test gets."""
    if count < 3:
        raise ValueError(
            f"{str(path)!r} has {count} {things}; at least 3 are needed to train, validate and "
            "test."
        )
    return min(max(1, round(share * count)), (count - 1) // 2)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not UTF-8 at byte {error.start}; convert it, or leave it out by "
            "`files` or `exclude`."
        ) from None
