"""What every experiment does around its computation: arguments, result file, figure."""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.figure import Figure

from ktrans._provenance import device, versions
from ktrans._store import Keep, kept_in
from ktrans.cli.output import prepare_folder, write_json
from ktrans.plotting import paper_style
from ktrans.plotting.svg import write_figure

R = TypeVar("R")


def read_arguments(description: str | None, name: str, config_class: Any) -> argparse.Namespace:
    """`config` (quick or paper), `out` (results/name where left out) and `format`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results") / name)
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png")
    arguments = parser.parse_args()
    arguments.config = config_class.quick() if arguments.quick else config_class.paper()
    return arguments


def run_experiment(
    description: str | None,
    name: str,
    config_class: Any,
    compute: Callable[..., R],
    draw: Callable[[R], Figure],
    *,
    record: Callable[[Any], Mapping[str, Any]] = dict,
    figure_name: str | None = None,
    resumes: bool = False,
) -> R:
    """Compute, and write the result file, then the figure.

    Args:
        description: For `--help`.
        name: Of the folder below results/, and of the figure.
        config_class: With `quick()` and `paper()`.
        compute: From the configuration to the result; from it and the folder where it `resumes`.
        draw: From the result to its figure.
        record: From the result to the entries of the result file.
        figure_name: Where it is not `name`.
        resumes: Whether `compute` keeps in the folder what it has finished.

    Returns:
        The result.
    """
    arguments = read_arguments(description, name, config_class)
    folder, start = prepare_folder(arguments.out), time.perf_counter()
    result = compute(arguments.config, *([folder] if resumes else []))
    write_results(folder, arguments.config, record(result), time.perf_counter() - start)
    write_picture(folder / f"{figure_name or name}.{arguments.format}", lambda: draw(result))
    return result


def in_parts(compute: Callable[[Any, Keep], R]) -> Callable[[Any, Path], R]:
    """From configuration and folder, for `run_experiment(…, resumes=True)`."""
    return lambda config, folder: compute(config, kept_in(folder, config))


def write_results(folder: Path, config: Any, entries: Mapping[str, Any], seconds: float) -> None:
    """The result file: configuration, versions, device, entries, seconds."""
    head = {"configuration": asdict(config), "versions": versions(), "device": device()}
    write_json(folder / "results.json", {**head, **entries, "seconds": seconds})


def write_picture(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw in the style of papers and write; also as SVG, for `ktrans reproduce --report`."""
    with paper_style():
        figure = draw()
        for each in {path, path.with_suffix(".svg")}:
            write_figure(each, figure)
