"""Labels that are symbols: what kernel ridge regression predicts on unseen symbols, with and
without the b-term.

python -m experiments.symbolic_labels [--quick] [--out results/symbolic_labels]

Without b the kernel compares candidates by identity only, and no unseen symbol can be predicted,
whatever n; labels that are regular tokens can. With W_V W_Oᵀ + bI all tasks here are learned.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from ktrans._progress import show_progress
from ktrans.kernels.next_token import NextTokenKernel
from ktrans.plotting.next_token import next_token_figure
from ktrans.solvers.next_token import NextTokenRidge
from ktrans.theory.curves.next_token import next_token_curve
from ktrans.theory.next_token import verify_next_token

Labelled = tuple[tuple[str, str], ...]

B_VARIANCES = {"without b": 0.0, "with b": 1.0}
_GRID_POINTS = 25

COPY: Labelled = (("α", "α"),)
FIRST: Labelled = (("αβ", "α"),)
REPEATED: Labelled = (("ααβ", "α"), ("αβα", "α"), ("αββ", "β"))
SAME: Labelled = (("αα", "s"), ("αβ", "d"))


@dataclass(frozen=True)
class Config:
    """K_trans with φ = cos(b₁t + b₂) and, with b, heads of the same β and γ."""

    tasks: tuple[Labelled, ...]
    num_samples: tuple[int, ...]
    vocab_size: int
    seeds: int
    rtol: float
    beta: float = 1.0
    gamma: float = 1.0
    b1: float = 1.5
    b2: float = 0.4
    ridge: float = 1e-3

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        return cls((COPY, FIRST), (8, 32), vocab_size=1000, seeds=3, rtol=1e-6)

    @classmethod
    def paper(cls) -> "Config":
        """Four tasks up to 512 samples; minutes."""
        tasks, counts = (COPY, FIRST, REPEATED, SAME), (8, 32, 128, 512)
        return cls(tasks, counts, vocab_size=5000, seeds=4, rtol=1e-8)

    def kernel(self, b_variance: float) -> NextTokenKernel:
        """The kernel on strings and candidates."""
        activation = kt.Cosine(b1=self.b1, b2=self.b2)
        base = kt.TransformerKernel(self.beta, self.gamma, activation, self.rtol)
        return NextTokenKernel(base, b_variance=b_variance)


def compute(config: Config) -> list[dict[str, Any]]:
    """For each task errors, closed form and eigenvalues, without and with b."""
    cells = [(labelled, name) for labelled in config.tasks for name in B_VARIANCES]
    found = [_measured(config, *cell) for cell in show_progress(cells, "kernels")]
    by_task = zip(found[::2], found[1::2], strict=True)
    return [
        {"title": _title(labelled)} | dict(zip(B_VARIANCES, pair, strict=True))
        for labelled, pair in zip(config.tasks, by_task, strict=True)
    ]


def _measured(config: Config, labelled: Labelled, name: str) -> dict[str, Any]:
    kernel = config.kernel(B_VARIANCES[name])
    task = kt.TemplateTask.from_templates(dict(labelled), vocab_size=config.vocab_size)
    grid = np.geomspace(config.num_samples[0], config.num_samples[-1], _GRID_POINTS)
    certificate = verify_next_token(kernel, task)
    runs = [
        [_unseen(config, kernel, task, n, seed) for seed in range(config.seeds)]
        for n in config.num_samples
    ]
    error, accuracy = np.moveaxis(np.array(runs), -1, 0)
    options = {"ridge": config.ridge}
    return {
        "num_samples": list(config.num_samples),
        "error": error.mean(axis=1).tolist(),
        "stderr": (error.std(axis=1, ddof=1) / np.sqrt(config.seeds)).tolist(),
        "accuracy": accuracy.mean(axis=1).tolist(),
        "closed_form": next_token_curve(
            kernel, task, num_samples=config.num_samples, **options
        ).error.tolist(),
        "grid": grid.tolist(),
        "curve": next_token_curve(kernel, task, num_samples=grid, **options).error.tolist(),
        "eigenvalues": _cleaned(certificate.eigenvalues, certificate.sigma_min_error),
        "generalises": certificate.generalises,
        "verdict": certificate.verdict,
        "sigma_min": certificate.sigma_min,
        "sigma_min_error": certificate.sigma_min_error,
    }


def _unseen(
    config: Config, kernel: NextTokenKernel, task: kt.TemplateTask, n: int, seed: int
) -> tuple[float, float]:
    model = NextTokenRidge(kernel, config.ridge, seed=seed, method="dense")
    found = model.fit(task.sample(n, seed=seed)).predict_unseen()
    return found.error, found.accuracy


def _cleaned(eigenvalues: np.ndarray, bound: float) -> list[float]:
    """Eigenvalues within rounding of zero as zero; the bound on them is far above it."""
    return np.where(np.abs(eigenvalues) > 1e-3 * bound, eigenvalues, 0.0).tolist()


def _title(labelled: Labelled) -> str:
    return "\n".join(f"{template} → {label}" for template, label in labelled)


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "symbolic_labels", Config, compute, next_token_figure,
        record=lambda panels: {"panels": panels},
    )  # fmt: skip


if __name__ == "__main__":
    main()
