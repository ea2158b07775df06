"""The paper's Figure 3: K̂ tends to its blocks Z N Zᵀ as ρ and n grow, at the rates theory says.

python -m experiments.block_structure [--quick] [--out results/block_structure]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

import ktrans as kt
from experiments._run import run_experiment
from ktrans._numerics import as_plain
from ktrans._progress import show_progress
from ktrans.kernels.coefficients import PairValues
from ktrans.measure.blocks import BlockStructure, OrderedGram, block_structure, ordered_gram
from ktrans.measure.collisions.geometry import GeometryMargins, geometry_margins
from ktrans.plotting.blocks import block_structure_figure
from ktrans.tasks.diversity import vocabulary_for, with_vocabulary
from ktrans.theory.statistics import template_statistics


@dataclass(frozen=True)
class Config:
    """A sweep of ρ at `num_samples`, a sweep of n at `diversity`, pictures, and geometries."""

    num_samples: int
    diversities: tuple[float, ...]
    diversity: float
    sample_counts: tuple[int, ...]
    geometry_samples: int
    geometry_diversities: tuple[float, ...]
    geometry_seeds: tuple[int, ...]
    pictured_samples: int = 80
    pictured_diversities: tuple[float, ...] = (50.0, 500.0)
    ridge: float = 1e-3
    task: str = "aba_abb"
    seed: int = 0
    beta: float = 1.0
    gamma: float = 1.0
    b1: float = 1.5
    b2: float = 0.4

    @classmethod
    def quick(cls) -> "Config":
        """Seconds, and still four decades of ρ."""
        return cls(
            num_samples=8000,
            diversities=(10.0, 100.0, 1e3, 1e4, 1e5),
            diversity=5000.0,
            sample_counts=(1000, 4000, 16000),
            geometry_samples=1000,
            geometry_diversities=(4.0, 20.0, 50.0, 500.0),
            geometry_seeds=tuple(range(8)),
        )

    @classmethod
    def paper(cls) -> "Config":
        """Up to a million samples."""
        return cls(
            num_samples=10**5,
            diversities=(10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5),
            diversity=5000.0,
            sample_counts=(1000, 3000, 10**4, 3 * 10**4, 10**5, 3 * 10**5, 10**6),
            geometry_samples=2000,
            geometry_diversities=(2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 500.0, 1000.0),
            geometry_seeds=tuple(range(10)),
        )


@dataclass(frozen=True, eq=False)
class Result:
    """What the figure is drawn from."""

    grams: list[OrderedGram]
    by_diversity: list[BlockStructure]
    by_samples: list[BlockStructure]
    margins: dict[str, GeometryMargins]
    margin_without_collisions: float

    @property
    def shown(self) -> BlockStructure:
        """That at a middle ρ, where neither the diagonal nor the collisions are all of E."""
        return self.by_diversity[len(self.by_diversity) // 2]

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return as_plain(
            {
                "by_diversity": [each.to_dict() for each in self.by_diversity],
                "by_samples": [each.to_dict() for each in self.by_samples],
                "margins": {name: vars(each) for name, each in self.margins.items()},
                "margin_without_collisions": self.margin_without_collisions,
                "grams": [vars(gram) for gram in self.grams],
            }
        )


def compute(config: Config) -> Result:
    """Both sweeps through the operator, pictures, and the margins of three geometries."""
    kernel = kt.TransformerKernel(
        beta=config.beta, gamma=config.gamma, activation=kt.Cosine(b1=config.b1, b2=config.b2)
    )
    task = kt.tasks.load(config.task)
    by_diversity = [(config.num_samples, rho) for rho in config.diversities]
    by_samples = [(n, config.diversity) for n in config.sample_counts]
    found = _structures(kernel, task, [*by_diversity, *by_samples], config.seed)
    closed = kt.learning_curve(
        kernel, task, num_samples=[config.geometry_samples], ridge=config.ridge
    )
    return Result(
        grams=[
            ordered_gram(
                template_statistics(kernel, _at(task, rho)), config.pictured_samples, config.seed
            )
            for rho in config.pictured_diversities
        ],
        by_diversity=found[: len(by_diversity)],
        by_samples=found[len(by_diversity) :],
        margins=geometry_margins(
            kernel, task, num_samples=config.geometry_samples,
            diversities=config.geometry_diversities, ridge=config.ridge,
            seeds=config.geometry_seeds, progress=show_progress,
        ),
        margin_without_collisions=float((closed.predictions[0] * task.labels).min()),
    )  # fmt: skip


def _structures(
    kernel: kt.TokenSymmetricKernel,
    task: kt.TemplateTask,
    cells: Sequence[tuple[int, float]],
    seed: int,
) -> list[BlockStructure]:
    values = PairValues(kernel)
    found = []
    for n, rho in show_progress(cells, "samples"):
        data = _at(task, rho).sample(n, seed=seed)
        found.append(block_structure(kt.GramOperator(kernel, data, values=values), data))
    return found


def _at(task: kt.TemplateTask, rho: float) -> kt.TemplateTask:
    return with_vocabulary(task, vocabulary_for(task, rho))


def figure_of(result: Result) -> Figure:
    """The figure, drawn from the result alone."""
    return block_structure_figure(
        result.grams, result.by_diversity, result.by_samples, result.shown, result.margins,
        result.margin_without_collisions,
    )  # fmt: skip


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(__doc__, "block_structure", Config, compute, figure_of, record=Result.to_dict)


if __name__ == "__main__":
    main()
