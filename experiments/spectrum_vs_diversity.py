"""Population eigenvalues as curves in ρ, their limits, and eigenvalues of samples laid over.

python -m experiments.spectrum_vs_diversity [--quick] [--out results/spectrum_vs_diversity]
"""

from dataclasses import dataclass

import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from ktrans._progress import show_progress
from ktrans.measure.spectrum_curves import SpectrumCurves, spectrum_curves
from ktrans.plotting import population_figure


@dataclass(frozen=True)
class Config:
    """αβα against αββ at vocabularies m from `smallest` to `largest`, ρ = m / 2."""

    smallest: int
    largest: int
    points: int
    num_samples: int
    sampled_sizes: tuple[int, ...]
    task: str = "aba_abb"
    seed: int = 0
    beta: float = 1.0
    gamma: float = 0.7

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        return cls(4, 10**6, 13, num_samples=2000, sampled_sizes=(10, 100, 1000))

    @classmethod
    def paper(cls) -> "Config":
        """Samples over more than three decades of ρ."""
        sizes = (10, 30, 100, 300, 1000, 3000, 10**4, 3 * 10**4, 10**5)
        return cls(4, 10**6, 40, num_samples=10**5, sampled_sizes=sizes)


def compute(config: Config) -> SpectrumCurves:
    """Exact population spectra and leading eigenvalues of samples."""
    kernel = kt.TransformerKernel(
        beta=config.beta, gamma=config.gamma, activation=kt.Cosine(b1=1.0, b2=0.5)
    )
    grid = np.geomspace(config.smallest, config.largest, config.points)
    return spectrum_curves(
        kernel,
        kt.tasks.load(config.task),
        vocab_sizes=sorted({round(m) for m in grid}),
        num_samples=config.num_samples,
        sampled_sizes=config.sampled_sizes,
        seed=config.seed,
        progress=show_progress,
    )


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "spectrum_vs_diversity", Config, compute, population_figure,
        record=SpectrumCurves.to_dict, figure_name="spectrum",
    )  # fmt: skip


if __name__ == "__main__":
    main()
