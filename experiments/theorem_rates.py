"""Theorem 3.4 measured: the error on all unseen symbols against n at fixed ρ, and against ρ.

python -m experiments.theorem_rates [--quick] [--out results/theorem_rates]

The ridge is a constant, as in the statement of the theorem: neither n nor ρ enters it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from ktrans._progress import show_progress
from ktrans.measure.rates import FittedBound, Rates, compare_with_theorem
from ktrans.measure.unseen import Plan, UnseenErrors, measure_unseen, spread
from ktrans.plotting.rates import rates_figure
from ktrans.tasks.diversity import vocabulary_for, with_vocabulary

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
    measured = measure_unseen(
        config.kernel, config.task_at(config.low_diversity), plan, show_progress
    )
    found = compare_with_theorem(measured, delta=config.delta)
    in_n = [measured.at_diversity(r) for r in (config.low_diversity, max(config.diversities))]
    in_rho, n = measured.at_num_samples(max(config.num_samples)), max(config.num_samples)
    return {
        "against_n": [
            _sweep(cells, float(cells.diversity[0]), cells.num_samples, found.bound, config)
            for cells in in_n
        ],
        "against_rho": _sweep(in_rho, n, in_rho.diversity, found.bound, config),
        "rates": _record(found),
        "verdict": list(found.verdict),
    }


def _sweep(
    cells: UnseenErrors, fixed: float, swept: np.ndarray, bound: FittedBound, config: Config
) -> dict[str, Any]:
    """Measured and predicted along n or ρ, the other being fixed."""
    n, rho = _grid(cells.num_samples), _grid(cells.diversity)
    return {
        "fixed": fixed,
        "x": swept.tolist(),
        "grid": _grid(swept).tolist(),
        "corrected": [
            _closed_form(config, *each) for each in zip(n.tolist(), rho.tolist(), strict=True)
        ],
        "bound": bound(n, rho).tolist(),
        **_errors(cells, config),
    }


def _grid(values: np.ndarray) -> np.ndarray:
    """From the first to the last; geomspace would round a constant."""
    first, last = values[[0, -1]]
    constant = np.full(_GRID_POINTS, float(first))
    return constant if first == last else np.geomspace(first, last, _GRID_POINTS)


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
    curve = kt.theory.corrected_learning_curve(kernel, task, num_samples=[n], ridge=config.ridge)
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


def main() -> None:
    """Compute, write the result file and the figure, print the verdict."""
    result = run_experiment(__doc__, "theorem_rates", Config, compute, rates_figure)
    print("\n".join(result["verdict"]))


if __name__ == "__main__":
    main()
