"""Parts of a result, kept as they are finished: a run that was stopped goes on behind them."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ktrans._files import read_json, refuse_damage
from ktrans._provenance import digest, versions
from ktrans.cli.output import prepare_folder, write_json

MAX_BYTES = 2**24  # of a part

Keep = Callable[[Any, Callable[[], Any]], Any]


def at_once(_name: Any, work: Callable[[], Any]) -> Any:
    """The part, computed now and kept nowhere."""
    return work()


def kept_in(folder: Path, config: Any) -> Keep:
    """Parts that JSON has words for, in files below the folder.

    Args:
        folder: Of the experiment.
        config: Its configuration; with it and the versions of what computes, parts change.

    Returns:
        From the name of a part, anything that JSON has words for, and what computes it, to the
        part, from its file if there is one.
    """
    parts = prepare_folder(folder / "parts")
    head = {"configuration": asdict(config), "versions": versions()}

    def keep(name: Any, work: Callable[[], Any]) -> Any:
        file = parts / f"{digest({**head, 'part': name})[:16]}.json"
        if not file.exists():
            write_json(file, {"name": name, "part": work()})
        content = read_json(file, max_bytes=MAX_BYTES)
        with refuse_damage(file):
            return content["part"]

    return keep
