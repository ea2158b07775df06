"""Small weight files with the real names of each layout, made from the heads they hold."""

import json
from typing import NamedTuple

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

DIM, HEADS, HEAD_DIM, LAYERS = 48, 6, 8, 3
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}


class Heads(NamedTuple):
    """The heads of one layer, (h, p, d), keys and values (g, p, d), and the norm's scale (d,)."""

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    output: np.ndarray
    scale: np.ndarray


def draw(seed=0, groups=HEADS, dtype="float32", layers=LAYERS, dim=DIM, heads=HEADS):
    """Layers of random heads, of numbers that the type holds exactly."""
    rng = np.random.default_rng(seed)

    def normal(*shape, mean=0.0):
        return (mean + 0.3 * rng.standard_normal(shape)).astype(DTYPES[dtype]).astype(np.float32)

    p = HEAD_DIM
    return [
        Heads(
            normal(heads, p, dim), normal(groups, p, dim), normal(groups, p, dim),
            normal(heads, p, dim), normal(dim, mean=1.0),
        )
        for _ in range(layers)
    ]  # fmt: skip


def stacked(part):
    """(h, p, d) as (h p, d), as torch stores a Linear."""
    return part.reshape(-1, part.shape[-1])


def bert(layers, prefix="bert.", names=("weight", "bias")):
    scale = names[0]
    tensors = {"embeddings.word_embeddings.weight": np.zeros((9, DIM), np.float32)}
    for i, layer in enumerate(layers):
        stem = f"encoder.layer.{i}."
        before = f"encoder.layer.{i - 1}.output.LayerNorm." if i else "embeddings.LayerNorm."
        tensors |= {
            before + scale: layer.scale,
            stem + "attention.self.query.weight": stacked(layer.query),
            stem + "attention.self.query.bias": np.ones(HEADS * HEAD_DIM, np.float32),
            stem + "attention.self.key.weight": stacked(layer.key),
            stem + "attention.self.value.weight": stacked(layer.value),
            stem + "attention.output.dense.weight": stacked(layer.output).T,
            stem + "attention.output.LayerNorm.weight": 7 * layer.scale,
        }
    return {prefix + name: array for name, array in tensors.items()}


def distilbert(layers):
    tensors = {}
    for i, layer in enumerate(layers):
        stem = f"transformer.layer.{i}."
        before = f"transformer.layer.{i - 1}.output_layer_norm." if i else "embeddings.LayerNorm."
        tensors |= {
            before + "weight": layer.scale,
            stem + "attention.q_lin.weight": stacked(layer.query),
            stem + "attention.k_lin.weight": stacked(layer.key),
            stem + "attention.v_lin.weight": stacked(layer.value),
            stem + "attention.out_lin.weight": stacked(layer.output).T,
        }
    return {"distilbert." + name: array for name, array in tensors.items()}


def gpt2(layers):
    """Conv1D: (in, out), and q, k and v one after the other."""
    tensors = {}
    for i, layer in enumerate(layers):
        joint = np.concatenate([stacked(x) for x in (layer.query, layer.key, layer.value)])
        tensors |= {
            f"h.{i}.ln_1.weight": layer.scale,
            f"h.{i}.attn.bias": np.tri(4, dtype=np.float32)[None, None],
            f"h.{i}.attn.c_attn.weight": joint.T,
            f"h.{i}.attn.c_proj.weight": stacked(layer.output),
        }
    return {"transformer." + name: array for name, array in tensors.items()}


def llama(layers):
    tensors = {"model.embed_tokens.weight": np.zeros((9, DIM), np.float32)}
    for i, layer in enumerate(layers):
        stem = f"model.layers.{i}."
        tensors |= {
            stem + "input_layernorm.weight": layer.scale,
            stem + "self_attn.q_proj.weight": stacked(layer.query),
            stem + "self_attn.k_proj.weight": stacked(layer.key),
            stem + "self_attn.v_proj.weight": stacked(layer.value),
            stem + "self_attn.o_proj.weight": stacked(layer.output).T,
            stem + "post_attention_layernorm.weight": 7 * layer.scale,
        }
    return tensors


