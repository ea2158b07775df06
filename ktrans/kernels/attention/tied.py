"""Attention with tied queries and keys, deterministic in the limit of many dimensions."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from jaxtyping import Int

from ktrans.kernels.attention.modified import ModifiedTransformerKernel, check_size
from ktrans.kernels.base import Bounded, TokenSymmetricKernel

Tokens = Int[np.ndarray, "c k"]


class TiedAttentionKernel(TokenSymmetricKernel):
    """The transformer kernel with W_Q = W_K and logits scaled by 1/d in place of 1/√d.

    By the law of large numbers the logits are then β (X Xᵀ + γ² I), and with ζ the softmax of rows

        K^{qq′} = [ζ(β(X Xᵀ + γ² I)) (X Yᵀ + γ² I) ζ(β(Y Yᵀ + γ² I))ᵀ]_qq′,

    read out as in `ModifiedTransformerKernel`, whose case β = 0, a = β it is.

    Args:
        beta: Inverse temperature β of the deterministic logits, finite, β ≥ 0.
        gamma: Strength γ ≥ 0 of the positional embedding.
        activation: φ of the perceptron after attention.
        readout: "cls", "pooled" or "per-position".

    Raises:
        TypeError: if the activation is none.
        ValueError: if a parameter is out of range.

    References:
        Hron, Bahri, Sohl-Dickstein, Novak, Infinite attention: NNGP and NTK for deep attention
        networks, ICML 2020 (arXiv 2006.10540).

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.attention.tied import TiedAttentionKernel
        >>> kernel = TiedAttentionKernel(1.0, 1.0, activation=kt.Identity(), readout="cls")
        >>> kernel([[0, 1, 0, 9], [2, 3, 3, 9]]).round(3)
        array([[1.086, 1.04 ],
               [1.04 , 1.086]])
    """

    beta: Any
    gamma: Any
    activation: Any
    readout: Any

    def __check_init__(self) -> None:
        check_size("beta", self.beta)
        _ = self._modified  # checks the other parameters

    @property
    def _modified(self) -> ModifiedTransformerKernel:
        return ModifiedTransformerKernel(0.0, self.gamma, self.beta, self.activation, self.readout)

    def evaluate_pairs(self, tokens1: Tokens, tokens2: Tokens) -> Bounded:
        """The kernel of x_c and y_c for each row, exact to rounding."""
        return self._modified.evaluate_pairs(tokens1, tokens2)

    def pair_keys(self, tokens1: Tokens, tokens2: Tokens) -> list[Hashable]:
        """The classes of all pairs of queries that a value is made from."""
        return self._modified.pair_keys(tokens1, tokens2)
