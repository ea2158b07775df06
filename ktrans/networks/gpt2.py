"""GPT-2 as a `Transformer`: its sizes, its initialisation, its weights from a safetensors file."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ktrans._checks import check_kind, one_line
from ktrans._files import check_size
from ktrans.networks._configuration import NetworkConfig
from ktrans.networks.layers import LayerNorm, Linear, normal
from ktrans.networks.transformer import Attention, Block, Transformer, TransformerConfig

HEAD_DIM = 64  # of every size of GPT-2
MAX_BYTES = 2**35  # of a file of weights; GPT-2 XL has 6.4e9
_STD = 0.02
_REMEDY = "give the file of another GPT-2"


def gpt2_config(
    *,
    num_tokens: int = 50257,
    context_length: int = 1024,
    depth: int = 12,
    heads: int = 12,
    dim: int = 768,
    identities: str = "none",
    multiplier: float = 1.0,
) -> TransformerConfig:
    """The configuration of GPT-2 small, or of one scaled down, with or without a I and b I.

    Args:
        num_tokens: Size of the byte-pair vocabulary.
        context_length: Largest number of positions.
        depth: Number of blocks.
        heads: Heads of each block.
        dim: Width of the residual stream.
        identities: "none", "a", "b", or "ab" for two scalars a head.
        multiplier: c, in units of which the scalars are learned.

    Returns:
        The configuration; its parameters are counted by `num_parameters`.

    Raises:
        TypeError, ValueError: as `TransformerConfig`.

    References:
        Radford et al. (2019), Language models are unsupervised multitask learners.

    Example:
        >>> from ktrans.networks import gpt2_config, num_parameters
        >>> num_parameters(gpt2_config()), num_parameters(gpt2_config(identities="ab"))
        (124439808, 124440096)
    """
    return TransformerConfig(
        num_tokens=num_tokens,
        context_length=context_length,
        depth=depth,
        heads=heads,
        dim=dim,
        identities=identities,
        multiplier=multiplier,
        read_out="tied",
        causal=True,
    )


def num_parameters(config: Any) -> int:
    """How many parameters a network of this configuration has; nothing is allocated."""
    check_kind("config", config, NetworkConfig)
    network = eqx.filter_eval_shape(config.build, jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(network))


def draw_gpt2(config: Any, key: Any) -> Transformer:
    """A transformer with GPT-2's initial weights, N(0, 0.02²).

    The weights that write to the residual stream are smaller by √(2 depth).

    Args:
        config: From `gpt2_config`.
        key: Of the random weights.

    Returns:
        The network.
    """
    check_kind("config", config, TransformerConfig)
    network = config.build(key)
    leaves, structure = jax.tree.flatten(network)
    keys = jax.random.split(jax.random.fold_in(key, 1), len(leaves))
    drawn = [
        normal(key, leaf.shape, _STD) if leaf.ndim == 2 else leaf
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    shrink = 1 / (2 * config.depth) ** 0.5
    return eqx.tree_at(
        _residual_weights,
        jax.tree.unflatten(structure, drawn),
        replace_fn=lambda w: w * np.float32(shrink),
    )


def load_gpt2(
    path: str | Path, *, heads: int | None = None, identities: str = "none", multiplier: float = 1.0
) -> Transformer:
    """GPT-2 with the weights of a file in Hugging Face's safetensors form.

    Args:
        path: The file; its keys may begin with "transformer.".
        heads: Heads of each block, which the file does not say; None: dim / 64, as in every GPT-2.
        identities: "none", "a", "b" or "ab": which scalars, zero at first, are added to each head.
        multiplier: c, in units of which the scalars are learned.

    Returns:
        The network, in float32; sizes are those of the file.

    Raises:
        ImportError: the package `safetensors` is not installed.
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or too large, or a tensor is missing, of the wrong shape or
            type; the message names it.

    Example:
        >>> from ktrans.networks import load_gpt2
        >>> load_gpt2("model.safetensors", identities="ab")
        Traceback (most recent call last):
        FileNotFoundError: There is no 'model.safetensors'; give the path of what to read.
    """
    tensors = _Tensors(Path(path))
    config = _read_config(tensors, heads, identities, multiplier)
    network = Transformer(
        token_embedding=tensors.read("wte.weight", config.num_tokens, config.dim),
        position_embedding=tensors.read("wpe.weight", config.context_length, config.dim),
        blocks=tuple(_read_block(tensors, f"h.{i}.", config) for i in range(config.depth)),
        norm=_read_norm(tensors, "ln_f", config.dim),
        read_out=None,
    )
    tensors.check_tied()
    return network


class _Tensors:
    """The tensors of a file, by GPT-2's names without prefix."""

    def __init__(self, path: Path):
        self.path = path
        self.arrays = {key.removeprefix("transformer."): x for key, x in _read(path).items()}

    def read(self, name: str, *shape: int) -> jax.Array:
        """A tensor in float32, refused unless it is there and has the shape."""
        array = self.find(name, len(shape))
        if array.shape != shape:
            raise ValueError(
                f"{str(self.path)!r} must hold {name!r} with shape {shape}; got {array.shape}."
            )
        return jnp.asarray(array, np.float32)

    def find(self, name: str, ndim: int) -> np.ndarray:
        """A tensor, refused unless it is there and has floats and the number of axes."""
        if name not in self.arrays:
            raise ValueError(
                f"{str(self.path)!r} lacks the tensor {name!r}, so it holds no GPT-2 of Hugging "
                f"Face's layout; it has {len(self.arrays)} others."
            )
        array = self.arrays[name]
        if array.ndim != ndim or array.dtype.kind != "f":
            raise ValueError(
                f"{str(self.path)!r} must hold {name!r} as floats with {ndim} axes; got "
                f"{array.dtype} of shape {array.shape}."
            )
        return array

    def check_tied(self) -> None:
        """Refuse an unembedding of its own."""
        head = self.arrays.get("lm_head.weight")
        if head is not None and not np.array_equal(head, self.arrays["wte.weight"]):
            raise ValueError(
                f"{str(self.path)!r} has a 'lm_head.weight' that differs from 'wte.weight'; GPT-2 "
                "ties them."
            )


