"""The attention kernel K_attn, whichever way its values are computed."""

import math
from collections.abc import Hashable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from ktrans._checks import check_word, shown
from ktrans._numerics import is_traced
from ktrans.kernels.attention.differentiable import traced_values
from ktrans.kernels.attention.exact import MAX_COST, class_cost, exact_values
from ktrans.kernels.attention.limits import infinite_beta_values, zero_beta_values
from ktrans.kernels.attention.monte_carlo import empirical_bernstein, estimate_attention
from ktrans.kernels.attention.multigraph import PairGraph, pair_graph, pair_strings
from ktrans.kernels.attention.quasi_monte_carlo import quasi_monte_carlo_values
from ktrans.kernels.base import STANDARD_ERRORS, Bounded, Estimate, SampledKernel
from ktrans.kernels.memo import Row, recall

METHODS = ("auto", "exact", "quasi-monte-carlo")

_RTOL_RANGE = (1e-12, 1e-3)


class AttentionKernel(SampledKernel):
    """The attention kernel with infinitely many heads, read out at [CLS].

    K_attn(x, y) = E[smax(βu)ᵀ (X Yᵀ + γ² I) smax(βv)], where u_i = ω[x_i] + γ p_i and
    v_i = ω[y_i] + γ p_i; ω (one per token) and p (one per position) are standard normal.

    Args:
        beta: Inverse temperature β ≥ 0; `math.inf` for the race of argmaxes.
        gamma: Strength γ ≥ 0 of the positional embedding.
        rtol: Target for the error bound of a value, relative to 1 + γ²; from 1e-12 to 1e-3.
        method: "exact" (sum-product quadrature, certified), "quasi-monte-carlo" (estimated: the
            bound is then five standard errors), or "auto": exact unless elimination is too dear.

    Raises:
        ValueError: if a parameter is out of range.

    References:
        Boix-Adserà et al. (2024), the random-features transformer; K_attn.

    Example:
        >>> import ktrans as kt
        >>> kernel = kt.AttentionKernel(beta=1.0, gamma=1.0)
        >>> round(float(kernel([[0, 1]], [[1, 0]])[0, 0]), 9)
        1.0
    """

    beta: Any
    gamma: Any
    rtol: Any = eqx.field(default=1e-10, static=True)
    method: Any = eqx.field(default="auto", static=True)

    def __check_init__(self) -> None:
        if not (is_traced(self.beta) or _is_size(self.beta)):
            raise ValueError(
                f"`beta` must be a non-negative number, or math.inf; got {shown(self.beta)}."
            )
        if not (is_traced(self.gamma) or (_is_size(self.gamma) and math.isfinite(self.gamma))):
            raise ValueError(
                f"`gamma` must be a finite non-negative number; got {shown(self.gamma)}."
            )
        check_accuracy(self.rtol, self.method)

    def evaluate_pairs(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> Bounded:
        """K_attn(x_c, y_c) for each row, each isomorphism class evaluated once."""
        if not is_traced(self.beta) and self.beta == 0:
            return zero_beta_values(tokens1, tokens2, self.gamma)
        if not is_traced(self.beta) and math.isinf(self.beta):
            return infinite_beta_values(tokens1, tokens2, float(self.gamma))
        graphs = _graphs(tokens1, tokens2)
        distinct = list(dict.fromkeys(graphs))
        values = self._evaluate(distinct)
        place = {graph: position for position, graph in enumerate(distinct)}
        index = np.array([place[graph] for graph in graphs], dtype=int)
        return Bounded(values.value[index], values.bound[index], values.certified)

    def pair_keys(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> list[Hashable]:
        """The multigraph of each row, up to isomorphism and reversal; at γ = 0 token counts."""
        if not is_traced(self.gamma) and self.gamma == 0:
            rows = zip(tokens1.tolist(), tokens2.tolist(), strict=True)
            return [tuple(min(_counts(x, y), _counts(y, x))) for x, y in rows]
        return list(_graphs(tokens1, tokens2))

    def confidence_intervals(
        self,
        tokens1: ArrayLike,
        tokens2: ArrayLike | None = None,
        *,
        delta: Any,
        seed: int = 0,
        num_samples: int = 10_000,
    ) -> Bounded:
        """Monte Carlo with intervals that hold for all entries of the Gram matrix at once.

        Args:
            tokens1: Strings x, integers of shape (n1, k).
            tokens2: Strings y, shape (n2, k); the strings x where it is left out.
            delta: Probability, over the draws, that some entry is outside, 0 < δ < 1.
            seed: The draws are those of `estimate`.
            num_samples: Number of draws, at least 2.

        Returns:
            Estimated means and half-widths (empirical Bernstein, no normal approximation), each of
            shape (n1, n2); not certified, since they fail with probability δ.

        Raises:
            ValueError: if an argument is out of range.

        Example:
            >>> import ktrans as kt
            >>> kernel = kt.AttentionKernel(beta=1.0, gamma=0.7)
            >>> found = kernel.confidence_intervals([[0, 1]], [[0, 2]], delta=0.01)
            >>> bool(abs(found.value - kernel([[0, 1]], [[0, 2]])) <= found.bound)
            True
        """
        mean, stderr = self.estimate(tokens1, tokens2, seed=seed, num_samples=num_samples)
        variance, scale = num_samples * stderr**2, 1 + float(self.gamma) ** 2
        width = empirical_bernstein(mean, variance, scale, num_samples, mean.size, delta)
        return Bounded(mean, width, certified=False)

    def _estimate(
        self,
        tokens1: Int[np.ndarray, "n1 k"],
        tokens2: Int[np.ndarray, "n2 k"],
        seed: int,
        num_samples: int,
    ) -> Estimate:
        if math.isinf(self.beta):
            raise ValueError("`beta` must be finite for Monte Carlo; got inf, call the kernel.")
        return estimate_attention(tokens1, tokens2, self.beta, self.gamma, seed, num_samples)

    def _evaluate(self, graphs: list[PairGraph]) -> Bounded:
        if is_traced(self.beta, self.gamma):
            values = traced_values(graphs, self.beta, self.gamma, self.rtol)
            return Bounded(values, np.full(values.shape, np.nan), False)
        setting = ("attention", float(self.beta), float(self.gamma), self.rtol, self.method)
        known = recall(setting, dict(zip(graphs, graphs, strict=True)), self._compute)
        value, bound, certified = zip(*(known[graph] for graph in graphs), strict=True)
        return Bounded(np.array(value), np.array(bound), all(certified))

    def _compute(self, graphs: list[PairGraph]) -> list[Row]:
        """Value, bound and whether it is certified, class by class, each by the method it takes."""
        exact = [graph for graph in graphs if self._is_exact(graph)]
        sampled = [graph for graph in graphs if not self._is_exact(graph)]
        rows = {**self._exact_rows(exact), **self._sampled_rows(sampled)}
        return [rows[graph] for graph in graphs]

    def _exact_rows(self, graphs: list[PairGraph]) -> dict[PairGraph, Row]:
        if not graphs:
            return {}
        found = exact_values(graphs, float(self.beta), float(self.gamma), self.rtol)
        pairs = zip(found.value.tolist(), found.bound.tolist(), strict=True)
        return {graph: Row(*pair, True) for graph, pair in zip(graphs, pairs, strict=True)}

    def _sampled_rows(self, graphs: list[PairGraph]) -> dict[PairGraph, Row]:
        if not graphs:
            return {}
        x, y = (np.array(strings) for strings in zip(*map(pair_strings, graphs), strict=True))
        precision = self.rtol * (1 + self.gamma**2) / STANDARD_ERRORS
        found = quasi_monte_carlo_values(x, y, float(self.beta), float(self.gamma), precision)
        pairs = zip(found.mean.tolist(), (STANDARD_ERRORS * found.stderr).tolist(), strict=True)
        return {graph: Row(*pair, False) for graph, pair in zip(graphs, pairs, strict=True)}

    def _is_exact(self, graph: PairGraph) -> bool:
        if self.method != "auto":
            return self.method == "exact"
        return class_cost(graph, float(self.beta), float(self.gamma), self.rtol) <= MAX_COST


def check_accuracy(rtol: object, method: object) -> None:
    """Raise unless attention kernels can be computed to this accuracy in this way."""
    low, high = _RTOL_RANGE
    if not (_is_size(rtol) and low <= rtol <= high):  # pyright: ignore
        raise ValueError(f"`rtol` must be between {low:g} and {high:g}; got {shown(rtol)}.")
    check_word("method", method, METHODS)


def _graphs(tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]) -> list[PairGraph]:
    return [pair_graph(x, y) for x, y in zip(tokens1.tolist(), tokens2.tolist(), strict=True)]


def _counts(x: list[int], y: list[int]) -> list[tuple[int, int]]:
    """How often each token stands in x and in y, without the tokens' names."""
    return sorted((x.count(token), y.count(token)) for token in {*x, *y})


def _is_size(value: object) -> bool:
    """Whether the value is a non-negative number."""
    if isinstance(value, str | bytes | bool | np.bool_):
        return False
    try:
        return np.ndim(value) == 0 and float(value) >= 0  # pyright: ignore
    except (TypeError, ValueError, OverflowError):
        return False
