"""The theorem at work: errors on unseen symbols measured over n, ρ and seeds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ktrans._checks import LARGEST_SEED, as_distinct, as_ints, as_non_negative, check_kind
from ktrans.kernels.base import Estimate, TokenSymmetricKernel
from ktrans.solvers.ridge import KernelRidge
from ktrans.tasks import Dataset, TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.curves.plain import learning_curve
from ktrans.theory.statistics import check_task

Kernels = Mapping[str, TokenSymmetricKernel]
Cell = tuple[TemplateTask, int]

MAX_SAMPLES = 10**6
MAX_VOCAB_SIZE = 10**7
# So few distinct strings are factorised; beyond, conjugate gradients on linear-time products.
_FACTORISED = 400


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    n is swept at the task's own vocabulary and at the largest one here, the vocabulary m at the
    largest n.

    Attributes:
        num_samples: Values of n.
        vocab_sizes: Values of m.
        seeds: Seeds of the training sets.
        ridge: λ ≥ 0.

    Raises:
        ValueError: if a number is out of range or there is nothing to measure.
    """

    num_samples: tuple[Any, ...]
    vocab_sizes: tuple[Any, ...]
    seeds: tuple[Any, ...]
    ridge: Any

    def __post_init__(self) -> None:
        as_ints("num_samples", self.num_samples, 1, MAX_SAMPLES)
        as_ints("vocab_sizes", self.vocab_sizes, 1, MAX_VOCAB_SIZE)
        as_distinct("seeds", self.seeds, 0, LARGEST_SEED)
        if len(self.num_samples) == 0:
            raise ValueError("`num_samples` must have at least one entry; got none.")
        as_non_negative("ridge", self.ridge)

    def cells(self, task: TemplateTask) -> list[Cell]:
        """Pairs of a task, at some vocabulary, and n; each pair once."""
        own, largest = task.vocab_size, max((task.vocab_size, *self.vocab_sizes))
        sweep_n = [(m, n) for m in (own, largest) for n in self.num_samples]
        sweep_m = [(m, max(self.num_samples)) for m in self.vocab_sizes]
        tasks = {m: with_vocabulary(task, m) for m, _ in sweep_n + sweep_m}
        return [(tasks[m], n) for m, n in dict.fromkeys(sweep_n + sweep_m)]


@dataclass(frozen=True, eq=False)
class Measurement:
    """Errors of one kernel in each cell (n, ρ): means and standard errors over training sets.

    Attributes:
        num_samples: n, shape (cells,).
        diversity: ρ, exact.
        unseen: Σ_z w_z (f̂(z) − f*(z))² on all unseen symbols, estimated over training sets.
        unseen_stderr: Its standard error; NaN for a single seed.
        training: Mean squared error on the training labels.
        closed_form: `learning_curve` at the same n, ρ → ∞.
        residual: Largest relative residual of the solver over seeds.
    """

    num_samples: np.ndarray
    diversity: np.ndarray
    unseen: np.ndarray
    unseen_stderr: np.ndarray
    training: np.ndarray
    closed_form: np.ndarray
    residual: np.ndarray

    def at_diversity(self, diversity: float) -> "Measurement":
        """The cells with this ρ, by n."""
        return self._pick(self.diversity == diversity, self.num_samples)

    def at_num_samples(self, n: int) -> "Measurement":
        """The cells with this n, by ρ."""
        return self._pick(self.num_samples == n, self.diversity)

    def _pick(self, mask: np.ndarray, order: np.ndarray) -> "Measurement":
        rows = sorted_rows(mask, order)
        return Measurement(**{name: column[rows] for name, column in vars(self).items()})


def sorted_rows(mask: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The rows of a mask, in ascending order of a column."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(order[rows], kind="stable")]


def measure(
    task: TemplateTask,
    kernels: Kernels,
    plan: Plan,
    progress: Callable[[Iterable], Iterable] = iter,
) -> dict[str, Measurement]:
    """Errors on all unseen symbols at once, beside the closed form that neglects collisions.

    Args:
        task: A task with numbers as labels.
        kernels: The kernels to compare, by name.
        plan: What to measure.
        progress: Wraps the loop over training sets, as tqdm does.

    Returns:
        A measurement for each kernel.

    Raises:
        ValueError: if labels are symbols or the vocabulary cannot be replaced.
    """
    check_kind("plan", plan, Plan)
    check_kind("kernels", kernels, Mapping)
    cells = plan.cells(check_task(task))
    counts = [n for _, n in cells]
    # N is the same at every vocabulary, and with it the closed form.
    curves = {
        name: learning_curve(kernel, task, num_samples=counts, ridge=plan.ridge).mse
        for name, kernel in kernels.items()
    }
    jobs = [(cell, seed) for cell in cells for seed in plan.seeds]
    errors = [_errors(cell, seed, kernels, plan.ridge) for cell, seed in progress(jobs)]
    table = np.array(errors).reshape(len(cells), len(plan.seeds), len(kernels), 3)
    return {name: _summary(cells, table[:, :, i], curves[name]) for i, name in enumerate(kernels)}


def _errors(cell: Cell, seed: int, kernels: Kernels, ridge: float) -> list[list[float]]:
    """Unseen error, training error and residual, for each kernel on one training set."""
    task, n = cell
    data = task.sample(n, seed=seed)
    models = (fit_ridge(kernel, data, ridge) for kernel in kernels.values())
    return [
        [unseen_error(model, task), _training_error(model, data), model.solution.residual_norm]
        for model in models
    ]


def fit_ridge(kernel: TokenSymmetricKernel, data: Dataset, ridge: float) -> KernelRidge:
    """Plain conjugate gradients where they do: preconditioning is compiled for every size anew.

    A residual that rounding keeps above the tolerance is no failure here: tables state it.
    """
    few = len(np.unique(data.tokens, axis=0)) <= _FACTORISED
    plain = KernelRidge(
        kernel, ridge=ridge, on_failure="return", method="dense" if few else "conjugate_gradients"
    ).fit(data)
    if plain.solution.converged:
        return plain
    return KernelRidge(kernel, ridge=ridge, on_failure="return").fit(data)


def unseen_error(model: KernelRidge, task: TemplateTask) -> float:
    """Σ_z w_z (f̂(z) − f*(z))², on all unseen symbols at once."""
    return float(task.weights @ (model.predict_unseen() - task.labels) ** 2)


def _training_error(model: KernelRidge, data: Dataset) -> float:
    # (K̂ + λI) α = y says y − K̂ α = λ α, to the solver's residual, and saves a product.
    left = model.ridge * model.dual_coef_ if model.ridge else data.labels - model.predict(data)
    return float(np.mean(left**2))


def _summary(
    cells: list[Cell], table: Float[np.ndarray, "cells seeds 3"], curve: Float[np.ndarray, "cells"]
) -> Measurement:
    unseen, training, residual = np.moveaxis(table, -1, 0)
    error = mean_over_seeds(unseen)
    return Measurement(
        num_samples=np.array([n for _, n in cells]),
        diversity=np.array([task.diversity for task, _ in cells]),
        unseen=error.mean,
        unseen_stderr=error.stderr,
        training=training.mean(1),
        closed_form=curve,
        residual=residual.max(1),
    )


def mean_over_seeds(values: Float[np.ndarray, "rows seeds"]) -> Estimate:
    """The mean of each row over training sets, with its standard error; NaN for a single seed."""
    seeds = values.shape[1]
    spread = values.std(axis=1, ddof=1) if seeds > 1 else np.full(len(values), np.nan)
    return Estimate(values.mean(axis=1), spread / np.sqrt(seeds))
