"""Theorem 3.4 with its constants: a finite-sample bound that is computed, not fitted."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm

from ktrans._checks import Number, Numbers, as_non_negative, as_probability
from ktrans._results import Result
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.curves._arguments import read_counts
from ktrans.theory.orbits import regular_tokens
from ktrans.theory.statistics import TemplateStatistics, regression_statistics

_SHARES = (-12.0, 12.0)  # of ln θ


@dataclass(frozen=True, eq=False)
class SampleBound(Result):
    """A bound on |f̂(z) − f*(z)| on unseen symbols that holds with probability 1 − δ.

    Attributes:
        num_samples: n, shape (len,).
        values: The bound for each template, shape (len, r); infinite where n is so small that a
            template may have no samples.
        bias: Its part without label noise, shape (len, r).
        noise: Its part of label noise, shape (len, r).
        delta: δ.
    """

    num_samples: np.ndarray
    values: np.ndarray
    bias: np.ndarray
    noise: np.ndarray
    delta: float


class _Parts(NamedTuple):
    """N, G = N_m − N, a = N⁻¹ f*, σ_z, template weights, the noise's standard deviation, λ."""

    matrix: Float[np.ndarray, "r r"]
    excess: Float[np.ndarray, "r r"]
    dual: Float[np.ndarray, "r"]
    own: Float[np.ndarray, "r"]
    weights: Float[np.ndarray, "r"]
    noise_std: float
    ridge: float


def finite_sample_bound(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    num_samples: Numbers,
    ridge: Number,
    delta: Number,
) -> SampleBound:
    """Kernel ridge regression on unseen symbols: the error's bound at finite n and ρ.

    **Proof.** In the kernel's feature space let m_z be the mean over fresh substitutions from an
    infinite alphabet. For x of template z, ⟨φ(x), m_z′⟩ = N_zz′ = ⟨m_z, m_z′⟩, so ψ(x) = φ(x) − m_z
    is orthogonal to all m_z′, and K̂ = Z N Zᵀ + E with E the Gram matrix of the ψ(x_i). With
    R = E + λ, Q = Zᵀ R⁻¹ Z and P = (N⁻¹ + Q)⁻¹, exactly

        f̂ − f* = −P a + P Zᵀ R⁻¹ ε,    a = N⁻¹ f*.

    1. By Cauchy–Schwarz Q ⪰ W⁻¹, W the Gram matrix of the sample means ψ̄_z plus λ/n_z. So
       P ⪯ N : W, the parallel sum, which is increasing in W.
    2. ψ̄_z = g_z + η_z, g_z its mean, with Gram matrix G = N_m − N. As ‖ψ(x)‖² = σ_z, McDiarmid's
       inequality says ‖η_z‖ ≤ h_z = √((σ_z − G_zz)/n_z) + √(2 σ_z ln(1/δ′)/n_z) but for δ′.
    3. For any θ > 0, W ⪯ (1 + θ) G + (1 + 1/θ) S + λ/n_z =: W̄ with S = r diag(h_z²);
       the best θ is searched for.
    4. |(P a)_z| ≤ √(P_zz · aᵀ P a), and the noise, Gaussian given the strings, has a variance of at
       most τ² (P Q P)_zz/λ ≤ τ² P_zz/λ.
    5. n_z is at least its binomial quantile.

    With P replaced by N : W̄ that is the bound. Without noise it is O(1/n + 1/ρ), with noise
    O(√(1/n) + √(1/ρ)) as in Theorem 3.4, at a constant ridge. No step is conditional.

    Args:
        kernel: A token-symmetric, positive semi-definite kernel.
        task: A task with numbers as labels; its regular tokens are not substitution tokens.
        num_samples: Numbers of samples n ≥ 1, a sequence.
        ridge: λ ≥ 0, absolute; positive where labels are noisy.
        delta: δ, between 0 and 1.

    Returns:
        The bound: proved for the kernel's values, computed in floating point without an enclosure
        of rounding. Where token weights have to be binned, G is that of the bins.

    Raises:
        TypeError, ValueError: as `learning_curve`; if N is not certified nonsingular, regular
            tokens are substitution tokens, or the ridge is zero and labels are noisy.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Theorem 3.4; McDiarmid, "On the method of
        bounded differences", 1989.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.theory.finite_sample import finite_sample_bound
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> task = kt.tasks.load("same_different", vocab_size=10**6)
        >>> found = finite_sample_bound(kernel, task, num_samples=[10**5, 10**7], ridge=0.1,
        ...     delta=0.05)
        >>> bool((found.values[1] < found.values[0] / 50).all())
        True
    """
    statistics = regression_statistics(kernel, task)
    counts, penalty = read_counts(num_samples), as_non_negative("ridge", ridge)
    failure = as_probability("delta", delta)
    parts = _read(statistics, penalty)
    found = [_bound(parts, n, failure) for n in counts.tolist()]
    bias, noise = (np.array(side).reshape(len(counts), -1) for side in zip(*found, strict=True))
    return SampleBound(counts, bias + noise, bias, noise, failure)


