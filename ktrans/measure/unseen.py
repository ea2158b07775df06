"""The one measuring loop: draw training sets, fit ridge regression, score it on unseen symbols."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ktrans._checks import LARGEST_SEED, as_distinct, as_ints, as_non_negative, check_kind
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans._tables import TextTable
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import Estimate, TokenSymmetricKernel
from ktrans.kernels.coefficients import PairValues
from ktrans.solvers.linear_system import LARGEST_DENSE
from ktrans.solvers.ridge import KernelRidge
from ktrans.solvers.solution import OnFailure
from ktrans.tasks import Dataset, TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.curves.plain import plain_curve
from ktrans.theory.statistics import TemplateStatistics, regression_statistics

Kernels = Mapping[str, TokenSymmetricKernel]
Cell = tuple[TemplateTask, int]

MAX_SAMPLES = 10**6
MAX_VOCAB_SIZE = 10**7


class Run(NamedTuple):
    """A training set: n samples of a task, drawn with a seed."""

    task: TemplateTask
    num_samples: int
    seed: int

    def draw(self) -> Dataset:
        """The samples."""
        return self.task.sample(self.num_samples, seed=self.seed)


def score_fits(
    kernels: Sequence[PairValues],
    runs: Sequence[Run],
    ridge: float,
    score: Callable[[KernelRidge, Dataset, Run], Sequence[float] | np.ndarray],
    progress: Progress = in_silence,
    **options: Any,
) -> Float[np.ndarray, "runs kernels scores"]:
    """Draw every training set, fit every kernel to it, and score the fit.

    Args:
        kernels: What is known of each kernel; its values are evaluated once for all training sets.
        runs: The training sets, the same for all kernels.
        ridge: λ ≥ 0.
        score: From a fitted model and its training set to numbers.
        progress: Wraps the loop over training sets.
        options: Of `fit_ridge`.

    Returns:
        The scores.
    """
    return np.array(
        [
            [score(fit_ridge(known, data, ridge, **options), data, run) for known in kernels]
            for run in progress(runs, "ridge regression")
            for data in [run.draw()]
        ],
        dtype=np.float64,
    )


def fit_ridge(
    kernel: TokenSymmetricKernel | PairValues,
    data: Dataset,
    ridge: float,
    *,
    tolerance: float = 1e-10,
    on_failure: OnFailure = "return",
) -> KernelRidge:
    """Plain conjugate gradients where they do: preconditioning is compiled for every size anew.

    A residual that rounding keeps above the tolerance is no failure here: tables state it.

    Args:
        kernel: A token-symmetric kernel, or what is known of its values.
        data: The training set.
        ridge: λ ≥ 0.
        tolerance: Relative residual to reach.
        on_failure: "raise", "warn" or "return" where it is missed.
    """
    values = kernel if isinstance(kernel, PairValues) else PairValues(kernel)
    operator = GramOperator(values.kernel, data, values=values)
    known: dict[str, Any] = {"kernel": values.kernel, "ridge": ridge, "tolerance": tolerance}
    if len(operator.distinct.first) > LARGEST_DENSE:
        plain = KernelRidge(**known, method="conjugate_gradients", on_failure="return")
        if plain.fit(operator, data.labels).solution.converged:
            return plain
    return KernelRidge(**known, on_failure=on_failure).fit(operator, data.labels)


def unseen_error(model: KernelRidge, task: TemplateTask) -> float:
    """Σ_z w_z (f̂(z) − f*(z))², on all unseen symbols at once."""
    return float(task.weights @ (model.predict_unseen() - task.labels) ** 2)


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
class Measurement(Result):
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

    def table(self) -> TextTable:
        """Errors in every cell."""
        return error_table({"kernel": self})

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
    statistics: Mapping[str, TemplateStatistics], plan: Plan, progress: Progress = in_silence
) -> dict[str, Measurement]:
    """Errors on all unseen symbols at once, beside the closed form that neglects collisions.

    Args:
        statistics: Of the kernels to compare on one task with numbers as labels, by name.
        plan: What to measure.
        progress: Wraps the loop over training sets.

    Returns:
        A measurement for each kernel.

    Raises:
        ValueError: if the vocabulary cannot be replaced.
    """
    cells = plan.cells(next(iter(statistics.values())).task)
    counts = [n for _, n in cells]
    runs = [Run(*cell, seed) for cell in cells for seed in plan.seeds]
    kernels = [PairValues(known.kernel) for known in statistics.values()]
    scores = score_fits(kernels, runs, plan.ridge, _errors, progress)
    table = scores.reshape(len(cells), len(plan.seeds), len(kernels), 3)
    # N is the same at every vocabulary, and with it the closed form.
    curves = [
        plain_curve(known, num_samples=counts, ridge=plan.ridge).mse
        for known in statistics.values()
    ]
    return {name: _summary(cells, table[:, :, i], curves[i]) for i, name in enumerate(statistics)}


def _errors(model: KernelRidge, data: Dataset, run: Run) -> list[float]:
    """Unseen error, training error and residual."""
    found = unseen_error(model, run.task), _training_error(model, data)
    return [*found, model.solution.residual_norm]


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


# Of f̂ − f*, shape (cells, seeds, r), and template weights, shape (r,), to an error for each cell.
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def root_mean_square(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of f̂ − f* over training sets and templates, shape (cells,)."""
    return np.sqrt(np.mean(errors**2, axis=1) @ weights)


