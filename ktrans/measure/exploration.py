"""One setting of kernel, task and data, and all that an explorer shows of it."""

import functools
import time
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ktrans._checks import check_word
from ktrans._results import Result
from ktrans.kernels.activations import Cosine
from ktrans.kernels.attention.modified import ModifiedTransformerKernel
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.quick import QuickKernel
from ktrans.kernels.transformer import TransformerKernel
from ktrans.patterns.classes import PairClasses, pair_classes
from ktrans.tasks import Dataset, TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.certificate import chance_error
from ktrans.theory.curves.eigenlearning import corrected_curve
from ktrans.theory.curves.plain import plain_curve, plain_samples_needed
from ktrans.theory.spectrum.population import Spectrum, has_symmetry, population_spectrum
from ktrans.theory.statistics import check_task, template_statistics

READOUTS = ("cls", "per-position")
# Of an exact view; the finer one where the coarser leaves N undecided.
REFINEMENTS = (1e-5, 1e-8)

CURVE_SAMPLES = 2.0 ** np.arange(3, 18.5, 0.5)  # n of the predicted curves
MOST_SAMPLES = 2048
_MOST_SETS = 4
_FEWEST_SAMPLES = 8  # of the measured curve, which halves n down to here
_REFERENCE_SHARE = 0.25  # of chance, at which samples are called enough
_REMEMBERED_SETS = 8

Kind = Literal["estimated", "certified"]


