"""N and what a string has beyond it, without bias, from features of independent substitutions."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

CONFIDENCE = 0.95


class Moments(NamedTuple):
    """Estimates with their errors; each of `values`, `token`, `substitution`, `total` is one.

    Attributes:
        template_matrix: N, (r, r): ⟨μ_i, μ_j⟩ with μ_i the mean feature of template i.
        self_kernel: E‖φ‖² − N_zz, (r,).
        sigma_min: Least eigenvalue of N.
        share: Share of the variance of features that is between templates.
    """

    template_matrix: Float[np.ndarray, "*s r r"]
    self_kernel: Float[np.ndarray, "*s r"]
    sigma_min: Float[np.ndarray, "*s"]
    share: Float[np.ndarray, "*s"]


class Estimated(NamedTuple):
    """Moments with standard errors.

    Attributes:
        value: Estimates.
        total: Standard errors, all in all.
        token: What of them would stay if the same tokens were put together in ever more ways.
        substitution: What comes from the way in which the tokens were put together; all of it
            where a single round cannot tell.
        degrees: Degrees of freedom, for Student's intervals.
    """

    value: Moments
    total: Moments
    token: Moments
    substitution: Moments
    degrees: int

    def interval(self, name: str) -> np.ndarray:
        """The 95 % interval of a moment, its ends on the last axis."""
        middle, error = getattr(self.value, name), getattr(self.total, name)
        half = stdtrit(self.degrees, (1 + CONFIDENCE) / 2) * error
        return np.stack([middle - half, middle + half], axis=-1)


def estimate(
    rounds: Float[np.ndarray, "rounds b r d"], weights: Float[np.ndarray, "r"]
) -> Estimated:
    """Moments from the first of several rounds of b substitutions over the same tokens.

    In a round the substitutions are independent, so Σ_{s ≠ s′} φ_i(s)·φ_j(s′)/(b(b − 1)) has mean
    N_ij, and the jackknife over substitutions, each with tokens of its own, is one over tokens as
    well: V, the variance of the estimate. Between rounds the estimates differ by the way in which
    tokens are put together alone, with variance S²; V − S² is due to the tokens.

    Args:
        rounds: Features of template r under substitution b.
        weights: Of the templates, which sum to one.
    """
    value, variance = _jackknife(rounds[0], weights)
    others = [_round(features, weights) for features in rounds[1:]]
    parts = [
        _of_ways(np.stack(values), v) for *values, v in zip(value, *others, variance, strict=True)
    ]
    return Estimated(
        value=value,
        total=Moments(*map(np.sqrt, variance)),
        token=Moments(*(np.sqrt(v - s) for v, s in zip(variance, parts, strict=True))),
        substitution=Moments(*map(np.sqrt, parts)),
        degrees=rounds.shape[1] - 1,
    )


def _of_ways(values: Float[np.ndarray, "rounds *s"], variance: Any) -> Any:
    """S², at most V; V where a single round cannot tell."""
    return np.minimum(values.var(axis=0, ddof=1), variance) if len(values) > 1 else variance


def _round(features: Float[np.ndarray, "b r d"], weights: Float[np.ndarray, "r"]) -> Moments:
    """Moments of a round."""
    total, products = features.sum(axis=0), features @ features.transpose(0, 2, 1)
    return _moments(total @ total.T, products.sum(axis=0), len(features), weights)


def _jackknife(
    features: Float[np.ndarray, "b r d"], weights: Float[np.ndarray, "r"]
) -> tuple[Moments, Moments]:
    """Moments of a round, and their variances by leaving out one substitution at a time."""
    count = len(features)
    total, products = features.sum(axis=0), features @ features.transpose(0, 2, 1)
    all_products = products.sum(axis=0)
    value = _moments(total @ total.T, all_products, count, weights)
    crossed = features @ total.T  # (b, r, r), φ_i(s)·Σφ_j
    without = total @ total.T - crossed - crossed.transpose(0, 2, 1) + products
    left = _moments(without, all_products - products, count - 1, weights)
    scale = (count - 1) / count
    return value, Moments(*(scale * np.sum((x - x.mean(axis=0)) ** 2, axis=0) for x in left))


def _moments(
    squares: Float[np.ndarray, "*s r r"],
    products: Float[np.ndarray, "*s r r"],
    count: int,
    weights: Float[np.ndarray, "r"],
) -> Moments:
    """From (Σφ_i)·(Σφ_j) and Σ φ_i·φ_j over `count` substitutions."""
    matrix = (squares - products) / (count * (count - 1))
    own = np.einsum("...ii->...i", products) / count - np.einsum("...ii->...i", matrix)
    between = np.einsum("...ii,i->...", matrix, weights)
    between = between - np.einsum("...ij,i,j->...", matrix, weights, weights)
    variance = between + own @ weights
    share = np.divide(between, variance, out=np.zeros_like(variance), where=variance > 0)
    return Moments(matrix, own, np.linalg.eigvalsh(matrix)[..., 0], share)
