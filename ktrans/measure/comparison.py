"""Kernels side by side on one task: errors on the same training sets, spectra, N, and reasons."""

import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ktrans._checks import (
    Number,
    Numbers,
    Whole,
    as_int,
    as_ints,
    as_non_negative,
    check_word,
    shown,
)
from ktrans._numerics import as_plain
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans._tables import TextTable, with_bound
from ktrans.kernels.base import Estimate
from ktrans.kernels.coefficients import PairValues
from ktrans.measure.reasons import ErrorsAt, reasons
from ktrans.measure.standing import Standing, standing
from ktrans.measure.unseen import (
    MAX_SAMPLES,
    Kernels,
    Run,
    mean_over_seeds,
    score_fits,
    unseen_error,
)
from ktrans.solvers.ridge import KernelRidge
from ktrans.tasks import Dataset, TemplateTask
from ktrans.theory.certificate import Certificate, certify, chance_error
from ktrans.theory.curves.eigenlearning import corrected_curve, in_distribution
from ktrans.theory.curves.plain import plain_curve
from ktrans.theory.spectrum.population import has_symmetry
from ktrans.theory.statistics import TemplateStatistics, regression_statistics

MAX_SEEDS = 1000
# Errors are told to three digits; the kernels of others may be badly scaled.
_TOLERANCE = 1e-7
_SPECTRUM_SAMPLES = 1000
_CURVE_POINTS = 60
_TEST_SEEDS = 1 << 40  # the seeds of test strings, far from those of training sets


@dataclass(frozen=True)
class Design:
    """What is measured.

    Attributes:
        num_samples: Values of n.
        num_seeds: Training sets for each n, the same for all kernels.
        num_test: Fresh strings of the training distribution for each training set.
        ridge: λ ≥ 0, absolute.

    Raises:
        TypeError: if a number is of the wrong kind.
        ValueError: if one is out of range, or there is no n.
    """

    num_samples: tuple[Any, ...]
    num_seeds: Any
    num_test: Any
    ridge: float

    def __post_init__(self) -> None:
        if len(self.num_samples) == 0:
            raise ValueError("`num_samples` must have at least one entry; got none.")
        as_ints("num_samples", self.num_samples, 1, MAX_SAMPLES)
        as_int("num_seeds", self.num_seeds, 1, MAX_SEEDS)
        as_int("num_test", self.num_test, 1, MAX_SAMPLES)
        as_non_negative("ridge", self.ridge)

    @property
    def runs(self) -> list[tuple[int, int]]:
        """n and seed of every training set."""
        return [(n, seed) for n in self.num_samples for seed in range(self.num_seeds)]


@dataclass(frozen=True, eq=False)
class Curves(Result):
    """Closed-form errors against n.

    Attributes:
        num_samples: n, shape (points,).
        limit: `learning_curve` on unseen symbols, exact for ρ → ∞.
        unseen: `corrected_learning_curve` there, collisions counted, an approximation; None where
            substitution is not uniform.
        in_distribution: `in_distribution_curve`, an approximation; None likewise.
    """

    num_samples: np.ndarray
    limit: np.ndarray
    unseen: np.ndarray | None
    in_distribution: np.ndarray | None


