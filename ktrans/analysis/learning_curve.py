"""The error on unseen symbols against the number of samples, in closed form."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans.analysis.template_matrix import check_kernel, check_task, template_matrix
from ktrans.tasks import TemplateTask

_MOST_SAMPLES = 1e12  # beyond, rounding of the linear system shows in the third digit
_BISECTIONS = 60  # of the logarithm of n: far below one sample


@dataclass(frozen=True)
class Curve:
    """A learning curve on unseen symbols.

    Attributes:
        num_samples: Numbers of samples n, shape (len,).
        predictions: Mean prediction on unseen symbols for each template, shape (len, r).
        variance: Variance of the prediction that label noise causes, shape (len, r).
        mse: Σ_z w_z [(f(z) − f*(z))² + variance(z)], shape (len,), w the template weights.
    """

    num_samples: np.ndarray
    predictions: np.ndarray
    variance: np.ndarray
    mse: np.ndarray


class Problem(NamedTuple):
    """What the closed form needs: N, σ_z = K(x, x) − N_zz, f*, w, and the noise variance."""

    template_matrix: Float[np.ndarray, "r r"]
    self_kernel: Float[np.ndarray, "r"]
    labels: Float[np.ndarray, "r"]
    weights: Float[np.ndarray, "r"]
    noise: float


def learning_curve(kernel: object, task: object, *, num_samples: object, ridge: object) -> Curve:
    """Kernel ridge regression on unseen symbols, collisions neglected.

    f = N (D N + Σ)⁻¹ D f*, D = diag(n w_z), Σ_z = K(x, x) − N_zz + λ: the kernel of a sample with
    itself acts as an extra ridge. Two balanced templates have MSE (1 + n ν_min / 2σ)⁻². Label
    noise τ² leaves f as it is and adds the variance τ² N (D N + Σ)⁻¹ D (N D + Σ)⁻¹ N.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels.
        num_samples: Numbers of samples n ≥ 0, a sequence.
        ridge: λ ≥ 0, absolute.

    Returns:
        The curve: exact for template counts n w_z in the limit of many tokens (ρ → ∞), an
        approximation where samples share substituted tokens.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if labels are symbols, n or the ridge is negative, or the ridge is zero and a
            template has no wildcards.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), proof of the lemma on token-symmetric
        kernels, with the diagonal of K̂ kept.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=10)
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> kt.learning_curve(kernel, task, num_samples=[0, 10**9], ridge=0.1).mse.round(3)
        array([1., 0.])
    """
    problem = read_problem(kernel, task)
    counts, penalty = read_counts(num_samples), read_ridge(ridge)
    return _curve(problem, counts, penalty)


def samples_needed(kernel: object, task: object, *, mse: object, ridge: object) -> float:
    """The least n at which the closed-form error on unseen symbols is down to `mse`.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels.
        mse: The mean squared error wanted, positive.
        ridge: λ ≥ 0, absolute.

    Returns:
        n ≥ 0, a real number found by bisection of `learning_curve` (which neglects collisions);
        infinite where no number of samples up to 10¹² is enough.

    Raises:
        TypeError, ValueError: as `learning_curve`, or if `mse` is not positive.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=10)
        >>> mlp = kt.MLPKernel(kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> from ktrans.analysis.learning_curve import samples_needed
        >>> samples_needed(mlp, task, mse=0.25, ridge=0.1)
        inf
    """
    target = read_number("mse", mse)
    if target <= 0:
        raise ValueError(f"`mse` must be positive; got {target}.")
    problem, penalty = read_problem(kernel, task), read_ridge(ridge)
    return _bisect(problem, penalty, target)


def read_problem(kernel: object, task: object) -> Problem:
    """N, the self-kernel and the labels, or one sentence about why there is no curve."""
    known, symmetric = check_task(task), check_kernel(kernel)
    if not isinstance(known.labels, np.ndarray):
        raise ValueError(
            "`task` has symbols as labels (next token), whose error is no squared error; give "
            "its templates numbers as labels."
        )
    matrix = template_matrix(symmetric, known)
    return Problem(
        matrix,
        self_kernel(symmetric, known, matrix),
        known.labels,
        known.weights,
        known.noise_std**2,
    )


def self_kernel(
    kernel: object, task: TemplateTask, matrix: Float[np.ndarray, "r r"]
) -> Float[np.ndarray, "r"]:
    """σ_z = K(x, x) − N_zz, what a sample shares with itself beyond what its template shares.

    Never negative for a positive semi-definite kernel; rounding below zero counts as zero.
    """
    diagonal = check_kernel(kernel).diagonal(task.fresh_strings()[0])
    return np.maximum(diagonal - matrix.diagonal(), 0.0)


def read_ridge(ridge: object) -> float:
    """λ as a finite number that is not negative."""
    number = read_number("ridge", ridge)
    if number < 0:
        raise ValueError(f"`ridge` must be non-negative; got {number}.")
    return number


def _curve(problem: Problem, counts: Float[np.ndarray, "n"], ridge: float) -> Curve:
    solved = [_solve(problem, n, ridge) for n in counts.tolist()]
    predictions = np.array([f for f, _ in solved]).reshape(len(counts), -1)
    variance = np.array([v for _, v in solved]).reshape(len(counts), -1)
    errors = (predictions - problem.labels) ** 2 + variance
    return Curve(counts, predictions, variance, errors @ problem.weights)


def _solve(
    problem: Problem, n: float, ridge: float
) -> tuple[Float[np.ndarray, "r"], Float[np.ndarray, "r"]]:
    """Mean H f* and variance of the prediction at n samples, H = N (D N + Σ)⁻¹ D.

    Computed as N G (I + G N G)⁻¹ G with G = (D/Σ)^½, whose system is at least the identity.
    """
    counts = n * problem.weights
    gain = np.sqrt(counts / _penalty(problem, ridge))
    system = np.eye(len(gain)) + gain[:, None] * problem.template_matrix * gain
    smoother = problem.template_matrix @ (gain[:, None] * np.linalg.solve(system, np.diag(gain)))
    # The mean label of a template has variance τ² / n_z; where n_z = 0 it does not enter.
    spread = np.divide(problem.noise, counts, out=np.zeros_like(counts), where=counts > 0)
    return smoother @ problem.labels, smoother**2 @ spread


def _penalty(problem: Problem, ridge: float) -> Float[np.ndarray, "r"]:
    """Σ_z = σ_z + λ."""
    penalty = problem.self_kernel + ridge
    if (penalty == 0).any():
        raise ValueError(
            f"`ridge` must be positive where a template has no wildcards; got {ridge}."
        )
    return penalty


def _bisect(problem: Problem, ridge: float, target: float) -> float:
    def error(n: float) -> float:
        return float(_curve(problem, np.array([n]), ridge).mse[0])

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


def read_counts(num_samples: object) -> Float[np.ndarray, "n"]:
    """Numbers of samples as an array, finite and not negative."""
    if not isinstance(num_samples, Sequence | np.ndarray) or isinstance(num_samples, str):
        raise TypeError(f"`num_samples` must be a sequence of numbers; got {num_samples!r}.")
    counts = np.asarray(num_samples)
    if counts.ndim != 1 or (counts.size and counts.dtype.kind not in "iuf"):
        raise TypeError(f"`num_samples` must be a sequence of numbers; got {num_samples!r}.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"`num_samples` must be finite and non-negative; got {num_samples!r}.")
    return counts.astype(np.float64)


def read_number(name: str, value: object) -> float:
    """A finite number, or one sentence that names the argument."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number; got {value!r}.")
    if not math.isfinite(value):
        raise ValueError(f"`{name}` must be finite; got {value}.")
    return float(value)
