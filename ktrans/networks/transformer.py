"""Transformers of finite width with trainable identities, a I in the logits, b I in the output."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ktrans._checks import as_non_negative, as_real, check_flag, check_word
from ktrans._numerics import check_key
from ktrans.networks._configuration import NetworkConfig, check_sizes
from ktrans.networks.layers import LayerNorm, Linear, gelu, normal

IDENTITIES = ("none", "a", "b", "ab")
READ_OUTS = ("scalar", "tied", "untied")


class Attention(eqx.Module):
    """Softmax attention with one trainable multiple of the identity in W_K W_Qᵀ and in W_V W_O.

    For each head h, with X the normalised input of the block,

        A_h = smax(X W_Q,h (X W_K,h)ᵀ/√d_head + c a_h X Xᵀ),
        output = Σ_h A_h X W_V,h W_O,h + c Σ_h b_h A_h X.

    a and b are zero at initialisation and absent where their part is left out.

    References:
        Boix-Adserà et al. (2024), Observations 1.2 and 1.4 (the modifications by a I and b I).
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    a: Float[Array, "heads"] | None
    b: Float[Array, "heads"] | None
    heads: int = eqx.field(static=True)
    causal: bool = eqx.field(static=True)
    multiplier: float = eqx.field(static=True)
    off_diagonal: bool = eqx.field(static=True)

    def __call__(self, x: Float[Array, "k d"]) -> Float[Array, "k d"]:
        """The positions of one string after attention."""
        weights = self.weights(x)
        mixed = jnp.einsum("hqk,khd->qhd", weights, self._split(self.value(x)))
        output = self.output(mixed.reshape(len(x), -1))
        if self.b is None:
            return output
        return output + self.multiplier * jnp.einsum("h,hqk->qk", self.b, weights) @ x

    def weights(self, x: Float[Array, "k d"]) -> Float[Array, "heads k k"]:
        """A_h, row q the weights with which position q attends."""
        queries, keys = self._split(self.query(x)), self._split(self.key(x))
        logits = jnp.einsum("qhd,khd->hqk", queries, keys) / queries.shape[-1] ** 0.5
        if self.a is not None:
            logits = logits + self.multiplier * self.a[:, None, None] * self._similarity(x)
        if self.causal:
            logits = jnp.where(jnp.tri(len(x), dtype=bool), logits, -jnp.inf)
        return jax.nn.softmax(logits, axis=-1)

    def _similarity(self, x: Float[Array, "k d"]) -> Float[Array, "k k"]:
        similarity = x @ x.T
        return (
            similarity * (1 - jnp.eye(len(x), dtype=x.dtype)) if self.off_diagonal else similarity
        )

    def _split(self, x: Float[Array, "k p"]) -> Float[Array, "k heads d"]:
        return x.reshape(len(x), self.heads, -1)


