"""What has been run of each figure and the numbers it gave, kept with the documentation.

Results are large, and lie where they were made; what the page says of them is small, and stays in
docs/measured.json until a run of the same configuration takes its place.
"""

import importlib.metadata
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments._figures import FIGURES, PAPER, QUICK, Figure, Record
from ktrans._files import read_json
from ktrans._provenance import digest

MAX_BYTES = 2**20


@dataclass(frozen=True)
class KeptRun:
    """A run of a figure.

    Attributes:
        configuration: Hash of the configuration and the version of ktrans.
        run: In words, how much of it was run, and on what.
        trained: The number of trainings that are done, where not all are.
        numbers: Ours, as printed, by what they are, as far as they are there.
    """

    configuration: str
    run: str
    trained: int | None
    numbers: dict[str, str]

    def joined(self, other: "KeptRun") -> "KeptRun":
        """With a later run of the same: what is unfinished adds to what there is."""
        if other.trained is None:
            return other
        if self.trained is None:
            return self
        most = max(other, self, key=lambda each: each.trained or 0)
        return replace(most, numbers=self.numbers | other.numbers)


Runs = dict[str, dict[str, KeptRun]]


def read_runs(file: Path) -> Runs:
    """The runs that are kept, by figure and kind, but those of configurations that have changed."""
    kept = read_json(file, max_bytes=MAX_BYTES) if file.exists() else {}
    runs = {
        name: {kind: KeptRun(**entry) for kind, entry in kinds.items()}
        for name, kinds in kept.items()
    }
    return {
        figure.name: {
            kind: measured
            for kind, measured in runs.get(figure.name, {}).items()
            if measured.configuration == _configuration(figure, kind)
        }
        for figure in FIGURES
    }


def find_runs(results: Path) -> Runs:
    """The runs whose results are in the folder."""
    return {figure.name: dict(_find(figure, results)) for figure in FIGURES}


def merge(kept: Runs, found: Runs) -> Runs:
    """What is kept, joined with what was found."""
    merged = {name: dict(kinds) for name, kinds in kept.items()}
    for name, kinds in found.items():
        for kind, measured in kinds.items():
            before = merged[name].get(kind, measured)
            merged[name][kind] = before.joined(measured)
    return merged


def as_json(runs: Runs) -> str:
    """For `read_runs`."""
    entries = {
        name: {kind: asdict(measured) for kind, measured in sorted(kinds.items())}
        for name, kinds in runs.items()
        if kinds
    }
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"


def _configuration(figure: Figure, kind: str) -> str:
    version = importlib.metadata.version("ktrans")
    known = _rounded(figure.configuration(kind))
    return digest({"configuration": known, "ktrans": version})[:16]


def _rounded(value: Any) -> Any:
    """Numbers to twelve digits: the last ones of powers differ from processor to processor."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def _find(figure: Figure, results: Path) -> Iterator[tuple[str, KeptRun]]:
    for kind in (QUICK, PAPER):
        record = figure.results(results / kind / figure.name, kind)
        if record is None and kind == PAPER:
            record = figure.finished(results, kind)
        if record is not None:
            yield kind, _measured(figure, kind, record)


def _measured(figure: Figure, kind: str, record: Record) -> KeptRun:
    numbers = {row["what"]: row["text"] for row in figure.compare(record, "") if row["text"]}
    return KeptRun(_configuration(figure, kind), _run(record), record.get("trained"), numbers)


def _run(record: Record) -> str:
    """How much of a configuration has been run, and on what."""
    if "trainings" in record:
        devices = " and ".join(map(_device, record["devices"]))
        return f"{record['trained']} of {record['trainings']} trainings run here on {devices}"
    return f"run here on {_device(record['device'])}"


def _device(name: str) -> str:
    return "CPU" if name == "cpu" else name
