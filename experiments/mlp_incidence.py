"""What the matrix of equal tokens is worth to a perceptron: samples needed against its scale c.

python -m experiments.mlp_incidence [--quick] [--out results/mlp_incidence]

A perceptron on one-hot strings stays at chance on unseen symbols however many samples it is given,
while its error on the training distribution falls. With c·X Xᵀ appended to its input it learns the
task. n* is the number of samples at which the closed form is down to a quarter of chance. For
small c it goes like c^(−2d): labels that are linear in X Xᵀ have d = 1, those that compare two of
its entries d = 2. Where the label needs regular tokens too, n* stops falling when c outshouts them.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from ktrans._numerics import as_plain
from ktrans._progress import show_progress
from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
from ktrans.measure.unseen import fit_ridge, unseen_error
from ktrans.plotting.mlp_incidence import mlp_incidence_figure
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.certificate import chance_error

_GRID_POINTS = 20
_QUARTER = 0.25
_TEST_STRINGS = 2000
_TEST_SEED = 10**6  # beyond the seeds of training sets


@dataclass(frozen=True)
class Config:
    """What is computed and measured.

    Attributes:
        tasks: Tasks for n*(c); learning curves are measured on the first.
        scales: Values of c > 0 for n*(c), in increasing order; the first two give the power.
        measured_scales: Values of c ≥ 0 of the learning curves, of the NTK.
        num_samples: Their n.
        vocab_size: Their m, so small that symbols repeat and the training distribution is learnt.
        seeds: Training sets for each n.
        depth: Hidden layers, with ReLU and W = 2, B = 0.
    """

    tasks: tuple[str, ...]
    scales: tuple[float, ...]
    measured_scales: tuple[float, ...]
    num_samples: tuple[int, ...]
    vocab_size: int
    seeds: int
    depth: int = 3
    ridge: float = 1e-6

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        tasks = ("aba_abb", "relational_match_to_sample", "marked_aba_abb")
        return cls(tasks, (0.02, 0.04, 1.0, 4.0, 8.0), (0.0, 1.0), (60, 600), 24, 4, depth=1)

    @classmethod
    def paper(cls) -> "Config":
        """Minutes."""
        scales = tuple(np.geomspace(0.02, 20.0, 25).round(5).tolist())
        counts = (32, 125, 500, 2000, 4000)
        return cls(cls.quick().tasks, scales, (0.0, 0.1, 0.3, 1.0), counts, 64, seeds=10)

    def kernel(self, kind: str, scale: float) -> IncidenceMLPKernel:
        """A kernel at scale c."""
        return IncidenceMLPKernel(
            kind=kind,
            depth=self.depth,
            activation=kt.ReLU(),
            weight_variance=2.0,
            bias_variance=0.0,
            scale=scale,
        )


def compute(config: Config) -> dict[str, Any]:
    """n*(c) for each task and kind, and learning curves in and out of the training distribution."""
    pairs = list(itertools.product(config.tasks, ("nngp", "ntk")))
    return {
        "against_scale": [_against_scale(config, *pair) for pair in show_progress(pairs, "n*(c)")],
        "curves": [
            _curve(config, scale) for scale in show_progress(config.measured_scales, "curves")
        ],
    }


def _against_scale(config: Config, name: str, kind: str) -> dict[str, Any]:
    task = kt.tasks.load(name)
    counts = [_samples(config.kernel(kind, scale), task, config.ridge) for scale in config.scales]
    first, second = np.log(counts[:2])
    return {
        "task": name,
        "templates": task.num_templates,
        "kind": kind,
        "scale": list(config.scales),
        "n_star": counts,
        "power": float((second - first) / np.log(config.scales[1] / config.scales[0])),
        "n_star_without": _samples(config.kernel(kind, 0.0), task, config.ridge),
    }


def _samples(kernel: IncidenceMLPKernel, task: kt.TemplateTask, ridge: float) -> float:
    return kt.samples_needed(kernel, task, mse=_QUARTER * (chance_error(task) or 1.0), ridge=ridge)


def _curve(config: Config, scale: float) -> dict[str, Any]:
    kernel = config.kernel("ntk", scale)
    task = with_vocabulary(kt.tasks.load(config.tasks[0]), config.vocab_size)
    seeds = range(config.seeds)
    errors = np.array(
        [
            [_errors(config, kernel, task.sample(n, seed=s), s) for s in seeds]
            for n in config.num_samples
        ]
    )
    grid = np.geomspace(config.num_samples[0], config.num_samples[-1], _GRID_POINTS)
    at, between = (_closed_forms(config, kernel, task, n) for n in (config.num_samples, grid))
    return {
        "scale": scale,
        "vocab_size": config.vocab_size,
        "num_samples": list(config.num_samples),
        "grid": grid.tolist(),
        **{
            part: _summary(errors[..., i])
            | {"predicted": at[part].tolist(), "predicted_curve": between[part].tolist()}
            for i, part in enumerate(("unseen", "seen"))
        },
    }


def _errors(
    config: Config, kernel: IncidenceMLPKernel, data: kt.Dataset, seed: int
) -> tuple[float, float]:
    """Of ridge regression, on all unseen symbols and on new strings of known symbols."""
    model = fit_ridge(kernel, data, config.ridge)
    test = data.task.sample(_TEST_STRINGS, seed=_TEST_SEED + seed)
    seen = float(np.mean((model.predict(test.tokens) - test.labels) ** 2))
    return unseen_error(model, data.task), seen


def _closed_forms(
    config: Config, kernel: IncidenceMLPKernel, task: kt.TemplateTask, counts: Any
) -> dict[str, np.ndarray]:
    rule = {"num_samples": list(counts), "ridge": config.ridge}
    return {
        "unseen": kt.theory.corrected_learning_curve(kernel, task, **rule).mse,
        "seen": kt.theory.in_distribution_curve(kernel, task, **rule).risk,
    }


def _summary(errors: np.ndarray) -> dict[str, list[float]]:
    stderr = errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
    return {"measured": errors.mean(axis=1).tolist(), "stderr": stderr.tolist()}


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "mlp_incidence", Config, compute, mlp_incidence_figure, record=as_plain
    )  # fmt: skip


if __name__ == "__main__":
    main()
