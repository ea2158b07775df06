"""Learning curves from the population spectrum: collisions counted, in and out of distribution."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from ktrans._checks import Number, Numbers, as_non_negative, as_real, check_kind
from ktrans._results import Result
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.curves._arguments import read_counts
from ktrans.theory.curves.effective_ridge import PopulationModes, effective_ridges, read_modes
from ktrans.theory.curves.filters import Resolvents, read_filter
from ktrans.theory.curves.plain import (
    Curve,
    Prediction,
    least_samples,
    make_curve,
)
from ktrans.theory.spectrum.population import (
    Operator,
    Spectrum,
    mean_template_matrix,
    operator_spectrum,
    population_operator,
)
from ktrans.theory.statistics import TemplateStatistics, regression_statistics

# Number for ridge regression; complex for gradient flow, whose poles come in conjugate pairs.
Table = Float[np.ndarray, "j j"] | Complex[np.ndarray, "j j"]


@dataclass(frozen=True, eq=False)
class Learnability(Result):
    """How much of each eigenfunction n samples teach.

    Attributes:
        num_samples: n.
        effective_ridge: κ, the solution of Σ_i λ_i / (λ_i + κ) + λ / κ = n.
        learnabilities: L_i = λ_i / (λ_i + κ), one for each eigenvalue of the spectrum.
        total: Σ_i L_i with multiplicities, n at zero ridge.
        overfitting: n / (n − Σ_i L_i²), by which noise and unlearnt signal are amplified.
    """

    num_samples: float
    effective_ridge: float
    learnabilities: np.ndarray
    total: float
    overfitting: float


@dataclass(frozen=True, eq=False)
class InDistribution(Result):
    """Risk on strings drawn as the training strings were.

    Attributes:
        num_samples: n, shape (len,).
        risk: E (f̂(x) − f*(x))², shape (len,).
        predictions: Mean prediction for each template, shape (len, r).
    """

    num_samples: np.ndarray
    risk: np.ndarray
    predictions: np.ndarray


def learnability(spectrum: Spectrum, *, num_samples: Number, ridge: Number) -> Learnability:
    """The effective ridge κ of n samples, and the learnability of each eigenvalue.

    Σ_i λ_i / (λ_i + κ) + λ / κ = n, L_i = λ_i / (λ_i + κ), each with its multiplicity.

    Args:
        spectrum: From `population_spectrum`.
        num_samples: n > 0.
        ridge: λ ≥ 0, absolute.

    Returns:
        Exact for the spectrum: Σ_i L_i = n at zero ridge to rounding.

    Raises:
        ValueError: if the ridge is zero and the kernel has no more than n eigenfunctions.

    References:
        Simon, Dickens, Karkada and DeWeese, "The eigenlearning framework", TMLR 2023.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> spectrum = kt.population_spectrum(mlp, kt.tasks.load("aba_abb", vocab_size=100))
        >>> round(learnability(spectrum, num_samples=50, ridge=0.0).total, 10)
        50.0
    """
    check_kind("spectrum", spectrum, Spectrum)
    n, penalty = as_real("num_samples", num_samples), as_non_negative("ridge", ridge)
    modes = read_modes(spectrum)
    kappa = float(effective_ridges(modes, n, np.array([penalty]))[0])
    learnt = modes.eigenvalues / (modes.eigenvalues + kappa)
    # n − Σ L² without its cancellation: what is missing from n is Σ L (1 − L) + λ / κ.
    spare = modes.multiplicities @ (learnt * (1 - learnt)) + penalty / kappa
    return Learnability(
        num_samples=n,
        effective_ridge=kappa,
        learnabilities=learnt,
        total=float(modes.multiplicities @ learnt),
        overfitting=float(n / spare),
    )


def corrected_learning_curve(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    num_samples: Numbers,
    ridge: Number | None = None,
    time: Number | None = None,
) -> Curve:
    """Ridge regression or gradient flow on unseen symbols, collisions counted.

    f̂ on training strings is (T + κ)⁻¹ T f* with the population operator T and the effective ridge
    κ(n, λ). The target lies in the trivial representation, where T is B D (B the mean kernel value
    of independent strings, D = diag(w)); an unseen string sees N in place of B, and nothing of all
    other eigenfunctions, whose extension K φ / λ to it averages to zero. So the overlap matrix of
    the shift from training to unseen strings lives in the trivial representation alone. With
    M = D^½ B D^½ and E the in-distribution error, label noise included,

        f = N D^½ (M + κ)⁻¹ D^½ f*,    Var f_z = (E/n) ‖[N D^½ (M + κ)⁻¹]_z‖².

    Gradient flow is a sum of ridge regressions, (1 − e^{−tx})/x = Σ_j c_j / (x + λ_j) with complex
    λ_j, for each of which κ and f are known, and for each two of which the covariance of errors is,
    E = (Σ_i (1 − L_i)(1 − L′_i) v_i² + τ²) · n / (n − Σ_i L_i L′_i): f is a sum over λ_j and Var f
    a double sum. `learning_curve` is the limit ρ → ∞.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels and uniform substitution.
        num_samples: Numbers of samples n ≥ 0, a sequence.
        ridge: λ ≥ 0, absolute; or
        time: t > 0, in units of the learning rate, as in `KernelGradientFlow`.

    Returns:
        The curve, an approximation that takes eigenfunctions for Gaussian: measured errors were
        within 2 % of it up to one sample a token, and 6 % above it at four, where the number of
        samples that hold a token is Poisson and not its mean, as `cavity_learning_curve` has it.
        `variance` is over training sets, label noise and sampling together.

    Raises:
        TypeError, ValueError: as `learning_curve`, `population_spectrum` and `learnability`.

    References:
        Simon et al., TMLR 2023; Canatar, Bordelon and Pehlevan, "Out-of-distribution generalization
        in kernel regression", NeurIPS 2021.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=200)
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> from ktrans.theory import corrected_learning_curve
        >>> corrected_learning_curve(kernel, task, num_samples=[0], ridge=0.1).mse
        array([1.])
        >>> curve = corrected_learning_curve(kernel, task, num_samples=[10, 1000], time=10.0)
        >>> bool(curve.mse[0] > curve.mse[1])
        True
    """
    known = regression_statistics(kernel, task)
    return corrected_curve(known, num_samples=num_samples, ridge=ridge, time=time)


def corrected_curve(
    statistics: TemplateStatistics,
    *,
    num_samples: Numbers,
    ridge: Number | None = None,
    time: Number | None = None,
) -> Curve:
    """`corrected_learning_curve` from statistics that are there already."""
    state, counts = _read(statistics, ridge, time), read_counts(num_samples)
    return make_curve(state.problem, counts, (_unseen(state, n) for n in counts.tolist()))


def corrected_samples_needed(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    mse: Number,
    ridge: Number | None = None,
    time: Number | None = None,
) -> float:
    """The least n at which `corrected_learning_curve` is down to `mse`, at the task's own ρ.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels and uniform substitution.
        mse: The mean squared error wanted, positive.
        ridge: λ ≥ 0, absolute; or
        time: t > 0.

    Returns:
        n ≥ 0, a real number found by bisection; infinite where no number of samples up to 10¹² is
        enough. An approximation as good as the curve.

    Raises:
        TypeError, ValueError: as `corrected_learning_curve`, or if `mse` is not positive; at zero
            ridge also if as many samples as the kernel has eigenfunctions are not enough.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=20)
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> corrected_samples_needed(kernel, task, mse=2.0, ridge=0.1)
        0.0
    """
    known = regression_statistics(kernel, task)
    return corrected_least_samples(known, mse=mse, ridge=ridge, time=time)


def corrected_least_samples(
    statistics: TemplateStatistics,
    *,
    mse: Number,
    ridge: Number | None = None,
    time: Number | None = None,
) -> float:
    """`corrected_samples_needed` from statistics that are there already."""
    state = _read(statistics, ridge, time)
    return least_samples(state.problem, mse, lambda n: _unseen(state, n))


def in_distribution_curve(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    num_samples: Numbers,
    ridge: Number | None = None,
    time: Number | None = None,
) -> InDistribution:
    """Ridge regression or gradient flow on strings of the training distribution.

    risk = E − τ², with E = (κ² ‖(M + κ)⁻¹ D^½ f*‖² + τ²) · n / (n − Σ L_i²) and τ² the label noise;
    κ²‖…‖² is Σ_i (1 − L_i)² v_i² over the trivial representation, in which the target lies. For
    gradient flow E is the double sum over λ_j and λ_k of `corrected_learning_curve`.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels and uniform substitution.
        num_samples: Numbers of samples n > 0, a sequence.
        ridge: λ ≥ 0, absolute; or
        time: t > 0, in units of the learning rate, as in `KernelGradientFlow`.

    Returns:
        Risks and mean predictions, an approximation that takes eigenfunctions for Gaussian.

    Raises:
        TypeError, ValueError: as `corrected_learning_curve`, or if an n is zero.

    References:
        Simon et al., TMLR 2023.
    """
    known = regression_statistics(kernel, task)
    return in_distribution(known, num_samples=num_samples, ridge=ridge, time=time)


def in_distribution(
    statistics: TemplateStatistics,
    *,
    num_samples: Numbers,
    ridge: Number | None = None,
    time: Number | None = None,
) -> InDistribution:
    """`in_distribution_curve` from statistics that are there already."""
    state, counts = _read(statistics, ridge, time), read_counts(num_samples)
    if (counts == 0).any():
        raise ValueError("`num_samples` must be positive; got 0.")
    risks, predictions = np.empty(len(counts)), np.empty((len(counts), len(state.target)))
    weights = state.resolvents.weights
    for i, n in enumerate(counts.tolist()):
        solved = _solve(state, n)
        risks[i] = np.real(weights @ solved.errors @ weights) - state.problem.noise
        predictions[i] = state.problem.labels - np.real(weights @ solved.missed) / state.root
    return InDistribution(counts, risks, predictions)


class _State(NamedTuple):
    """All that does not depend on n."""

    problem: TemplateStatistics
    modes: PopulationModes
    block: Float[np.ndarray, "r r"]
    root: Float[np.ndarray, "r"]
    target: Float[np.ndarray, "r"]
    resolvents: Resolvents


class _Solved(NamedTuple):
    """(M + κ)⁻¹ and κ (M + κ)⁻¹ D^½ f* for each λ_j, and E(λ_j, λ_k)."""

    inverses: Float[np.ndarray, "j r r"] | Complex[np.ndarray, "j r r"]
    missed: Float[np.ndarray, "j r"] | Complex[np.ndarray, "j r"]
    errors: Table


def _read(problem: TemplateStatistics, ridge: Number | None, time: Number | None) -> _State:
    resolvents, labels = read_filter(ridge, time).resolvents(), problem.labels
    operator = population_operator(problem.kernel, problem.task)
    root = np.sqrt(problem.weights)
    modes, block = read_modes(operator_spectrum(operator)), _trivial_block(operator, root)
    return _State(problem, modes, block, root, root * labels, resolvents)


def _trivial_block(operator: Operator, root: Float[np.ndarray, "r"]) -> Float[np.ndarray, "r r"]:
    return root[:, None] * mean_template_matrix(operator) * root


def _solve(state: _State, n: float) -> _Solved:
    ridges = state.resolvents.ridges
    kappa = effective_ridges(state.modes, n, ridges)
    inverses = np.linalg.inv(state.block + kappa[:, None, None] * np.eye(len(state.block)))
    missed = kappa[:, None] * (inverses @ state.target)
    learnt = state.modes.eigenvalues / (state.modes.eigenvalues + kappa[:, None])
    # n − Σ L L′ without its cancellation, as n is Σ L + λ / κ.
    spare = (state.modes.multiplicities * learnt) @ (1 - learnt).T + (ridges / kappa)[:, None]
    return _Solved(inverses, missed, (missed @ missed.T + state.problem.noise) * n / spare)


def _unseen(state: _State, n: float) -> Prediction:
    """Mean and variance of the prediction on unseen symbols."""
    weights, nothing = state.resolvents.weights, np.zeros(len(state.target))
    if n == 0:
        return Prediction(nothing, nothing)
    solved = _solve(state, n)
    reach = weights[:, None, None] * (state.problem.template_matrix * state.root @ solved.inverses)
    mean = (reach @ state.target).sum(axis=0).real
    return Prediction(mean, np.einsum("jza,jk,kza->z", reach, solved.errors / n, reach).real)
