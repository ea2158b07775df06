"""The error on unseen symbols against the number of samples, in closed form."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans._checks import Number, Numbers, as_positive
from ktrans._results import Result
from ktrans._tables import TextTable
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.curves._arguments import read_counts
from ktrans.theory.curves.filters import Filter, RidgeFilter, read_filter
from ktrans.theory.statistics import TemplateStatistics, regression_statistics

_MOST_SAMPLES = 1e12  # beyond, rounding of the linear system shows in the third digit
_BISECTIONS = 60  # of n: far below one sample


@dataclass(frozen=True, eq=False)
class Curve(Result):
    """A learning curve on unseen symbols.

    Attributes:
        num_samples: Numbers of samples n, shape (len,).
        predictions: Mean prediction on unseen symbols for each template, shape (len, r).
        variance: Variance of the prediction over training sets, shape (len, r): of label noise, and
            of sampling where collisions are counted.
        mse: Σ_z w_z [(f(z) − f*(z))² + variance(z)], shape (len,), w the template weights.
    """

    num_samples: Float[np.ndarray, "n"]
    predictions: Float[np.ndarray, "n r"]
    variance: Float[np.ndarray, "n r"]
    mse: Float[np.ndarray, "n"]

    def table(self) -> TextTable:
        """The error and the mean predictions at each n."""
        rows = [
            [f"{n:g}", f"{error:.6g}", " ".join(f"{value:.4g}" for value in row)]
            for n, error, row in zip(self.num_samples, self.mse, self.predictions, strict=True)
        ]
        return TextTable([["n", "mean squared error", "mean predictions"], *rows])


class Prediction(NamedTuple):
    """Mean and variance of the prediction on unseen symbols, at one number of samples."""

    mean: Float[np.ndarray, "r"]
    variance: Float[np.ndarray, "r"]


def learning_curve(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    num_samples: Numbers,
    ridge: Number | None = None,
    time: Number | None = None,
) -> Curve:
    """Ridge regression or gradient flow on unseen symbols, collisions neglected.

    Without collisions K̂ = Z N Zᵀ + diag(σ_z), σ_z = K(x, x) − N_zz, with Z the indicators of
    templates, and K̂ Z = Z (N D + diag(σ)), D = diag(n w_z): functions of K̂ are functions of an
    r × r matrix. With S = D^½ N D^½ + diag(σ) and the filter φ(x) = 1/(x + λ) of ridge regression
    or φ(x) = (1 − e^{−tx})/x of gradient flow df/dt = −K̂(f − y) to time t,

        f = N D^½ φ(S) D^½ f*.

    The kernel of a sample with itself acts as an extra ridge. Two balanced templates have, with
    ridge, MSE (1 + n ν_min / 2(σ + λ))⁻². Label noise τ² leaves the mean of f as it is and adds the
    variance τ² ‖[N D^½ φ(S)]_z‖².

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels.
        num_samples: Numbers of samples n ≥ 0, a sequence.
        ridge: λ ≥ 0, absolute; or
        time: t > 0, in units of the learning rate, as in `KernelGradientFlow`.

    Returns:
        The curve: exact for template counts n w_z in the limit of many tokens (ρ → ∞), an
        approximation where samples share substituted tokens.

    Raises:
        TypeError: if an argument is of the wrong kind, or not exactly one of ridge and time given.
        ValueError: if labels are symbols, a number is out of range, or the ridge is zero and a
            template has no wildcards.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Proposition 3.1 and the proof of the lemma
        on token-symmetric kernels, with the diagonal of K̂ kept.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=10)
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> kt.learning_curve(kernel, task, num_samples=[0, 10**9], ridge=0.1).mse.round(3)
        array([1., 0.])
        >>> kt.learning_curve(kernel, task, num_samples=[100], time=1e-6).mse.round(3)
        array([1.])
    """
    return plain_curve(
        regression_statistics(kernel, task), num_samples=num_samples, ridge=ridge, time=time
    )


def plain_curve(
    statistics: TemplateStatistics,
    *,
    num_samples: Numbers,
    ridge: Number | None = None,
    time: Number | None = None,
) -> Curve:
    """`learning_curve` from statistics that are there already."""
    applied, counts = read_filter(ridge, time), read_counts(num_samples)
    moments = (_moments(statistics, n, applied) for n in counts.tolist())
    return make_curve(statistics, counts, moments)


def samples_needed(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    mse: Number,
    ridge: Number | None = None,
    time: Number | None = None,
) -> float:
    """The least n at which the closed-form error on unseen symbols is down to `mse`.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels.
        mse: The mean squared error wanted, positive.
        ridge: λ ≥ 0, absolute; or
        time: t > 0.

    Returns:
        n ≥ 0, a real number found by bisection of `learning_curve` (which neglects collisions;
        `corrected_samples_needed` counts them); infinite where no number of samples up to 10¹² is
        enough.

    Raises:
        TypeError, ValueError: as `learning_curve`, or if `mse` is not positive.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=10)
        >>> mlp = kt.MLPKernel(kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> kt.samples_needed(mlp, task, mse=0.25, ridge=0.1)
        inf
    """
    return plain_samples_needed(
        regression_statistics(kernel, task), mse=mse, ridge=ridge, time=time
    )


def plain_samples_needed(
    statistics: TemplateStatistics,
    *,
    mse: Number,
    ridge: Number | None = None,
    time: Number | None = None,
) -> float:
    """`samples_needed` from statistics that are there already."""
    applied = read_filter(ridge, time)
    return least_samples(statistics, mse, lambda n: _moments(statistics, n, applied))


def least_samples(
    problem: TemplateStatistics, mse: Number, moments: Callable[[float], Prediction]
) -> float:
    """Where a decreasing error crosses `mse`, by doubling and bisection."""
    target = as_positive("mse", mse)

    def error(n: float) -> float:
        return float(make_curve(problem, np.array([n]), [moments(n)]).mse[0])

    if error(0.0) <= target:
        return 0.0
    low, high = 0.0, 1.0
    while error(high) > target:
        low, high = high, 2 * high
        if high > _MOST_SAMPLES:
            return math.inf
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > target else (low, middle)
    return high


def make_curve(
    problem: TemplateStatistics, counts: Float[np.ndarray, "n"], moments: Iterable[Prediction]
) -> Curve:
    """The curve with its errors, from the moments at each number of samples."""
    parts = list(moments)
    shape = (len(counts), len(problem.labels))
    predictions = np.array([part.mean for part in parts]).reshape(shape)
    variance = np.array([part.variance for part in parts]).reshape(shape)
    errors = (predictions - problem.labels) ** 2 + variance
    return Curve(counts, predictions, variance, errors @ problem.weights)


def _moments(problem: TemplateStatistics, n: float, applied: Filter) -> Prediction:
    _check_penalty(problem, applied)
    root = np.sqrt(n * problem.weights)
    system = root[:, None] * problem.template_matrix * root + np.diag(problem.self_kernel)
    values, vectors = np.linalg.eigh(system)
    # N is positive semi-definite: what lies below the least σ is rounding.
    values = np.maximum(values, problem.self_kernel.min())
    reach = problem.template_matrix * root @ (vectors * applied(values)) @ vectors.T
    return Prediction(reach * root @ problem.labels, problem.noise * np.sum(reach**2, axis=1))


def _check_penalty(problem: TemplateStatistics, applied: Filter) -> None:
    if applied == RidgeFilter(0.0) and (problem.self_kernel == 0).any():
        raise ValueError("`ridge` must be positive where a template has no wildcards; got 0.0.")
