"""What finite diversity costs: the error on unseen symbols that no number of samples removes."""

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from ktrans._checks import Number, Numbers, as_non_negative, as_positive
from ktrans._results import Result
from ktrans._rounding import gamma, round_up
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.curves._arguments import read_counts
from ktrans.theory.curves.eigenlearning import corrected_curve, corrected_least_samples
from ktrans.theory.curves.plain import (
    Curve,
    Prediction,
    least_samples,
    make_curve,
    plain_samples_needed,
)
from ktrans.theory.diversity import Population, count_values, largest_cheap_size, population
from ktrans.theory.orbits import (
    MAX_UNKNOWNS,
    Alphabet,
    exact_alphabet,
    support_alphabet,
    usual_alphabet,
)
from ktrans.theory.spectrum.population import has_symmetry
from ktrans.theory.statistics import (
    TemplateStatistics,
    enclosed_spectrum,
    regression_statistics,
)

CHEAP_VALUES = 8000  # kernel values that take seconds
_FEW_VALUES = 400  # with so few the whole spectrum is cheap too
_ROUNDING = 1e-13  # eigenvalues below this share of the largest are zero, where B is singular
_LARGEST_VOCABULARY = 10**15
_COARSER = 0.5  # unknowns of the second binning, from which the first one's error is estimated


@dataclass(frozen=True, eq=False)
class Floor(Result):
    """Ridge regression on infinitely many samples of a finite diversity.

    Attributes:
        mse: Σ_z w_z (f∞(z) − f*(z))² on all unseen symbols.
        mse_error: Bound on its error.
        predictions: f∞ on unseen symbols for each template, shape (r,).
        predictions_error: Bounds, shape (r,).
        template_matrix: N_m, mean kernel value of independent strings of two templates, collisions
            included, shape (r, r).
        template_matrix_error: Bounds, shape (r, r).
        diversity: ρ.
        num_unknowns: Orbits of strings: r, unless regular tokens can be substituted.
        certified: Whether the bounds are proved. Otherwise they are those of estimated kernel
            values, or infinite where N_m is not certified nonsingular.
    """

    mse: float
    mse_error: float
    predictions: np.ndarray
    predictions_error: np.ndarray
    template_matrix: np.ndarray
    template_matrix_error: np.ndarray
    diversity: float
    num_unknowns: int
    certified: bool


def diversity_floor(kernel: TokenSymmetricKernel, task: TemplateTask) -> Floor:
    """The error on unseen symbols as n → ∞ at the task's own diversity.

    The population problem commutes with permutations of tokens of one weight, so its dual solution
    is one number for each orbit of strings (for each template, with uniform substitution):

        f∞ = N D (B D + λ/n)⁻¹ f* → N B⁻¹ f*,    f∞ − f* = −G B⁻¹ f*,    G = B − N,

    with B = N_m the mean kernel values of independent strings, collisions included. G is computed
    as a sum over collisions, so the floor has a small relative error at any m.

    **Only the support matters.** f∞ is the interpolant of least norm of f* on all strings that can
    be drawn, whatever their probabilities; so Zipf weights on m tokens have the floor of uniform
    ones, not that of their ρ. Weights decide how many samples it takes (`finite_curve`). Where
    templates meet with different labels there is no interpolant: weights decide the compromise.

    **Rate.** For uniform substitution B is the Gram matrix of mean embeddings of m tokens. Those of
    m tokens drawn from more have the mean embedding of all as their mean, so B exceeds its limit N
    by a covariance: G is positive semi-definite. Hence for f* = N a

        f* − f∞ = (N − N (N + G)⁻¹ N) a = (N : G) a,    0 ⪯ N : G ⪯ G

    (the parallel sum), and with P[some collision] ≤ w w′/m the predictor errs by O(1/ρ), its square
    by O(1/ρ²), where Theorem 3.4 states √(1/ρ). It also follows that N_m ⪰ N: it is nonsingular at
    every m where N is.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels.

    Returns:
        The floor: certified where the kernel is and B is certified nonsingular; else an estimate.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is not a `TemplateTask`.
        ValueError: if labels are symbols.

    References:
        Goes beyond Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Theorem 3.4. Parallel sums:
        Anderson and Duffin, "Series and parallel addition of matrices", 1969.

    Example:
        >>> import ktrans as kt
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> floor = diversity_floor(kernel, kt.tasks.load("aba_abb", vocab_size=8))
        >>> round(floor.mse, 5), floor.certified
        (0.44198, True)
    """
    return find_floor(regression_statistics(kernel, task))


