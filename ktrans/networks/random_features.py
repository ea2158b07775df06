"""The paper's depth-1 transformer at finite width with only its read-out trained: random features.

Every weight of a token or a position is drawn from the seed and that token's id alone, so strings
may hold any integers, and the same network is met again whatever strings come with them.
"""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import ArrayLike

from ktrans._checks import LARGEST_SEED, as_array, as_int, as_non_negative, check_flag, shown
from ktrans._numerics import in_float64, to_host
from ktrans.networks._configuration import check_sizes

# Streams of one network.
_EMBEDDING, _HEADS, _OUTPUTS, _MLP = range(4)


class RandomFeatures(eqx.Module):
    """A depth-1 transformer with random inner weights, read out at the last position.

    With Z = X W_E + γP, q its last row, H heads of dimension d, all entries of all weights standard
    normal, and 1 + γ² the expected |q|² (which the definition of K_attn absorbs in β):

        s_h = smax(β Z W_K,h W_Q,hᵀ q/√(d (1 + γ²))),      v_h = W_V,hᵀ Zᵀ s_h/√d,
        features(x) = φ(Σ_h G_hᵀ v_h/√H)/√p,               G_h = W_O,h W_A of shape (d, p).

    Z Zᵀ is X Xᵀ + γ² I in one-hot embeddings (`embedding_dim` None) and is near it, up to
    1/√embedding_dim, in normal ones. The inner product of features is the empirical kernel; it
    tends to K_trans as `heads`, `head_dim`, `embedding_dim` and `mlp_width` grow, at rate
    1/√width. `head_dim` None is the limit of infinite head dimension, in which the logits of a head
    are exactly normal. The limits need one query: all strings end with the same token, [CLS].

    Args:
        beta: Inverse temperature β ≥ 0.
        gamma: Strength γ ≥ 0 of the positional embedding.
        activation: φ, any function of arrays, such as `ktrans.Cosine(b1=1.0, b2=0.5)`.
        heads: H.
        head_dim: d, or None for its limit.
        mlp_width: p, number of features.
        embedding_dim: Columns of W_E and P, or None for one-hot embeddings.
        seed: Names the weights.

    Raises:
        TypeError, ValueError: a size is no positive integer, a number negative.

    References:
        Boix-Adserà et al. (2024), section 3, the architecture and its random features kernel.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.networks import RandomFeatures
        >>> network = RandomFeatures(beta=1.0, gamma=0.7, activation=kt.ReLU(), heads=8, head_dim=4,
        ...     mlp_width=32)
        >>> network.features([[0, 1, 0, 9], [0, 1, 1, 9]]).shape
        (2, 32)
    """

    beta: Any = eqx.field(kw_only=True)
    gamma: Any = eqx.field(kw_only=True)
    activation: Any = eqx.field(kw_only=True)
    heads: Any = eqx.field(kw_only=True, static=True)
    head_dim: Any = eqx.field(kw_only=True, static=True)
    mlp_width: Any = eqx.field(kw_only=True, static=True)
    embedding_dim: Any = eqx.field(kw_only=True, static=True, default=None)
    seed: Any = eqx.field(kw_only=True, default=0)

    def __check_init__(self) -> None:
        check_sizes(self, "heads", "mlp_width", optional=("head_dim", "embedding_dim"))
        as_int("seed", self.seed, 0, LARGEST_SEED)
        as_non_negative("beta", self.beta)
        as_non_negative("gamma", self.gamma)
        if not callable(self.activation):
            raise TypeError(f"`activation` must be a function; got {shown(self.activation)}.")

    @in_float64
    def features(self, tokens: ArrayLike) -> np.ndarray:
        """What the trained read-out sees.

        Args:
            tokens: Strings, integers of shape (n, k), all ending with the same token.

        Returns:
            Float64 features of shape (n, p); exact for this network.

        Raises:
            TypeError, ValueError: no integer matrix, or strings that end differently.
        """
        return to_host(_features(_traced(self), _read_strings(tokens)))

    def kernel(self, tokens1: ArrayLike, tokens2: ArrayLike | None = None) -> np.ndarray:
        """The empirical kernel, features(x)·features(y), an estimate of K_trans.

        Args:
            tokens1: Strings x, shape (n1, k).
            tokens2: Strings y, shape (n2, k); the strings x where it is left out.

        Returns:
            Float64 of shape (n1, n2), positive semi-definite where the sets are one.
        """
        first = self.features(tokens1)
        if tokens2 is None:
            return first @ first.T
        second = self.features(tokens2)
        _check_last(np.vstack([np.asarray(tokens)[:1] for tokens in (tokens1, tokens2)]))
        return first @ second.T

    @in_float64
    def attention_kernel(self, tokens: ArrayLike, *, infinite_head_dim: bool = False) -> np.ndarray:
        """(1/H) Σ_h v_h(x)·v_h(y), an estimate of K_attn.

        Args:
            tokens: Strings, shape (n, k).
            infinite_head_dim: Keep the keys W_K,h and the direction of each query, but give the
                query its expected length and the values their expected inner products: what the
                same heads would be at infinite head dimension. The difference is what a finite
                `head_dim` does.

        Returns:
            Float64 of shape (n, n).
        """
        check_flag("infinite_head_dim", infinite_head_dim)
        return to_host(_attention_kernel(_traced(self), _read_strings(tokens), infinite_head_dim))


