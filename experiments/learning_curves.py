"""Errors against n and against training time: measured, and in closed form.

Ridge regression and gradient flow on unseen symbols, without and with collisions counted, and ridge
regression on strings of the training distribution.

python -m experiments.learning_curves [--quick] [--out results/learning_curves]
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from ktrans._progress import show_progress
from ktrans.measure.unseen import fit_ridge, unseen_error
from ktrans.plotting import learning_curve_figure
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory import in_distribution_curve
from ktrans.theory.curves.cavity import cavity_learning_curve

_GRID_POINTS = 25
_TEST_STRINGS = 2000
_TEST_SEED = 10**6  # beyond the seeds of training sets


@dataclass(frozen=True)
class PlottedTask:
    """A transformer kernel with φ = cos(b₁t + b₂), and the vocabulary: m, or None for m = n."""

    beta: float
    gamma: float
    b1: float
    b2: float
    vocab_size: int | None

    @property
    def title(self) -> str:
        """For the panel."""
        size = "n" if self.vocab_size is None else str(self.vocab_size)
        return rf"$\beta$ = {self.beta:g}, $\gamma$ = {self.gamma:g}, $m = {size}$"

    @property
    def kernel(self) -> kt.TransformerKernel:
        """The kernel."""
        activation = kt.Cosine(b1=self.b1, b2=self.b2)
        return kt.TransformerKernel(beta=self.beta, gamma=self.gamma, activation=activation)


PLAIN_IS_GOOD = PlottedTask(beta=4.0, gamma=1.0, b1=1.5, b2=0.4, vocab_size=None)
COLLISIONS_MATTER = PlottedTask(beta=1.0, gamma=1.0, b1=1.5, b2=0.4, vocab_size=None)
MORE_SAMPLES_THAN_TOKENS = PlottedTask(beta=1.0, gamma=0.7, b1=1.0, b2=0.5, vocab_size=1000)


@dataclass(frozen=True)
class Config:
    """What is measured."""

    settings: tuple[PlottedTask, ...]
    num_samples: tuple[int, ...]
    seeds: int
    flow_num_samples: int
    times: tuple[float, ...]
    ridge: float = 1e-6
    task: str = "aba_abb"

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        return cls((COLLISIONS_MATTER,), (256, 1024), 6, flow_num_samples=256, times=(3.0, 30.0))

    @classmethod
    def paper(cls) -> "Config":
        """Three settings up to 4096 samples."""
        settings = (PLAIN_IS_GOOD, COLLISIONS_MATTER, MORE_SAMPLES_THAN_TOKENS)
        times = tuple(np.geomspace(0.1, 1000.0, 9).tolist())
        return cls(settings, (64, 256, 1024, 4096), 10, flow_num_samples=1024, times=times)


class Point(NamedTuple):
    """Where a closed form is asked for: `rule` holds the ridge or the time."""

    task: kt.TemplateTask
    n: float
    rule: dict[str, float]


def compute(config: Config) -> dict[str, dict[str, Any]]:
    """For each setting, errors measured and predicted, and curves between, in three parts."""
    return {each.title: _panel(each, config) for each in config.settings}


def _panel(setting: PlottedTask, config: Config) -> dict[str, Any]:
    unseen, seen = _measure_ridge(setting, config)
    counts = np.array(config.num_samples, float)
    grid = np.geomspace(counts[0], counts[-1], _GRID_POINTS)
    common = {"x": counts.tolist(), "grid": grid.tolist()}
    at, between = _ridge_points(setting, config, counts), _ridge_points(setting, config, grid)
    ridge = {
        "plain": _errors(kt.learning_curve, setting, at),
        "corrected": _errors(kt.theory.corrected_learning_curve, setting, at),
        "cavity": _errors(cavity_learning_curve, setting, at),
        "plain_curve": _errors(kt.learning_curve, setting, between),
        "corrected_curve": _errors(kt.theory.corrected_learning_curve, setting, between),
    }
    in_distribution = {
        "corrected": _risks(setting, at),
        "corrected_curve": _risks(setting, between),
    }
    return {
        "ridge": common | _mean(unseen) | ridge,
        "in_distribution": common | _mean(seen) | in_distribution,
        "flow": _flow(setting, config),
    }


def _measure_ridge(setting: PlottedTask, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Errors on unseen symbols and on new strings of the training distribution, (n, seeds)."""
    cells = [(n, seed) for n in config.num_samples for seed in range(config.seeds)]
    errors = [
        _ridge_errors(setting, config, *cell) for cell in show_progress(cells, "training sets")
    ]
    table = np.array(errors).reshape(len(config.num_samples), config.seeds, 2)
    return table[..., 0], table[..., 1]