def find_floor(statistics: TemplateStatistics, max_values: int | None = None) -> Floor:
    """`diversity_floor` from statistics that are there already.

    Args:
        statistics: Of a kernel on a task with numbers as labels.
        max_values: About the largest number of kernel values to evaluate; what matchings of many
            wildcards add is bounded instead.
    """
    task = statistics.task
    size = None if max_values is None else largest_cheap_size(task, max_values)
    if task.is_uniform and (size is None or size >= task.max_wildcards):
        return solve_floor(statistics, statistics.population)
    alphabet = support_alphabet(task) if task.contradiction is None else usual_alphabet(task)
    return solve_floor(statistics, population(statistics.pair_values, task, alphabet, size))


def solve_floor(statistics: TemplateStatistics, found: Population) -> Floor:
    """The floor of a population."""
    errors = _limit_errors(statistics, found)
    matrix = found.mean_matrix
    size = np.abs(errors.value)
    spread = 2 * size * errors.bound + errors.bound**2 + gamma(len(size) + 4) * size**2
    return Floor(
        mse=float(statistics.weights @ errors.value**2),
        mse_error=float(round_up(statistics.weights @ spread)),
        predictions=statistics.labels + errors.value,
        predictions_error=np.asarray(round_up(errors.bound + gamma(2) * np.abs(statistics.labels))),
        template_matrix=matrix.value,
        template_matrix_error=matrix.bound,
        diversity=statistics.task.diversity,
        num_unknowns=len(found.shares),
        certified=errors.certified,
    )


def _limit_errors(statistics: TemplateStatistics, found: Population) -> Bounded:
    """f∞ − f* = −G x with B x = f*; where B is not certified nonsingular, by the pseudo-inverse.

    With any Y, G x = Y f* + (G − Y B) x. Y ≈ G B⁻¹ is small where G is, and multiplies the error of
    B by |x|, not by |x|/λ_min(B) as the error of x does.
    """
    targets = statistics.labels[found.orbits.template]
    smallest = _smallest_eigenvalue(statistics, found)
    if not smallest > 0:
        return _singular_errors(statistics, found, targets)
    size = _dual_size(found.means, targets, smallest)
    means, gap = found.means, found.gap
    shift = _transfer(means.value, gap.value)
    count = len(targets)
    rounding = gamma(count + 8) * (np.abs(shift) @ np.abs(means.value) + np.abs(gap.value))
    off = np.abs(gap.value - shift @ means.value) + np.abs(shift) @ means.bound + gap.bound
    value = -shift @ targets
    last = gamma(count + 4) * (np.abs(shift) @ np.abs(targets))
    return Bounded(value, round_up((off + 2 * rounding) @ size + last), means.certified)


def _smallest_eigenvalue(statistics: TemplateStatistics, found: Population) -> float:
    """A lower bound on λ_min(B), certified where B and N are; zero or less says nothing.

    For one orbit a template B ⪰ N (`diversity_floor`), so that λ_min(N) bounds it too.
    """
    spectra = [enclosed_spectrum(found.means)]
    if len(found.shares) == len(statistics.labels):
        spectra.append(statistics.spectrum)
    return max(float(each.eigenvalues.min() - each.bound) for each in spectra)


def _dual_size(
    means: Bounded, targets: Float[np.ndarray, "o"], smallest: float
) -> Float[np.ndarray, "o"]:
    """A bound on |x|: ‖x − x̂‖ ≤ ‖f* − B x̂‖/λ_min(B), and the residual is bounded term by term."""
    x = np.linalg.solve(means.value, targets)
    size, count = np.abs(x), len(x)
    rounding = gamma(count + 4) * (np.abs(means.value) @ size + np.abs(targets))
    residual = np.abs(targets - means.value @ x) + means.bound @ size + rounding
    norm = np.linalg.norm(residual) * (1 + gamma(count + 4))
    return np.asarray(round_up(size + norm / smallest))