def systematic(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Bias of the mean over training sets, corrected for their finite number."""
    square = errors.mean(axis=1) ** 2 - errors.var(axis=1, ddof=1) / errors.shape[1]
    return np.sqrt(np.maximum(square @ weights, 0.0))


def spread(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Standard deviation over training sets, root mean square over templates, shape (cells,)."""
    return np.sqrt(errors.var(axis=1, ddof=1) @ weights)


@dataclass(frozen=True, eq=False)
class UnseenErrors(Result):
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
    kernel: TokenSymmetricKernel, task: TemplateTask, plan: Plan, progress: Progress = in_silence
) -> UnseenErrors:
    """Ridge regression on every training set of a plan, and its errors on unseen symbols.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels.
        plan: What to measure.
        progress: Wraps the loop over training sets.

    Returns:
        The errors, exact for each training set to the solver's residual.

    Raises:
        ValueError: if labels are symbols or the vocabulary cannot be replaced.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> plan = Plan(num_samples=(20,), vocab_sizes=(), seeds=(0, 1), ridge=0.1)
        >>> measure_unseen(mlp, kt.tasks.load("aba_abb", vocab_size=50), plan).errors.shape
        (1, 2, 2)
    """
    check_kind("plan", plan, Plan)
    known = regression_statistics(kernel, task)
    cells = plan.cells(known.task)
    runs = [Run(*cell, seed) for cell in cells for seed in plan.seeds]
    values = [PairValues(known.kernel)]
    found = score_fits(values, runs, plan.ridge, lambda model, *_: model.predict_unseen(), progress)
    return UnseenErrors(
        num_samples=np.array([n for _, n in cells]),
        diversity=np.array([cell.diversity for cell, _ in cells]),
        errors=found.reshape(len(cells), len(plan.seeds), len(known.labels)) - known.labels,
        weights=known.weights,
        chance=float(np.sqrt(known.weights @ known.labels**2)),
    )


ERROR_HEADS = ("unseen", "closed form", "training")
_USUAL_RESIDUAL = 1e-10


def error_table(measured: Mapping[str, Measurement], seeds: int | None = None) -> TextTable:
    """Errors in every cell, mean ± standard error."""
    unseen, *others = ERROR_HEADS
    heads = [head for name in measured for head in (f"{name}: {unseen}", *others)]
    sets = "" if seeds is None else f", {seeds} training set(s) for each row"
    title = f"Mean squared error{sets}; closed form for ρ → ∞"
    rows = [["n", "ρ", *heads], *error_rows(measured)]
    return TextTable(rows, [title], _residual_lines(measured))


def _residual_lines(measured: Mapping[str, Measurement]) -> list[str]:
    """What the ridge systems were solved to, where it is not what is usual."""
    largest = max(
        (float(each.residual.max(initial=0.0)) for each in measured.values()), default=0.0
    )
    if largest <= _USUAL_RESIDUAL:
        return []
    return [
        f"relative residuals of ridge systems are up to {largest:.1e}; a larger --ridge lowers them"
    ]


def error_rows(measured: Mapping[str, Measurement]) -> list[list[str]]:
    """n, ρ and the errors of each kernel, for each cell; no heads."""
    first = next(iter(measured.values()))
    return [
        [f"{n}", f"{rho:.5g}", *(cell for each in measured.values() for cell in _cells(each, i))]
        for i, (n, rho) in enumerate(zip(first.num_samples, first.diversity, strict=True))
    ]


def _cells(measurement: Measurement, i: int) -> list[str]:
    stderr = measurement.unseen_stderr[i]
    spread = "" if np.isnan(stderr) else f" ± {stderr:.1g}"
    return [
        f"{measurement.unseen[i]:.4g}{spread}",
        f"{measurement.closed_form[i]:.4g}",
        f"{measurement.training[i]:.1e}",
    ]
