"""Kernels that cost nothing, for tests of what is built on kernels."""

from typing import Any

import numpy as np

from ktrans.kernels.base import Bounded, TokenSymmetricKernel


class CoincidenceKernel(TokenSymmetricKernel):
    """1 + share of position pairs with x_i = y_j + weight · share of these squared, with a bound.

    A sum of tensor powers of Gram matrices of histograms, plus the same for pairs of neighbours.
    """

    weight: float = 1.0
    bound: float = 1e-12
    certified: bool = True

    def evaluate_pairs(self, tokens1: np.ndarray, tokens2: np.ndarray) -> Bounded:
        same = tokens1[:, :, None] == tokens2[:, None, :]
        repeated1, repeated2 = (_repeats(tokens) for tokens in (tokens1, tokens2))
        value = 1.0 + same.mean((1, 2)) + self.weight * (repeated1 * repeated2).sum(1)
        return Bounded(value, np.full(len(value), self.bound), self.certified)


def _repeats(tokens: np.ndarray) -> Any:
    """Which pairs of positions of a string carry one token."""
    first, second = np.triu_indices(tokens.shape[1], 1)
    return (tokens[:, first] == tokens[:, second]).astype(float)
