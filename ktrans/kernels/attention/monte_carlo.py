"""K_attn and K_trans by Monte Carlo: one draw (ω, p) serves all strings.

With s = smax(β(ω[x] + γp)), a draw's share of K_attn(x, y) is the inner product of the features
(Σ_i s_i e_{x_i}, γs) of x and y, so the estimated Gram matrix is positive semi-definite by
construction. Draws come in blocks of fixed size; a block's ω[t] is generated from the seed, the
number of the block and the token t alone. Strings can therefore be taken in tiles of any size, and
calls with different strings share their draws.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, UInt32

from ktrans._checks import as_int, as_probability
from ktrans._numerics import in_float64, to_host
from ktrans.kernels._activation import Activation
from ktrans.kernels.base import Estimate

DRAW_BLOCK = 32  # draws made together: part of what a seed means, so never changed
_TILE = 64  # strings a side; a block's kernels, 32 × 64 × 64, stay in the cache

Words = UInt32[Array, "n k 2"]


class Moments(NamedTuple):
    """Means over draws of each draw's shares in some kernels, and their covariances.

    The kernels are K(x, y) alone or K(x, x), K(y, y), K(x, y).
    """

    mean: Float[np.ndarray, "kernels n1 n2"]
    covariance: Float[np.ndarray, "kernels kernels n1 n2"]


def estimate_attention(
    tokens1: Int[np.ndarray, "n1 k"],
    tokens2: Int[np.ndarray, "n2 k"],
    beta: float,
    gamma: float,
    seed: int,
    num_samples: int,
    dtype: DTypeLike = np.float64,
    tile: int = _TILE,
) -> Estimate:
    """The Gram matrix of K_attn, estimated from `num_samples` draws.

    (1/D) Σ_d ⟨(Σ_i s_i e_{x_i}, γs), (Σ_j t_j e_{y_j}, γt)⟩.

    Args:
        tokens1: Strings x, shape (n1, k), any integers.
        tokens2: Strings y, shape (n2, k).
        beta: Inverse temperature, 0 ≤ β < ∞.
        gamma: Strength of the positional embedding, γ ≥ 0.
        seed: The same seed gives the same draws for all strings, tiles and numbers of samples.
        num_samples: Number of draws D ≥ 2.
        dtype: Type of the draws. float32 has other draws than float64 and rounding of about 1e-7.
        tile: Number of strings a side of a block; changes speed and memory only.

    Returns:
        Estimated mean and standard error, float64, each of shape (n1, n2).

    Example:
        >>> import numpy as np
        >>> from ktrans.kernels.attention.monte_carlo import estimate_attention
        >>> x = np.array([[0, 1, 0], [0, 1, 1]])
        >>> estimate = estimate_attention(x, x, 1.0, 0.7, seed=0, num_samples=1000)
        >>> bool(np.all(estimate.stderr < 0.01))
        True
    """
    draws = _Draws(seed, num_samples, dtype)
    moments = _moments(tokens1, tokens2, beta, gamma, draws, tile, joint=False)
    variance = np.maximum(moments.covariance[0, 0], 0.0)
    return Estimate(moments.mean[0], np.sqrt(variance / (num_samples - 1)))


@in_float64
def estimate_transformer(
    tokens1: Int[np.ndarray, "n1 k"],
    tokens2: Int[np.ndarray, "n2 k"],
    beta: float,
    gamma: float,
    activation: Activation,
    seed: int,
    num_samples: int,
    dtype: DTypeLike = np.float64,
    tile: int = _TILE,
) -> Estimate:
    """The Gram matrix of K_trans, the dual activation of the estimated K_attn.

    E[φ(a)φ(b)] with covariance [[A, C], [C, B]]; the standard error is √(gᵀΣg/D), g the slopes of
    the dual and Σ the covariance of a draw's shares of A, B and C. The bias of order 1/D is below
    the standard error for the D ≥ 1000 that one uses.

    Args:
        tokens1: Strings x, shape (n1, k), any integers.
        tokens2: Strings y, shape (n2, k).
        beta: Inverse temperature, 0 ≤ β < ∞.
        gamma: Strength of the positional embedding, γ ≥ 0.
        activation: φ, with its dual.
        seed: As for `estimate_attention`.
        num_samples: Number of draws D ≥ 2.
        dtype: As for `estimate_attention`.
        tile: As for `estimate_attention`.

    Returns:
        Estimated mean and standard error, float64, each of shape (n1, n2).

    References:
        Definition of K_trans: Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), section 3.
    """
    draws = _Draws(seed, num_samples, dtype)
    moments = _moments(tokens1, tokens2, beta, gamma, draws, tile, joint=True)
    value, pull = jax.vjp(activation.dual, *(jnp.asarray(mean) for mean in moments.mean))
    slopes = np.stack([to_host(slope) for slope in pull(jnp.ones_like(value))])
    variance = np.einsum("uab,uvab,vab->ab", slopes, moments.covariance, slopes)
    return Estimate(to_host(value), np.sqrt(np.maximum(variance, 0.0) / (num_samples - 1)))


def empirical_bernstein(
    mean: Float[np.ndarray, "n1 n2"],
    variance: Float[np.ndarray, "n1 n2"],
    range: float,
    num_samples: int,
    num_entries: int,
    delta: Any,
) -> Float[np.ndarray, "n1 n2"]:
    """Half-widths of confidence intervals that hold for all entries at once.

    √(2 V l/D) + 7 R l/(3(D − 1)) with l = log(4 · entries/δ): each side at half of δ/entries.

    Args:
        mean: Estimated values; they only set the shape.
        variance: Sample variances V of one draw (ddof = 1): D · stderr² of an `Estimate`.
        range: Width R of an interval that holds every draw: 1 + γ² for K_attn.
        num_samples: Number of independent draws D ≥ 2.
        num_entries: Number of entries that must hold together.
        delta: Probability, over the draws, that some entry does not, 0 < δ < 1.

    Returns:
        Half-widths, a proved bound with probability 1 − δ, of the shape of `mean`.

    Raises:
        ValueError: if delta is not between 0 and 1 or there are fewer than two samples.

    References:
        Theorem 4 of Maurer and Pontil, Empirical Bernstein bounds, COLT 2009 (arXiv 0907.3740).

    Example:
        >>> import numpy as np
        >>> from ktrans.kernels.attention.monte_carlo import empirical_bernstein
        >>> mean, variance = np.full((1, 1), 0.5), np.full((1, 1), 0.01)
        >>> widths = empirical_bernstein(mean, variance, 1.0, 10**6, 1, 0.05)
        >>> print(f"{widths[0, 0]:.6f}")
        0.000306
    """
    as_probability("delta", delta)
    as_int("num_samples", num_samples, 2)
    log = np.log(4 * num_entries / delta)
    width = np.sqrt(2 * variance * log / num_samples) + 7 * range * log / (3 * (num_samples - 1))
    return np.broadcast_to(width, np.shape(mean))


class _Draws(NamedTuple):
    seed: int
    number: int
    dtype: DTypeLike


@in_float64
def _moments(
    tokens1: Int[np.ndarray, "n1 k"],
    tokens2: Int[np.ndarray, "n2 k"],
    beta: float,
    gamma: float,
    draws: _Draws,
    tile: int,
    joint: bool,
) -> Moments:
    """The moments of all pairs of strings, tile by tile."""
    if draws.number < 2:
        raise ValueError(f"`num_samples` must be at least 2; got {draws.number}.")
    kernels, shape = 3 if joint else 1, (len(tokens1), len(tokens2))
    mean, product = np.zeros((kernels, *shape)), np.zeros((kernels, kernels, *shape))
    beta_, gamma_ = (jnp.asarray(some, draws.dtype) for some in (beta, gamma))
    key, tiles2 = jax.random.key(draws.seed), list(_tiles(tokens2, tile))
    for rows, words1 in _tiles(tokens1, tile):
        for columns, words2 in tiles2:
            sums = _sums(words1, words2, beta_, gamma_, key, draws.number, joint)
            for whole, part in zip((mean, product), sums, strict=True):
                target = whole[..., rows, columns]
                target[...] = to_host(part)[..., : target.shape[-2], : target.shape[-1]]
    mean, product = mean / draws.number, product / draws.number
    return Moments(mean, product - mean[:, None] * mean[None])


def _tiles(tokens: Int[np.ndarray, "n k"], size: int) -> Iterator[tuple[slice, Words]]:
    """Strings in tiles of one size, the last filled with token 0, each token as two words."""
    size = min(size, len(tokens))
    wide = tokens.astype(np.int64).view(np.uint64)
    words = np.stack([wide & 0xFFFFFFFF, wide >> 32], axis=-1).astype(np.uint32)
    for start in range(0, len(tokens), size):
        some = words[start : start + size]
        padding = ((0, size - len(some)), (0, 0), (0, 0))
        yield slice(start, start + size), jnp.asarray(np.pad(some, padding))


@functools.partial(jax.jit, static_argnames="joint")
def _sums(
    words1: UInt32[Array, "n1 k 2"],
    words2: UInt32[Array, "n2 k 2"],
    beta: Float[Array, ""],
    gamma: Float[Array, ""],
    key: Array,
    number: Int[Array, ""] | int,
    joint: bool,
) -> tuple[Float[Array, "kernels n1 n2"], Float[Array, "kernels kernels n1 n2"]]:
    """Σ over draws of the shares in the kernels and of their products."""
    kernels, shape = 3 if joint else 1, (len(words1), len(words2))
    coupling = _coupling(words1[:, None], words2[None], gamma)
    selves = [_coupling(words, words, gamma) for words in (words1, words2)]

    def add(block: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        s, t = (
            _weights(words, beta, gamma, jax.random.fold_in(key, block))
            for words in (words1, words2)
        )
        shares = [_share(s[:, :, :, None], t[:, :, None, :], coupling)]
        if joint:
            own1, own2 = _share(s, s, selves[0]), _share(t, t, selves[1])
            shares = [own1[:, :, None], own2[:, None, :], *shares]
        kept = block * DRAW_BLOCK + jnp.arange(DRAW_BLOCK) < number
        shares = [jnp.where(kept[:, None, None], share, 0) for share in shares]
        mean = jnp.stack([_total(share, shape) for share in shares])
        product = jnp.stack([_total(one * other, shape) for one in shares for other in shares])
        return sums[0] + mean, sums[1] + product.reshape(kernels, kernels, *shape)

    start = jnp.zeros((kernels, *shape)), jnp.zeros((kernels, kernels, *shape))
    return jax.lax.fori_loop(0, -(-number // DRAW_BLOCK), add, start)


def _total(share: Float[Array, "draws ..."], shape: tuple[int, int]) -> Float[Array, "n1 n2"]:
    return jnp.broadcast_to(share.sum(axis=0).astype(jnp.float64), shape)


def _weights(
    words: Words, beta: Float[Array, ""], gamma: Float[Array, ""], key: Array
) -> Float[Array, "k draws n"]:
    """smax(β(ω[x] + γp)) for the draws of one block."""
    token_key, position_key = jax.random.split(key)

    def omega(word: UInt32[Array, "2"]) -> Float[Array, "draws"]:
        token = jax.random.fold_in(jax.random.fold_in(token_key, word[0]), word[1])
        return jax.random.normal(token, (DRAW_BLOCK,), beta.dtype)

    p = jax.random.normal(position_key, (words.shape[1], DRAW_BLOCK), beta.dtype)
    logits = jax.vmap(jax.vmap(omega))(words).transpose(1, 2, 0) + gamma * p[:, :, None]
    return jax.nn.softmax(beta * logits, axis=0)


def _coupling(
    words1: UInt32[Array, "... k 2"], words2: UInt32[Array, "... k 2"], gamma: Float[Array, ""]
) -> Float[Array, "k k ..."]:
    """X Yᵀ + γ² I."""
    same = jnp.all(words1[..., :, None, :] == words2[..., None, :, :], axis=-1)
    return jnp.moveaxis(same + gamma**2 * jnp.eye(same.shape[-1]), (-2, -1), (0, 1)).astype(
        gamma.dtype
    )


def _share(
    s: Float[Array, "k ..."], t: Float[Array, "k ..."], coupling: Float[Array, "k k ..."]
) -> Float[Array, "..."]:
    """sᵀ (X Yᵀ + γ² I) t, element by element: float32 keeps its full precision on every device."""
    return sum(s[i] * sum(coupling[i, j] * t[j] for j in range(len(t))) for i in range(len(s)))  # type: ignore[return-value]
