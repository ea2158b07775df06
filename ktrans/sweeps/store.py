"""Results in a folder, one whole file for each, named by what they depend on.

A file that is there is whole, since it got its name last; a process that is killed loses what it
had not finished. Two processes that write the same result write the same bytes.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ktrans._files import read_json, write_whole
from ktrans._numerics import as_plain
from ktrans._provenance import canonical, digest, versions

# To be raised whenever what is measured changes, so that older files are left alone.
FORMAT = 1
MAX_BYTES = 2**24

Record = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """The folder of a sweep.

    Attributes:
        folder: Holds cells/, the results one by one; sweep.nc, the dataset; seconds.jsonl, a log.
        say: Told, in one sentence, of each file that is damaged.
        versions: Of what the numbers depend on; results of other versions are not used.
    """

    folder: Path
    say: Callable[[str], object] = warnings.warn
    versions: dict[str, str] = field(default_factory=versions)

    @property
    def cells(self) -> Path:
        """The folder of the results."""
        return self.folder / "cells"

    def prepare(self) -> None:
        """Make the folder."""
        self.cells.mkdir(parents=True, exist_ok=True)

    def path(self, record: Record) -> Path:
        """Where the result with this record is."""
        return self.cells / f"{digest(self._whole(record))[:40]}.json"

    def has(self, record: Record) -> bool:
        """Whether there is such a result, whole."""
        return self._load(record) is not None

    def read(self, record: Record) -> dict[str, Any] | None:
        """The values, or None where there are none that can be trusted."""
        values = self._load(record)
        if values is None and self.path(record).is_file():
            self.say(f"'{self.path(record)}' is damaged, and its result is computed again.")
        return values

    def write(self, record: Record, values: dict[str, Any]) -> Path:
        """Write a result as a whole; numbers that are not finite become null."""
        result = {"record": self._whole(record), "values": as_plain(values)}
        text = canonical(result | {"check": digest(result)})
        return write_whole(self.path(record), lambda stream: stream.write(text.encode() + b"\n"))

    def log(self, records: Sequence[Record], seconds: float) -> None:
        """Append a line about what took how long; times are in no dataset, which would differ."""
        names = [self.path(record).stem for record in records]
        line = canonical({"results": names, "seconds": round(seconds, 3), "until": time.time()})
        with (self.folder / "seconds.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _whole(self, record: Record) -> Record:
        return {"format": FORMAT, "versions": self.versions, **record}

    def _load(self, record: Record) -> dict[str, Any] | None:
        """The values, if there is a file that holds this record and whose check is right."""
        path = self.path(record)
        if not path.is_file():
            return None
        try:
            result = read_json(path, max_bytes=MAX_BYTES)
            check = result.pop("check")
            sound = check == digest(result) and result["record"] == self._whole(record)
            return result["values"] if sound else None
        except (ValueError, RecursionError, KeyError):
            return None
