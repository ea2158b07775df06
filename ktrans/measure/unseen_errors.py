"""Errors on all unseen symbols at once, measured over n, ρ, training sets and templates."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from ktrans._checks import check_kind
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.measure.unseen import Plan, fit_ridge, sorted_rows
from ktrans.tasks import TemplateTask
from ktrans.theory.curves.plain import read_problem

# Of f̂ − f*, shape (cells, seeds, r), and template weights, shape (r,), to an error for each cell.
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def root_mean_square(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of f̂ − f* over training sets and templates, shape (cells,)."""
    return np.sqrt(np.mean(errors**2, axis=1) @ weights)


def systematic(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of the mean over training sets, without what their finite number adds to its square."""
    square = errors.mean(axis=1) ** 2 - errors.var(axis=1, ddof=1) / errors.shape[1]
    return np.sqrt(np.maximum(square @ weights, 0.0))


def spread(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Standard deviation over training sets, root mean square over templates, shape (cells,)."""
    return np.sqrt(errors.var(axis=1, ddof=1) @ weights)


@dataclass(frozen=True, eq=False)
class UnseenErrors:
    """f̂ − f* on all unseen symbols at once, for each cell (n, ρ), training set and template.

    Attributes:
        num_samples: n, shape (cells,).
        diversity: ρ, shape (cells,).
        errors: f̂(z) − f*(z), shape (cells, seeds, r), exact for each training set.
        weights: Template weights, shape (r,).
        chance: Root mean square of f*.
    """

    num_samples: np.ndarray
    diversity: np.ndarray
    errors: np.ndarray
    weights: np.ndarray
    chance: float

    @property
    def worst(self) -> Float[np.ndarray, "cells seeds"]:
        """max_z |f̂(z) − f*(z)|, of which the theorem speaks."""
        return np.abs(self.errors).max(axis=2)

    @property
    def root_mean_square(self) -> Float[np.ndarray, "cells"]:
        """Over training sets and templates."""
        return root_mean_square(self.errors, self.weights)

    def at_diversity(self, diversity: float) -> "UnseenErrors":
        """The cells with this ρ, by n."""
        return self.take(sorted_rows(self.diversity == diversity, self.num_samples))

    def at_num_samples(self, n: int) -> "UnseenErrors":
        """The cells with this n, by ρ."""
        return self.take(sorted_rows(self.num_samples == n, self.diversity))

    def take(self, rows: Int[np.ndarray, "rows"] | Bool[np.ndarray, "cells"]) -> "UnseenErrors":
        """Some cells, by index or mask."""
        cells = (self.num_samples[rows], self.diversity[rows], self.errors[rows])
        return UnseenErrors(*cells, self.weights, self.chance)


def measure_unseen(
    task: TemplateTask,
    kernel: TokenSymmetricKernel,
    plan: Any,
    progress: Callable[[Iterable], Iterable] = iter,
) -> UnseenErrors:
    """Ridge regression on every training set of a plan, and its errors on unseen symbols.

    Args:
        task: A task with numbers as labels.
        kernel: A token-symmetric kernel.
        plan: What to measure.
        progress: Wraps the loop over training sets, as tqdm does.

    Returns:
        The errors, exact for each training set to the solver's residual.

    Raises:
        ValueError: if labels are symbols or the vocabulary cannot be replaced.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> plan = Plan(num_samples=(20,), vocab_sizes=(), seeds=(0, 1), ridge=0.1)
        >>> measure_unseen(kt.tasks.load("aba_abb", vocab_size=50), mlp, plan).errors.shape
        (1, 2, 2)
    """
    check_kind("plan", plan, Plan)
    problem, cells = read_problem(kernel, task), plan.cells(task)
    jobs = [(cell, seed) for cell in cells for seed in plan.seeds]
    predictions = [
        fit_ridge(kernel, cell.sample(n, seed=seed), plan.ridge).predict_unseen()
        for (cell, n), seed in progress(jobs)
    ]
    shape = (len(cells), len(plan.seeds), len(problem.labels))
    return UnseenErrors(
        num_samples=np.array([n for _, n in cells]),
        diversity=np.array([cell.diversity for cell, _ in cells]),
        errors=np.array(predictions).reshape(shape) - problem.labels,
        weights=problem.weights,
        chance=float(np.sqrt(problem.weights @ problem.labels**2)),
    )
