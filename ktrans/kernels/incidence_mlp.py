"""Kernels of infinitely wide perceptrons that are told which positions carry equal tokens."""

from collections.abc import Hashable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ktrans._numerics import is_traced
from ktrans.kernels._activation import as_number
from ktrans.kernels._balls import as_ball
from ktrans.kernels._perceptron import AbstractPerceptronKernel, Inputs, check_non_negative
from ktrans.kernels.base import Bounded

Tokens = Int[np.ndarray, "c k"]


class IncidenceMLPKernel(AbstractPerceptronKernel):
    """The NNGP or NTK of a perceptron on the one-hot string with c·X Xᵀ appended.

    The input of a string x is (vec X, c vec X Xᵀ), so that the inner product of two is

        ⟨x, y⟩ = #{i : x_i = y_i} + c² #{(i, j) : x_i = x_j and y_i = y_j},

    and Σ¹ = W ⟨x, y⟩/k + B. From there on Σ and Θ are those of `MLPKernel`, with a Σ^l(x, x) of its
    own for each string. The fan-in stays k, the non-zeros of the one-hot part, whatever c: at c = 0
    this is `MLPKernel`, and larger c feeds the network more.

    `networks.MLPConfig(inputs="incidence")` has c = 1 and divides by k + k² in the first layer: it
    is this kernel with the first layer's W divided by 1 + k, which for ReLU without biases divides
    the kernel by 1 + k.

    Disjoint templates differ in X Xᵀ or in a regular token, so that N is nonsingular for c > 0
    unless φ is a polynomial (`verify` certifies it for the task at hand).

    Args:
        kind: "nngp" for Σ, "ntk" for Θ.
        depth: Number of hidden layers, at least 1.
        activation: The activation of every hidden layer.
        weight_variance: W, positive.
        bias_variance: B, not negative.
        scale: c, not negative.

    Raises:
        TypeError: if depth is not an integer, activation not an `Activation`, or scale no number.
        ValueError: if kind is unknown, or a number is outside its range.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753): appending X Xᵀ lets perceptrons succeed.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
        >>> kernel = IncidenceMLPKernel(
        ...     kind="nngp", depth=1, activation=kt.Identity(), weight_variance=1.0,
        ...     bias_variance=0.0, scale=1.0,
        ... )
        >>> kernel([[0, 1, 0]], [[0, 1, 0], [2, 3, 2], [2, 3, 3]]) * 3
        array([[8., 5., 3.]])
    """

    scale: Any = eqx.field(kw_only=True, converter=as_number)

    def __check_init__(self) -> None:
        super().__check_init__()
        check_non_negative("scale", self.scale)

    def evaluate_pairs(self, tokens1: Tokens, tokens2: Tokens) -> Bounded:
        """The kernel for each row.

        Args:
            tokens1: Strings x, shape (c, k), any integers.
            tokens2: Strings y, shape (c, k).

        Returns:
            Values and bounds of shape (c,), as `MLPKernel.evaluate_pairs` makes them.
        """
        counts, row = np.unique(self._counts(tokens1, tokens2), axis=0, return_inverse=True)
        table = self._on_inputs(self._inputs(_padded(counts).astype(float), tokens1.shape[1]))
        index = row.reshape(-1)
        return Bounded(table.value[index], table.bound[index], table.certified)

    def pair_keys(self, tokens1: Tokens, tokens2: Tokens) -> list[Hashable]:
        """The counts that make up the three inner products of which the kernel is a function."""
        return list(map(tuple, self._counts(tokens1, tokens2).tolist()))

    def _inputs(self, counts: Float[np.ndarray, "v 6"], length: int) -> Inputs:
        """The inner products; strings are equal where all of their positions agree."""
        entries = counts.T if self.is_traced else list(map(as_ball, counts.T))
        factor = self.scale if self.is_traced else as_ball(self.scale)
        products = [
            (agreeing + factor * factor * incident) / length
            for agreeing, incident in zip(entries[:3], entries[3:], strict=True)
        ]
        return Inputs(*products, same=counts[:, 2] == length)

    def _counts(self, tokens1: Tokens, tokens2: Tokens) -> Int[np.ndarray, "c 6"]:
        """Agreements, then coincidences of equal pairs: of x with x, y with y (sorted), x with y.

        The latter are 0 where c = 0 makes them irrelevant.
        """
        equal1, equal2 = _equal_positions(tokens1), _equal_positions(tokens2)
        own = np.sort([equal1.sum(axis=1), equal2.sum(axis=1)], axis=0)
        incidences = np.stack([*own, np.sum(equal1 & equal2, axis=1)], axis=1)
        if not is_traced(self.scale) and self.scale == 0:
            incidences[:] = 0
        length = np.full(len(tokens1), tokens1.shape[1])
        agreements = np.sum(tokens1 == tokens2, axis=1)
        return np.hstack([np.stack([length, length, agreements], axis=1), incidences])


def _equal_positions(tokens: Tokens) -> np.ndarray:
    """X Xᵀ as booleans, flattened, shape (c, k²)."""
    return (tokens[:, :, None] == tokens[:, None, :]).reshape(len(tokens), -1)


def _padded(counts: Int[np.ndarray, "u 6"]) -> Int[np.ndarray, "v 6"]:
    """Repeated to a power of two of rows: traced, the recursion is compiled for each number."""
    return np.resize(counts, (1 << (len(counts) - 1).bit_length(), counts.shape[1]))
