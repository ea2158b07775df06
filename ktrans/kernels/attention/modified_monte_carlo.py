"""Modified attention by Monte Carlo: one draw of W serves all strings and all queries.

With X̃ = (X, γI) in one-hot embeddings, the logits of query q are β X̃ W x̃_q + a X̃ x̃_q, W a matrix of
standard normals over tokens and positions. A draw's share of a kernel is an inner product of
features X̃ᵀ s_q, so the estimated Gram matrices are positive semi-definite by construction.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from ktrans._numerics import in_float64, to_host
from ktrans.kernels._activation import Activation
from ktrans.kernels.attention.modified_pairs import Setting
from ktrans.kernels.base import Estimate

_BLOCK = 256  # draws made together: part of what a seed means

# From features (draws, query, string, token or position) to those that are read out.
Readout = Callable[[np.ndarray], np.ndarray]


@in_float64
def estimate_modified(
    tokens1: Int[np.ndarray, "n1 k"],
    tokens2: Int[np.ndarray, "n2 k"],
    setting: Setting,
    activation: Activation,
    readout: Readout,
    seed: int,
    num_samples: int,
) -> Estimate:
    """The mean over read-outs of the dual activation of estimated attention kernels.

    The standard error is that of the mean of Σ_q g_q · (shares of A_q, B_q, C_q), g_q the slopes of
    the dual at the estimated A_q, B_q, C_q. The draws are made twice, for the means and for the
    spread, so that memory does not grow with their number.

    Args:
        tokens1: Strings x, shape (n1, k), any integers.
        tokens2: Strings y, shape (n2, k).
        setting: β, γ and a.
        activation: φ; `Identity` for the attention kernel itself.
        readout: What is read out of the features of all queries.
        seed: The same seed and strings give the same draws.
        num_samples: Number of draws D ≥ 2.

    Returns:
        Estimated mean and standard error, each of shape (n1, n2).
    """
    arguments = (tokens1, tokens2, setting, readout, seed, num_samples)
    sums = [[share.sum(axis=0) for share in block] for block in _shares(*arguments)]
    means = [sum(parts) / num_samples for parts in zip(*sums, strict=True)]
    value, pull = jax.vjp(activation.dual, *jnp.broadcast_arrays(*map(jnp.asarray, means)))
    slopes = [to_host(slope) for slope in pull(jnp.ones_like(value) / len(value))]
    variance = sum(_squares(block, means, slopes) for block in _shares(*arguments))
    stderr = np.sqrt(variance / (num_samples * (num_samples - 1)))
    return Estimate(to_host(value).mean(axis=0), stderr)


def _squares(
    block: Sequence[np.ndarray], means: Sequence[Any], slopes: Sequence[np.ndarray]
) -> Float[np.ndarray, "n1 n2"]:
    """Σ over draws of (Σ_q g_q · (shares less their means))²."""
    parts = zip(slopes, block, means, strict=True)
    linear = sum(np.sum(slope * (share - mean), axis=1) for slope, share, mean in parts)
    return np.sum(np.square(linear), axis=0)


def _shares(*arguments: Any) -> Iterator[list[np.ndarray]]:
    """Draws' shares in K(x, x), K(y, y) and K(x, y), with axes draw, query, x, y."""
    for first, second in _features(*arguments):
        own1, own2 = (np.sum(some**2, axis=-1) for some in (first, second))
        yield [own1[..., None], own2[:, :, None], np.einsum("dqnf,dqmf->dqnm", first, second)]


def _features(
    tokens1: Int[np.ndarray, "n1 k"],
    tokens2: Int[np.ndarray, "n2 k"],
    setting: Setting,
    readout: Readout,
    seed: int,
    num_samples: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """X̃ᵀ s_q of the strings x and of the strings y, read out, for blocks of draws."""
    rng = np.random.default_rng(seed)
    names, rows = np.unique(np.vstack([tokens1, tokens2]), return_inverse=True)
    embedded = _embedded(rows.reshape(-1, tokens1.shape[1]), len(names), setting.gamma)
    for start in range(0, num_samples, _BLOCK):
        size = min(_BLOCK, num_samples - start)
        matrix = rng.standard_normal((size, embedded.shape[2], embedded.shape[2]))
        weights = _weights(embedded, matrix, setting)
        found = readout(np.einsum("nif,dnqi->dqnf", embedded, weights, optimize=True))
        yield found[:, :, : len(tokens1)], found[:, :, len(tokens1) :]


def _embedded(
    rows: Int[np.ndarray, "n k"], num_tokens: int, gamma: float
) -> Float[np.ndarray, "n k f"]:
    """X̃ = (X, γI)."""
    positions = np.broadcast_to(gamma * np.eye(rows.shape[1]), (len(rows), *[rows.shape[1]] * 2))
    return np.concatenate([np.eye(num_tokens)[rows], positions], axis=2)


def _weights(
    embedded: Float[np.ndarray, "n k f"], matrix: Float[np.ndarray, "d f f"], setting: Setting
) -> Float[np.ndarray, "d n k k"]:
    """s_q = smax(β X̃ W x̃_q + a X̃ x̃_q), axes draw, string, query, position."""
    scores = np.einsum("nif,dfg,nqg->dnqi", embedded, matrix, embedded, optimize=True)
    means = np.einsum("nif,nqf->nqi", embedded, embedded)
    return softmax(setting.beta * scores + setting.a * means, axis=-1)
