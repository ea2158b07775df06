"""Makes minilm.json: states of all-MiniLM-L6-v2 by torch, a few numbers of each layer.

Needs `torch`, `transformers` 5 and a folder unpacked by `python -m ktrans.interop.minilm FOLDER`:
python tests/data/minilm.py FOLDER
"""

import json
import sys
from pathlib import Path

# [CLS] the king saw the queen [SEP]
TOKENS = [101, 1996, 2332, 2387, 1996, 3035, 102]
SHOWN = 8  # coordinates


def main() -> None:
    """Compute and write."""
    import torch
    import transformers

    model = transformers.BertModel.from_pretrained(sys.argv[1], attn_implementation="eager").eval()
    with torch.no_grad():
        states = model(torch.tensor([TOKENS]), output_hidden_states=True).hidden_states
    means = [each[0].mean(0) for each in states]
    record = {
        "made_with": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "means": [[round(float(x), 6) for x in mean[:SHOWN]] for mean in means],
        "norms": [round(float(mean.norm()), 6) for mean in means],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(record).replace("], [", "],\n["))


if __name__ == "__main__":
    main()
