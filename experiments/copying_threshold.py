"""How many training tokens it takes to copy unseen ones, against d_emb, without and with b.

python -m experiments.copying_threshold [--quick] [--out results/copying_threshold]

Copying succeeds where the cross-entropy on unseen tokens is below half of log m in the end. Each
point is written as soon as it is there; the same command goes on where it was interrupted. It runs
on a GPU where JAX has one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments._run import in_parts, run_experiment
from ktrans._progress import show_progress
from ktrans._store import Keep, at_once
from ktrans.copying import CopyingNetwork, Schedule, threshold, train
from ktrans.plotting.copying import threshold_figure

PAPER_SLOPE = 0.27

Point = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """What is trained; p = d_emb, so that A may become any matrix."""

    embedding_dims: tuple[int, ...]
    fractions: tuple[float, ...]  # n / d_emb, without b
    counts_with_b: tuple[int, ...]  # n, with b
    seeds: int
    num_unseen: int = 16
    steps: int = 400
    learning_rate: float = 0.025
    embedding_rate: float = 0.01
    identity_rate: float = 10.0
    init_scale: float = 0.1

    @classmethod
    def quick(cls) -> "Config":
        """About a minute on two cores."""
        return cls((64, 128, 256), (0.2, 0.3, 0.4, 0.54), (8, 16, 32), seeds=4, steps=300)

    @classmethod
    def paper(cls) -> "Config":
        """For a GPU."""
        dims = (64, 128, 256, 512, 1024, 2048, 4096)
        fractions = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.75, 1.0)
        return cls(dims, fractions, (4, 8, 16, 32, 64, 128, 256, 1024), seeds=8, num_unseen=64)

    def counts(self, dim: int, with_b: bool) -> list[int]:
        """Numbers of training tokens at one d_emb."""
        if with_b:
            return list(self.counts_with_b)
        return [max(1, round(fraction * dim)) for fraction in self.fractions]


def compute(config: Config, keep: Keep = at_once) -> dict[str, Any]:
    """Train at every point; then the thresholds."""
    points = [
        each | keep(each, lambda each=each: _measured(config, **each))
        for each in show_progress(list(_grid(config)), "points")
    ]
    return _summary(points)


def _grid(config: Config) -> Iterator[Point]:
    for dim in config.embedding_dims:
        for with_b in (False, True):
            for n in config.counts(dim, with_b):
                yield {"embedding_dim": dim, "with_b": with_b, "num_seen": n}


def _key(point: Point) -> tuple[int, bool, int]:
    return point["embedding_dim"], point["with_b"], point["num_seen"]


def _measured(config: Config, embedding_dim: int, with_b: bool, num_seen: int) -> Point:
    network = CopyingNetwork(
        embedding_dim=embedding_dim, vocab_size=num_seen + config.num_unseen, num_seen=num_seen,
        num_heads=1, head_dim=embedding_dim, init_scale=config.init_scale,
    )  # fmt: skip
    schedule = Schedule(
        optimizer="adam", steps=config.steps, learning_rate=config.learning_rate,
        embedding_rate=config.embedding_rate,
        identity_rate=config.identity_rate if with_b else 0.0,
    )  # fmt: skip
    # One number of rows for all points of this d_emb, which then share their compiled code.
    counts = config.counts(embedding_dim, False) + config.counts(embedding_dim, True)
    rows = config.num_unseen + max(counts)
    path = train(network, schedule, num_seeds=config.seeds, capacity=rows)
    relative = path.test_loss / path.chance
    return {
        "relative": float(relative[:, -1].mean()),
        "stderr": float(relative[:, -1].std(ddof=1) / math.sqrt(config.seeds)),
        "accuracy": float(path.test_accuracy[:, -1].mean()),
        "train_loss": float(path.train_loss[:, -1].mean()),
        "path": relative.mean(axis=0).tolist(),
        "mean_cosine": path.mean_cosine.mean(axis=0).tolist(),
        "effective_rank": path.effective_rank.mean(axis=0).tolist(),
    }


def _summary(points: list[Point]) -> dict[str, Any]:
    curves = [_curve(points, *pair) for pair in dict.fromkeys(_key(point)[:2] for point in points)]
    return {
        "points": points,
        "curves": curves,
        "thresholds": [_threshold(curve) for curve in curves],
        "paper_slope": PAPER_SLOPE,
    }


def _curve(points: list[Point], dim: int, with_b: bool) -> dict[str, Any]:
    own = sorted((p for p in points if _key(p)[:2] == (dim, with_b)), key=_key)
    columns = {name: [p[name] for p in own] for name in ("num_seen", "relative", "stderr")}
    return {"embedding_dim": dim, "with_b": with_b, **columns}


def _threshold(curve: dict[str, Any]) -> dict[str, Any]:
    found = threshold(np.array(curve["num_seen"], float), np.array(curve["relative"]))
    reached = found if math.isfinite(found) else None
    own = {name: curve[name] for name in ("embedding_dim", "with_b")}
    return own | {"threshold": reached, "least_tried": curve["num_seen"][0]}


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "copying_threshold", Config,
        in_parts(compute),
        threshold_figure, resumes=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
