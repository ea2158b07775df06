"""What rotary positions make of the identity: a multiple for each distance.

At positions i ≥ j the query and key of a head are turned by i θ_p and j θ_p in the pair p of its
coordinates, so the product at distance Δ = i − j is W_Qᵀ R(Δ) W_K, and the multiple of the identity
in it is Σ_p (t_p cos Δθ_p + s_p sin Δθ_p)/(d − 1), t_p and s_p traces of the pair. Only Δ = 0, a
token compared with itself, is W_Qᵀ W_K.
"""

import numpy as np
from jaxtyping import Float

from ktrans.networks.heads.statistics import Product

DISTANCES = (0, 1, 4, 16, 64, 256, 1024)


def coefficients(
    product: Product, angles: Float[np.ndarray, "pairs"], pairing: str
) -> Float[np.ndarray, "distances"]:
    """The multiple of the identity nearest to the product at each of `DISTANCES`.

    Args:
        product: Of W_Q and W_K.
        angles: θ_p of each pair; what is left of the head does not turn.
        pairing: "halves" for coordinates p and p + P, P the number of pairs, "neighbours" for 2p
            and 2p + 1.

    Example:
        >>> from ktrans.networks.heads.statistics import center
        >>> weights = np.random.default_rng(0).standard_normal((4, 16))
        >>> found = coefficients(center(weights, weights), np.array([1.0, 0.1]), "halves")
        >>> found[0] > found[1]
        np.True_
    """
    traces, turned = product.left @ product.right.T, 2 * len(angles)
    first, second = _pairs(turned, pairing)
    even = traces[first, first] + traces[second, second]
    odd = traces[first, second] - traces[second, first]
    phases = np.multiply.outer(DISTANCES, angles)
    still = np.trace(traces[turned:, turned:])
    return (np.cos(phases) @ even + np.sin(phases) @ odd + still) / (product.dim - 1)


def _pairs(turned: int, pairing: str) -> tuple[np.ndarray, np.ndarray]:
    if pairing == "neighbours":
        return np.arange(0, turned, 2), np.arange(1, turned, 2)
    return np.arange(turned // 2), np.arange(turned // 2, turned)
