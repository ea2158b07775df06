"""Heads of a layer and rotary angles: from the user, the file, or its config.json."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans._checks import as_int
from ktrans.networks.heads.layouts import Layout
from ktrans.networks.heads.tensors import Tensors

_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_BASE = 10_000.0  # of the angles, in nearly all networks
# Architectures whose GGUF files pair neighbouring coordinates; all others pair halves.
_NEIGHBOURS = ("llama", "deci", "baichuan", "internlm2", "minicpm", "granite", "command-r")


class Sizes(NamedTuple):
    """Heads of a layer.

    Attributes:
        heads: Query heads h.
        head_dim: p, or None to take what the weights say.
        key_value_heads: Heads of keys and values, or None likewise.
        pairing: "halves" or "neighbours" for rotary positions, "" for others.
    """

    heads: int
    head_dim: int | None
    key_value_heads: int | None
    pairing: str


def read_sizes(tensors: Tensors, layout: Layout, heads: object, dim: int) -> Sizes:
    """The sizes that the user, the file, its config.json or the layout states, in that order.

    Raises:
        ValueError: none of them says how many heads there are, or what they say is no number.
    """
    given = None if heads is None else as_int("heads", heads, 1)
    stated = _first(tensors, *_HEADS, _architecture(tensors, "attention.head_count"))
    default = layout.head_dim and max(dim // layout.head_dim, 1)
    count = given or stated or default
    if count is None:
        raise ValueError(
            f"{str(tensors.path)!r} does not say how many heads a layer has; give `heads`, or put "
            "its config.json beside it."
        )
    head_dim = _first(tensors, "head_dim", _architecture(tensors, "attention.key_length"))
    return Sizes(
        heads=count,
        head_dim=None if given else head_dim,
        key_value_heads=_first(tensors, "num_key_value_heads"),
        pairing=_pairing(tensors, layout),
    )


def _architecture(tensors: Tensors, key: str) -> str:
    """The key of a GGUF file, which begins with the name of the architecture."""
    return f"{tensors.settings.get('general.architecture', '')}.{key}"


def _first(tensors: Tensors, *keys: str) -> int | None:
    return next((found for key in keys if (found := _stated(tensors, key))), None)


def _stated(tensors: Tensors, key: str) -> int | None:
    value = tensors.settings.get(key)
    return None if value is None else as_int(f"{key} of config.json", value, 1)


def _pairing(tensors: Tensors, layout: Layout) -> str:
    architecture = tensors.settings.get("general.architecture")
    if architecture is None or layout.rotary:
        return layout.rotary
    if _architecture(tensors, "rope.dimension_count") not in tensors.settings:
        return ""
    return "neighbours" if architecture in _NEIGHBOURS else "halves"


def rotary_angles(tensors: Tensors, head_dim: int) -> Float[np.ndarray, "pairs"]:
    """θ_p = base^(−2p/R), the angle by which pair p turns from one position to the next.

    R coordinates of a head turn, all of them unless the file says fewer. Scaled angles, as of
    networks for long texts, are not known here.
    """
    base, turned = _rotary_base(tensors), _rotary_dim(tensors, head_dim)
    return base ** (-np.arange(0, turned, 2) / turned)


def _rotary_base(tensors: Tensors) -> float:
    nested = tensors.settings.get("rope_parameters")
    settings = dict(tensors.settings) | (nested if isinstance(nested, dict) else {})
    keys = ("rope_theta", "rotary_emb_base", _architecture(tensors, "rope.freq_base"))
    return float(next((settings[key] for key in keys if _is_number(settings.get(key))), _BASE))


def _rotary_dim(tensors: Tensors, head_dim: int) -> int:
    stated = _stated(tensors, _architecture(tensors, "rope.dimension_count"))
    shares = (tensors.settings.get(key) for key in ("partial_rotary_factor", "rotary_pct"))
    share = next((float(share) for share in shares if _is_number(share)), 1.0)  # type: ignore[arg-type]
    return min(stated or int(share * head_dim), head_dim) // 2 * 2


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