def _transfer(
    means: Float[np.ndarray, "o o"], gap: Float[np.ndarray, "r o"]
) -> Float[np.ndarray, "r o"]:
    """G B⁻¹, refined once."""
    first = np.linalg.solve(means.T, gap.T).T
    return first + np.linalg.solve(means.T, (gap - first @ means).T).T


def _singular_errors(
    statistics: TemplateStatistics, found: Population, targets: Float[np.ndarray, "o"]
) -> Bounded:
    """f = N D^½ (D^½ B D^½)⁺ D^½ f*, the limit of a vanishing ridge; an estimate."""
    root = np.sqrt(found.shares)
    try:
        values, vectors = np.linalg.eigh(root[:, None] * found.means.value * root)
    except np.linalg.LinAlgError:
        values, vectors = np.full(len(root), np.nan), np.eye(len(root))
    noise = float(root @ found.means.bound @ root)
    kept = values > max(_ROUNDING * np.abs(values).max(), noise)
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    reach = found.fresh.value * root @ vectors
    value = reach * inverse @ (vectors.T @ (root * targets)) - statistics.labels
    return Bounded(value, np.full(len(value), np.inf))


def diversity_needed(kernel: TokenSymmetricKernel, task: TemplateTask, *, mse: Number) -> float:
    """The least diversity ρ at which infinitely many samples bring the error down to `mse`.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels and uniform substitution.
        mse: The mean squared error wanted, positive.

    Returns:
        ρ = m/w, by doubling and bisection of m over the exact floor; infinite where no alphabet
        up to 10¹⁵ tokens is large enough.

    Raises:
        TypeError, ValueError: as `diversity_floor`; if substitution is not uniform, or `mse` is not
            positive.

    Example:
        >>> import ktrans as kt
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> diversity_needed(kernel, kt.tasks.load("aba_abb"), mse=0.1)
        15.0
    """
    target, statistics = as_positive("mse", mse), _uniform_statistics(kernel, task)
    widest = max(statistics.task.max_wildcards, 1)

    def enough(size: int) -> bool:
        return floor_at(statistics, size).mse <= target

    low, high = widest - 1, widest
    while not enough(high):
        low, high = high, 2 * high
        if high > _LARGEST_VOCABULARY:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high / widest


def floor_constant(kernel: TokenSymmetricKernel, task: TemplateTask) -> float:
    """lim ρ²·floor as ρ → ∞: what the floor is, to leading order, over 1/ρ².

    G = C/m + O(1/m²) with C = Σ_{|P| = 1} c(P), so f∞ − f* = −C N⁻¹ f*/m + O(1/m²).

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels and uniform substitution.

    Returns:
        The constant, exact to rounding for the kernel's values; NaN where N is singular.

    Raises:
        TypeError, ValueError: as `diversity_needed`.

    Example:
        >>> import ktrans as kt
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> round(floor_constant(kernel, kt.tasks.load("aba_abb")), 2)
        42.27
    """
    statistics = _uniform_statistics(kernel, task)
    if not statistics.spectrum.eigenvalues.min() > statistics.spectrum.bound:
        return math.nan
    size = _LARGEST_VOCABULARY
    gap = _population_at(statistics, size).gap.value * (size / statistics.task.max_wildcards)
    errors = gap @ np.linalg.solve(statistics.template_matrix, statistics.labels)
    return float(statistics.weights @ errors**2)


def floor_at(statistics: TemplateStatistics, vocab_size: int) -> Floor:
    """The floor with another number of substitution tokens; kernel values are shared."""
    floor = solve_floor(statistics, _population_at(statistics, vocab_size))
    return replace(floor, diversity=vocab_size / max(statistics.task.max_wildcards, 1))


