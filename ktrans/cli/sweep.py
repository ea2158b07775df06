"""`ktrans sweep FILE`: ridge regression on a grid, resumed where it was stopped."""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm import tqdm

from ktrans._interrupts import INTERRUPTED
from ktrans._numerics import as_plain
from ktrans._progress import show_progress
from ktrans._store import Store
from ktrans._tables import columns
from ktrans.cli.options import as_folder
from ktrans.cli.output import prepare_folder, print_json, print_lines
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import write_figure
from ktrans.plotting.sweep import sweep_figure
from ktrans.sweeps import Grid, read_sweep, run_sweep
from ktrans.sweeps.jobs import TOLERANCE
from ktrans.sweeps.run import BACKENDS, CELLS

SHOWN_ROWS = 24
SHOWN_COLUMNS = 8
PATIENCE = 10  # seconds to wait for the scheduler


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = "exit status: 0 done, 2 bad input, 130 interrupted (the same command goes on)"
    parser.add_argument("file", metavar="FILE", type=Path, help="what to sweep, in TOML")
    parser.add_argument(
        "--out", type=as_folder, metavar="DIR", help="of the results (results/FILE)"
    )
    parser.add_argument("--jobs", type=int, help="processes (one for each core)")
    parser.add_argument("--backend", choices=BACKENDS, default="loky", help="(%(default)s)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of the Dask cluster")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run a sweep to its end; exit status 0, or 130 where it was interrupted."""
    grid, start = read_sweep(arguments.file), time.perf_counter()
    folder = arguments.out or Path("results") / arguments.file.stem
    prepare_folder(folder)
    try:
        with _cluster(arguments.backend, arguments.scheduler):
            dataset = run_sweep(
                grid, folder, jobs=arguments.jobs, backend=arguments.backend, say=_say,
                progress=show_progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        _say(f"Interrupted with {_count(grid, folder)}; the same command goes on from there.")
        return INTERRUPTED
    with paper_style():
        write_figure(folder / "sweep.png", sweep_figure(dataset))
    record = _record(dataset, folder) | {"seconds": round(time.perf_counter() - start, 3)}
    if arguments.json:
        print_json(record)
    else:
        print_lines([_text(dataset, record)])
    return 0


def _say(sentence: str) -> None:
    tqdm.write(f"ktrans: {sentence}", file=sys.stderr)


def _count(grid: Grid, folder: Path) -> str:
    store = Store(folder / CELLS)
    done = sum(store.path(grid.record_of(cell)).is_file() for cell in grid.cells())
    return f"{done} of {grid.num_cells} cells done"


@contextmanager
def _cluster(backend: str, scheduler: str | None) -> Iterator[None]:
    """The client of a Dask cluster as the current one, where that is wanted."""
    if (backend == "dask") != (scheduler is not None):
        raise ValueError(
            f"`--backend dask` and `--scheduler` go together; got `--backend {backend}` and "
            f"{'no scheduler' if scheduler is None else f'`--scheduler {scheduler}`'}."
        )
    if scheduler is None:
        yield
        return
    with _connect(scheduler):
        yield


def _connect(scheduler: str) -> Any:
    try:
        import distributed
    except ModuleNotFoundError:
        raise ValueError("`--backend dask` needs `pip install ktrans[dask]`.") from None
    try:
        return distributed.Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError):
        raise ValueError(
            f"`--scheduler` must be the address of a running Dask scheduler, such as "
            f"tcp://host:8786; none answers at {scheduler}."
        ) from None


def _record(dataset: xr.Dataset, folder: Path) -> dict[str, Any]:
    return {
        "configuration": json.loads(dataset.attrs["configuration"]),
        "versions": json.loads(dataset.attrs["versions"]),
        "cells": dataset.unseen_mse.size,
        "missing": int(dataset.residual.isnull().sum()),
        "above_tolerance": int((dataset.residual > TOLERANCE).sum()),
        "unseen_mse": as_plain(dataset.unseen_mse.mean("seed").to_dict()),
        "files": [str(folder / name) for name in ("sweep.nc", "sweep.png")],
    }


def _text(dataset: xr.Dataset, record: dict[str, Any]) -> str:
    lines = ["Mean squared error on unseen symbols, mean over seeds, against n", *_table(dataset)]
    for word in ("missing", "above_tolerance"):
        if record[word]:
            lines.append(f"{record[word]} of {record['cells']} cells are {word.replace('_', ' ')}")
    lines += [f"wrote {path}" for path in record["files"]]
    return "\n".join([*lines, f"{record['seconds']:.1f} s"])


def _table(dataset: xr.Dataset) -> list[str]:
    """A row for each task, kernel, m and λ; the first ones, and how many more there are."""
    counts = dataset.num_samples.values.tolist()[:SHOWN_COLUMNS]
    mean = (
        dataset.unseen_mse.mean("seed")
        .transpose(..., "num_samples")
        .isel(num_samples=slice(SHOWN_COLUMNS))
    )
    rows = [["task", "kernel", "m", "λ", *map(str, counts)]]
    sides = [dataset[name].values.tolist() for name in ("task", "kernel", "vocab_size", "ridge")]
    numbers = mean.values.reshape(-1, len(counts)).tolist()
    for (task, kernel, m, ridge), errors in zip(itertools.product(*sides), numbers, strict=True):
        rows.append([task, kernel, f"{m}", f"{ridge:g}", *(f"{error:.4g}" for error in errors)])
    more = len(rows) - 1 - SHOWN_ROWS
    return columns(rows[: SHOWN_ROWS + 1]) + ([f"and {more} more rows"] if more > 0 else [])