@dataclass(frozen=True, eq=False)
class KernelComparison(Result):
    """What was found about one kernel.

    Attributes:
        certificate: N, its eigenvalues and σ_min with a bound, n* and the verdict.
        unseen: Σ_z w_z (f̂(z) − f*(z))² on all unseen symbols, exact for each training set, shape
            (n, seeds).
        in_distribution: Mean of (f̂(x) − f*(x))² over fresh strings of the training distribution,
            the same ones for all kernels, shape (n, seeds).
        curves: Closed forms.
        eigenvalues: Of K̂/n for the first training set of the largest n (for a thousand of its
            samples at most), descending; exact to rounding.
        reasons: Why the errors are what they are, in sentences.
        standing: Whether it generalises at these n, will with more samples, or cannot.
    """

    certificate: Certificate
    unseen: np.ndarray
    in_distribution: np.ndarray
    curves: Curves
    eigenvalues: np.ndarray
    reasons: tuple[str, ...]
    standing: Standing

    @property
    def summary(self) -> dict[str, Estimate]:
        """Errors as means over training sets with standard errors, each of shape (n,)."""
        return {
            "unseen": mean_over_seeds(self.unseen),
            "in_distribution": mean_over_seeds(self.in_distribution),
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        parts = {
            "certificate": self.certificate.to_dict(),
            "curves": vars(self.curves),
            "standing": str(self.standing),
        }
        return as_plain(vars(self) | parts | {"summary": _record(self.summary)})


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """Kernels compared on the same data sets.

    Attributes:
        task: Name, templates, m, ρ and noise of the task.
        design: What was measured.
        chance: Error of the best constant.
        kernels: What was found, by name; differences are taken from the first.
        seconds: Wall-clock time.
    """

    task: dict[str, Any]
    design: Design
    chance: float
    kernels: dict[str, KernelComparison]
    seconds: float

    def table(self) -> TextTable:
        """N and errors of each kernel, and the reasons."""
        return comparison_table(self)

    def difference(self, name: str) -> dict[str, Estimate]:
        """Errors of the first kernel minus those of another, paired by training set.

        Args:
            name: The other kernel.

        Returns:
            For "unseen" and "in_distribution" the estimated mean and its standard error over
            training sets, each of shape (n,); NaN for a single seed.
        """
        check_word("name", name, tuple(self.kernels))
        first, other = next(iter(self.kernels.values())), self.kernels[name]
        return {
            "unseen": mean_over_seeds(first.unseen - other.unseen),
            "in_distribution": mean_over_seeds(first.in_distribution - other.in_distribution),
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON; numbers that are not finite as None."""
        first, *others = self.kernels
        found = {name: each.to_dict() for name, each in self.kernels.items()}
        differences = {name: _record(self.difference(name)) for name in others}
        return as_plain(
            vars(self)
            | {"design": vars(self.design), "kernels": found}
            | {"reference": first, "reference_minus": differences}
        )


def compare(
    kernels: Kernels,
    task: TemplateTask,
    *,
    num_samples: Numbers,
    num_seeds: Whole,
    ridge: Number,
    num_test: Whole = 1000,
    progress: Progress = in_silence,
) -> Comparison:
    """Ridge regression with several kernels on the same training sets, and why they differ.

    Args:
        kernels: Token-symmetric kernels by name.
        task: A task with numbers as labels.
        num_samples: Values of n.
        num_seeds: Training sets for each n.
        ridge: λ ≥ 0, absolute.
        num_test: Fresh strings of the training distribution for each training set.
        progress: Wraps loops; gets the steps and a word about them.

    Returns:
        The comparison: errors on unseen symbols exact for each training set, errors in distribution
        estimated, σ_min(N) certified.

    Raises:
        TypeError: if a kernel is not token-symmetric or the task is no `TemplateTask`.
        ValueError: if labels are symbols, there is no kernel, or a number is out of range.
        ConvergenceError: if a ridge system is not solved to its tolerance.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), sections 3 and 4.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.measure.comparison import compare
        >>> mlp = dict(depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0)
        >>> kernels = {kind: kt.MLPKernel(kind=kind, **mlp) for kind in ("nngp", "ntk")}
        >>> found = compare(kernels, kt.tasks.load("aba_abb", vocab_size=30), num_samples=[20, 40],
        ...     num_seeds=2, ridge=1e-3, num_test=50)
        >>> found.kernels["ntk"].unseen.shape, found.kernels["ntk"].certificate.nonsingular
        ((2, 2), False)
    """
    start = time.perf_counter()
    known = _read(kernels, task)
    design = Design(
        as_ints("num_samples", num_samples, 1, MAX_SAMPLES),
        num_seeds,
        num_test,
        as_non_negative("ridge", ridge),
    )
    certified = [
        certify(each, ridge=design.ridge) for each in progress(list(known.values()), "certificates")
    ]
    values = [PairValues(each.kernel) for each in known.values()]
    errors = score_fits(
        values, [Run(task, *run) for run in design.runs], design.ridge, _score(design), progress,
        tolerance=_TOLERANCE, on_failure="raise",
    )  # fmt: skip
    # Axes n, seed, kernel, and whether the error is on unseen symbols or in distribution.
    table = errors.reshape(len(design.num_samples), num_seeds, len(known), 2)
    found = {
        name: _conclude(known[name], design, values[i], certified[i], table[:, :, i])
        for i, name in enumerate(progress(list(known), "spectra"))
    }
    seconds = time.perf_counter() - start
    return Comparison(_describe(task), design, chance_error(task) or 0.0, found, seconds)


def _score(design: Design) -> Callable[[KernelRidge, Dataset, Run], tuple[float, float]]:
    """Errors on unseen symbols, and on test strings that are the same for all kernels."""

    def score(model: KernelRidge, _: Dataset, run: Run) -> tuple[float, float]:
        test = run.task.sample(design.num_test, seed=_TEST_SEEDS + run.seed)
        return unseen_error(model, run.task), _in_distribution(model, test)

    return score


def _in_distribution(model: KernelRidge, test: Dataset) -> float:
    truth = np.asarray(test.task.labels)[test.template_ids]
    return float(np.mean((model.predict(test) - truth) ** 2))


def _conclude(
    known: TemplateStatistics,
    design: Design,
    values: PairValues,
    certificate: Certificate,
    errors: Float[np.ndarray, "n seeds 2"],
) -> KernelComparison:
    last = int(np.argmax(design.num_samples))
    measured = ErrorsAt(design.num_samples[last], *np.moveaxis(errors[last], -1, 0))
    return KernelComparison(
        certificate=certificate,
        unseen=errors[..., 0],
        in_distribution=errors[..., 1],
        curves=_curves(known, design),
        eigenvalues=_eigenvalues(known.task, design, values),
        reasons=reasons(known, certificate, measured),
        standing=standing(certificate, measured.unseen),
    )


def _curves(known: TemplateStatistics, design: Design) -> Curves:
    grid = np.geomspace(min(design.num_samples), max(design.num_samples), _CURVE_POINTS)
    options: Any = {"num_samples": grid, "ridge": design.ridge}
    limit = plain_curve(known, **options).mse
    if not has_symmetry(known.task):
        return Curves(grid, limit, None, None)
    unseen = corrected_curve(known, **options).mse
    return Curves(grid, limit, unseen, in_distribution(known, **options).risk)


def _eigenvalues(task: TemplateTask, design: Design, values: PairValues) -> Float[np.ndarray, "n"]:
    tokens = task.sample(max(design.num_samples), seed=0).tokens[:_SPECTRUM_SAMPLES]
    matrix = values.matrix(tokens, tokens)
    return np.linalg.eigvalsh((matrix + matrix.T) / 2)[::-1] / len(tokens)


def _read(kernels: Kernels, task: TemplateTask) -> dict[str, TemplateStatistics]:
    if isinstance(kernels, TemplateTask):
        raise TypeError(
            "`kernels` must stand before `task`, as in `ktrans.compare(kernels, task)`; got a task."
        )
    if not isinstance(kernels, Mapping) or not kernels:
        raise ValueError(f"`kernels` must be kernels by name, at least one; got {shown(kernels)}.")
    return {str(name): regression_statistics(kernel, task) for name, kernel in kernels.items()}


def _describe(task: TemplateTask) -> dict[str, Any]:
    names = ("name", "vocab_size", "diversity", "noise_std")
    return {"templates": list(map(str, task.templates))} | {n: getattr(task, n) for n in names}


def _record(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: each._asdict() for name, each in estimates.items()}


MATRIX_HEADS = ("N", "σ_min(N)", "n*", "on unseen symbols")
_DECISIONS = {True: "nonsingular", False: "singular", None: "undecided"}
_WIDTH = 96
_SHOWN_N = 3


def comparison_table(found: Comparison) -> TextTable:
    """N and errors of each kernel at the largest n, then the reasons."""
    shown = sorted(found.design.num_samples)[-_SHOWN_N:]
    heads = ["kernel", *MATRIX_HEADS, *(f"unseen, n = {n}" for n in shown)]
    rows = [[*heads, f"in distribution, n = {shown[-1]}"]]
    rows += [_row(name, each, found, shown) for name, each in found.kernels.items()]
    task, seeds = found.task, found.design.num_seeds
    title = (
        f"{task['name'] or 'task'}: {', '.join(task['templates'][:6])}, ρ = {task['diversity']:g}; "
        f"mean squared errors over {seeds} training set(s), by chance {found.chance:.4g}"
    )
    return TextTable(rows, [title], _reasons(found))


def matrix_cells(each: KernelComparison) -> list[str]:
    """Whether N is nonsingular, σ_min(N) with its bound, n*, and where the kernel stands."""
    certificate = each.certificate
    sigma = with_bound(certificate.sigma_min, certificate.sigma_min_error, most=4)
    scale = f"{certificate.sample_scale:.3g}"
    return [_DECISIONS[certificate.nonsingular], sigma, scale, str(each.standing)]


def error_cell(each: KernelComparison, kind: str, place: int) -> str:
    """The mean over training sets at one n, with its standard error if there are several."""
    mean, stderr = (part[place] for part in each.summary[kind])
    return f"{mean:.3g}" if stderr != stderr else f"{mean:.3g} ± {stderr:.1g}"


def _row(name: str, each: KernelComparison, found: Comparison, shown: list[int]) -> list[str]:
    places = [found.design.num_samples.index(n) for n in shown]
    unseen = [error_cell(each, "unseen", i) for i in places]
    inside = error_cell(each, "in_distribution", places[-1])
    return [name, *matrix_cells(each), *unseen, inside]


def _reasons(found: Comparison) -> list[str]:
    lines: list[str] = []
    for name, each in found.kernels.items():
        text = f"{name}: {' '.join(each.reasons)}"
        lines += textwrap.wrap(text, _WIDTH, subsequent_indent="    ")
    return lines
