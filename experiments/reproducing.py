"""docs/reproducing.md from what has been run here: claims, commands, published numbers beside ours.

python -m experiments.reproducing [--results results] [--docs docs]
"""

import argparse
from pathlib import Path

from experiments._figures import FIGURES, NOT_THERE, PAPER, QUICK, Figure
from experiments._measured import KeptRun, Runs, as_json, find_runs, merge, read_runs
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

This page is written by `python -m experiments.reproducing`, hits and misses alike, from the result
files there are and from docs/measured.json, which keeps the numbers of earlier ones.
"""


def document(runs: Runs) -> str:
    """The page."""
    return "\n".join([_HEAD, *(_section(figure, runs[figure.name]) for figure in FIGURES)])


def _section(figure: Figure, runs: dict[str, KeptRun]) -> str:
    lines = [f"## {figure.name}", "", _sentence(figure.claim), ""]
    lines += [f"`ktrans reproduce {figure.name}`; {_runs(figure, runs)}", ""]
    return "\n".join(lines + _numbers(figure, runs))


def _sentence(claim: str) -> str:
    """With a capital, unless it begins with a template."""
    first = claim[0].upper() if claim[0].isascii() else claim[0]
    return f"{first}{claim[1:]}."


def _runs(figure: Figure, runs: dict[str, KeptRun]) -> str:
    times = {QUICK: f"{figure.quick:g} min on two cores", PAPER: figure.paper}
    said = {kind: runs[kind].run if kind in runs else "not run here" for kind in times}
    return "; ".join(f"{kind}: {said[kind]} ({time})" for kind, time in times.items()) + "."


def _numbers(figure: Figure, runs: dict[str, KeptRun]) -> list[str]:
    """A table with a column for each configuration that has been run."""
    kinds = [kind for kind in (QUICK, PAPER) if kind in runs]
    if not figure.published or not kinds:
        return []
    heads = [kind if runs[kind].trained is None else f"{kind}, not finished" for kind in kinds]
    lines = [_line(["", "published", *heads]), _line(["---"] * (2 + len(kinds)))]
    for each in figure.published:
        ours = [runs[kind].numbers.get(each.what, _missing(runs[kind])) for kind in kinds]
        lines.append(_line([each.what, f"{each.value:g}", *ours]))
    return [*lines, ""]


def _missing(measured: KeptRun) -> str:
    return NOT_THERE if measured.trained is None else "not trained yet"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Write the page, and the numbers it is made from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the page")
    arguments = parser.parse_args()
    kept = arguments.docs / "measured.json"
    runs = merge(read_runs(kept), find_runs(arguments.results))
    for path, text in ((kept, as_json(runs)), (arguments.docs / "reproducing.md", document(runs))):
        write_whole(path, lambda stream, text=text: stream.write(text.encode()))


if __name__ == "__main__":
    main()