def _population_at(statistics: TemplateStatistics, vocab_size: int) -> Population:
    alphabet = Alphabet(np.array([vocab_size]), np.ones(1), {})
    return population(statistics.pair_values, statistics.task, alphabet)


def _uniform_statistics(kernel: TokenSymmetricKernel, task: TemplateTask) -> TemplateStatistics:
    known = regression_statistics(kernel, task)
    if not has_symmetry(known.task):
        raise ValueError(
            "`task` must have uniform substitution and regular tokens that are not substitution "
            "tokens, for its diversity to be changed; `diversity_floor` takes any."
        )
    return known


@dataclass(frozen=True)
class FiniteCurve(Curve):
    """A learning curve at finite diversity.

    Attributes:
        mse_error: Estimate of what binning of token weights adds to the error of `mse`, shape
            (len,); zero where the classes of tokens are exact.
    """

    mse_error: np.ndarray


def finite_curve(
    kernel: TokenSymmetricKernel, task: TemplateTask, *, num_samples: Numbers, ridge: Number
) -> FiniteCurve:
    """Ridge regression on unseen symbols at finite n and finite diversity together.

    For uniform substitution this is `corrected_learning_curve`, f = N D (N_m D + κ)⁻¹ f* with the
    effective ridge κ(n, λ), which tends to λ/n. For other token weights the unknowns are orbits:
    with D their probabilities, B their mean kernel values, Σ = K(x, x) − B_oo + λ what a string of
    an orbit shares with itself alone, and M = D^½ B D^½,

        f = N D^½ (M + Σ/ν)⁻¹ D^½ f*,    ν + tr M (M + Σ/ν)⁻¹ = n,

    n less the directions that are learnt already. Over training sets f varies by
    (E/n) ‖[N D^½ (M + Σ/ν)⁻¹]_z‖², E the error in distribution. Rare tokens are learnt late. The
    curve tends to `diversity_floor` as n → ∞ and to `learning_curve` as ρ → ∞.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels; any token weights.
        num_samples: Numbers of samples n ≥ 0, a sequence.
        ridge: λ ≥ 0, absolute.

    Returns:
        The curve, an approximation between its two exact limits. For uniform substitution 78 of 90
        measured cells (three tasks, n = 64 … 10⁵, ρ = 4 … 10⁴) were within 5 % of it, all within
        17 %: the worst where n is from 4 to 16 times the alphabet (experiments/diversity_floor.py).
        Token weights that have to be binned leave out what tokens of one bin tell apart:
        `mse_error` says how much finer bins still change, which is much at small n.

    Raises:
        TypeError, ValueError: as `learning_curve`.

    References:
        Simon et al., TMLR 2023, for ν and E.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.theory.curves.floor import finite_curve
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> task = kt.tasks.load("aba_abb", vocab_size=8)
        >>> finite_curve(kernel, task, num_samples=[0, 10**9], ridge=0.1).mse.round(5)
        array([1.     , 0.44198])
    """
    statistics = regression_statistics(kernel, task)
    counts, penalty = read_counts(num_samples), as_non_negative("ridge", ridge)
    if has_symmetry(statistics.task):
        curve = corrected_curve(statistics, num_samples=counts, ridge=penalty)
        error = np.zeros(len(counts))
    else:
        curve = _curve(statistics, statistics.population, counts, penalty)
        error = _binning_error(statistics, curve, penalty)
    return FiniteCurve(curve.num_samples, curve.predictions, curve.variance, curve.mse, error)


def finite_samples_needed(
    statistics: TemplateStatistics, floor: Floor, *, mse: float, ridge: float
) -> float:
    """The least n at which the closed form at the task's own diversity is down to `mse`.

    Args:
        statistics: Of a kernel on a task with numbers as labels.
        floor: Of the same.
        mse: The mean squared error wanted, positive.
        ridge: λ ≥ 0, absolute.

    Returns:
        n ≥ 0, infinite where `mse` is not above the floor: of `corrected_learning_curve` for
        uniform substitution, of the orbits' curve otherwise, and of `learning_curve` (ρ → ∞) where
        these would need many kernel values.
    """
    if floor.mse >= mse:
        return math.inf
    if not is_cheap(statistics, CHEAP_VALUES):
        return plain_samples_needed(statistics, mse=mse, ridge=ridge)
    if has_symmetry(statistics.task) and ridge > 0 and is_cheap(statistics, _FEW_VALUES):
        return corrected_least_samples(statistics, mse=mse, ridge=ridge)
    modes = _modes(statistics, statistics.population, ridge)
    return least_samples(statistics, mse, lambda n: _moments(modes, n))


