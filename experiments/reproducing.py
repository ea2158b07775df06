"""docs/reproducing.md from what has been run here: claims, commands, published numbers beside ours.

python -m experiments.reproducing [--results results] [--out docs/reproducing.md]
"""

import argparse
import platform
from pathlib import Path

from experiments._figures import FIGURES, NOT_THERE, PAPER, QUICK, Figure, Record
from ktrans._files import write_whole

_HEAD = """# Reproducing the figures

    ktrans reproduce --list                 # figures, claims, times, published numbers beside ours
    ktrans reproduce FIGURE --quick         # minutes on two cores
    ktrans reproduce FIGURE --paper         # the whole figure

What was found is kept: the same command shows it again, and goes on where it was interrupted.
Trainings are kept one by one in results/trainings and shared by the figures. Test losses are on
strings of symbols that were never trained on, relative to chance; networks are stopped at their
best loss on a third alphabet, and options were chosen on that one. ± is one standard error over
seeds; samples needed are interpolated between the n tried, in brackets from the loss one standard
error lower to one higher. Where not all trainings of a paper configuration are done, its column
shows the points that at least two seeds have finished.

This page is written by `python -m experiments.reproducing` from the result files, hits and misses
alike. Last written on {machine}.
"""


def document(results: Path) -> str:
    """The page."""
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    return "\n".join(
        [_HEAD.format(machine=machine), *(_section(each, results) for each in FIGURES)]
    )


def _section(figure: Figure, results: Path) -> str:
    found = {
        kind: record
        for kind in (QUICK, PAPER)
        if (record := figure.results(results / kind / figure.name, kind)) is not None
    }
    if PAPER not in found and (record := figure.finished(results, PAPER)) is not None:
        found[PAPER] = record
    lines = [f"## {figure.name}", "", _sentence(figure.claim), ""]
    lines += [f"`ktrans reproduce {figure.name}`; {_runs(figure, found)}", ""]
    return "\n".join(lines + _numbers(figure, found))


def _sentence(claim: str) -> str:
    """With a capital, unless it begins with a template."""
    first = claim[0].upper() if claim[0].isascii() else claim[0]
    return f"{first}{claim[1:]}."


def _runs(figure: Figure, found: dict[str, Record]) -> str:
    times = {QUICK: f"{figure.quick:g} min on two cores", PAPER: figure.paper}
    words = [f"{kind}: {_run(found.get(kind))} ({time})" for kind, time in times.items()]
    return "; ".join(words) + "."


def _run(record: Record | None) -> str:
    """How much of a configuration has been run, and on what."""
    if record is None:
        return "not run here"
    if "trainings" not in record:
        return f"run here on {_device(record['device'])}" if "device" in record else "run here"
    devices = " and ".join(map(_device, record["devices"]))
    return f"{record['trained']} of {record['trainings']} trainings run here on {devices}"


def _device(name: str) -> str:
    return "CPU" if name == "cpu" else name


def _numbers(figure: Figure, found: dict[str, Record]) -> list[str]:
    """A table with a column for each configuration that has been run."""
    if not figure.published or not found:
        return []
    rows = {
        _head(kind, record): figure.compare(record, _otherwise(record))
        for kind, record in found.items()
    }
    lines = [_line(["", "published", *rows]), _line(["---"] * (2 + len(rows)))]
    for i, each in enumerate(figure.published):
        ours = [compared[i]["text"] for compared in rows.values()]
        lines.append(_line([each.what, f"{each.value:g}", *ours]))
    return [*lines, ""]


def _head(kind: str, record: Record) -> str:
    return f"{kind}, not finished" if "trainings" in record else kind


def _otherwise(record: Record) -> str:
    """In place of a number that is not there."""
    return "not trained yet" if "trainings" in record else NOT_THERE


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--out", type=Path, default=Path("docs") / "reproducing.md")
    arguments = parser.parse_args()
    text = document(arguments.results)
    write_whole(arguments.out, lambda stream: stream.write(text.encode()))


if __name__ == "__main__":
    main()
