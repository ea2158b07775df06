"""How the usual networks name and store their heads, and a layer of them in one form."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from ktrans._checks import check_kind, check_word
from ktrans.networks.heads.tensors import GGUF, Tensors

ROLES = ("query", "key", "value", "output", "norm")
_SHOWN = 6


class Layer(NamedTuple):
    """The heads of one layer, all of them maps from the normalised residual stream, (h, p, d).

    The scales of the LayerNorm before them are folded in. `output` is transposed: row j of a head
    is what coordinate j of the head writes to the residual stream.
    """

    query: Float32[np.ndarray, "h p d"]
    key: Float32[np.ndarray, "h p d"]
    value: Float32[np.ndarray, "h p d"]
    output: Float32[np.ndarray, "h p d"]


class Layout(NamedTuple):
    """Names of a layer's tensors, {i} the layer and {before} the one before it.

    Attributes:
        name: For reports.
        query, key, value, output: Weights; one name for three of them where they are fused.
        norm: Scale of the norm that the heads read through; "" for none.
        first_norm: The same of the first layer, where it has another name.
        query_norm, key_norm: Scales of norms inside a head, used where the file has them.
        fused: "" for weights of their own, "thirds" for all queries, then keys, then values,
            "heads" for query, key and value of one head after the other.
        transposed: Weights are (in, out), as in GPT-2's Conv1D, not (out, in).
        rotary: How rotary positions pair the coordinates of a head: "halves", "neighbours", or ""
            for positions that are added.
        head_dim: The width of a head where no file says it.
    """

    name: str
    query: str
    key: str
    value: str
    output: str
    norm: str = ""
    first_norm: str = ""
    query_norm: str = ""
    key_norm: str = ""
    fused: str = ""
    transposed: bool = False
    rotary: str = ""
    head_dim: int | None = None

    @property
    def weights(self) -> tuple[str, ...]:
        """The patterns of q, k, v and o, each once."""
        return tuple(dict.fromkeys((self.query, self.key, self.value, self.output)))

    def norm_of(self, layer: int) -> str:
        """The name of the norm before a layer."""
        pattern = self.first_norm if layer == 0 and self.first_norm else self.norm
        return pattern.format(i=layer, before=layer - 1)


class Found(NamedTuple):
    """A layout that a file follows.

    Attributes:
        layout: The layout.
        prefix: What stands before all names.
        num_layers: How many layers there are.
    """

    layout: Layout
    prefix: str
    num_layers: int


def _fused(name: str, joint: str, output: str, norm: str, **options: Any) -> Layout:
    return Layout(name, joint, joint, joint, output, norm, **options)


def _separate(name: str, stem: str, words: str, norm: str, **options: Any) -> Layout:
    """Four weights below one stem, named by the words for q, k, v and o."""
    patterns = [f"{stem}.{word}.weight" for word in words.split()]
    return Layout(name, *patterns, norm=norm, **options)


_BERT_NORM = "embeddings.LayerNorm.weight"
_SELF = "layers.{i}.self_attn"

LAYOUTS = (
    _separate(
        "BERT", "encoder.layer.{i}.attention", "self.query self.key self.value output.dense",
        "encoder.layer.{before}.output.LayerNorm.weight", first_norm=_BERT_NORM,
    ),
    _separate(
        "DistilBERT", "transformer.layer.{i}.attention", "q_lin k_lin v_lin out_lin",
        "transformer.layer.{before}.output_layer_norm.weight", first_norm=_BERT_NORM,
    ),
    _separate(
        "ViT", "encoder.layer.{i}.attention",
        "attention.query attention.key attention.value output.dense",
        "encoder.layer.{i}.layernorm_before.weight",
    ),
    _fused(
        "GPT-2", "h.{i}.attn.c_attn.weight", "h.{i}.attn.c_proj.weight", "h.{i}.ln_1.weight",
        fused="thirds", transposed=True, head_dim=64,
    ),
    _separate(
        "Llama", _SELF, "q_proj k_proj v_proj o_proj", "layers.{i}.input_layernorm.weight",
        query_norm=_SELF + ".q_norm.weight", key_norm=_SELF + ".k_norm.weight", rotary="halves",
    ),
    _separate(
        "OPT", _SELF, "q_proj k_proj v_proj out_proj", "layers.{i}.self_attn_layer_norm.weight"
    ),
    _fused(
        "Phi-3", _SELF + ".qkv_proj.weight", _SELF + ".o_proj.weight",
        "layers.{i}.input_layernorm.weight", fused="thirds", rotary="halves",
    ),
    _fused(
        "GPT-NeoX", "layers.{i}.attention.query_key_value.weight",
        "layers.{i}.attention.dense.weight", "layers.{i}.input_layernorm.weight",
        fused="heads", rotary="halves",
    ),
    _separate(
        "GGUF", "blk.{i}", "attn_q attn_k attn_v attn_output", "blk.{i}.attn_norm.weight",
        query_norm="blk.{i}.attn_q_norm.weight", key_norm="blk.{i}.attn_k_norm.weight",
    ),
    _fused(
        "GGUF, fused", "blk.{i}.attn_qkv.weight", "blk.{i}.attn_output.weight",
        "blk.{i}.attn_norm.weight", fused="thirds",
    ),
    _separate(
        "GGUF, BERT", "blk.{i}", "attn_q attn_k attn_v attn_output",
        "blk.{before}.layer_output_norm.weight", first_norm="token_embd_norm.weight",
    ),
)  # fmt: skip


def find_layout(tensors: Tensors, names: object = None, prefix: str | None = None) -> Found:
    """Which layout the names of a file follow.

    Args:
        tensors: The file.
        names: {role: pattern} of a layout of one's own, or None to recognise it.
        prefix: What stands before the names of the network that is wanted, where a file has more.

    Raises:
        ValueError: none is recognised, or several networks are there; the sentence says what is.
    """
    layouts = LAYOUTS if names is None else (named_layout(names),)
    candidates = [found for each in layouts for found in _matches(tensors, each)]
    if prefix is not None:
        candidates = [found for found in candidates if found.prefix == prefix]
    whole = [found for found in candidates if _is_whole(tensors, found)]
    chosen = whole or candidates[:1]
    if not chosen:
        _refuse_names(tensors)
    prefixes = sorted({found.prefix for found in chosen})
    if len(prefixes) > 1:
        listed = ", ".join(map(repr, prefixes))
        raise ValueError(f"{str(tensors.path)!r} holds several networks; give `prefix`: {listed}.")
    return chosen[0]


def named_layout(names: object) -> Layout:
    """The layout that a user's own patterns make; weights are (out, in)."""
    check_kind("names", names, Mapping)
    assert isinstance(names, Mapping)
    for role, pattern in names.items():
        check_word("names", role, ROLES)
        if not isinstance(pattern, str) or "{i}" not in pattern:
            raise ValueError(
                f"`names` must have {{i}} for the layer in the pattern of {role!r}; got "
                f"{pattern!r}."
            )
    missing = [role for role in ROLES[:4] if role not in names]
    if missing:
        raise ValueError(f"`names` must say the names of {', '.join(missing)} too.")
    return Layout("named", **names)


