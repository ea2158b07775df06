"""Learning rate, depth, heads and width: loss on unseen symbols, without and with aI.

python -m experiments.network_sweeps [--quick] [--out results/network_sweeps]

αβα against αββ at a fixed n for each model, one option changed at a time. At depth 1 the [CLS] is
the only query that is read, and what a can do there, move weight to the [CLS] itself, teaches
nothing about the rest of the string.
"""

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments._run import run_experiment
from experiments._training import CACHE, Cell, Model, Record, curve, train_grid, unseen_losses
from experiments.data_efficiency import MODELS, PLAIN, SHORT, TRAINING, WITH_A
from ktrans.networks import TrainingConfig
from ktrans.plotting.data_efficiency import loss_sweep_figure

LABELS = {
    "learning_rate": "learning rate",
    "depth": "depth",
    "heads": "number of heads",
    "dim": "width $d$",
}


@dataclass(frozen=True)
class Config:
    """What is swept about the base models.

    Attributes:
        num_samples: n of each model.
        sweeps: Values of each option.
        seeds: Networks, training and test strings.
    """

    num_samples: dict[str, int]
    sweeps: dict[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    models: dict[str, Model] = field(default_factory=lambda: MODELS)
    training: TrainingConfig = TRAINING

    @classmethod
    def quick(cls) -> "Config":
        """Two minutes: whether one layer is enough for a."""
        return cls({WITH_A: 64}, {"depth": (1, 2)}, seeds=(10, 11), training=SHORT)

    @classmethod
    def paper(cls) -> "Config":
        """All four options, for a GPU."""
        sweeps = {
            "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
            "depth": (1, 2, 4, 8),
            "heads": (1, 2, 4, 8, 16, 32),
            "dim": (32, 64, 128, 256, 512),
        }
        return cls({PLAIN: 1024, WITH_A: 64}, sweeps, seeds=tuple(range(10, 20)))

    def cell(self, name: str, option: str, value: float) -> Cell:
        """The base model, or training, with one option changed."""
        model, training = self.models[name], self.training
        if option == "learning_rate":
            training = replace(training, learning_rate=value)
        else:
            model = model.but(**{option: value})
        return Cell(model, self.num_samples[name], training, self.seeds)


def compute(config: Config, cache: Path | None = None) -> list[dict[str, Any]]:
    """For each option the losses of each model against its value."""
    places = [
        (name, option, value)
        for option, values in config.sweeps.items()
        for value in values
        for name in config.num_samples
    ]
    grid = {place: [config.cell(*place)] for place in places}
    records = train_grid(grid, cache)
    return [_panel(config, option, records) for option in config.sweeps]


def _panel(
    config: Config, option: str, records: dict[tuple[str, str, float], list[Record]]
) -> dict[str, Any]:
    values = config.sweeps[option]
    return {
        "option": option,
        "title": "",
        "xlabel": LABELS[option],
        "ticks": list(values),
        "curves": {
            name: curve(values, [unseen_losses(records[name, option, value]) for value in values])
            for name in config.num_samples
        },
    }


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "network_sweeps", Config, functools.partial(compute, cache=CACHE),
        loss_sweep_figure,
        record=lambda panels: {"panels": {panel["option"]: panel for panel in panels}},
    )  # fmt: skip


if __name__ == "__main__":
    main()
