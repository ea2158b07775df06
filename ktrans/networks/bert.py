"""BERT encoders without torch: the hidden states of every layer, weights from safetensors."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ktrans._checks import as_int
from ktrans.networks.heads.layouts import LAYOUTS, Found, find_layout
from ktrans.networks.heads.sizes import read_sizes
from ktrans.networks.heads.tensors import Tensors, open_tensors
from ktrans.networks.layers import LayerNorm, Linear

_BERT = LAYOUTS[0]
_EPSILON = 1e-12  # of BERT's LayerNorms where no config.json says it


class EncoderBlock(eqx.Module):
    """A post-LN block, LN(x + attention(x)), then LN(x + MLP(x))."""

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    norm_attention: LayerNorm
    widen: Linear
    narrow: Linear
    norm_mlp: LayerNorm
    heads: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, "k d"]) -> Float[Array, "k d"]:
        """The positions of one string after the block."""
        x = self.norm_attention(x + self.output(self._attend(x)))
        hidden = jax.nn.gelu(self.widen(x), approximate=False)
        return self.norm_mlp(x + self.narrow(hidden))

    def _attend(self, x: Float[Array, "k d"]) -> Float[Array, "k d"]:
        parts = (self.query(x), self.key(x), self.value(x))
        queries, keys, values = (part.reshape(len(x), self.heads, -1) for part in parts)
        logits = jnp.einsum("qhd,khd->hqk", queries, keys) / queries.shape[-1] ** 0.5
        mixed = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(logits, axis=-1), values)
        return mixed.reshape(len(x), -1)


class Encoder(eqx.Module):
    """A BERT encoder: embeddings, then post-LN blocks; every position sees all others.

    Made by `load_bert`. Strings are read whole, without padding and as one segment.
    """

    token_embedding: Float[Array, "m d"]
    position_embedding: Float[Array, "k d"]
    segment_embedding: Float[Array, "d"]
    norm: LayerNorm
    blocks: tuple[EncoderBlock, ...]

    def states(self, tokens: Int[Array | np.ndarray, "k"]) -> Float[Array, "layers k d"]:
        """The hidden states of one string after the embeddings and after each block."""
        positions = self.position_embedding[: len(tokens)]
        x = self.norm(self.token_embedding[tokens] + positions + self.segment_embedding)
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1]))
        return jnp.stack(states)


def load_bert(path: str | Path, *, heads: int | None = None) -> Encoder:
    """A BERT encoder with the weights of a file in Hugging Face's layout.

    Args:
        path: The safetensors file, or a folder with it; a config.json beside it says the number of
            heads and the ε of the norms.
        heads: Heads of a layer, where no config.json says it.

    Returns:
        The encoder, in float32; sizes are those of the file.

    Raises:
        ImportError: the package `safetensors` is not installed.
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, a tensor is missing, not finite, or of the wrong shape, or
            the config.json asks for another kind of encoder.

    References:
        Devlin et al. (2019), BERT.

    Example:
        >>> from ktrans.networks.bert import load_bert
        >>> load_bert("model.safetensors")
        Traceback (most recent call last):
        FileNotFoundError: There is no 'model.safetensors'; give the path of what to read.
    """
    tensors = open_tensors(Path(path))
    _check_kind(tensors)
    found = find_layout(tensors)
    if found.layout is not _BERT:
        raise ValueError(
            f"{str(tensors.path)!r} must hold a BERT encoder; got {found.layout.name}: `ktrans "
            "heads` reads other networks."
        )
    return _Reader(tensors, found, heads).encoder()


def _check_kind(tensors: Tensors) -> None:
    """Refuse what the configuration has in another way than BERT."""
    wanted = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for key, value in wanted.items():
        got = tensors.settings.get(key, value)
        if got != value:
            raise ValueError(
                f"{str(tensors.path)!r} must have {key} = {value!r} in its config.json; got "
                f"{got!r}: give the folder of a BERT encoder."
            )


class _Reader:
    """Reads an encoder, each tensor refused unless it has the shape that the others imply."""

    def __init__(self, tensors: Tensors, found: Found, heads: object):
        self.tensors, self.found = tensors, found
        self.tokens = self.read("embeddings.word_embeddings.weight", 2)
        self.dim = self.tokens.shape[1]
        self.heads = read_sizes(tensors, found.layout, heads, self.dim).heads
        if self.dim % as_int("heads", self.heads, 1):
            raise ValueError(f"`heads` must divide the width {self.dim}; got {self.heads}.")

    def read(self, name: str, ndim: int) -> np.ndarray:
        """A tensor by its name without the prefix."""
        return self.tensors.read(self.found.prefix + name, ndim)

    def shaped(self, name: str, *shape: int) -> Any:
        """A tensor of the shape."""
        array = self.read(name, len(shape))
        if array.shape != shape:
            raise ValueError(
                f"{str(self.tensors.path)!r} must hold {name!r} with shape {shape}; got "
                f"{array.shape}."
            )
        return array

    def linear(self, name: str, size_in: int, size_out: int) -> Linear:
        """A layer that the file has as (out, in)."""
        weight = self.shaped(f"{name}.weight", size_out, size_in)
        return Linear(jnp.asarray(weight.T), jnp.asarray(self.shaped(f"{name}.bias", size_out)))

    def norm(self, name: str) -> LayerNorm:
        """A norm, whose ε is that of the configuration."""
        gain, bias = (jnp.asarray(self.shaped(f"{name}.{x}", self.dim)) for x in ("weight", "bias"))
        return LayerNorm(gain, bias, float(self.tensors.settings.get("layer_norm_eps", _EPSILON)))

    def encoder(self) -> Encoder:
        """All of it."""
        positions = self.read("embeddings.position_embeddings.weight", 2)
        segments = self.read("embeddings.token_type_embeddings.weight", 2)
        return Encoder(
            token_embedding=jnp.asarray(self.tokens),
            position_embedding=jnp.asarray(positions),
            segment_embedding=jnp.asarray(segments[0]),
            norm=self.norm("embeddings.LayerNorm"),
            blocks=tuple(self.block(f"encoder.layer.{i}.") for i in range(self.found.num_layers)),
        )

    def block(self, stem: str) -> EncoderBlock:
        """One block."""
        d, inner = self.dim, len(self.read(stem + "intermediate.dense.bias", 1))
        return EncoderBlock(
            query=self.linear(stem + "attention.self.query", d, d),
            key=self.linear(stem + "attention.self.key", d, d),
            value=self.linear(stem + "attention.self.value", d, d),
            output=self.linear(stem + "attention.output.dense", d, d),
            norm_attention=self.norm(stem + "attention.output.LayerNorm"),
            widen=self.linear(stem + "intermediate.dense", d, inner),
            narrow=self.linear(stem + "output.dense", inner, d),
            norm_mlp=self.norm(stem + "output.LayerNorm"),
            heads=self.heads,
        )
