"""The attention network of the copying theorems: one token in, tied embedding and unembedding."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ktrans._checks import as_int, as_real, check_flag, shown
from ktrans._numerics import check_key


class Parameters(NamedTuple):
    """The groups g of parameters; `unembedding` is None where it is tied to the embedding.

    The heads stand side by side in the columns of `value` and `output`, p = heads · head dimension.
    """

    embedding: Float[Array, "m d"]
    value: Float[Array, "d p"]
    output: Float[Array, "d p"]
    identity: Float[Array, ""]
    unembedding: Float[Array, "m d"] | None = None


# The groups in the paper's symbols, in the order of the fields of `Parameters`. Every head's b_h
# has the gradient of one b, so that one stands for all of them.
SYMBOLS = ("W_E", "W_V", "W_O", "b", "W_U")
IDENTITY = "b"


class Tokens(NamedTuple):
    """Which tokens are trained on and which are not; tokens in neither are no classes at all."""

    seen: Bool[Array, " m"]
    unseen: Bool[Array, " m"]


@dataclass(frozen=True, kw_only=True)
class CopyingNetwork:
    """logits(x) = W_E[x] A W_Eᵀ with A = Σ_h W_V,h W_O,hᵀ + b I: attention over one token is 1.

    At initialisation W_E ~ N(0, 1/d_emb), W_V ~ N(0, s²/d_emb), W_O ~ N(0, s²/p) entry by entry,
    p = num_heads · head_dim and s the `init_scale`, so that tokens have norm 1 and logits have
    standard deviation s²/√d_emb. A is never formed: without b its rank is p, and logits are
    (W_E W_V)(W_E W_O)ᵀ.

    Args:
        embedding_dim: d_emb, at least 1.
        vocab_size: m, at least 2.
        num_seen: Number of training tokens, from 1 to m − 1.
        num_heads: At least 1.
        head_dim: At least 1, and at most d_emb unless `allow_wide_heads`.
        init_scale: s, positive.
        initial_b: b at initialisation.
        tied: Whether the unembedding is the embedding; if not it is W_U, drawn like W_E.
        allow_wide_heads: Whether head_dim may be more than d_emb.

    Raises:
        TypeError: if a number is of the wrong kind.
        ValueError: if it is outside its range.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), section 4.

    Example:
        >>> network = CopyingNetwork(
        ...     embedding_dim=64, vocab_size=32, num_seen=24, num_heads=4, head_dim=16
        ... )
        >>> network.rank, network.num_unseen
        (64, 8)
    """

    embedding_dim: Any
    vocab_size: Any
    num_seen: Any
    num_heads: Any
    head_dim: Any
    init_scale: Any = 1.0
    initial_b: Any = 0.0
    tied: Any = True
    allow_wide_heads: Any = False

    def __post_init__(self) -> None:
        as_int("embedding_dim", self.embedding_dim, 1)
        as_int("vocab_size", self.vocab_size, 2)
        as_int("num_seen", self.num_seen, 1)
        as_int("num_heads", self.num_heads, 1)
        as_int("head_dim", self.head_dim, 1)
        check_flag("tied", self.tied)
        check_flag("allow_wide_heads", self.allow_wide_heads)
        as_real("initial_b", self.initial_b)
        if self.num_seen >= self.vocab_size:
            raise ValueError(
                f"`num_seen` must be below `vocab_size` = {self.vocab_size}, so that a token is "
                f"left to test on; got {self.num_seen}."
            )
        if self.head_dim > self.embedding_dim and not self.allow_wide_heads:
            raise ValueError(
                f"`head_dim` must be at most `embedding_dim` = {self.embedding_dim} unless "
                f"`allow_wide_heads` is set; got {self.head_dim}."
            )
        if as_real("init_scale", self.init_scale) <= 0:
            raise ValueError(f"`init_scale` must be positive; got {shown(self.init_scale)}.")

    @property
    def rank(self) -> int:
        """p, the rank of Σ_h W_V,h W_O,hᵀ."""
        return self.num_heads * self.head_dim

    @property
    def num_unseen(self) -> int:
        """Number of tokens that are not trained on."""
        return self.vocab_size - self.num_seen

    @property
    def chance(self) -> float:
        """log m, the loss of equal logits."""
        return math.log(self.vocab_size)

    def tokens(self, capacity: int | None = None) -> Tokens:
        """The seen tokens come first, then the unseen; those from m on to `capacity` are unused."""
        index = jnp.arange(capacity or self.vocab_size)
        seen = index < self.num_seen
        return Tokens(seen, ~seen & (index < self.vocab_size))

    def initialise(self, key: Any, capacity: int | None = None) -> Parameters:
        """One draw of the parameters, with rows for `capacity` tokens (m where left out)."""
        check_key(key)
        m, d, p, s = capacity or self.vocab_size, self.embedding_dim, self.rank, self.init_scale
        # One draw for all groups: generators are what takes longest to compile.
        sizes = (m, p, p, 0 if self.tied else m)
        normal = jax.random.normal(key, (sum(sizes), d)) / math.sqrt(d)
        embedding, value, output, unembedding = jnp.split(normal, np.cumsum(sizes)[:-1].tolist())
        return Parameters(
            embedding=embedding,
            value=s * value.T,
            output=s * math.sqrt(d / p) * output.T,
            identity=jnp.asarray(float(self.initial_b)),
            unembedding=None if self.tied else unembedding,
        )


def logits(parameters: Parameters) -> Float[Array, "m m"]:
    """(W_E W_V)(W_U W_O)ᵀ + b W_E W_Uᵀ, one row for each input token; W_U = W_E if tied."""
    embedding = parameters.embedding
    unembedding = embedding if parameters.unembedding is None else parameters.unembedding
    low_rank = (embedding @ parameters.value) @ (unembedding @ parameters.output).T
    return low_rank + parameters.identity * (embedding @ unembedding.T)


def losses(parameters: Parameters, tokens: Tokens) -> Float[Array, "2"]:
    """Cross-entropy of copying, mean over the seen tokens and mean over the unseen ones."""
    scores = _active_logits(parameters, tokens)
    each = jax.nn.logsumexp(scores, axis=1) - jnp.diagonal(scores)
    return jnp.stack([_mean(each, tokens.seen), _mean(each, tokens.unseen)])


def accuracies(parameters: Parameters, tokens: Tokens) -> Float[Array, "2"]:
    """Share of tokens that have the largest logit themselves: of the seen, of the unseen."""
    scores = _active_logits(parameters, tokens)
    right = scores.argmax(axis=1) == jnp.arange(len(scores))
    return jnp.stack([_mean(right, tokens.seen), _mean(right, tokens.unseen)])


def _active_logits(parameters: Parameters, tokens: Tokens) -> Float[Array, "m m"]:
    # Not −∞: rows of unused tokens have such a diagonal, and ∞ − ∞ would reach the gradients.
    return jnp.where(tokens.seen | tokens.unseen, logits(parameters), -1e9)


def _mean(values: Array, where: Bool[Array, " m"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(where, values, 0)) / jnp.sum(where)