def _ridge_errors(setting: PlottedTask, config: Config, n: int, seed: int) -> tuple[float, float]:
    task = _task(setting, config, n)
    test = task.sample(_TEST_STRINGS, seed=_TEST_SEED + seed)
    model = fit_ridge(setting.kernel, task.sample(n, seed=seed), config.ridge)
    seen = float(np.mean((model.predict(test.tokens) - test.labels) ** 2))
    return unseen_error(model, task), seen


def _flow(setting: PlottedTask, config: Config) -> dict[str, Any]:
    seeds = show_progress(range(config.seeds), "training sets")
    measured = [_flow_errors(setting, config, seed) for seed in seeds]
    grid = np.geomspace(config.times[0], config.times[-1], _GRID_POINTS).tolist()
    at, between = (_flow_points(setting, config, times) for times in (config.times, grid))
    return {
        "num_samples": config.flow_num_samples,
        "x": list(config.times),
        "grid": grid,
        **_mean(np.array(measured).T),
        "plain": _errors(kt.learning_curve, setting, at),
        "corrected": _errors(kt.theory.corrected_learning_curve, setting, at),
        "plain_curve": _errors(kt.learning_curve, setting, between),
        "corrected_curve": _errors(kt.theory.corrected_learning_curve, setting, between),
    }


def _flow_errors(setting: PlottedTask, config: Config, seed: int) -> np.ndarray:
    """At each time."""
    n = config.flow_num_samples
    data = _task(setting, config, n).sample(n, seed=seed)
    flow = kt.KernelGradientFlow(setting.kernel, max_time=max(config.times)).fit(data)
    return (flow.predict_unseen(config.times) - data.task.labels) ** 2 @ data.task.weights


def _ridge_points(setting: PlottedTask, config: Config, counts: np.ndarray) -> list[Point]:
    rule = {"ridge": config.ridge}
    return [Point(_task(setting, config, n), n, rule) for n in counts.tolist()]


def _flow_points(setting: PlottedTask, config: Config, times: Iterable[float]) -> list[Point]:
    n = config.flow_num_samples
    return [Point(_task(setting, config, n), n, {"time": t}) for t in times]


def _errors(
    form: Callable[..., kt.Curve], setting: PlottedTask, points: Iterable[Point]
) -> list[float]:
    """Mean squared errors on unseen symbols by one of the closed forms."""
    kernel = setting.kernel
    curves = [form(kernel, task, num_samples=[n], **rule) for task, n, rule in points]
    return [float(curve.mse[0]) for curve in curves]


def _risks(setting: PlottedTask, points: Iterable[Point]) -> list[float]:
    kernel = setting.kernel
    curves = [
        in_distribution_curve(kernel, task, num_samples=[n], **rule) for task, n, rule in points
    ]
    return [float(curve.risk[0]) for curve in curves]


def _mean(errors: np.ndarray) -> dict[str, list[float]]:
    stderr = errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
    return {"measured": errors.mean(axis=1).tolist(), "stderr": stderr.tolist()}


def _task(setting: PlottedTask, config: Config, n: float) -> kt.TemplateTask:
    return with_vocabulary(kt.tasks.load(config.task), setting.vocab_size or round(n))


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "learning_curves", Config, compute, learning_curve_figure,
        record=lambda panels: {"panels": panels},
    )  # fmt: skip


if __name__ == "__main__":
    main()
