"""Makes gpt2_hugging_face.json: logits of Hugging Face's GPT-2 on random weights.

Needs `transformers` 4 and `flax`, which the tests do not: python tests/data/gpt2_hugging_face.py
"""

import json
from pathlib import Path

import numpy as np

SIZES = {"vocab_size": 23, "n_positions": 11, "n_embd": 24, "n_layer": 3, "n_head": 4}
TOKENS = [[3, 1, 4, 1, 5, 9, 2], [22, 0, 22, 7, 7, 0, 13]]


def weights() -> dict[str, np.ndarray]:
    """GPT-2's tensors, large enough that attention and GELU are far from linear."""
    rng = np.random.default_rng(0)
    d, tensors = SIZES["n_embd"], {}

    def draw(name: str, *shape: int, mean: float = 0.0, std: float = 0.4) -> None:
        tensors[name] = (mean + std * rng.standard_normal(shape)).astype(np.float32)

    draw("wte.weight", SIZES["vocab_size"], d)
    draw("wpe.weight", SIZES["n_positions"], d)
    for layer in range(SIZES["n_layer"]):
        for norm in ("ln_1", "ln_2"):
            draw(f"h.{layer}.{norm}.weight", d, mean=1.0)
            draw(f"h.{layer}.{norm}.bias", d)
        shapes = {"attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d)}
        shapes |= {"mlp.c_fc": (d, 4 * d), "mlp.c_proj": (4 * d, d)}
        for name, shape in shapes.items():
            draw(f"h.{layer}.{name}.weight", *shape)
            draw(f"h.{layer}.{name}.bias", shape[1])
    draw("ln_f.weight", d, mean=1.0)
    draw("ln_f.bias", d)
    return tensors


def _flax_parameters(tensors: dict[str, np.ndarray]) -> dict:
    """The nested parameters of FlaxGPT2LMHeadModel; its dense kernels are (out, in)."""
    nested: dict = {}
    for name, array in tensors.items():
        *path, last = name.split(".")
        if path[-1] in ("wte", "wpe"):
            last = "embedding"
        elif path[-1].startswith("ln_"):
            last = {"weight": "scale"}.get(last, last)
        elif last == "weight":
            last, array = "kernel", array.T
        node = nested
        for part in path:
            node = node.setdefault(part, {})
        node[last] = array
    return {"transformer": nested}


def main() -> None:
    """Compute and write."""
    import jax
    import transformers

    config = transformers.GPT2Config(**SIZES)
    model = transformers.FlaxGPT2LMHeadModel(config, _do_init=False)
    with jax.default_matmul_precision("float32"):
        logits = model(np.array(TOKENS), params=_flax_parameters(weights())).logits
    record = {
        "made_with": f"transformers {transformers.__version__}, FlaxGPT2LMHeadModel",
        "logits": np.asarray(logits).round(6).tolist(),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(record).replace("], [", "],\n["))


if __name__ == "__main__":
    main()