class Block(eqx.Module):
    """A pre-LN block, x + attention(LN x), then x + MLP(LN x)."""

    norm_attention: LayerNorm
    attention: Attention
    norm_mlp: LayerNorm
    widen: Linear
    narrow: Linear

    def __call__(self, x: Float[Array, "k d"]) -> Float[Array, "k d"]:
        """The positions of one string after the block."""
        x = x + self.attention(self.norm_attention(x))
        return x + self.narrow(gelu(self.widen(self.norm_mlp(x))))


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(NetworkConfig):
    """Sizes and options of a `Transformer`.

    Args:
        num_tokens: Rows of the embedding matrix: all token ids, unseen ones counted.
        context_length: k, positions of a string, [CLS] counted.
        depth: Number of blocks.
        heads: Heads of each block.
        dim: Width of the residual stream, a multiple of `heads` unless `head_dim` is given.
        head_dim: Width of a head; None: dim / heads.
        mlp_dim: Hidden width of the perceptrons; None: 4 dim.
        read_out: "scalar" (regression), or token logits with "tied" or "untied" unembedding.
        identities: Which trainable identities the heads have: "none", "a", "b" or "ab".
        multiplier: c, in units of which a and b are learned.
        off_diagonal: Leave the diagonal of X Xᵀ out of the logits.
        causal: Positions attend to earlier ones only.
        init_scale: Multiplies the standard deviation 1/√fan-in of every weight matrix.
        embedding_std: Standard deviation of the initial token and position embeddings.

    Raises:
        TypeError, ValueError: a size is no positive integer, a word is unknown.

    Example:
        >>> import jax
        >>> from ktrans.networks import TransformerConfig
        >>> config = TransformerConfig(num_tokens=9, context_length=4, depth=1, heads=2, dim=8,
        ...     identities="a")
        >>> network = config.build(jax.random.key(0))
        >>> network(np.array([0, 1, 0, 8])).shape
        ()
    """

    depth: Any
    heads: Any
    dim: Any
    head_dim: Any = None
    mlp_dim: Any = None
    read_out: Any = "scalar"
    identities: Any = "none"
    multiplier: Any = 1.0
    off_diagonal: Any = False
    causal: Any = False
    init_scale: Any = 1.0
    embedding_std: Any = 1.0

    def __post_init__(self) -> None:
        sizes = ("num_tokens", "context_length", "depth", "heads", "dim")
        check_sizes(self, *sizes, optional=("head_dim", "mlp_dim"))
        check_flag("off_diagonal", self.off_diagonal)
        check_flag("causal", self.causal)
        as_real("multiplier", self.multiplier)
        as_non_negative("init_scale", self.init_scale)
        as_non_negative("embedding_std", self.embedding_std)
        check_word("read_out", self.read_out, READ_OUTS)
        check_word("identities", self.identities, IDENTITIES)
        if self.head_dim is None and self.dim % self.heads:
            raise ValueError(
                f"`dim` must be a multiple of `heads` unless `head_dim` is given; got {self.dim} "
                f"and {self.heads}."
            )

    def build(self, key: Any) -> "Transformer":
        """A transformer with random weights."""
        check_key(key)
        tokens, positions, last, *blocks = jax.random.split(key, 3 + self.depth)
        return Transformer(
            token_embedding=normal(tokens, (self.num_tokens, self.dim), self.embedding_std),
            position_embedding=normal(
                positions, (self.context_length, self.dim), self.embedding_std
            ),
            blocks=tuple(self._build_block(key) for key in blocks),
            norm=LayerNorm.identity(self.dim),
            read_out=self._build_read_out(last),
        )

    def _build_block(self, key: PRNGKeyArray) -> Block:
        attention, widen, narrow = jax.random.split(key, 3)
        hidden = self.mlp_dim or 4 * self.dim
        return Block(
            norm_attention=LayerNorm.identity(self.dim),
            attention=self._build_attention(attention),
            norm_mlp=LayerNorm.identity(self.dim),
            widen=Linear.draw(widen, self.dim, hidden, self.init_scale),
            narrow=Linear.draw(narrow, hidden, self.dim, self.init_scale),
        )

    def _build_attention(self, key: PRNGKeyArray) -> Attention:
        inner = self.heads * (self.head_dim or self.dim // self.heads)
        query, key, value, output = jax.random.split(key, 4)
        zeros = jnp.zeros(self.heads, np.float32)
        return Attention(
            query=Linear.draw(query, self.dim, inner, self.init_scale),
            key=Linear.draw(key, self.dim, inner, self.init_scale),
            value=Linear.draw(value, self.dim, inner, self.init_scale),
            output=Linear.draw(output, inner, self.dim, self.init_scale),
            a=zeros if "a" in self.identities else None,
            b=zeros if "b" in self.identities else None,
            heads=self.heads,
            causal=self.causal,
            multiplier=self.multiplier,
            off_diagonal=self.off_diagonal,
        )

    def _build_read_out(self, key: PRNGKeyArray) -> Linear | None:
        if self.read_out == "tied":
            return None
        outputs = 1 if self.read_out == "scalar" else self.num_tokens
        return Linear.draw(key, self.dim, outputs, self.init_scale, bias=self.read_out == "scalar")


class Transformer(eqx.Module):
    """Token and position embeddings, pre-LN blocks, and a read-out at the last position.

    Build one with `TransformerConfig(...).build(key)`. The read-out is linear in the normalised
    last position; with tied embeddings it is the token embedding itself, and None here.
    """

    token_embedding: Float[Array, "m d"]
    position_embedding: Float[Array, "k d"]
    blocks: tuple[Block, ...]
    norm: LayerNorm
    read_out: Linear | None

    def __call__(self, tokens: Int[Array | np.ndarray, "k"]) -> Float[Array, "*outputs"]:
        """The scalar output for one string, or its m token logits."""
        outputs = self._read(self.hidden(tokens)[-1])
        return outputs[0] if len(outputs) == 1 else outputs

    def logits(self, tokens: Int[Array | np.ndarray, "k"]) -> Float[Array, "k m"]:
        """The token logits at every position of one string, as language models are read."""
        return self._read(self.hidden(tokens))

    def hidden(self, tokens: Int[Array | np.ndarray, "k"]) -> Float[Array, "k d"]:
        """The normalised last hidden state of every position of one string."""
        x = self.token_embedding[tokens] + self.position_embedding[: len(tokens)]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def _read(self, hidden: Float[Array, "*k d"]) -> Float[Array, "*k outputs"]:
        if self.read_out is None:
            return hidden @ self.token_embedding.T
        return self.read_out(hidden)
