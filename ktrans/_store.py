"""The one store of finished parts: a folder of whole files, named by what each depends on.

A file that is there is whole, since it got its name last; a process that is killed loses what it
had not finished. Two processes that write the same part write the same bytes.
"""

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ktrans._files import read_json, write_whole
from ktrans._numerics import as_plain
from ktrans._provenance import canonical, digest, versions

# To be raised whenever what is measured changes, so that older files are left alone.
FORMAT = 2
MAX_BYTES = 2**24

Record = dict[str, Any]
Keep = Callable[[Any, Callable[[], Any]], Any]


def at_once(_name: Any, work: Callable[[], Any]) -> Any:
    """The part, computed now and kept nowhere."""
    return work()


def kept_in(folder: Path, config: Any) -> Keep:
    """Parts of a computation, kept in a folder as they are finished.

    Args:
        folder: Of the computation; parts lie in parts/.
        config: Its configuration, a dataclass; parts of another configuration are other parts.

    Returns:
        From the name of a part and what computes it to the part, from its file if there is one.
    """
    store = Store(folder / "parts")
    head = {"configuration": asdict(config)}
    return lambda name, work: store.keep({**head, "part": name}, work)


@dataclass(frozen=True)
class Store:
    """A folder of parts.

    Attributes:
        folder: Holds the parts.
        say: Told, in one sentence, of each file that is damaged.
        versions: Of what the numbers depend on; parts of other versions are not used.
    """

    folder: Path
    say: Callable[[str], object] = warnings.warn
    versions: dict[str, str] = field(default_factory=versions)

    def prepare(self) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, record: Record) -> Path:
        """Where the part with this record is."""
        return self.folder / f"{digest(self._whole(record))[:40]}.json"

    def has(self, record: Record) -> bool:
        """Whether there is such a part, whole."""
        return self._load(record) is not None

    def keep(self, record: Record, work: Callable[[], Any]) -> Any:
        """The part from its file, or computed now and written."""
        if not self.has(record):
            self.read(record)  # says what is damaged
            self.prepare()
            self.write(record, work())
        return self.read(record)

    def read(self, record: Record) -> Any:
        """The part, or None where there is none that can be trusted."""
        values = self._load(record)
        if values is None and self.path(record).is_file():
            self.say(f"'{self.path(record)}' is damaged, and its result is computed again.")
        return values

    def write(self, record: Record, values: Any) -> Path:
        """Write a part as a whole; numbers that are not finite become null."""
        result = {"record": self._whole(record), "values": as_plain(values)}
        text = canonical(result | {"check": digest(result)})
        return write_whole(self.path(record), lambda stream: stream.write(text.encode() + b"\n"))

    def parts(self) -> list[Any]:
        """All that is whole, whatever it is of."""
        return [found["values"] for file in self.folder.glob("*.json") if (found := _sound(file))]

    def log(self, records: Sequence[Record], seconds: float, file: Path) -> None:
        """Append a line about what took how long; times are in no part, which would differ."""
        names = [self.path(record).stem for record in records]
        line = canonical({"results": names, "seconds": round(seconds, 3), "until": time.time()})
        with file.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _whole(self, record: Record) -> Record:
        return as_plain({"format": FORMAT, "versions": self.versions, **record})

    def _load(self, record: Record) -> Any:
        """The part, if there is a file that holds this record and whose check is right."""
        path = self.path(record)
        found = _sound(path) if path.is_file() else None
        if found is None or found["record"] != json.loads(canonical(self._whole(record))):
            return None
        return found["values"]


def _sound(path: Path) -> dict[str, Any] | None:
    """The content of a file, if its check is right."""
    try:
        found = read_json(path, max_bytes=MAX_BYTES)
        check = found.pop("check")
        return found if check == digest(found) and {"record", "values"} <= found.keys() else None
    except (ValueError, RecursionError, KeyError):
        return None
