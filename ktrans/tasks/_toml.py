"""TOML files read with limits: what is wrong is said with file, key and remedy."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ktrans._checks import shown, suggest

MAX_BYTES = 2**20
KINDS = {str: "a string", int: "an integer", float: "a number", list: "a list", dict: "a table"}


def parse(path: Path, word: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Args:
        path: A regular file of at most 1 MiB; a device or a pipe could be read without end.
        word: What the file holds, such as "task".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is too large or no TOML.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no {word} file '{path}'; give the path of a TOML file.")
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path}: a {word} file must have at most {MAX_BYTES} bytes.")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8.") from None
    except RecursionError:
        raise ValueError(
            f"{path}: nested too deeply; a {word} needs one level of tables."
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: not valid TOML: {error}.") from None


def need(path: Path, table: Mapping[str, Any], key: str) -> Any:
    """The value of a key that must be there."""
    if key not in table:
        raise ValueError(f"{path}: the key `{key}` is missing; add it.")
    return table[key]


def check_keys(path: Path, where: str, table: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Refuse keys that are not in `kinds`, and values of another kind."""
    for key, value in table.items():
        if key not in kinds:
            raise ValueError(f"{path}: unknown key {shown(key)} in {where}; {suggest(key, kinds)}")
        check_kind(path, f"`{key}` in {where}", value, kinds[key])


def check_kind(path: Path, what: str, value: object, kinds: Any) -> None:
    """Refuse a value that is of none of the kinds; a truth value is no number."""
    if isinstance(value, bool) or not isinstance(value, kinds):
        allowed = kinds if isinstance(kinds, tuple) else (kinds,)
        wanted = " or ".join(KINDS[kind] for kind in allowed)
        raise ValueError(f"{path}: {what} must be {wanted}; got {shown(value)}.")
