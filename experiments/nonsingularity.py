"""Where the template matrix N is nonsingular, and where it is best conditioned.

The theorem has N nonsingular for almost every (β, γ, b₁, b₂). The maps show σ_min(N) over (β, γ)
and over (b₁, b₂) for αβα against αββ and for ten random templates, with the points at which the
error bound does not exclude a singular N: the exceptional set lies among them.

    python -m experiments.nonsingularity [--quick] [--out DIR]

Rows of the maps are kept in DIR as they are finished: an interrupted run goes on where it stopped.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from ktrans.plotting.conditioning import conditioning_figure
from ktrans.theory.conditioning import SigmaMap


@dataclass(frozen=True)
class Config:
    """Two maps a task: over (β, γ) at (b₁, b₂) = `cosine`, and over (b₁, b₂) at `attention`."""

    num_templates: tuple[int, ...]
    attention_points: int
    cosine_points: int
    largest_beta: float = 4.0
    cosine: tuple[float, float] = (2.0, 0.8)
    attention: tuple[float, float] = (2.0, 1.0)
    rtol: float = 1e-8

    @classmethod
    def quick(cls) -> "Config":
        return cls((2,), attention_points=3, cosine_points=12, largest_beta=2.0, rtol=1e-7)

    @classmethod
    def paper(cls) -> "Config":
        return cls((2, 10), attention_points=9, cosine_points=60)

    @property
    def betas(self) -> np.ndarray:
        return np.geomspace(0.25, self.largest_beta, self.attention_points)

    @property
    def gammas(self) -> np.ndarray:
        return np.geomspace(0.25, 2.0, self.attention_points)

    @property
    def b1(self) -> np.ndarray:
        return np.linspace(0.1, 4.0, self.cosine_points)

    @property
    def b2(self) -> np.ndarray:
        return np.linspace(0.0, np.pi / 2, self.cosine_points)


def task_of(num_templates: int) -> kt.TemplateTask:
    """αβα against αββ, or so many random templates of five symbols with three wildcards."""
    if num_templates == 2:
        return kt.tasks.load("aba_abb")
    return kt.tasks.load("random_templates", num_templates=num_templates, length=5, num_wildcards=3)


def compute(config: Config, folder: Path) -> list[dict[str, Any]]:
    """The two maps of each task."""
    return [_maps(config, folder, num_templates) for num_templates in config.num_templates]


def _maps(config: Config, folder: Path, num_templates: int) -> dict[str, Any]:
    task, (b1, b2), (beta, gamma) = task_of(num_templates), config.cosine, config.attention
    start = time.perf_counter()
    attention = kt.theory.attention_sigma_map(
        task,
        betas=config.betas.tolist(),
        gammas=config.gammas.tolist(),
        activation=kt.Cosine(b1=b1, b2=b2),
        rtol=config.rtol,
        checkpoint=folder / "rows",
    )
    seconds = time.perf_counter() - start
    cosine = kt.theory.cosine_sigma_map(
        task, beta=beta, gamma=gamma, b1=config.b1.tolist(), b2=config.b2.tolist(),
        rtol=config.rtol,
    )  # fmt: skip
    return {
        "templates": [str(template) for template in task.templates],
        "at": {"beta": beta, "gamma": gamma, "b1": b1, "b2": b2},
        "attention": _record(attention),
        "attention_seconds": seconds,
        "cosine": _record(cosine),
    }


def _record(found: SigmaMap) -> dict[str, Any]:
    return {name: column.tolist() for name, column in vars(found).items()}


def summary(result: list[dict[str, Any]]) -> str:
    """What each map found, a line each."""
    lines = []
    for maps in result:
        for name in ("attention", "cosine"):
            sigma, bound = (np.array(maps[name][part]) for part in ("sigma_min", "bound"))
            certified = np.array(maps[name]["certified"])
            lines.append(
                f"{len(maps['templates'])} templates, {name}: certified nonsingular at "
                f"{np.sum((sigma > bound) & certified)} of {sigma.size} points, "
                f"largest σ_min {sigma.max():.3g}"
            )
        lines.append(f"  the map over (β, γ) took {maps['attention_seconds']:.0f} s")
    return "\n".join(lines)


def main() -> None:
    """Compute, write the result file and the figure, print how many points are certified."""
    result = run_experiment(
        __doc__, "nonsingularity", Config, compute, conditioning_figure,
        record=lambda tasks: {"tasks": tasks}, resumes=True,
    )  # fmt: skip
    print(summary(result))


if __name__ == "__main__":
    main()
