"""Error on unseen symbols against n: measured, and in closed form without and with collisions.

python -m experiments.learning_curves [--quick] [--out results/learning_curves]
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
from ktrans.analysis.diversity import with_vocabulary
from ktrans.analysis.report import versions
from ktrans.analysis.verification import Plan, measure
from ktrans.cli.output import prepare_folder, write_figure, write_json
from ktrans.plotting import learning_curve_figure, paper_style

OUT = Path("results") / "learning_curves"
_GRID_POINTS = 25


@dataclass(frozen=True)
class Setting:
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


PLAIN_IS_GOOD = Setting(beta=4.0, gamma=1.0, b1=1.5, b2=0.4, vocab_size=None)
COLLISIONS_MATTER = Setting(beta=1.0, gamma=1.0, b1=1.5, b2=0.4, vocab_size=None)
MORE_SAMPLES_THAN_TOKENS = Setting(beta=1.0, gamma=0.7, b1=1.0, b2=0.5, vocab_size=1000)


@dataclass(frozen=True)
class Config:
    """What is measured."""

    settings: tuple[Setting, ...]
    num_samples: tuple[int, ...]
    seeds: int
    ridge: float = 1e-6
    task: str = "aba_abb"

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        return cls((COLLISIONS_MATTER,), num_samples=(256, 1024), seeds=6)

    @classmethod
    def paper(cls) -> "Config":
        """Three settings up to 4096 samples."""
        settings = (PLAIN_IS_GOOD, COLLISIONS_MATTER, MORE_SAMPLES_THAN_TOKENS)
        return cls(settings, num_samples=(64, 256, 1024, 4096), seeds=10)


def compute(config: Config) -> dict[str, dict[str, Any]]:
    """For each setting, errors measured and predicted at `num_samples`, and curves between."""
    return {each.title: _panel(each, config) for each in config.settings}


def _panel(setting: Setting, config: Config) -> dict[str, Any]:
    rows = [_measured(setting, config, n) for n in config.num_samples]
    grid = np.geomspace(min(config.num_samples), max(config.num_samples), _GRID_POINTS)
    plain, corrected = _predicted(setting, config, grid)
    at_plain, at_corrected = _predicted(setting, config, np.array(config.num_samples, float))
    return {
        "num_samples": list(config.num_samples),
        "measured": [mean for mean, _ in rows],
        "stderr": [stderr for _, stderr in rows],
        "plain": at_plain,
        "corrected": at_corrected,
        "grid": grid.tolist(),
        "plain_curve": plain,
        "corrected_curve": corrected,
    }


def _measured(setting: Setting, config: Config, n: int) -> tuple[float, float]:
    task = _task(setting, config, n)
    plan = Plan((n,), (), tuple(range(config.seeds)), config.ridge)
    found = measure(task, {"kernel": setting.kernel}, plan, _bar)["kernel"]
    return float(found.unseen[0]), float(found.unseen_stderr[0])


def _predicted(
    setting: Setting, config: Config, counts: np.ndarray
) -> tuple[list[float], list[float]]:
    """The error without collisions, for which ρ does not matter, and with them."""
    kernel, ridge = setting.kernel, config.ridge
    task = _task(setting, config, 100)
    plain = kt.learning_curve(kernel, task, num_samples=counts, ridge=ridge).mse
    corrected = [_corrected(setting, config, n) for n in counts.tolist()]
    return plain.tolist(), corrected


def _corrected(setting: Setting, config: Config, n: float) -> float:
    task = _task(setting, config, round(n))
    curve = kt.corrected_learning_curve(setting.kernel, task, num_samples=[n], ridge=config.ridge)
    return float(curve.mse[0])


def _task(setting: Setting, config: Config, n: int) -> kt.TemplateTask:
    return with_vocabulary(kt.tasks.load(config.task), setting.vocab_size or n)


def _bar(steps: Iterable) -> Iterable:
    return tqdm(list(steps), desc="training sets", leave=False)


def main() -> None:
    """Compute, write the result file and the figure."""
    arguments = read_arguments(__doc__, OUT)
    config = Config.quick() if arguments.quick else Config.paper()
    folder, start = prepare_folder(arguments.out), time.perf_counter()
    panels = compute(config)
    record = {"configuration": asdict(config), "versions": versions(), "panels": panels}
    write_json(folder / "results.json", record | {"seconds": time.perf_counter() - start})
    with paper_style():
        write_figure(folder / f"learning_curves.{arguments.format}", learning_curve_figure(panels))


if __name__ == "__main__":
    main()