class _Strings(NamedTuple):
    """Strings as row numbers of the embedding, whose rows are the tokens, then the positions."""

    tokens: Int[Array | np.ndarray, "n k"]
    names: Int[Array | np.ndarray, "u"]

    @property
    def positions(self) -> Int[Array, "k"]:
        return len(self.names) + jnp.arange(self.tokens.shape[1])


def _read_strings(tokens: ArrayLike) -> _Strings:
    strings = as_array("tokens", tokens)
    if strings.dtype.kind not in "iu":
        raise TypeError(f"`tokens` must be integers; got dtype {strings.dtype}.")
    if strings.ndim != 2 or strings.size == 0:
        raise ValueError(f"`tokens` must have shape (n, k), n and k >= 1; got {strings.shape}.")
    _check_last(strings)
    names, rows = np.unique(strings, return_inverse=True)
    # A power of two of names, the last one repeated, so that few shapes are compiled.
    spare = (1 << (len(names) - 1).bit_length()) - len(names)
    padded = np.pad(names.astype(np.int64), (0, spare), mode="edge")
    return _Strings(rows.reshape(strings.shape), padded)


def _check_last(strings: Int[np.ndarray, "n k"]) -> None:
    if (strings[:, -1] != strings[0, -1]).any():
        raise ValueError(
            "`tokens` must all end with the same token, the [CLS] whose query reads them; got "
            f"{len(np.unique(strings[:, -1]))} last tokens."
        )


def _traced(network: RandomFeatures) -> RandomFeatures:
    """The network with its numbers as arrays: one compilation serves all of their values."""
    numbers = (np.float64(network.beta), np.float64(network.gamma), np.int64(network.seed))
    arrays = tuple(map(jnp.asarray, numbers))
    return eqx.tree_at(lambda net: (net.beta, net.gamma, net.seed), network, arrays)


@eqx.filter_jit
def _features(network: RandomFeatures, strings: _Strings) -> Float[Array, "n p"]:
    def add(total: Array, head: Array) -> tuple[Array, None]:
        return total + _output(network, strings, head), None

    width = network.embedding_dim or network.mlp_width
    zeros = jnp.zeros((len(strings.tokens), width))
    total, _ = jax.lax.scan(add, zeros, jnp.arange(network.heads))
    hidden = total / network.heads**0.5
    if network.embedding_dim:
        key = _key(network, _MLP)
        hidden = hidden @ jax.random.normal(key, (width, network.mlp_width)) / width**0.5
    return network.activation(hidden) / network.mlp_width**0.5


@eqx.filter_jit
def _attention_kernel(
    network: RandomFeatures, strings: _Strings, infinite_head_dim: bool
) -> Float[Array, "n n"]:
    def add(total: Array, head: Array) -> tuple[Array, None]:
        s = _weights(network, strings, head, infinite_head_dim)
        if infinite_head_dim or network.head_dim is None:
            values = _embedded(network, strings, s)
        else:
            values = _values(network, strings, s, head)
        return total + values @ values.T, None

    count = len(strings.tokens)
    total, _ = jax.lax.scan(add, jnp.zeros((count, count)), jnp.arange(network.heads))
    return total / network.heads


