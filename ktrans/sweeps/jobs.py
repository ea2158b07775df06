"""What a worker does at once: fit a kernel on one training set, or evaluate the closed forms."""

import time
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ktrans._store import Record
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.coefficients import PairValues
from ktrans.measure.unseen import fit_ridge, unseen_error
from ktrans.solvers.ridge import KernelRidge
from ktrans.sweeps.grid import MAX_SEED, Cell, Grid
from ktrans.tasks import Dataset, TemplateTask
from ktrans.theory.curves.plain import plain_curve
from ktrans.theory.statistics import template_statistics

TEST_STRINGS = 2000
TOLERANCE = 1e-10  # of the relative residual; what it came to is a variable of the dataset

Values = dict[str, Any]


class Fits(NamedTuple):
    """Ridge regressions on one training set that share their Gram operator, one for each λ."""

    task: TemplateTask
    kernel: TokenSymmetricKernel
    num_samples: int
    seed: int
    ridges: tuple[float, ...]
    records: tuple[Record, ...]

    def measure(self) -> list[Values]:
        """The values of each λ."""
        data = self.task.sample(self.num_samples, seed=self.seed)
        test = self.task.sample(TEST_STRINGS, seed=self.seed + MAX_SEED + 1)
        values = PairValues(self.kernel)
        models = (fit_ridge(values, data, ridge, tolerance=TOLERANCE) for ridge in self.ridges)
        return [_fit_values(model, test) for model in models]


class Theory(NamedTuple):
    """The closed forms of one task and one kernel."""

    task: TemplateTask
    kernel: TokenSymmetricKernel
    num_samples: tuple[int, ...]
    ridges: tuple[float, ...]
    records: tuple[Record, ...]

    def measure(self) -> list[Values]:
        """σ_min(N) with its bound, and errors of shape (n, λ)."""
        known = template_statistics(self.kernel, self.task)
        spectrum = known.spectrum
        curves = [
            plain_curve(known, num_samples=self.num_samples, ridge=ridge).mse
            for ridge in self.ridges
        ]
        return [
            {
                "sigma_min": float(np.abs(spectrum.eigenvalues).min()),
                "sigma_min_error": spectrum.bound,
                "sigma_min_certified": known.matrix.certified,
                "closed_form_mse": np.transpose(curves).tolist(),
            }
        ]


Job = Fits | Theory


class Done(NamedTuple):
    """What came of a job, and how long it took."""

    records: tuple[Record, ...]
    values: list[Values]
    seconds: float


def perform(job: Job) -> Done:
    """Measure, with one thread for BLAS: more of them add in another order, to other last bits."""
    start = time.perf_counter()
    with threadpool_limits(1):
        values = job.measure()
    return Done(job.records, values, time.perf_counter() - start)


def fits_of(grid: Grid, cells: list[Cell]) -> list[Fits]:
    """Jobs for some cells, those of one training set and kernel in one job."""
    groups: dict[tuple, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((*cell[:4], cell.seed), []).append(cell)
    return [
        Fits(
            task=grid.tasks_by_size[task, m],
            kernel=grid.kernels[kernel],
            num_samples=n,
            seed=seed,
            ridges=tuple(cell.ridge for cell in members),
            records=tuple(map(grid.record_of, members)),
        )
        for (task, kernel, m, n, seed), members in groups.items()
    ]


def theory_of(grid: Grid, task: str, kernel: str) -> Theory:
    """The job for the closed forms of a task and a kernel."""
    return Theory(
        task=grid.tasks_by_size[task, grid.vocab_sizes[0]],
        kernel=grid.kernels[kernel],
        num_samples=grid.num_samples,
        ridges=grid.ridges,
        records=(grid.record_of_theory(task, kernel),),
    )


def _fit_values(model: KernelRidge, test: Dataset) -> Values:
    task, solution = test.task, model.solution
    squares = (model.predict(test.tokens) - task.labels[test.template_ids]) ** 2
    return {
        "unseen_mse": unseen_error(model, task),
        "in_distribution_mse": float(squares.mean()),
        "in_distribution_stderr": float(squares.std(ddof=1) / np.sqrt(len(squares))),
        "residual": solution.residual_norm,
        "num_iterations": solution.num_iterations,
    }
