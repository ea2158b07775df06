"""What finite diversity costs: the error that no number of samples removes, against ρ.

python -m experiments.diversity_floor [--quick] [--out results/diversity_floor]

Left: the floor N N_m⁻¹ f* − f*, exact with bounds, over five decades of ρ for the transformer
kernel, attention with W_K W_Qᵀ + aI read out at every position, and an MLP with c·XXᵀ, with the
slope −2 that is proved and points measured at large n. Right: the error against n at several ρ, the
closed form over measurements.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from ktrans._progress import show_progress
from ktrans.measure.unseen import fit_ridge, mean_over_seeds, unseen_error
from ktrans.plotting.floor import floor_figure
from ktrans.theory.curves.floor import finite_curve, floor_at, floor_constant
from ktrans.theory.statistics import TemplateStatistics, regression_statistics

_GRID_POINTS = 25


@dataclass(frozen=True)
class Config:
    """What is computed and measured.

    Attributes:
        diversities: Least and largest ρ of the floor.
        measured: Values of ρ at which it is measured, with `num_samples` samples.
        num_samples: n of these measurements.
        curve_diversities: Values of ρ of the learning curves, each on every task of `tasks`.
        curve_samples: Their n.
        tasks: Named tasks of the learning curves; the floor is that of the first.
        seeds: Training sets for each point.
    """

    diversities: tuple[float, float]
    measured: tuple[int, ...]
    num_samples: int
    curve_diversities: tuple[int, ...]
    curve_samples: tuple[int, ...]
    tasks: tuple[str, ...]
    seeds: int
    beta: float = 4.0
    gamma: float = 1.0
    ridge: float = 0.01

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        return cls((2.0, 2e5), (4, 16), 10**4, (4, 64), (64, 512, 4096), ("aba_abb",), 3)

    @classmethod
    def paper(cls) -> "Config":
        """Minutes: n up to 10⁵, ρ up to 10⁴, three tasks."""
        tasks = ("aba_abb", "same_different", "marked_aba_abb")
        samples = (64, 256, 1024, 4096, 16384, 10**5)
        return cls(
            (2.0, 2e5), (4, 8, 16, 32, 64), 10**5, (4, 16, 64, 1024, 10**4), samples, tasks, 6
        )

    @property
    def kernels(self) -> dict[str, kt.TokenSymmetricKernel]:
        """The three sides of the comparison."""
        phi = kt.Cosine(b1=1.5, b2=0.4)
        at, soft = (self.beta, self.gamma), {"beta": 0.2, "gamma": self.gamma, "a": 1.0}
        options: Any = {**soft, "activation": phi, "readout": "per-position"}
        modified = kt.ModifiedTransformerKernel(**options)
        layers: Any = {"depth": 3, "weight_variance": 2.0, "bias_variance": 0.0}
        incidence = kt.IncidenceMLPKernel(kind="ntk", activation=kt.ReLU(), scale=1.0, **layers)
        return {
            "transformer": kt.TransformerKernel(*at, activation=phi),
            "with $aI$": modified,
            "MLP with $XX^T$": incidence,
        }


def compute(config: Config) -> dict[str, Any]:
    """Floors of the kernels, measured points, and learning curves of the transformer kernel."""
    first = config.tasks[0]
    floors = {
        name: _floor(kernel, first, config)
        for name, kernel in show_progress(config.kernels.items(), "floors")
    }
    main = config.kernels["transformer"]
    cells = list(itertools.product(config.tasks, config.curve_diversities))
    curves = [
        _curve(main, task, diversity, config)
        for task, diversity in show_progress(cells, "learning curves")
    ]
    return {"floors": floors, "curves": curves}


def _floor(kernel: kt.TokenSymmetricKernel, name: str, config: Config) -> dict[str, Any]:
    statistics = regression_statistics(kernel, kt.tasks.load(name))
    widest = statistics.task.max_wildcards
    grid = np.geomspace(*config.diversities, _GRID_POINTS)
    found = [floor_at(statistics, round(rho * widest)) for rho in grid.tolist()]
    points = [_measure(statistics, rho, config.num_samples, config) for rho in config.measured]
    return {
        "diversity": [each.diversity for each in found],
        "mse": [each.mse for each in found],
        "mse_error": [each.mse_error for each in found],
        "certified": all(each.certified for each in found),
        "constant": floor_constant(kernel, statistics.task),
        "slope": _slope(found),
        "measured": {"diversity": list(config.measured), **_columns(points)},
    }


def _slope(found: list[Any]) -> float:
    """Over the last decade."""
    last = [each for each in found if each.diversity >= found[-1].diversity / 10]
    x, y = np.log([each.diversity for each in last]), np.log([each.mse for each in last])
    return float(np.polyfit(x, y, 1)[0])


def _measure(
    statistics: TemplateStatistics, rho: int, n: int, config: Config
) -> tuple[float, float]:
    task = statistics.at_vocabulary(rho * statistics.task.max_wildcards).task
    errors = [
        unseen_error(
            fit_ridge(statistics.pair_values, task.sample(n, seed=seed), config.ridge), task
        )
        for seed in range(config.seeds)
    ]
    mean, stderr = mean_over_seeds(np.array([errors]))
    return float(mean[0]), float(stderr[0])


def _columns(points: list[tuple[float, float]]) -> dict[str, list[float]]:
    means, stderrs = zip(*points, strict=True)
    return {"mean": list(means), "stderr": list(stderrs)}


def _curve(kernel: kt.TokenSymmetricKernel, name: str, rho: int, config: Config) -> dict[str, Any]:
    statistics = regression_statistics(kernel, kt.tasks.load(name))
    task = statistics.at_vocabulary(rho * statistics.task.max_wildcards).task
    points = [_measure(statistics, rho, n, config) for n in config.curve_samples]
    grid = np.geomspace(config.curve_samples[0], config.curve_samples[-1], _GRID_POINTS)
    options: Any = {"ridge": config.ridge}
    at_points = finite_curve(kernel, task, num_samples=config.curve_samples, **options).mse
    return {
        "task": name,
        "diversity": rho,
        "num_samples": list(config.curve_samples),
        **_columns(points),
        "grid": grid.tolist(),
        "closed_form": finite_curve(kernel, task, num_samples=grid, **options).mse.tolist(),
        "at_points": at_points.tolist(),
        "floor": floor_at(statistics, task.vocab_size).mse,
    }


def worst_cells(result: dict[str, Any]) -> list[tuple[str, int, int, float, float]]:
    """Task, ρ, n, relative error of the closed form and of the measurement, worst first."""
    cells = [
        (each["task"], each["diversity"], n, form / mean - 1, stderr / mean)
        for each in result["curves"]
        for n, form, mean, stderr in zip(
            each["num_samples"], each["at_points"], each["mean"], each["stderr"], strict=True
        )
    ]
    return sorted(cells, key=lambda cell: -abs(cell[3]))


def main() -> None:
    """Compute, write the result file and the figure, print the cells that fit worst."""
    result = run_experiment(__doc__, "diversity_floor", Config, compute, floor_figure)
    for name, each in result["floors"].items():
        print(f"{name}: floor ~ {each['constant']:.4g}/ρ², slope {each['slope']:.4f}")
    for task, rho, n, off, stderr in worst_cells(result)[:8]:
        print(f"{task}, ρ = {rho}, n = {n}: closed form {off:+.1%}, measured ± {stderr:.1%}")


if __name__ == "__main__":
    main()
