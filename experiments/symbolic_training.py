"""Trained networks whose labels are symbols: copying, and recalling what went with a key.

python -m experiments.symbolic_training [--quick] [--out results/symbolic_training]

The read-out is the token embedding, and the loss is the cross-entropy over that of guessing among
all tokens, log of their number. What b I adds to the output is what has been attended to, whether
or not it was ever seen.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments import data_efficiency
from experiments._run import run_experiment
from experiments._training import CACHE, Model
from experiments.data_efficiency import PLAIN, SHORT, WITH_A, WITH_B, WITH_BOTH
from ktrans.networks import TrainingConfig
from ktrans.plotting.data_efficiency import data_efficiency_figure

# Embeddings of entries about 1/√dim keep the logits of a tied read-out of order one.
TIED = data_efficiency.TRANSFORMER.but(read_out="tied", embedding_std=0.1)
MODELS = {
    PLAIN: TIED,
    WITH_A: TIED.but(identities="a"),
    WITH_B: TIED.but(identities="b"),
    WITH_BOTH: TIED.but(identities="ab"),
}


@dataclass(frozen=True)
class Config:
    """Numbers of samples for each model, for each task."""

    num_samples: Mapping[str, Mapping[str, tuple[int, ...]]]
    seeds: tuple[int, ...]
    models: dict[str, Model] = field(default_factory=lambda: MODELS)
    training: TrainingConfig = data_efficiency.TRAINING

    @classmethod
    def quick(cls) -> "Config":
        """A minute or two: copying."""
        counts = {"copy": {PLAIN: (16, 64), WITH_B: (16, 64)}}
        return cls(counts, seeds=(10, 11), training=SHORT)

    @classmethod
    def paper(cls) -> "Config":
        """Two tasks up to n = 8192, for a GPU."""
        counts = tuple(2**power for power in range(2, 14))
        tasks: dict[str, Any] = dict.fromkeys(
            ("copy", "associative_recall"), dict.fromkeys(MODELS, counts)
        )
        return cls(tasks, tuple(range(10, 20)))


def compute(config: Config, cache: Path | None = None) -> list[dict[str, Any]]:
    """The results of each task."""
    return [
        data_efficiency.compute(
            data_efficiency.Config(
                counts, config.seeds, None, task, config.models, config.training
            ),
            cache,
        )
        for task, counts in config.num_samples.items()
    ]


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "symbolic_training", Config, functools.partial(compute, cache=CACHE),
        data_efficiency_figure,
        record=lambda panels: {"panels": {panel["task"]: panel for panel in panels}},
    )  # fmt: skip


if __name__ == "__main__":
    main()