def _output(network: RandomFeatures, strings: _Strings, head: Array) -> Float[Array, "n q"]:
    """A head's share in the pre-activations, or in the residual stream if that is finite."""
    s = _weights(network, strings, head, False)
    width, key = network.embedding_dim or network.mlp_width, _key(network, _OUTPUTS, head)
    if network.head_dim is None:
        return _scatter(network, strings, s) @ _project(network, strings, key, width)
    return _values(network, strings, s, head) @ jax.random.normal(key, (network.head_dim, width))


def _values(
    network: RandomFeatures, strings: _Strings, s: Float[Array, "n k"], head: Array
) -> Float[Array, "n d"]:
    """v_h = W_V,hᵀ Zᵀ s_h/√d."""
    _, _, rows = _projections(network, strings, head)
    return _scatter(network, strings, s) @ rows / network.head_dim**0.5


def _weights(
    network: RandomFeatures, strings: _Strings, head: Array, unit_query: bool
) -> Float[Array, "n k"]:
    """s_h; with `unit_query`, W_Q,hᵀ q has length √(d (1 + γ²)) exactly."""
    if network.head_dim is None:
        scores = _project(network, strings, _key(network, _HEADS, head), 1)[:, 0]
    else:
        keys, queries, _ = _projections(network, strings, head)
        query = queries[strings.tokens[0, -1]] + network.gamma * queries[strings.positions[-1]]
        length = (network.head_dim * (1 + network.gamma**2)) ** 0.5
        scores = keys @ query / (jnp.linalg.norm(query) if unit_query else length)
    logits = scores[strings.tokens] + network.gamma * scores[strings.positions]
    return jax.nn.softmax(network.beta * logits, axis=-1)


def _projections(network: RandomFeatures, strings: _Strings, head: Array) -> list[Array]:
    """The tokens and positions times W_K,h, W_Q,h and W_V,h."""
    rows = _project(network, strings, _key(network, _HEADS, head), 3 * network.head_dim)
    return jnp.split(rows, 3, axis=1)


def _scatter(
    network: RandomFeatures, strings: _Strings, s: Float[Array, "n k"]
) -> Float[Array, "n u"]:
    """Zᵀ s in one-hot embeddings, (Σ_i s_i e_{x_i}, γ s)."""
    count = len(strings.tokens)
    rows = jnp.arange(count)[:, None]
    by_token = jnp.zeros((count, len(strings.names))).at[rows, strings.tokens].add(s)
    return jnp.concatenate([by_token, network.gamma * s], axis=1)


def _embedded(
    network: RandomFeatures, strings: _Strings, s: Float[Array, "n k"]
) -> Float[Array, "n e"]:
    """Zᵀ s."""
    by_row = _scatter(network, strings, s)
    return by_row @ _embedding(network, strings) if network.embedding_dim else by_row


def _project(
    network: RandomFeatures, strings: _Strings, key: PRNGKeyArray, width: int
) -> Float[Array, "u d"]:
    """The tokens and positions times a standard normal matrix of `width` columns."""
    if network.embedding_dim:
        matrix = jax.random.normal(key, (network.embedding_dim, width))
        return _embedding(network, strings) @ matrix
    return _draw_rows(strings, key, width)


def _embedding(network: RandomFeatures, strings: _Strings) -> Float[Array, "u e"]:
    """W_E and P, entries of variance 1/embedding_dim."""
    rows = _draw_rows(strings, _key(network, _EMBEDDING), network.embedding_dim)
    return rows / network.embedding_dim**0.5


def _draw_rows(strings: _Strings, key: PRNGKeyArray, width: int) -> Float[Array, "u d"]:
    """Standard normal rows, each from its own name: (0, token) in 32-bit halves, or (1, place)."""
    low, high = strings.names & 0xFFFFFFFF, strings.names >> 32 & 0xFFFFFFFF
    places = jnp.arange(strings.tokens.shape[1])
    tokens = jnp.stack([0 * low, low, high], axis=1)
    positions = jnp.stack([1 + 0 * places, places, 0 * places], axis=1)

    def row(name: Int[Array, "3"]) -> Float[Array, "d"]:
        return jax.random.normal(functools.reduce(jax.random.fold_in, name, key), (width,))

    return jax.vmap(row)(jnp.concatenate([tokens, positions]))


def _key(network: RandomFeatures, *path: int | Array) -> PRNGKeyArray:
    return functools.reduce(jax.random.fold_in, path, jax.random.key(network.seed))
