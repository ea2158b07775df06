"""Makes bert_hugging_face.json: hidden states of Hugging Face's BERT on random weights.

Needs `torch` and `transformers` 5, which the tests do not: python tests/data/bert_hugging_face.py
"""

import json
from pathlib import Path

import numpy as np

SIZES = {
    "vocab_size": 23,
    "max_position_embeddings": 11,
    "type_vocab_size": 2,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "layer_norm_eps": 1e-6,
}
TOKENS = [[3, 1, 4, 1, 5, 9, 2], [22, 0, 22, 7, 7, 0, 13]]


def weights() -> dict[str, np.ndarray]:
    """BERT's tensors, large enough that attention and GELU are far from linear."""
    rng = np.random.default_rng(0)
    d, inner, tensors = SIZES["hidden_size"], SIZES["intermediate_size"], {}

    def draw(name: str, *shape: int, mean: float = 0.0, std: float = 0.4) -> None:
        tensors[name] = (mean + std * rng.standard_normal(shape)).astype(np.float32)

    def norm(name: str) -> None:
        draw(f"{name}.LayerNorm.weight", d, mean=1.0)
        draw(f"{name}.LayerNorm.bias", d)

    draw("embeddings.word_embeddings.weight", SIZES["vocab_size"], d)
    draw("embeddings.position_embeddings.weight", SIZES["max_position_embeddings"], d)
    draw("embeddings.token_type_embeddings.weight", SIZES["type_vocab_size"], d)
    norm("embeddings")
    for layer in range(SIZES["num_hidden_layers"]):
        stem = f"encoder.layer.{layer}."
        shapes = {f"attention.self.{name}": (d, d) for name in ("query", "key", "value")}
        shapes |= {"attention.output.dense": (d, d), "intermediate.dense": (inner, d)}
        shapes |= {"output.dense": (d, inner)}
        for name, shape in shapes.items():
            draw(f"{stem}{name}.weight", *shape)
            draw(f"{stem}{name}.bias", shape[0])
        norm(stem + "attention.output")
        norm(stem + "output")
    return tensors


def main() -> None:
    """Compute and write."""
    import torch
    import transformers

    config = transformers.BertConfig(**SIZES, attn_implementation="eager")
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    state = {name: torch.from_numpy(array) for name, array in weights().items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("position_ids" in name for name in missing), missing
    with torch.no_grad():
        states = model(torch.tensor(TOKENS), output_hidden_states=True).hidden_states
    record = {
        "made_with": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "states": np.stack([each.numpy() for each in states], axis=1).round(6).tolist(),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(record).replace("], [", "],\n["))


if __name__ == "__main__":
    main()
