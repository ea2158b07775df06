"""Perceptrons on strings: one-hot, with the matrix of equal tokens, or with a shared embedding."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ktrans._checks import as_non_negative, check_word
from ktrans._numerics import check_key
from ktrans.networks._configuration import NetworkConfig, check_sizes
from ktrans.networks.layers import Linear, normal

INPUTS = ("one_hot", "incidence", "embedding")


@dataclass(frozen=True, kw_only=True)
class MLPConfig(NetworkConfig):
    """Sizes and options of an `MLP`.

    Args:
        num_tokens: All token ids, unseen ones counted.
        context_length: k, positions of a string, [CLS] counted.
        depth: Number of hidden layers.
        width: Width of each.
        inputs: "one_hot": the flattened string; "incidence": that and the k × k matrix X Xᵀ of
            equal tokens; "embedding": one trainable embedding of tokens, shared by the positions.
        embedding_dim: Width of the shared embedding.
        outputs: 1 (regression), or as many as there are tokens (logits).
        init_scale: Multiplies the standard deviation 1/√fan-in of every weight matrix.

    Raises:
        TypeError, ValueError: a size is no positive integer, a word is unknown.

    Example:
        >>> import jax
        >>> from ktrans.networks import MLPConfig
        >>> config = MLPConfig(num_tokens=9, context_length=4, depth=2, width=16,
        ...     inputs="incidence")
        >>> config.build(jax.random.key(0))(np.array([0, 1, 0, 8])).shape
        ()
    """

    depth: Any
    width: Any
    inputs: Any = "one_hot"
    embedding_dim: Any = 64
    outputs: Any = 1
    init_scale: Any = 1.0

    def __post_init__(self) -> None:
        sizes = ("num_tokens", "context_length", "depth", "width", "embedding_dim", "outputs")
        check_sizes(self, *sizes)
        as_non_negative("init_scale", self.init_scale)
        check_word("inputs", self.inputs, INPUTS)

    def build(self, key: Any) -> "MLP":
        """A perceptron with random weights."""
        check_key(key)
        first, last, *hidden = jax.random.split(key, self.depth + 1)
        return MLP(
            first=self._build_first(first),
            hidden=tuple(
                Linear.draw(key, self.width, self.width, self.init_scale) for key in hidden
            ),
            read_out=Linear.draw(last, self.width, self.outputs, self.init_scale),
        )

    def _build_first(self, key: PRNGKeyArray) -> "OneHotLayer | EmbeddingLayer":
        if self.inputs == "embedding":
            return self._build_embedding(key)
        table_key, incidence_key = jax.random.split(key)
        k, incidence = self.context_length, self.inputs == "incidence"
        # A string has k non-zeros, which with the k² entries of X Xᵀ are the fan-in.
        std = self.init_scale / (k + k * k if incidence else k) ** 0.5
        return OneHotLayer(
            table=normal(table_key, (k, self.num_tokens, self.width), std),
            bias=jnp.zeros(self.width, np.float32),
            incidence=normal(incidence_key, (k * k, self.width), std) if incidence else None,
        )

    def _build_embedding(self, key: PRNGKeyArray) -> "EmbeddingLayer":
        embedding, linear = jax.random.split(key)
        flat = self.context_length * self.embedding_dim
        return EmbeddingLayer(
            embedding=normal(embedding, (self.num_tokens, self.embedding_dim), 1.0),
            linear=Linear.draw(linear, flat, self.width, self.init_scale),
        )


class OneHotLayer(eqx.Module):
    """The first layer on the flattened one-hot string, Σ_i W[i, x_i] + b, and on X Xᵀ if asked."""

    table: Float[Array, "k m width"]
    bias: Float[Array, "width"]
    incidence: Float[Array, "kk width"] | None

    def __call__(self, tokens: Int[Array | np.ndarray, "k"]) -> Float[Array, "width"]:
        """The pre-activations."""
        sums = self.table[jnp.arange(len(tokens)), tokens].sum(0) + self.bias
        if self.incidence is None:
            return sums
        equal = tokens[:, None] == tokens[None, :]
        return sums + equal.reshape(-1).astype(sums.dtype) @ self.incidence


class EmbeddingLayer(eqx.Module):
    """The first layer on the embedded tokens, one after the other."""

    embedding: Float[Array, "m d"]
    linear: Linear

    def __call__(self, tokens: Int[Array | np.ndarray, "k"]) -> Float[Array, "width"]:
        """The pre-activations."""
        return self.linear(self.embedding[tokens].reshape(-1))


class MLP(eqx.Module):
    """A ReLU perceptron on strings; build one with `MLPConfig(...).build(key)`."""

    first: OneHotLayer | EmbeddingLayer
    hidden: tuple[Linear, ...]
    read_out: Linear

    def __call__(self, tokens: Int[Array | np.ndarray, "k"]) -> Float[Array, "*outputs"]:
        """The scalar output for one string, or its token logits."""
        x = jax.nn.relu(self.first(tokens))
        for layer in self.hidden:
            x = jax.nn.relu(layer(x))
        outputs = self.read_out(x)
        return outputs[0] if len(outputs) == 1 else outputs
