"""Kernels of infinitely wide multilayer perceptrons on one-hot strings."""

from collections.abc import Hashable

import numpy as np
from jaxtyping import Int

from ktrans._checks import as_int
from ktrans.kernels._balls import as_ball
from ktrans.kernels._perceptron import AbstractPerceptronKernel, Inputs
from ktrans.kernels.base import Bounded


class MLPKernel(AbstractPerceptronKernel):
    """The NNGP or NTK of an infinitely wide perceptron on the flattened one-hot string.

    With s the share of positions where two strings agree, and Σ(s) = Σ^{depth+1}, Θ likewise:

        Σ¹ = W s + B,    Σ^{l+1} = W·dual(Σ^l(1), Σ^l(1), Σ^l) + B,
        Θ¹ = Σ¹,         Θ^{l+1} = Σ^{l+1} + W·derivative_dual(Σ^l(1), Σ^l(1), Σ^l)·Θ^l,

    W the weight and B the bias variance: NTK parametrisation, weights N(0, W/fan-in) with fan-in
    k in the first layer (a string has k non-zeros), biases N(0, B), a linear read-out layer with
    the same variances. The kernel knows of two strings only where they agree, so on fresh symbols
    without regular tokens it is constant.

    Args:
        kind: "nngp" for Σ, "ntk" for Θ.
        depth: Number of hidden layers, at least 1.
        activation: The activation of every hidden layer.
        weight_variance: W, positive.
        bias_variance: B, not negative.

    Raises:
        TypeError: if depth is not an integer or activation not an `Activation`.
        ValueError: if kind is unknown, or a number is outside its range.

    References:
        Jacot, Gabriel, Hongler, Neural tangent kernel, NeurIPS 2018.

    Example:
        >>> from ktrans.kernels.activations import ReLU
        >>> from ktrans.kernels.mlp import MLPKernel
        >>> kernel = MLPKernel(
        ...     kind="ntk", depth=1, activation=ReLU(), weight_variance=2.0, bias_variance=0.0
        ... )
        >>> kernel([[0, 1, 0]], [[0, 1, 0], [2, 3, 2]]).round(6)
        array([[4.     , 0.63662]])
    """

    def evaluate_pairs(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> Bounded:
        """The kernel for each row, one value for each number of agreements.

        Args:
            tokens1: Strings x, shape (c, k), any integers.
            tokens2: Strings y, shape (c, k).

        Returns:
            Values and bounds of shape (c,), certified where the activation is proved: layer by
            layer errors are carried through the dual by its slopes, and roundings added.
        """
        agreements = np.sum(tokens1 == tokens2, axis=1)
        table = self.by_agreement(tokens1.shape[1])
        return Bounded(table.value[agreements], table.bound[agreements], table.certified)

    def pair_keys(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> list[Hashable]:
        """The number of agreements of each row, of which alone the kernel is a function."""
        return np.sum(tokens1 == tokens2, axis=1).tolist()

    def by_agreement(self, length: int) -> Bounded:
        """The kernel of two strings of the given length for 0, 1, …, length agreements.

        Args:
            length: k, at least 1.

        Returns:
            Values and bounds of shape (k + 1,), as `evaluate_pairs` gives them.
        """
        agreements = np.arange(as_int("length", length, 1) + 1.0)
        ones, same = np.ones_like(agreements), agreements == length
        if self.is_traced:
            return self._on_inputs(Inputs(ones, ones, agreements / length, same))
        shares = as_ball(agreements) / length
        return self._on_inputs(Inputs(as_ball(ones), as_ball(ones), shares, same))
