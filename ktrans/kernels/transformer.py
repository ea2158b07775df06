"""The transformer random-features kernel K_trans: a dual activation of K_attn."""

from collections.abc import Hashable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Int

from ktrans._checks import shown
from ktrans.kernels._activation import Activation
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.attention.monte_carlo import estimate_transformer
from ktrans.kernels.base import Bounded, Estimate, SampledKernel


class TransformerKernel(SampledKernel):
    """The kernel of a depth-1 transformer whose inner layers are random features.

    K_trans(x, y) = E[φ(a) φ(b)], (a, b) centred Gaussian with covariance
    [[K_attn(x, x), K_attn(x, y)], [K_attn(y, x), K_attn(y, y)]].

    Args:
        beta: Inverse temperature β ≥ 0.
        gamma: Strength γ ≥ 0 of the positional embedding.
        activation: φ; the theorem's is `Cosine(b1=, b2=)`.
        rtol: Target for the error bound of K_attn, relative to 1 + γ²; from 1e-12 to 1e-3.
        method: How K_attn is computed, see `AttentionKernel`.

    References:
        Boix-Adserà et al. (2024), Theorem 3.4.

    Example:
        >>> import ktrans as kt
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> kernel([[0, 1, 0], [2, 3, 3]]).shape
        (2, 2)
    """

    beta: Any
    gamma: Any
    activation: Any
    rtol: Any = eqx.field(default=1e-10, static=True)
    method: Any = eqx.field(default="auto", static=True)

    def __check_init__(self) -> None:
        if not isinstance(self.activation, Activation):
            raise TypeError(
                "`activation` must be an activation such as ktrans.Cosine(b1=1.0, b2=0.5); got "
                f"{shown(self.activation)}."
            )
        _ = self.attention  # checks the other parameters

    @property
    def attention(self) -> AttentionKernel:
        """K_attn at the same parameters."""
        return AttentionKernel(self.beta, self.gamma, self.rtol, self.method)

    def pair_keys(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> list[Hashable]:
        """The multigraphs of the three values of K_attn that a value is made from."""
        keys = self.attention.pair_keys
        own = zip(keys(tokens1, tokens1), keys(tokens2, tokens2), strict=True)
        unordered = [tuple(sorted(pair, key=repr)) for pair in own]
        return list(zip(unordered, keys(tokens1, tokens2), strict=True))

    def _estimate(
        self,
        tokens1: Int[np.ndarray, "n1 k"],
        tokens2: Int[np.ndarray, "n2 k"],
        seed: int,
        num_samples: int,
    ) -> Estimate:
        return estimate_transformer(
            tokens1, tokens2, self.beta, self.gamma, self.activation, seed, num_samples
        )

    def evaluate_pairs(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> Bounded:
        """K_trans(x_c, y_c) for each row, the bounds of K_attn carried through the dual.

        Certified where K_attn is and the dual of φ is proved.
        """
        first = np.concatenate([tokens1, tokens2, tokens1])
        second = np.concatenate([tokens1, tokens2, tokens2])
        attention = self.attention.evaluate_pairs(first, second)
        a, b, c = attention.value.reshape(3, -1)
        error = self.activation.dual_error(a, b, c, *attention.bound.reshape(3, -1))
        certified = attention.certified and self.activation.proved
        return Bounded(self.activation.dual(a, b, c), error, certified)