def _matches(tensors: Tensors, layout: Layout) -> list[Found]:
    """The layout with each prefix under which the file has a weight of it but the output."""
    layers: dict[str, int] = {}
    for pattern in layout.weights[:-1]:
        left, right = map(re.escape, pattern.split("{i}", 1))
        match = re.compile(rf"(.*?\b|){left}(\d{{1,4}}){right}").fullmatch
        for hit in filter(None, map(match, tensors.names)):
            layers[hit[1]] = max(layers.get(hit[1], 0), 1 + int(hit[2]))
    return [Found(layout, prefix, count) for prefix, count in layers.items()]


def _is_whole(tensors: Tensors, found: Found) -> bool:
    """Whether the first layer has all of its weights, and its norm."""
    wanted = [pattern.format(i=0) for pattern in found.layout.weights]
    known = set(tensors.names)
    norm = found.prefix + found.layout.norm_of(0)
    has_norm = not found.layout.norm or norm in known or _old_name(norm) in known
    return has_norm and all(found.prefix + name in known for name in wanted)


def _refuse_names(tensors: Tensors) -> None:
    names = list(dict.fromkeys(re.sub(r"\d+", "{i}", name) for name in tensors.names))
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise ValueError(
        f"{str(tensors.path)!r} has no heads of a known layout ({known}); it holds {shown or 'no'} "
        "tensors: give `names`, such as query=blocks.{i}.q.weight, for query, key, value, output "
        "and norm."
    )


def _old_name(norm: str) -> str:
    """The name of a scale in files that were converted from TensorFlow."""
    return norm.removesuffix("weight") + "gamma"


def read_norm(tensors: Tensors, found: Found, layer: int) -> Any:
    """The scale of the norm before a layer; 1 where the layout has none."""
    if not found.layout.norm:
        return np.float32(1.0)
    name = found.prefix + found.layout.norm_of(layer)
    if name not in tensors.names and _old_name(name) in tensors.names:
        name = _old_name(name)
    return read_scale(tensors, name)


def read_scale(tensors: Tensors, name: str) -> Float32[np.ndarray, "d"]:
    """The scale of a norm."""
    # Gemma stores its scales less one; its GGUF files have them whole.
    less_one = str(tensors.settings.get("model_type", "")).startswith("gemma")
    return tensors.read(name, 1) + np.float32(less_one and not isinstance(tensors, GGUF))
