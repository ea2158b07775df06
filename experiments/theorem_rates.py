"""Theorem 3.4 measured: the error on all unseen symbols against n at fixed ρ, and against ρ.

python -m experiments.theorem_rates [--quick] [--out results/theorem_rates]

The ridge is a constant, as in the statement of the theorem: neither n nor ρ enters it.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import ktrans as kt
from experiments._arguments import read_arguments
from ktrans.analysis.diversity import vocabulary_for, with_vocabulary
from ktrans.analysis.rates import FittedBound, Rates, compare_with_theorem
from ktrans.analysis.report import versions
from ktrans.analysis.unseen_errors import UnseenErrors, measure_unseen, spread
from ktrans.analysis.verification import Plan
from ktrans.cli.output import prepare_folder, write_figure, write_json
from ktrans.plotting import paper_style
from ktrans.plotting.rates import rates_figure

OUT = Path("results") / "theorem_rates"
_GRID_POINTS = 25


@dataclass(frozen=True)
class Config:
    """What is measured; n is swept at `low_diversity` and at the largest of `diversities`."""

    num_samples: tuple[int, ...]
    diversities: tuple[float, ...]
    low_diversity: float
    seeds: int
    beta: float
    ridge: float = 0.1
    noise_std: float = 1.0
    delta: float = 0.1
    task: str = "aba_abb"

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        return cls((4096, 16384), (20.0, 40.0, 80.0, 1e5), low_diversity=40.0, seeds=5, beta=1.0)

    @classmethod
    def paper(cls) -> "Config":
        """Up to 32768 samples, two decades of ρ and its limit."""
        diversities = (20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 1e5)
        num_samples = (512, 2048, 8192, 32768)
        return cls(num_samples, diversities, low_diversity=80.0, seeds=12, beta=4.0)

    @property
    def kernel(self) -> kt.TransformerKernel:
        """γ = 1, φ = cos(1.5t + 0.4)."""
        activation = kt.Cosine(b1=1.5, b2=0.4)
        return kt.TransformerKernel(beta=self.beta, gamma=1.0, activation=activation)

    def task_at(self, diversity: float) -> kt.TemplateTask:
        """The task with noisy labels and this ρ."""
        task = kt.tasks.load(self.task, noise_std=self.noise_std)
        return with_vocabulary(task, vocabulary_for(task, diversity))


def compute(config: Config) -> dict[str, Any]:
    """Errors in every cell, exponents, the fitted bound, closed forms, and the verdict."""
    sizes = tuple(config.task_at(rho).vocab_size for rho in config.diversities)
    plan = Plan(config.num_samples, sizes, tuple(range(config.seeds)), config.ridge)
    measured = measure_unseen(config.task_at(config.low_diversity), config.kernel, plan, _bar)
    found = compare_with_theorem(measured, delta=config.delta)
    swept = (config.low_diversity, max(config.diversities))
    sweeps_n = [measured.at_diversity(rho) for rho in swept]
    sweep_rho = measured.at_num_samples(max(config.num_samples))
    return {
        "against_n": [_over_num_samples(cells, found.bound, config) for cells in sweeps_n],
        "against_rho": _over_diversity(sweep_rho, found.bound, config),
        "rates": _record(found),
        "verdict": list(found.verdict),
    }


def _over_num_samples(cells: UnseenErrors, bound: FittedBound, config: Config) -> dict[str, Any]:
    grid, rho = _grid(cells.num_samples), float(cells.diversity[0])
    return {
        "fixed": rho,
        "x": cells.num_samples.tolist(),
        "grid": grid.tolist(),
        "corrected": [_closed_form(config, n, rho) for n in grid.tolist()],
        "bound": bound(grid, np.full_like(grid, rho)).tolist(),
        **_errors(cells, config),
    }


def _over_diversity(cells: UnseenErrors, bound: FittedBound, config: Config) -> dict[str, Any]:
    grid, n = _grid(cells.diversity), int(cells.num_samples[0])
    return {
        "fixed": n,
        "x": cells.diversity.tolist(),
        "grid": grid.tolist(),
        "corrected": [_closed_form(config, n, rho) for rho in grid.tolist()],
        "bound": bound(np.full_like(grid, n), grid).tolist(),
        **_errors(cells, config),
    }


def _grid(swept: np.ndarray) -> np.ndarray:
    return np.geomspace(swept[0], swept[-1], _GRID_POINTS)


def _errors(cells: UnseenErrors, config: Config) -> dict[str, Any]:
    squares = cells.errors**2 @ cells.weights
    # d√u = du / 2√u carries the standard error of the mean square to its root.
    stderr = squares.std(axis=1, ddof=1) / np.sqrt(config.seeds) / (2 * cells.root_mean_square)
    return {
        "rms": cells.root_mean_square.tolist(),
        "stderr": stderr.tolist(),
        "spread": spread(cells.errors, cells.weights).tolist(),
        "worst": np.quantile(cells.worst, 1 - config.delta, axis=1).tolist(),
    }


def _closed_form(config: Config, n: float, diversity: float) -> float:
    task, kernel = config.task_at(diversity), config.kernel
    curve = kt.corrected_learning_curve(kernel, task, num_samples=[n], ridge=config.ridge)
    return float(np.sqrt(curve.mse[0]))


def _record(found: Rates) -> dict[str, Any]:
    names = ("in_num_samples", "systematic", "spread", "in_diversity")
    bound = found.bound
    return {name: asdict(getattr(found, name)) for name in names} | {
        "constant_n": bound.constant_n,
        "constant_rho": bound.constant_rho,
        "delta": bound.delta,
        "looseness": bound.looseness.tolist(),
    }


def _bar(steps: Iterable) -> Iterable:
    return tqdm(list(steps), desc="training sets", leave=False)


def main() -> None:
    """Compute, print the verdict, write the result file and the figure."""
    arguments = read_arguments(__doc__, OUT)
    config = Config.quick() if arguments.quick else Config.paper()
    folder, start = prepare_folder(arguments.out), time.perf_counter()
    result = compute(config)
    record = {"configuration": asdict(config), "versions": versions(), **result}
    write_json(folder / "results.json", record | {"seconds": time.perf_counter() - start})
    with paper_style():
        write_figure(folder / f"theorem_rates.{arguments.format}", rates_figure(result))
    print("\n".join(result["verdict"]))


if __name__ == "__main__":
    main()
