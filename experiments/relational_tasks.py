"""Same or different, AABB against ABAB, and majority of 2 to 8: samples taken without and with aI.

python -m experiments.relational_tasks [--quick] [--out results/relational_tasks]

As experiments.data_efficiency, on other tasks; the kernel's view where its exact values are cheap.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import data_efficiency
from experiments._run import run_experiment
from experiments._training import CACHE
from experiments.data_efficiency import MLP, PLAIN, SHORT, WITH_A, WITH_BOTH, KernelView
from ktrans.plotting.data_efficiency import data_efficiency_figure


@dataclass(frozen=True)
class Config:
    """A data-efficiency configuration for each task."""

    panels: tuple[data_efficiency.Config, ...]

    @classmethod
    def quick(cls) -> "Config":
        """Minutes: two tasks, few samples."""
        seeds, view = (10, 11), KernelView((64, 256), seeds=3)
        same = {PLAIN: (64, 128), WITH_A: (8, 16, 32), MLP: (128,)}
        pairs = {PLAIN: (128,), WITH_A: (32, 128)}
        return cls(
            (
                data_efficiency.Config(same, seeds, view, task="same_different", training=SHORT),
                data_efficiency.Config(pairs, seeds, None, task="aabb_abab", training=SHORT),
            )
        )

    @classmethod
    def paper(cls) -> "Config":
        """Six tasks up to n = 8192, for a GPU."""
        counts = tuple(2**power for power in range(2, 14))
        models: dict[str, Any] = dict.fromkeys((PLAIN, WITH_A, WITH_BOTH, MLP), counts)
        view = KernelView(counts, seeds=10)
        kernels = {"same_different": view, "aabb_abab": view, "majority_2": view}
        others = ("majority_4", "majority_6", "majority_8")
        return cls(
            tuple(
                data_efficiency.Config(models, tuple(range(10, 20)), view, task=task)
                for task, view in (kernels | dict.fromkeys(others)).items()
            )
        )


def compute(config: Config, cache: Path | None = None) -> list[dict[str, Any]]:
    """The results of each task."""
    return [data_efficiency.compute(each, cache) for each in config.panels]


def find_finished(config: Config, cache: Path) -> dict[str, Any]:
    """What has been trained so far of each task."""
    panels = {each.task: data_efficiency.find_finished(each, cache) for each in config.panels}
    devices = {device for panel in panels.values() for device in panel["devices"]}
    counts = {key: sum(panel[key] for panel in panels.values()) for key in ("trained", "trainings")}
    return {"panels": panels, **counts, "devices": sorted(devices)}


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "relational_tasks", Config, functools.partial(compute, cache=CACHE),
        data_efficiency_figure,
        record=lambda panels: {"panels": {panel["task"]: panel for panel in panels}},
    )  # fmt: skip


if __name__ == "__main__":
    main()
