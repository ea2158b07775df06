"""Only the read-out trained, against the initialisation scale: the network as a kernel.

python -m experiments.last_layer [--quick] [--out results/last_layer]

With its inner weights frozen a network is linear in random features h(x), and gradient descent on
the read-out tends to f₀ plus kernel regression of y − f₀ with h(x)·h(x′), where f₀ is the network
at initialisation. For each scale of the initial weights: training of the read-out, early stopped;
ridge regression on the same features about f₀ and about zero, with the ridge of least error on the
validation alphabet; and training of all weights. f₀ is of the order of the scale, and what it is on
unseen symbols no training on others takes away: that is what a large scale costs.
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from experiments._training import CACHE, Cell, Model, curve, train_grid, unseen_losses
from experiments.data_efficiency import SHORT, TRAINING, TRANSFORMER
from ktrans._progress import show_progress
from ktrans.networks import TrainingConfig
from ktrans.networks.optimisation import seeds_of, start
from ktrans.plotting.data_efficiency import loss_sweep_figure

READ_OUT, ALL = "read-out trained", "all weights trained"
ABOUT_START, ABOUT_ZERO = "ridge on its features about $f_0$", "ridge on its features about 0"


class Part(NamedTuple):
    """Features, initial outputs and labels of the strings of one seed."""

    features: np.ndarray
    start: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Config:
    """What is trained.

    Attributes:
        scales: Multiples of the model's `init_scale`.
        num_samples: n.
        seeds: Networks, training and test strings.
        ridges: Of which the one best on validation strings is taken, relative to the mean diagonal.
    """

    scales: tuple[float, ...]
    num_samples: int
    seeds: tuple[int, ...]
    ridges: tuple[float, ...] = tuple(10.0**power for power in range(-6, 3))
    model: Model = TRANSFORMER
    training: TrainingConfig = TRAINING

    @classmethod
    def quick(cls) -> "Config":
        """Two minutes: a small scale and a large one."""
        return cls((1.0, 4.0), num_samples=128, seeds=(10, 11), training=SHORT)

    @classmethod
    def paper(cls) -> "Config":
        """A decade and a half of scales, for a GPU."""
        scales = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
        return cls(scales, num_samples=1024, seeds=tuple(range(10, 20)))

    def cell(self, trainable: str, scale: float) -> Cell:
        """Trainings of the read-out, or of all weights, from one initial scale."""
        model = self.model.but(init_scale=scale * self.model.options["init_scale"])
        training = replace(self.training, trainable=trainable)
        return Cell(model, self.num_samples, training, self.seeds)


def compute(config: Config, cache: Path | None = None) -> dict[str, Any]:
    """Losses on unseen symbols against the scale."""
    trained = {READ_OUT: "read_out", ALL: "all"}
    grid = {
        (name, scale): [config.cell(trainable, scale)]
        for name, trainable in trained.items()
        for scale in config.scales
    }
    records = train_grid(grid, cache)
    curves = {
        name: curve(config.scales, [unseen_losses(records[name, s]) for s in config.scales])
        for name in trained
    }
    parts = [frozen_parts(config, scale) for scale in show_progress(config.scales, "features")]
    for name, about_start in ((ABOUT_START, True), (ABOUT_ZERO, False)):
        losses = [[_ridge_loss(each, about_start, config.ridges) for each in s] for s in parts]
        curves[name] = curve(config.scales, losses)
    return {"curves": curves}


def frozen_parts(config: Config, scale: float) -> list[tuple[Part, ...]]:
    """For each seed training, validation and test strings as the untrained network sees them."""
    cell = config.cell("read_out", scale)
    data = cell.draw()
    with jax.enable_x64(False):
        networks, _ = start(cell.model.configuration(data), seeds_of(data), cell.training)
        seen = [jax.tree.map(np.asarray, _evaluate(networks, part.tokens)) for part in data.parts]
    return [
        tuple(
            Part(features[i].astype(float), outputs[i].astype(float), part.labels[i])
            for (features, outputs), part in zip(seen, data.parts, strict=True)
        )
        for i in range(len(data.seeds))
    ]


@jax.jit
def _evaluate(networks: Any, tokens: Any) -> Any:
    """What the read-out is given, shape (s, n, d), and what it makes of it, shape (s, n)."""

    def of_string(network: Any, string: Any) -> Any:
        return network.hidden(string)[-1], network(string)

    return jax.vmap(jax.vmap(of_string, in_axes=(None, 0)))(networks, tokens)


def _ridge_loss(parts: tuple[Part, ...], about_start: bool, ridges: tuple[float, ...]) -> float:
    """Test loss at the ridge, relative to the mean diagonal, of least validation loss."""
    train, *others = parts
    gram, base = train.features @ train.features.T, float(about_start)
    scale = float(np.mean(np.diag(gram)))
    path = kt.KernelRidgePath("precomputed", ridges=scale * np.array(ridges), method="dense")
    path.fit(gram, train.labels - base * train.start)
    validation, test = (
        np.mean(
            (base * part.start + path.predict(part.features @ train.features.T) - part.labels) ** 2,
            axis=1,
        )
        for part in others
    )
    return float(test[np.argmin(validation)])


def figure_panels(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The one panel of the figure."""
    ticks = found["curves"][READ_OUT]["x"]
    return [{"title": "", "xlabel": "scale of the initial weights", "ticks": ticks, **found}]


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "last_layer", Config, functools.partial(compute, cache=CACHE),
        lambda found: loss_sweep_figure(figure_panels(found)),
    )  # fmt: skip


if __name__ == "__main__":
    main()
