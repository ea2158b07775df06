"""Seconds of a move of each slider of `ktrans explore`: what the page computes, and its drawing.

Each slider goes through its values by itself, from where all of them stand at first. The first
move, which compiles, is not counted. What a browser adds is not in here.

    python -m experiments.benchmarks.explorer [--quick] [--out DIR]
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import ktrans as kt
from experiments.benchmarks._machine import machine
from ktrans._provenance import versions
from ktrans.cli.explore.export import python_script, sweep_toml, task_toml
from ktrans.cli.explore.page import use_one_blas_thread
from ktrans.cli.output import write_json
from ktrans.measure.exploration import ExplorerSetting, explore
from ktrans.plotting.exploration import curve_panel, matrix_panel, spectrum_panel
from ktrans.tasks import TemplateTask

PANELS = (matrix_panel, spectrum_panel, curve_panel)
POSITIONS = {"readout": "per-position", "a": 1.0}


@dataclass(frozen=True)
class Config:
    """Which tasks, how many moves of each slider, and the values they take."""

    tasks: tuple[str, ...]
    moves: int
    num_samples: tuple[int, ...] = (128, 256, 512, 1024, 2048)

    @classmethod
    def quick(cls) -> "Config":
        """In seconds."""
        return cls(tasks=("same_different",), moves=2, num_samples=(64, 128))

    @classmethod
    def paper(cls) -> "Config":
        """Three tasks of the paper, the last with many pair classes."""
        return cls(tasks=("aba_abb", "aabb_abab", "majority_4"), moves=8)


class Row(NamedTuple):
    """Wall-clock and processor seconds of the moves of one slider."""

    task: str
    slider: str
    seconds: list[float]
    processor_seconds: list[float]


def compute(config: Config) -> list[Row]:
    """Every slider of every task."""
    use_one_blas_thread()
    return [row for name in config.tasks for row in _rows(kt.tasks.load(name), config)]


def table(rows: list[Row]) -> str:
    """Medians and maxima, in Markdown."""
    head = ["task", "slider", "median, s", "max, s", "processor, median, s"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for task, slider, seconds, processor in rows:
        numbers = np.median(seconds), max(seconds), np.median(processor)
        shown = " | ".join(f"{number:.2f}" for number in numbers)
        lines.append(f"| {task} | {slider} | {shown} |")
    return "\n".join([*lines, "", f"{machine()}; drawing included, the browser not."])


def sliders(task: TemplateTask, config: Config) -> dict[str, list[dict[str, Any]]]:
    """The values that each slider goes through, with what else must be set for it to matter."""
    kernel = {"beta": (0.5, 4.0), "gamma": (0.2, 1.6), "b1": (0.5, 4.0), "b2": (0.1, 1.4)}
    spaced = {
        name: [{name: value} for value in np.linspace(*ends, config.moves).tolist()]
        for name, ends in kernel.items()
    }
    a = np.linspace(0.3, 2.0, config.moves).tolist()
    return {
        **spaced,
        "a (every position)": [POSITIONS | {"a": value} for value in a],
        "ρ": [{"vocab_size": task.vocab_size * 2**j} for j in range(1, config.moves + 1)],
        **{f"λ, n = {n}": _ridges(n, config) for n in config.num_samples},
    }


def _ridges(n: int, config: Config) -> list[dict[str, Any]]:
    values = np.geomspace(1e-3, 1.0, config.moves).tolist()
    return [{"num_samples": n, "ridge": value} for value in values]


def _rows(task: TemplateTask, config: Config) -> Iterator[Row]:
    first = ExplorerSetting(vocab_size=task.vocab_size)
    panels = [panel(explore(task, first)) for panel in PANELS]
    for name, changes in sliders(task, config).items():
        settings = [replace(first, **change) for change in changes]
        _move(task, settings[0], panels)
        times = [_move(task, setting, panels) for setting in settings[1:]]
        yield Row(task.name, name, *(list(each) for each in zip(*times, strict=True)))


def _move(task: TemplateTask, setting: ExplorerSetting, panels: list[Any]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    view = explore(task, setting)
    for panel in panels:
        panel.show(view)
    _ = task_toml(task, view), sweep_toml(view), python_script(task, view)
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small task, few moves")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    config = Config.quick() if options.quick else Config.paper()
    rows = compute(config)
    record = {"configuration": asdict(config), "versions": versions(), "machine": machine()}
    options.out.mkdir(parents=True, exist_ok=True)
    moves = [row._asdict() for row in rows]
    write_json(options.out / "explorer.json", record | {"moves": moves})
    print(table(rows))


if __name__ == "__main__":
    main()
