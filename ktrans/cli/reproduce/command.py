"""`ktrans reproduce`: the figures of experiments/, with published numbers beside ours."""

import argparse
import contextlib
import importlib
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ktrans
from ktrans._checks import suggest
from ktrans._tables import columns
from ktrans.cli.options import add_report, as_folder, read_origin
from ktrans.cli.output import prepare_folder, print_json, print_lines
from ktrans.cli.page import FILE, write_report
from ktrans.cli.reproduce.page import published_rows, reproduction_page

_WIDTH = 96
_RESULTS = Path("results")
_LIST = Path("experiments", "_figures.py")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.description = (
        "Runs an experiment, or shows what it found if that is there already. "
        "Experiments are those of the checkout that ktrans lies in; no other code is run."
    )
    parser.epilog = "exit status: 0 done, 2 bad input"
    parser.add_argument("figure", metavar="FIGURE", nargs="?", help="a name from --list")
    parser.add_argument("--list", action="store_true", help="figures, claims, times and numbers")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="minutes on two cores (the default)")
    kind.add_argument("--paper", action="store_true", help="the whole figure")
    parser.add_argument("--again", action="store_true", help="run even what is there already")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--out", type=as_folder, metavar="DIR", help="folder of the results (results/KIND/FIGURE)"
    )
    add_report(parser, default="results/KIND/FIGURE")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the figures, or reproduce one; exit status 0."""
    figures = _load_figures()
    if arguments.list:
        _refuse_what_needs_a_figure(arguments)
        _print_list(figures, arguments.json)
        return 0
    figure = _find(figures, arguments.figure)
    kind = figures.PAPER if arguments.paper else figures.QUICK
    folder = prepare_folder(arguments.out or _RESULTS / kind / figure.name)
    record = None if arguments.again else figure.results(folder, kind)
    cached = record is not None
    if record is None:
        record = _reproduce(figure, kind, folder)
    if arguments.report:
        _write_report(arguments, figure, kind, folder, record)
    _print(figure, kind, folder, record, cached, arguments.json)
    return 0


def _refuse_what_needs_a_figure(arguments: argparse.Namespace) -> None:
    names = ("figure", "report", "quick", "paper", "again", "out")
    given = [name for name in names if getattr(arguments, name)]
    if given:
        shown = arguments.figure if given[0] == "figure" else f"--{given[0]}"
        raise ValueError(f"`--list` must go alone, or with --json; got {shown} beside it.")


def _load_figures() -> Any:
    """The list of figures, from the checkout that ktrans itself lies in and from nowhere else."""
    checkout = Path(ktrans.__file__).resolve().parents[1]
    if not (checkout / "pyproject.toml").exists() or not (checkout / _LIST).exists():
        raise ValueError(
            "`reproduce` needs the folder experiments/, which is in the source of ktrans and not "
            "in the installed package; clone the source and install it with `pip install -e .`."
        )
    sys.path.insert(0, str(checkout))
    figures = importlib.import_module("experiments._figures")
    if Path(figures.__file__ or "").resolve() != checkout / _LIST:
        raise ValueError(f"`experiments` is another package here: {figures.__file__}.")
    return figures


def _find(figures: Any, name: str | None) -> Any:
    if name in figures.BY_NAME:
        return figures.BY_NAME[name]
    if name is None:
        known = ", ".join(figures.BY_NAME)
        raise ValueError(f"`FIGURE` or --list must be given; known: {known}.")
    raise ValueError(f"There is no figure '{name}'; {suggest(name, figures.BY_NAME)}")


def _reproduce(figure: Any, kind: str, folder: Path) -> Any:
    """Run the experiment as `python -m` does; what it prints goes to standard error."""
    flags = ["--out", str(folder)] + (["--quick"] if kind == "quick" else [])
    with _arguments([figure.name, *flags]), contextlib.redirect_stdout(sys.stderr):
        figure.load().main()
    return figure.results(folder, kind)


@contextlib.contextmanager
def _arguments(given: Sequence[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = list(given)
    try:
        yield
    finally:
        sys.argv = before


def _write_report(
    arguments: argparse.Namespace, figure: Any, kind: str, folder: Path, record: Any
) -> None:
    files = [path for path in _files(folder) if path.name != FILE]
    origin, numbers = read_origin(arguments, record, files), figure.compare(record)
    page = reproduction_page(figure.name, figure.claim, kind, numbers, files, origin)
    write_report(folder, page)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_file()]


def _print(figure: Any, kind: str, folder: Path, record: Any, cached: bool, as_json: bool) -> None:
    rows = figure.compare(record)
    files = list(map(str, _files(folder)))
    if as_json:
        head = {"figure": figure.name, "claim": figure.claim, "configuration": kind}
        end = {"cached": cached, "seconds": record["seconds"], "files": files}
        print_json({**head, "numbers": rows, **end})
        return
    verb, end = ("found", ", earlier; --again runs it again") if cached else ("wrote", "")
    print_lines(
        [
            *_wrapped(f"{figure.name} ({kind}): {figure.claim}."),
            *_table(rows),
            *(f"{verb} {name}" for name in files),
            f"{record['seconds']:.1f} s{end}",
        ]
    )


def _table(rows: list[dict[str, Any]]) -> list[str]:
    return columns(published_rows(rows)) if rows else []


def _print_list(figures: Any, as_json: bool) -> None:
    entries = [_entry(figures, figure) for figure in figures.FIGURES]
    if as_json:
        print_json({"figures": entries})
        return
    print_lines(line for entry in entries for line in _entry_lines(entry))


def _entry(figures: Any, figure: Any) -> dict[str, Any]:
    """A figure, with the numbers of each configuration that has been run."""
    numbers = {}
    for kind in (figures.QUICK, figures.PAPER):
        record = figure.results(_RESULTS / kind / figure.name, kind)
        if record is not None:
            numbers[kind] = figure.compare(record)
    return {
        "name": figure.name,
        "claim": figure.claim,
        "command": f"ktrans reproduce {figure.name}",
        "minutes_quick": figure.quick,
        "paper": figure.paper,
        "published": [{"what": each.what, "value": each.value} for each in figure.published],
        "numbers": numbers,
    }


def _entry_lines(entry: dict[str, Any]) -> list[str]:
    times = f"--quick: {entry['minutes_quick']:g} min on two cores; --paper: {entry['paper']}"
    run = ", ".join(entry["numbers"]) or "nothing yet"
    lines = [
        *_wrapped(f"{entry['name']}: {entry['claim']}"),
        f"    {entry['command']}    {times}; run here: {run}",
    ]
    for i, each in enumerate(entry["published"]):
        ours = [f"{kind}: {rows[i]['text']}" for kind, rows in entry["numbers"].items()]
        text = "; ".join([f"published {each['value']:g}", *ours])
        lines.append(f"        {each['what']}: {text}")
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="    ")
