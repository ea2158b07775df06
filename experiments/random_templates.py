"""Random templates: loss on unseen symbols against n for several r, numbers of wildcards, lengths.

python -m experiments.random_templates [--quick] [--out results/random_templates]

Each curve is an average over seeds, each of which draws templates, strings and weights of its own.
"""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments._run import run_experiment
from experiments._training import CACHE, Cell, Model, Record, curve, train_grid, unseen_losses
from experiments.data_efficiency import MODELS, SHORT, TRAINING, WITH_A
from ktrans.networks import TrainingConfig
from ktrans.plotting.data_efficiency import loss_sweep_figure

TASK = "random_templates"
TITLES = {"num_templates": "templates", "num_wildcards": "wildcards", "length": "length"}
SYMBOLS = {"num_templates": "$r$", "num_wildcards": "$w$", "length": "$k$"}


@dataclass(frozen=True)
class Config:
    """What is swept about `base`.

    Attributes:
        num_samples: n of every curve.
        sweeps: Values of each option of the task.
        seeds: Template sets, each with its training and test strings and its network.
        base: Options of the task where they are not swept.
        model: What is trained.
    """

    num_samples: tuple[int, ...]
    sweeps: dict[str, tuple[int, ...]]
    seeds: tuple[int, ...]
    base: dict[str, int] = field(
        default_factory=lambda: {"num_templates": 2, "num_wildcards": 2, "length": 5}
    )
    model: Model = MODELS[WITH_A]
    training: TrainingConfig = TRAINING

    @classmethod
    def quick(cls) -> "Config":
        """Two minutes: few and many templates."""
        return cls((32, 64), {"num_templates": (2, 8)}, seeds=(10, 11), training=SHORT)

    @classmethod
    def paper(cls) -> "Config":
        """Three sweeps up to n = 4096, for a GPU."""
        sweeps = {
            "num_templates": (2, 4, 8, 12),
            "num_wildcards": (2, 3, 4),
            "length": (3, 5, 7, 9),
        }
        counts = tuple(2**power for power in range(3, 13))
        return cls(counts, sweeps, seeds=tuple(range(10, 20)))

    def cells(self, option: str, value: int, n: int) -> list[Cell]:
        """A cell for each seed, which is also that of the templates."""
        options = self.base | {option: value}
        return [
            Cell(self.model, n, self.training, (seed,), TASK, options | {"seed": seed})
            for seed in self.seeds
        ]


def compute(config: Config, cache: Path | None = None) -> list[dict[str, Any]]:
    """For each option swept, the curves of its values."""
    places = [
        (option, value, n)
        for option, values in config.sweeps.items()
        for value in values
        for n in config.num_samples
    ]
    records = train_grid({place: config.cells(*place) for place in places}, cache)
    return [_panel(config, option, records) for option in config.sweeps]


def _panel(
    config: Config, option: str, records: dict[tuple[str, int, int], list[Record]]
) -> dict[str, Any]:
    counts = config.num_samples
    return {
        "option": option,
        "title": TITLES[option],
        "xlabel": "samples and symbols $n$",
        "ticks": None,
        "curves": {
            f"{SYMBOLS[option]} = {value}": curve(
                counts, [unseen_losses(records[option, value, n]) for n in counts]
            )
            for value in config.sweeps[option]
        },
    }


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, TASK, Config, functools.partial(compute, cache=CACHE), loss_sweep_figure,
        record=lambda panels: {"panels": {panel["option"]: panel for panel in panels}},
    )  # fmt: skip


if __name__ == "__main__":
    main()