def _read(path: Path) -> Mapping[str, np.ndarray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise ImportError(
            "reading weights needs the package `safetensors`; install it, or ktrans[gpt2]."
        ) from None
    if not path.is_file():
        raise FileNotFoundError(f"There is no '{path}'; give the path of what to read.")
    check_size(path, MAX_BYTES, _REMEDY)
    try:
        return load_file(path)
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        told = one_line(error)
        raise ValueError(f"{str(path)!r} is no safetensors file: {told}; {_REMEDY}.") from None


def _read_config(
    tensors: _Tensors, heads: int | None, identities: str, multiplier: float
) -> TransformerConfig:
    num_tokens, dim = tensors.find("wte.weight", 2).shape
    layers = [re.match(r"h\.(\d{1,4})\.", name) for name in tensors.arrays]
    return gpt2_config(
        num_tokens=num_tokens,
        context_length=len(tensors.find("wpe.weight", 2)),
        depth=1 + max((int(layer[1]) for layer in layers if layer), default=0),
        heads=heads or max(dim // HEAD_DIM, 1),
        dim=dim,
        identities=identities,
        multiplier=multiplier,
    )


def _read_block(tensors: _Tensors, prefix: str, config: TransformerConfig) -> Block:
    d = config.dim
    return Block(
        norm_attention=_read_norm(tensors, prefix + "ln_1", d),
        attention=_read_attention(tensors, prefix + "attn.", config),
        norm_mlp=_read_norm(tensors, prefix + "ln_2", d),
        widen=_read_linear(tensors, prefix + "mlp.c_fc", d, 4 * d),
        narrow=_read_linear(tensors, prefix + "mlp.c_proj", 4 * d, d),
    )


def _read_attention(tensors: _Tensors, prefix: str, config: TransformerConfig) -> Attention:
    d, zeros = config.dim, jnp.zeros(config.heads, np.float32)
    joint = _read_linear(tensors, prefix + "c_attn", d, 3 * d)
    assert joint.bias is not None
    parts = zip(jnp.split(joint.weight, 3, axis=1), jnp.split(joint.bias, 3), strict=True)
    query, key, value = (Linear(weight, bias) for weight, bias in parts)
    return Attention(
        query=query,
        key=key,
        value=value,
        output=_read_linear(tensors, prefix + "c_proj", d, d),
        a=zeros if "a" in config.identities else None,
        b=zeros if "b" in config.identities else None,
        heads=config.heads,
        causal=True,
        multiplier=config.multiplier,
        off_diagonal=False,
    )


def _read_linear(tensors: _Tensors, name: str, size_in: int, size_out: int) -> Linear:
    weight = tensors.read(name + ".weight", size_in, size_out)
    return Linear(weight, tensors.read(name + ".bias", size_out))


def _read_norm(tensors: _Tensors, name: str, size: int) -> LayerNorm:
    return LayerNorm(tensors.read(name + ".weight", size), tensors.read(name + ".bias", size))


def _residual_weights(network: Transformer) -> list[Any]:
    """The matrices whose products are added to the residual stream."""
    pairs = [(block.attention.output, block.narrow) for block in network.blocks]
    return [linear.weight for pair in pairs for linear in pair]
