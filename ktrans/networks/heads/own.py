"""The heads of networks of ours: a `Transformer`, or the checkpoint of a training."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans._checks import as_int
from ktrans._files import read_arrays, read_json, refuse_damage
from ktrans.networks.checkpoint import ARRAYS, CONFIGURATION, MAX_CONFIGURATION
from ktrans.networks.heads.layouts import Layer
from ktrans.networks.transformer import Block, Transformer

MAX_ARRAYS = 2**34
_REMEDY = "give the folder of a training of a transformer"
_WEIGHTS = ("query", "key", "value", "output")
_LEAF = re.compile(r"\.(best_network|network)\.blocks\[(\d{1,4})\]\.(.+)")


class Own(NamedTuple):
    """The layers of a network of ours, and the scalars of its heads.

    Attributes:
        layers: One after the other.
        num_layers: How many.
        a: c·a_h, (layers, heads), or None where the network has none.
        b: c·b_h likewise.
    """

    layers: Iterator[Layer]
    num_layers: int
    a: Float[np.ndarray, "layers heads"] | None
    b: Float[np.ndarray, "layers heads"] | None


def from_network(network: Transformer) -> Own:
    """The heads of a network in memory."""
    blocks = [_of_block(block) for block in network.blocks]
    attention = network.blocks[0].attention
    return _own(blocks, attention.heads, attention.multiplier)


def is_checkpoint(path: Path) -> bool:
    """Whether the path is a folder into which a training saves its state."""
    return (path / ARRAYS).is_file() and (path / CONFIGURATION).is_file()


def from_checkpoint(folder: Path, member: object) -> Own:
    """The heads of the best network of a training, or of the last one of a language model.

    Args:
        folder: Of the training.
        member: Which of the networks that were trained together, from 0.

    Raises:
        ValueError: the files are damaged, are not of a transformer, or have fewer members.
    """
    record = read_json(folder / CONFIGURATION, max_bytes=MAX_CONFIGURATION, remedy=_REMEDY)
    arrays = read_arrays(folder / ARRAYS, max_bytes=MAX_ARRAYS, remedy=_REMEDY)
    with refuse_damage(folder / ARRAYS, _REMEDY):
        heads, multiplier = record["network"]["heads"], float(record["network"]["multiplier"])
        blocks = _blocks(arrays)
    return _own([_member(block, member) for block in blocks], int(heads), multiplier)


def _of_block(block: Block) -> dict[str, np.ndarray]:
    """Weights, scalars and norm of a block by the names of a checkpoint."""
    attention = block.attention
    found: dict[str, Any] = {
        f"attention.{name}.weight": getattr(attention, name).weight for name in _WEIGHTS
    }
    scalars = {f"attention.{name}": getattr(attention, name) for name in ("a", "b")}
    found |= {name: value for name, value in scalars.items() if value is not None}
    found["norm_attention.gain"] = block.norm_attention.gain
    return {name: np.asarray(value) for name, value in found.items()}


def _blocks(arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The leaves of each block; those of the best network where there is one."""
    hits = [(hit, array) for name, array in arrays.items() if (hit := _LEAF.fullmatch(name))]
    which = "best_network" if any(hit[1] == "best_network" for hit, _ in hits) else "network"
    found: dict[int, dict[str, np.ndarray]] = {}
    for hit, array in hits:
        if hit[1] == which:
            found.setdefault(int(hit[2]), {})[hit[3]] = array
    if not found:
        raise ValueError("it has no attention")
    return [found[i] for i in range(len(found))]


def _member(block: dict[str, np.ndarray], member: object) -> dict[str, np.ndarray]:
    """One network of those that were trained together, which share a first axis."""
    if block["attention.query.weight"].ndim == 2:
        as_int("member", member, 0, 0)
        return block
    i = as_int("member", member, 0, len(block["attention.query.weight"]) - 1)
    return {name: array[i] for name, array in block.items()}


def _own(blocks: list[dict[str, np.ndarray]], heads: int, multiplier: float) -> Own:
    scalars = [
        np.stack([block[f"attention.{name}"] for block in blocks]).astype(np.float64) * multiplier
        if f"attention.{name}" in blocks[0]
        else None
        for name in ("a", "b")
    ]
    return Own((_layer(block, heads) for block in blocks), len(blocks), *scalars)


def _layer(block: dict[str, np.ndarray], heads: int) -> Layer:
    gain = block["norm_attention.gain"]
    query, key, value, output = (block[f"attention.{name}.weight"] for name in _WEIGHTS)
    read = [_by_head(gain[:, None] * weight, heads) for weight in (query, key, value)]
    return Layer(*read, output=output.reshape(heads, -1, output.shape[1]))


def _by_head(weight: Any, heads: int) -> Any:
    """(d, h p) as (h, p, d)."""
    return weight.reshape(len(weight), heads, -1).transpose(1, 2, 0)
