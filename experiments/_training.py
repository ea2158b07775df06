"""Networks trained on template tasks: losses on unseen symbols, each training kept when it is done.

A cell is one network, one task, one number of samples and its seeds; n is also the size of the
training alphabet, as in the paper. What each seed gave is kept under a hash of the network, the way
of training and the strings, so that figures share trainings, and a run that was interrupted goes on
from its last checkpoint.
"""

import math
import shutil
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

import ktrans as kt
from ktrans._numerics import as_plain
from ktrans._progress import show_progress
from ktrans._provenance import canonical, device, digest
from ktrans._store import Store
from ktrans.copying import threshold
from ktrans.networks import (
    MLPConfig,
    TaskData,
    TrainingConfig,
    TrainingResult,
    TransformerConfig,
    draw_task_data,
    train,
)

CACHE = Path("results") / "trainings"
LEVEL = 0.5  # of chance: what “learned” means in the figures

_NETWORKS = {"transformer": TransformerConfig, "mlp": MLPConfig}

Record = dict[str, Any]
Place = TypeVar("Place", bound=Hashable)


@dataclass(frozen=True)
class Model:
    """A "transformer" or an "mlp", with the options that do not come from the data."""

    network: str
    options: dict[str, Any]

    def configuration(self, data: TaskData) -> TransformerConfig | MLPConfig:
        """The network for these data."""
        sizes = {"num_tokens": data.num_tokens, "context_length": data.context_length}
        if data.is_symbolic and self.network == "mlp":
            sizes["outputs"] = data.num_tokens
        return _NETWORKS[self.network](**sizes, **self.options)

    def but(self, **options: Any) -> "Model":
        """The same with other options."""
        return Model(self.network, self.options | options)


@dataclass(frozen=True)
class Cell:
    """A network to be trained on n strings over n tokens, for each seed."""

    model: Model
    num_samples: int
    training: TrainingConfig
    seeds: tuple[int, ...]
    task: str = "aba_abb"
    task_options: dict[str, Any] = field(default_factory=dict)

    def draw(self) -> TaskData:
        """Training, validation and test strings of each seed."""
        task = kt.tasks.load(self.task, vocab_size=self.num_samples, **self.task_options)
        return draw_task_data(task, num_samples=self.num_samples, seeds=self.seeds)

    def split(self) -> "list[Cell]":
        """A cell for each seed."""
        return [replace(self, seeds=(seed,)) for seed in self.seeds]


def train_grid(
    grid: Mapping[Place, Sequence[Cell]], cache: Path | None
) -> dict[Place, list[Record]]:
    """Train what is not in the cache yet.

    The seeds of a cell are trained in parallel on a GPU, which they keep busy, and else one after
    another, so that each stops on its own.

    Args:
        grid: Cells by the place of their losses in a figure.
        cache: Folder in which trainings are kept; None: nowhere.

    Returns:
        For each place a record for each seed of its cells, with the `test`, `validation` and
        `train` losses, over that of chance, at the step of best validation.
    """
    together = jax.default_backend() == "gpu"
    jobs = [
        (place, part)
        for place, cells in grid.items()
        for cell in cells
        for part in ([cell] if together else cell.split())
    ]
    found: dict[Place, list[Record]] = {place: [] for place in grid}
    for place, cell in show_progress(jobs, "trainings"):
        found[place] += _train(cell) if cache is None else _train_missing(cell, cache)
    return found


def find_kept(grid: Mapping[Place, Sequence[Cell]], cache: Path) -> dict[Place, list[Record]]:
    """The records of `train_grid` that are in the cache; nothing is trained.

    Only cells that a file says it holds are drawn, to see whether their strings are still the same.
    """
    store = _store(cache)
    held = {canonical(part["cell"]) for part in store.parts()}
    return {
        place: [
            part["record"]
            for cell in cells
            for each in cell.split()
            if canonical(as_plain(asdict(each))) in held and (part := store.read(_identity(each)))
        ]
        for place, cells in grid.items()
    }


def unseen_losses(records: Iterable[Record]) -> list[float]:
    """The test loss of each record."""
    return [record["test"] for record in records]


def _train_missing(cell: Cell, cache: Path) -> list[Record]:
    """The record of each seed; those that are not kept yet are trained."""
    store, cells = _store(cache), _by_seed(cell)
    identities = {seed: _identity(each) for seed, each in cells.items()}
    missing = replace(
        cell, seeds=tuple(s for s, name in identities.items() if not store.read(name))
    )
    if missing.seeds:
        store.prepare()
        running = cache / digest(_identity(missing))[:32]
        for record in _train(missing, running):
            seed = record["seed"]
            store.write(identities[seed], {"cell": asdict(cells[seed]), "record": record})
        # Another process that trains the same may be writing there, or have removed it.
        shutil.rmtree(running, ignore_errors=True)
    return [store.read(name)["record"] for name in identities.values()]


def _store(cache: Path) -> Store:
    """Trainings outlive versions: what was trained with older ones is still what it was."""
    return Store(cache, versions={})


def _by_seed(cell: Cell) -> dict[int, Cell]:
    return dict(zip(cell.seeds, cell.split(), strict=True))


def _identity(cell: Cell) -> Record:
    """What the training depends on."""
    data = cell.draw()
    network = cell.model.configuration(data).to_dict()
    return {"network": network, "training": cell.training.to_dict(), "data": data.fingerprint()}


def _train(cell: Cell, checkpoint: Path | None = None) -> list[Record]:
    data = cell.draw()
    network = cell.model.configuration(data)
    return _summaries(train(network, data, cell.training, checkpoint=checkpoint), data)


def _summaries(result: TrainingResult, data: TaskData) -> list[Record]:
    chance = math.log(data.num_tokens) if data.is_symbolic else 1.0
    rows = np.arange(len(result.seeds))
    losses = {
        "test": result.test_losses,
        "validation": result.validation_losses,
        "train": result.train_losses,
    }
    at_best = {name: path[rows, result.best] / chance for name, path in losses.items()}
    return [
        {
            "seed": seed,
            "step": int(result.steps[result.best[i]]),
            "seconds": result.seconds / len(rows),
            "device": device(),
            **{name: float(values[i]) for name, values in at_best.items()},
        }
        for i, seed in enumerate(result.seeds)
    ]


def curve(counts: Sequence[float], losses: Sequence[Sequence[float]]) -> Record:
    """Mean and standard error over seeds at each n, and the samples needed.

    Args:
        counts: n, ascending.
        losses: For each n the loss of each seed, at least two.

    Returns:
        `x`, `loss`, `stderr`, the number of `seeds`, and `samples`.
    """
    seeds = [len(row) for row in losses]
    mean = np.array([np.mean(row) for row in losses])
    stderr = np.array([np.std(row, ddof=1) for row in losses]) / np.sqrt(seeds)
    return {
        "x": list(counts),
        "loss": mean.tolist(),
        "stderr": stderr.tolist(),
        "seeds": seeds,
        "samples": samples_needed(counts, mean, stderr),
    }


def samples_needed(counts: Sequence[float], mean: np.ndarray, stderr: np.ndarray) -> Record:
    """The n from which the loss stays below half of chance, linear in log n between counts.

    Returns:
        `estimate`, and `low` and `high` from the loss less and plus its standard error; None where
        half of chance is not reached. The first count stands for itself and all below it.
    """
    n = np.array(counts, float)
    found = {
        name: threshold(n, mean + sign * stderr, LEVEL)
        for name, sign in (("estimate", 0), ("low", -1), ("high", 1))
    }
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
