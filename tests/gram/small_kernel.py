"""A strictly positive definite token-symmetric kernel in closed form, for tests."""

import numpy as np

from ktrans.kernels.base import Bounded, TokenSymmetricKernel


class SmallKernel(TokenSymmetricKernel):
    """exp(a · agreements/k) + overlap · patterns: sums and products of definite kernels."""

    agreement: float = 1.0
    scale: float = 1.0

    def evaluate_pairs(self, tokens1, tokens2):
        k = tokens1.shape[1]
        agreements = np.sum(tokens1 == tokens2, axis=1) / k
        overlap = np.sum(tokens1[:, :, None] == tokens2[:, None, :], axis=(1, 2)) / k**2
        pattern1 = tokens1[:, :, None] == tokens1[:, None, :]
        pattern2 = tokens2[:, :, None] == tokens2[:, None, :]
        patterns = np.sum(pattern1 & pattern2, axis=(1, 2)) / k**2
        value = self.scale * (np.exp(self.agreement * agreements) + (1 + overlap) * patterns)
        return Bounded(value, np.zeros(len(value)), certified=True)


class NegativeKernel(SmallKernel):
    """A token-symmetric function that is no kernel."""

    def evaluate_pairs(self, tokens1, tokens2):
        positive = super().evaluate_pairs(tokens1, tokens2)
        return Bounded(-positive.value, positive.bound, certified=True)