@dataclass(frozen=True)
class ExplorerSetting:
    """Where the sliders stand.

    Attributes:
        beta: Inverse temperature β.
        gamma: Strength γ of the positional embedding.
        b1, b2: φ(t) = cos(b₁t + b₂).
        readout: "cls" for `TransformerKernel`, "per-position" for `ModifiedTransformerKernel`.
        a: The multiple of the identity in W_K W_Qᵀ + aI; "cls" does without.
        vocab_size: m, and with it ρ.
        num_samples: n of the measured curve, at most 2048.
        ridge: λ > 0.

    Raises:
        ValueError: if the read-out is unknown, n is not from 8 to 2048, or the ridge not positive.
    """

    beta: float = 1.0
    gamma: float = 0.7
    b1: float = 1.0
    b2: float = 0.5
    readout: str = "cls"
    a: float = 0.0
    vocab_size: int = 1000
    num_samples: int = 512
    ridge: float = 0.1

    def __post_init__(self) -> None:
        check_word("readout", self.readout, READOUTS)
        if not _FEWEST_SAMPLES <= self.num_samples <= MOST_SAMPLES:
            raise ValueError(
                f"`num_samples` must be from {_FEWEST_SAMPLES} to {MOST_SAMPLES}; got "
                f"{self.num_samples}."
            )
        if not self.ridge > 0:
            raise ValueError(f"`ridge` must be positive; got {self.ridge}.")

    @property
    def num_sets(self) -> int:
        """Training sets of the measured curve: fewer where n is large, to stay quick."""
        return min(MOST_SAMPLES // self.num_samples, _MOST_SETS)

    def kernel(self, rtol: float = REFINEMENTS[0]) -> TransformerKernel | ModifiedTransformerKernel:
        """The kernel, to be computed exactly."""
        activation = Cosine(b1=self.b1, b2=self.b2)
        if self.readout == "cls":
            return TransformerKernel(self.beta, self.gamma, activation, rtol)
        return ModifiedTransformerKernel(
            self.beta, self.gamma, self.a, activation, self.readout, rtol
        )


class MeasuredCurve(NamedTuple):
    """Errors on all unseen symbols at once, for each training set and the first n of its samples.

    Exact for each training set and the kernel's values; NaN where these are estimates that make K̂
    indefinite.
    """

    num_samples: Float[np.ndarray, "n"]
    mse: Float[np.ndarray, "sets n"]


@dataclass(frozen=True, eq=False)
class View(Result):
    """What is seen at a setting.

    Attributes:
        setting: The setting.
        kind: "certified" where all kernel values are; "estimated" otherwise, every number here then
            depends on estimates, and the bounds are five standard errors.
        rtol: Target of the kernel's bounds, None for the quick estimate.
        templates: Their names.
        diversity: ρ, exact.
        template_matrix: N, shape (r, r), each entry within `template_matrix_error`.
        eigenvalues: Of N, ascending, within `bound`.
        weights: Of the templates, shape (r,).
        spectrum: Of the population operator; None where substitution is not uniform.
        curve_samples: n of the predicted curves.
        closed_form: Predicted error for ρ → ∞.
        corrected: Predicted error at this ρ, collisions counted; None without `spectrum`.
        measured: MeasuredCurve errors.
        samples_needed: n at which `closed_form` is a quarter of chance.
        chance: Error of the best constant.
        seconds: What all of it took.
    """

    setting: ExplorerSetting
    kind: Kind
    rtol: float | None
    templates: tuple[str, ...]
    diversity: float
    template_matrix: np.ndarray
    template_matrix_error: np.ndarray
    eigenvalues: np.ndarray
    bound: float
    weights: np.ndarray
    spectrum: Spectrum | None
    curve_samples: np.ndarray
    closed_form: np.ndarray
    corrected: np.ndarray | None
    measured: MeasuredCurve
    samples_needed: float
    chance: float
    seconds: float

    @property
    def sigma_min(self) -> float:
        """σ_min(N), within `bound`."""
        return float(np.abs(self.eigenvalues).min())

    @property
    def decided(self) -> bool:
        """Whether N is certified nonsingular."""
        return self.kind == "certified" and self.sigma_min > self.bound


def read_explorable(task: TemplateTask) -> TemplateTask:
    """The task, if curves can be drawn for it.

    Raises:
        TypeError: if it is no `TemplateTask`.
        ValueError: if its labels are symbols or all equal.
    """
    known = check_task(task)
    if not chance_error(known):
        raise ValueError(
            f"`task` must have numbers as labels, not all equal; those of '{known.name}' are "
            f"{list(known.labels)[:4]}."
        )
    return known


def explore(task: TemplateTask, setting: ExplorerSetting, *, rtol: float | None = None) -> View:
    """All that an explorer shows, in a fraction of a second unless a bound is asked for.

    Args:
        task: A task with numbers as labels.
        setting: Where the sliders stand.
        rtol: Target for the bounds of kernel values, relative to 1 + γ²; left out, kernel values
            are estimates with a fixed number of quasi-Monte Carlo points.

    Returns:
        The view.

    Raises:
        TypeError, ValueError: if the task has no curves, or the vocabulary cannot be changed.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=100)
        >>> view = explore(task, ExplorerSetting(beta=0.0, vocab_size=50, num_samples=16))
        >>> view.kind, view.diversity, view.measured.mse.shape
        ('estimated', 25.0, (4, 2))
    """
    start = time.perf_counter()
    known = with_vocabulary(read_explorable(task), setting.vocab_size)
    kernel = _kernel(setting, rtol)
    statistics = template_statistics(kernel, known)
    matrix, (eigenvalues, bound) = statistics.matrix, statistics.spectrum
    uniform = has_symmetry(known)
    plan: dict[str, Any] = {"num_samples": CURVE_SAMPLES, "ridge": setting.ridge}
    chance = chance_error(known) or 0.0
    return View(
        setting=setting,
        kind="certified" if matrix.certified else "estimated",
        rtol=rtol,
        templates=tuple(map(str, known.templates)),
        diversity=known.diversity,
        template_matrix=matrix.value,
        template_matrix_error=matrix.bound,
        eigenvalues=eigenvalues,
        bound=bound,
        weights=known.weights,
        spectrum=population_spectrum(kernel, known) if uniform else None,
        curve_samples=CURVE_SAMPLES,
        closed_form=plain_curve(statistics, **plan).mse,
        corrected=corrected_curve(statistics, **plan).mse if uniform else None,
        measured=_measure(kernel, task, known, setting),
        samples_needed=plain_samples_needed(
            statistics, mse=_REFERENCE_SHARE * chance, ridge=setting.ridge
        ),
        chance=chance,
        seconds=time.perf_counter() - start,
    )


def certify(task: TemplateTask, setting: ExplorerSetting) -> View:
    """The exact view, with finer kernel values where the first leave N undecided; takes seconds."""
    view = explore(task, setting, rtol=REFINEMENTS[0])
    if view.kind == "certified" and not view.decided:
        return explore(task, setting, rtol=REFINEMENTS[1])
    return view


def _kernel(setting: ExplorerSetting, rtol: float | None) -> TokenSymmetricKernel:
    return QuickKernel(setting.kernel()) if rtol is None else setting.kernel(rtol)


class _TrainingSet(NamedTuple):
    """Labels, and the pair classes of the samples with each other and with unseen strings."""

    labels: Float[np.ndarray, "n"]
    gram: PairClasses
    unseen: PairClasses


def _measure(
    kernel: TokenSymmetricKernel, task: TemplateTask, known: TemplateTask, setting: ExplorerSetting
) -> MeasuredCurve:
    """Ridge regression on the first n samples of each training set."""
    halvings = int(np.log2(setting.num_samples / _FEWEST_SAMPLES))
    counts = [setting.num_samples >> j for j in range(halvings, -1, -1)]
    plan = setting.vocab_size, setting.num_samples
    sets = [_training_set(task, *plan, seed) for seed in range(setting.num_sets)]
    predictions = np.array([_predict(kernel, some, counts, setting.ridge) for some in sets])
    errors = (predictions - np.asarray(known.labels)) ** 2 @ known.weights
    return MeasuredCurve(np.array(counts, dtype=float), errors)


def _predict(
    kernel: TokenSymmetricKernel, data: _TrainingSet, counts: list[int], ridge: float
) -> Float[np.ndarray, "n r"]:
    """f̂ on unseen symbols. The leading blocks of a Cholesky factor are those of leading blocks."""
    gram, unseen = (_matrix(kernel, some) for some in (data.gram, data.unseen))
    gram[np.diag_indices_from(gram)] += ridge
    try:
        # The transpose is the same matrix, in LAPACK's order.
        factor = scipy.linalg.cholesky(gram.T, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return np.full((len(counts), len(unseen)), np.nan)
    duals = [
        scipy.linalg.cho_solve((factor[:n, :n], True), data.labels[:n], check_finite=False)
        for n in counts
    ]
    return np.array([unseen[:, :n] @ alpha for n, alpha in zip(counts, duals, strict=True)])


def _matrix(kernel: TokenSymmetricKernel, classes: PairClasses) -> Float[np.ndarray, "n1 n2"]:
    return kernel.evaluate_pairs(classes.tokens1, classes.tokens2).value[classes.index]


@functools.lru_cache(maxsize=_REMEMBERED_SETS)
def _training_set(task: TemplateTask, vocab_size: int, n: int, seed: int) -> _TrainingSet:
    """What of a training set does not depend on the kernel."""
    known = with_vocabulary(task, vocab_size)
    data: Dataset = known.sample(n, seed=seed)
    tokens, fresh = data.tokens.astype(np.int64), known.fresh_strings()[0]
    return _TrainingSet(data.labels, pair_classes(tokens, tokens), pair_classes(fresh, tokens))