def _read(statistics: TemplateStatistics, ridge: float) -> _Parts:
    _check(statistics, ridge)
    matrix = statistics.template_matrix
    return _Parts(
        matrix=matrix,
        excess=statistics.population.gap.value @ statistics.population.mixing.T,
        dual=np.linalg.solve(matrix, statistics.labels),
        own=statistics.self_kernel,
        weights=statistics.weights,
        noise_std=math.sqrt(statistics.noise),
        ridge=ridge,
    )


def _check(statistics: TemplateStatistics, ridge: float) -> None:
    task: TemplateTask = statistics.task
    if regular_tokens(task):
        raise ValueError(
            "`task` must have regular tokens that are not substitution tokens; leave them out of "
            "`substitution_tokens`."
        )
    if not statistics.spectrum.eigenvalues.min() > statistics.spectrum.bound:
        raise ValueError("`kernel` must have a template matrix that is certified nonsingular.")
    if statistics.noise and ridge == 0:
        raise ValueError("`ridge` must be positive where labels are noisy; got 0.0.")


def _bound(
    parts: _Parts, n: float, delta: float
) -> tuple[Float[np.ndarray, "r"], Float[np.ndarray, "r"]]:
    """Bias and noise at one n; a third of δ for counts, means and noise each."""
    size = len(parts.own)
    share = delta / (3 * size)
    least = binom.ppf(share, math.floor(n), parts.weights) - 1  # P[n_z ≤ least] < share
    if (least < 0).any():
        return np.full(size, np.inf), np.full(size, np.inf)
    counts = least + 1
    best = minimize_scalar(
        lambda log: float(_bias(parts, _upper(parts, counts, share, math.exp(log))).max()),
        bounds=_SHARES, method="bounded",
    )  # fmt: skip
    upper = _upper(parts, counts, share, math.exp(best.x))
    spread = np.sqrt(upper.diagonal() / parts.ridge) if parts.noise_std else np.zeros(size)
    return _bias(parts, upper), norm.isf(share / 2) * parts.noise_std * spread


def _upper(
    parts: _Parts, counts: Float[np.ndarray, "r"], share: float, theta: float
) -> Float[np.ndarray, "r r"]:
    """N : W̄ for one θ."""
    free = np.maximum(parts.own - parts.excess.diagonal(), 0.0)
    h = np.sqrt(free / counts) + np.sqrt(2 * parts.own * math.log(1 / share) / counts)
    means = len(h) * h**2 + parts.ridge * theta / (1 + theta) / counts
    above = (1 + theta) * parts.excess + np.diag((1 + 1 / theta) * means)
    found = parts.matrix @ np.linalg.solve(parts.matrix + above, above)
    return (found + found.T) / 2


def _bias(parts: _Parts, upper: Float[np.ndarray, "r r"]) -> Float[np.ndarray, "r"]:
    return np.sqrt(np.maximum(upper.diagonal() * (parts.dual @ upper @ parts.dual), 0.0))