def is_cheap(statistics: TemplateStatistics, max_values: int) -> bool:
    """Whether all matchings of the task's templates are no more than so many kernel values."""
    return count_values(statistics.task, statistics.task.max_wildcards) <= max_values


class _Modes(NamedTuple):
    """The curve's parts that do not depend on n.

    Attributes:
        values: Eigenvalues of Σ^−½ M Σ^−½.
        reach: N D^½ Σ^−½ on its eigenvectors.
        target: Σ^−½ D^½ f* on them.
        spread: Σ^½ times the eigenvectors.
        inverse: Σ^−½ times the eigenvectors.
        noise: Variance of the labels' noise.
    """

    values: Float[np.ndarray, "o"]
    reach: Float[np.ndarray, "r o"]
    target: Float[np.ndarray, "o"]
    spread: Float[np.ndarray, "o o"]
    inverse: Float[np.ndarray, "o o"]
    noise: float


def _modes(statistics: TemplateStatistics, found: Population, ridge: float) -> _Modes:
    alone = np.maximum(found.own - found.means.value.diagonal(), 0.0) + ridge
    if (alone == 0).any():
        raise ValueError("`ridge` must be positive where a template has no wildcards; got 0.0.")
    root = np.sqrt(found.shares)
    scale = root / np.sqrt(alone)
    values, vectors = np.linalg.eigh(scale[:, None] * found.means.value * scale)
    return _Modes(
        values=np.maximum(values, 0.0),
        reach=found.fresh.value * scale @ vectors,
        target=vectors.T @ (scale * statistics.labels[found.orbits.template]),
        spread=np.sqrt(alone)[:, None] * vectors,
        inverse=vectors / np.sqrt(alone)[:, None],
        noise=statistics.noise,
    )


def _moments(modes: _Modes, n: float) -> Prediction:
    rest = _samples_left(modes.values, n)
    gain = rest / (modes.values * rest + 1)
    learnt = modes.values * gain
    missed = modes.spread @ ((1 - learnt) * modes.target)
    # n − Σ L² without its cancellation, as n is ν + Σ L.
    spare = rest + float(np.sum(learnt * (1 - learnt)))
    per_sample = 0.0 if n == 0 else (missed @ missed + modes.noise) / spare
    reach = modes.reach * gain @ modes.inverse.T
    return Prediction(modes.reach @ (gain * modes.target), per_sample * np.sum(reach**2, axis=1))


def _samples_left(values: Float[np.ndarray, "o"], n: float) -> float:
    """ν with ν + Σ s ν/(s ν + 1) = n."""
    if n == 0:
        return 0.0
    root: Any = brentq(lambda v: v + np.sum(values * v / (values * v + 1)) - n, 0.0, n, xtol=1e-9)
    return float(root)


def _curve(
    statistics: TemplateStatistics, found: Population, counts: Float[np.ndarray, "n"], ridge: float
) -> Curve:
    modes = _modes(statistics, found, ridge)
    return make_curve(statistics, counts, (_moments(modes, n) for n in counts.tolist()))


def _binning_error(
    statistics: TemplateStatistics, curve: Curve, ridge: float
) -> Float[np.ndarray, "n"]:
    """The difference that coarser bins make; nothing where no bins are needed."""
    task = statistics.task
    exact = exact_alphabet(task)
    if len(usual_alphabet(task).sizes) == len(exact.sizes):
        return np.zeros(len(curve.mse))
    coarser = usual_alphabet(task, int(_COARSER * MAX_UNKNOWNS))
    found = population(statistics.pair_values, task, coarser)
    return np.abs(_curve(statistics, found, curve.num_samples, ridge).mse - curve.mse)
