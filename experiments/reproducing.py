"""docs/reproducing.md from what has been run here: claims, commands, published numbers beside ours.

python -m experiments.reproducing [--results results] [--out docs/reproducing.md]
"""

import argparse
import platform
from pathlib import Path
from typing import Any

from experiments._figures import FIGURES, PAPER, QUICK, Figure
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
error lower to one higher.

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
    lines = [f"## {figure.name}", "", _sentence(figure.claim), ""]
    lines += [f"`ktrans reproduce {figure.name}`; {_runs(figure, found)}", ""]
    return "\n".join(lines + _numbers(figure, found))


def _sentence(claim: str) -> str:
    """With a capital, unless it begins with a template."""
    first = claim[0].upper() if claim[0].isascii() else claim[0]
    return f"{first}{claim[1:]}."


def _runs(figure: Figure, found: dict[str, Any]) -> str:
    times = {QUICK: f"{figure.quick:g} min on two cores", PAPER: figure.paper}
    words = [
        f"{kind}: {'run here' if kind in found else 'not run here'} ({time})"
        for kind, time in times.items()
    ]
    return "; ".join(words) + "."


def _numbers(figure: Figure, found: dict[str, Any]) -> list[str]:
    """A table with a column for each configuration that has been run."""
    if not figure.published or not found:
        return []
    rows = {kind: figure.compare(record) for kind, record in found.items()}
    lines = [_line(["", "published", *rows]), _line(["---"] * (2 + len(rows)))]
    for i, each in enumerate(figure.published):
        ours = [compared[i]["text"] for compared in rows.values()]
        lines.append(_line([each.what, f"{each.value:g}", *ours]))
    return [*lines, ""]


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
