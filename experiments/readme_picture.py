"""The picture of README.md: K̂, ordered by template, becomes N as ρ grows.

python -m experiments.readme_picture
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import ktrans as kt
from ktrans.measure.blocks import OrderedGram, ordered_gram
from ktrans.plotting import gram_figure, paper_style
from ktrans.plotting.svg import write_figure
from ktrans.theory.statistics import template_statistics

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "gram_becomes_template_matrix.png"


@dataclass(frozen=True)
class Config:
    """What is drawn: αβα against αββ at several vocabularies m, ρ = m / 2."""

    vocab_sizes: tuple[int, ...]
    num_samples: int
    seed: int = 0
    beta: float = 1.0
    gamma: float = 0.7

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        return cls(vocab_sizes=(10, 1000), num_samples=24)

    @classmethod
    def paper(cls) -> "Config":
        """The picture in README.md."""
        return cls(vocab_sizes=(10, 100, 1000), num_samples=100)


def compute(config: Config) -> list[OrderedGram]:
    """The ordered Gram matrix at each vocabulary."""
    kernel = kt.TransformerKernel(
        beta=config.beta, gamma=config.gamma, activation=kt.Cosine(b1=1.0, b2=0.5)
    )
    tasks = [kt.tasks.load("aba_abb", vocab_size=m) for m in config.vocab_sizes]
    known = [template_statistics(kernel, task) for task in tasks]
    return [ordered_gram(each, config.num_samples, seed=config.seed) for each in known]


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    grams = compute(Config.quick() if arguments.quick else Config.paper())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with paper_style():
        write_figure(arguments.out, gram_figure(grams))


if __name__ == "__main__":
    main()
