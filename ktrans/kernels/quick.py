"""Transformer kernels in about the same time at every β, γ and a, for a first look at them."""

import functools
import math
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from ktrans.kernels.attention.modified import ModifiedTransformerKernel
from ktrans.kernels.attention.modified_pairs import Setting, query_key
from ktrans.kernels.attention.modified_sampling import (
    quasi_monte_carlo_values as modified_values,
)
from ktrans.kernels.attention.modified_values import query_pairs
from ktrans.kernels.attention.multigraph import pair_graph
from ktrans.kernels.attention.quasi_monte_carlo import quasi_monte_carlo_values
from ktrans.kernels.base import STANDARD_ERRORS, Bounded, Estimate, TokenSymmetricKernel
from ktrans.kernels.memo import recall
from ktrans.kernels.transformer import TransformerKernel

# Points of each of 16 scramblings, fewer where pairs are many.
_MOST_POINTS, _LEAST_POINTS, _BUDGET = 1 << 11, 1 << 7, 1 << 15
_FEWEST_ROWS = 16

Tokens = Int[np.ndarray, "c k"]


class QuickKernel(TokenSymmetricKernel):
    """A transformer kernel by a fixed number of quasi-Monte Carlo points.

    The values of `kernel`, estimated: where its own methods go on until they reach `rtol`, and
    compile for every β and γ anew, these take the same short time everywhere.

    Args:
        kernel: A `TransformerKernel` of finite β, or a `ModifiedTransformerKernel` read out at
            [CLS] or per position.

    Raises:
        TypeError: for another kernel.
        ValueError: if β is infinite or the read-out is pooled.

    Example:
        >>> import ktrans as kt
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> x = [[0, 1, 0], [0, 1, 1]]
        >>> bool(abs(QuickKernel(kernel)(x) - kernel(x)).max() < 1e-3)
        True
    """

    kernel: Any

    def __check_init__(self) -> None:
        if not isinstance(self.kernel, TransformerKernel | ModifiedTransformerKernel):
            raise TypeError(
                "`kernel` must be a TransformerKernel or ModifiedTransformerKernel; got "
                f"{type(self.kernel).__name__}."
            )
        readout = getattr(self.kernel, "readout", "cls")
        if math.isinf(self.kernel.beta) or readout == "pooled":
            raise ValueError(
                "`kernel` must have a finite `beta` and no pooled read-out; got "
                f"beta={self.kernel.beta} and {readout!r}."
            )

    def evaluate_pairs(self, tokens1: Tokens, tokens2: Tokens) -> Bounded:
        """Estimates for each row; the bound is five standard errors, carried through the dual."""
        count, shape = len(tokens1), (_filled(len(tokens1)), tokens1.shape[1])
        x, y = np.resize(tokens1, shape), np.resize(tokens2, shape)
        values, bounds = self._attention(np.concatenate([x, y, x]), np.concatenate([x, y, y]))
        a, b, c = values.reshape(3, len(x), -1)
        error = self.kernel.activation.dual_error(a, b, c, *bounds.reshape(3, len(x), -1))
        value = self.kernel.activation.dual(a, b, c)
        return Bounded(value.mean(axis=1)[:count], error.mean(axis=1)[:count], certified=False)

    def pair_keys(self, tokens1: Tokens, tokens2: Tokens) -> list[Hashable]:
        """Those of the kernel."""
        return self.kernel.pair_keys(tokens1, tokens2)

    @property
    def _source(self) -> "_Attention | _ModifiedAttention":
        beta, gamma = float(self.kernel.beta), float(self.kernel.gamma)
        if isinstance(self.kernel, TransformerKernel):
            return _Attention(beta, gamma)
        return _ModifiedAttention(Setting(beta, gamma, float(self.kernel.a)), self.kernel.readout)

    def _attention(self, tokens1: Tokens, tokens2: Tokens) -> np.ndarray:
        """What the dual is applied to and its bound, of shape (2, rows, read-outs)."""
        source = self._source
        rows = source.pairs(tokens1, tokens2)
        keys = [[source.key(pair) for pair in row] for row in rows]
        pairs = {
            key: pair
            for some, row in zip(keys, rows, strict=True)
            for key, pair in zip(some, row, strict=True)
        }
        known = recall(("quick", source), pairs, functools.partial(_estimates, source))
        return np.moveaxis(np.array([[known[key] for key in some] for some in keys]), -1, 0)


class _Attention(NamedTuple):
    """K_attn: pairs of strings, and what is the same for all of a class."""

    beta: float
    gamma: float

    def pairs(self, tokens1: Tokens, tokens2: Tokens) -> list[list[Any]]:
        return [[pair] for pair in zip(tokens1.tolist(), tokens2.tolist(), strict=True)]

    def key(self, pair: Any) -> Hashable:
        return pair_graph(*pair)

    def estimate(self, pairs: list[Any], points: int) -> Estimate:
        x, y = (np.array(strings) for strings in zip(*pairs, strict=True))
        return quasi_monte_carlo_values(x, y, *self, precision=0.0, max_points=points)


class _ModifiedAttention(NamedTuple):
    """K^{qq′}: pairs of queries in place of pairs of strings."""

    setting: Setting
    readout: str

    def pairs(self, tokens1: Tokens, tokens2: Tokens) -> list[list[Any]]:
        return query_pairs(self.readout, tokens1, tokens2)  # pyright: ignore[reportReturnType]

    def key(self, pair: Any) -> Hashable:
        return query_key(pair, self.setting)

    def estimate(self, pairs: list[Any], points: int) -> Estimate:
        return modified_values(pairs, self.setting, precision=0.0, max_points=points)


def _estimates(
    source: _Attention | _ModifiedAttention, pairs: list[Any]
) -> list[tuple[float, float]]:
    filled = pairs + pairs[:1] * (_filled(len(pairs)) - len(pairs))
    points = min(max(_BUDGET // len(filled), _LEAST_POINTS), _MOST_POINTS)
    some = source.estimate(filled, points)
    found = zip(some.mean.tolist(), (STANDARD_ERRORS * some.stderr).tolist(), strict=True)
    return list(found)[: len(pairs)]


def _filled(count: int) -> int:
    """A power of two: rows are repeated up to it, so that few shapes are ever compiled."""
    return max(1 << (count - 1).bit_length(), _FEWEST_ROWS)