def phi3(layers):
    tensors = {}
    for i, layer in enumerate(layers):
        stem = f"model.layers.{i}."
        joint = [stacked(x) for x in (layer.query, layer.key, layer.value)]
        tensors |= {
            stem + "input_layernorm.weight": layer.scale,
            stem + "self_attn.qkv_proj.weight": np.concatenate(joint),
            stem + "self_attn.o_proj.weight": stacked(layer.output).T,
        }
    return tensors


def opt(layers):
    tensors = {}
    for i, layer in enumerate(layers):
        stem = f"model.decoder.layers.{i}."
        tensors |= {
            stem + "self_attn_layer_norm.weight": layer.scale,
            stem + "self_attn.q_proj.weight": stacked(layer.query),
            stem + "self_attn.k_proj.weight": stacked(layer.key),
            stem + "self_attn.v_proj.weight": stacked(layer.value),
            stem + "self_attn.out_proj.weight": stacked(layer.output).T,
        }
    return tensors


def vit(layers):
    tensors = {}
    for i, layer in enumerate(layers):
        stem = f"vit.encoder.layer.{i}."
        tensors |= {
            stem + "layernorm_before.weight": layer.scale,
            stem + "attention.attention.query.weight": stacked(layer.query),
            stem + "attention.attention.key.weight": stacked(layer.key),
            stem + "attention.attention.value.weight": stacked(layer.value),
            stem + "attention.output.dense.weight": stacked(layer.output).T,
        }
    return tensors


def neox(layers):
    """q, k and v of a head one after the other, then the next head."""
    tensors = {}
    for i, layer in enumerate(layers):
        stem = f"gpt_neox.layers.{i}."
        by_head = np.stack([layer.query, layer.key, layer.value], axis=1)
        tensors |= {
            stem + "input_layernorm.weight": layer.scale,
            stem + "attention.query_key_value.weight": by_head.reshape(-1, DIM),
            stem + "attention.dense.weight": stacked(layer.output).T,
            stem + "attention.rotary_emb.inv_freq": np.ones(2, np.float32),
        }
    return tensors


def save(folder, tensors, dtype="float32", **config):
    """A file, and a config.json beside it if there is something to say."""
    path = folder / "model.safetensors"
    typed = {name: np.ascontiguousarray(x).astype(DTYPES[dtype]) for name, x in tensors.items()}
    save_file(typed, path)
    if config:
        (folder / "config.json").write_text(json.dumps(config))
    return path


def save_shards(folder, tensors, count=3):
    """Shards and the index that names them."""
    names = sorted(tensors)
    shards = {f"model-{j + 1:05}-of-{count:05}.safetensors": names[j::count] for j in range(count)}
    for file, own in shards.items():
        save_file({name: np.ascontiguousarray(tensors[name]) for name in own}, folder / file)
    weight_map = {name: file for file, own in shards.items() for name in own}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def save_gguf(path, layers, arch="llama", quantised=False):
    """A GGUF file with the names and the sizes that llama.cpp's converter writes."""
    import gguf

    writer = gguf.GGUFWriter(path, arch)
    writer.add_head_count(len(layers[0].query))
    writer.add_head_count_kv(len(layers[0].key))
    if arch == "llama":
        writer.add_rope_dimension_count(HEAD_DIM)
    for name, array in _gguf_tensors(layers, arch).items():
        kind = gguf.GGMLQuantizationType.Q8_0
        if quantised and array.ndim == 2:
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _gguf_tensors(layers, arch):
    tensors = {}
    for i, layer in enumerate(layers):
        stem = f"blk.{i}."
        weights = {
            "attn_q": stacked(layer.query),
            "attn_k": stacked(layer.key),
            "attn_v": stacked(layer.value),
        }
        if arch == "gpt2":
            weights = {"attn_qkv": np.concatenate(list(weights.values()))}
        weights["attn_output"] = stacked(layer.output).T
        norm = stem + "attn_norm.weight"
        if arch == "bert":
            norm = f"blk.{i - 1}.layer_output_norm.weight" if i else "token_embd_norm.weight"
        tensors |= {f"{stem}{name}.weight": weight for name, weight in weights.items()}
        tensors[norm] = layer.scale
    return tensors
