"""Theorems 4.1 and 4.2 at initialisation: gradient ratios against d_emb in several settings.

python -m experiments.copying_alignment [--quick] [--out results/copying_alignment]
"""

import functools
from dataclasses import dataclass, field
from typing import Any

from experiments._run import in_parts, run_experiment
from ktrans._progress import show_progress
from ktrans._store import Keep, at_once
from ktrans.copying import verify
from ktrans.plotting.copying import alignment_figure

MAIN: dict[str, Any] = {"vocab_size": 32, "num_seen": 24, "num_heads": 4, "head_dim": 16}
UNTIED = "untied"


@dataclass(frozen=True)
class Config:
    """What is measured: settings by title, the first one with all its groups."""

    embedding_dims: tuple[int, ...]
    num_draws: int
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def quick(cls) -> "Config":
        """Seconds."""
        settings = {"$m$ = 32, $n$ = 24": MAIN, UNTIED: MAIN | {"tied": False}}
        return cls((32, 128, 512, 2048), num_draws=24, settings=settings)

    @classmethod
    def paper(cls) -> "Config":
        """Minutes: up to d_emb = 16384; tokens, fractions seen, heads, initial scale, untied."""
        settings = {
            "$m$ = 32, $n$ = 24": MAIN,
            "$n$ = 8": MAIN | {"num_seen": 8},
            "$m$ = 128, $n$ = 96": MAIN | {"vocab_size": 128, "num_seen": 96},
            "one head of 4": MAIN | {"num_heads": 1, "head_dim": 4},
            "$W_V$, $W_O$ × 3": MAIN | {"init_scale": 3.0},
            UNTIED: MAIN | {"tied": False},
        }
        return cls((32, 128, 512, 2048, 8192, 16384), num_draws=64, settings=settings)


def compute(config: Config, keep: Keep = at_once) -> dict[str, dict[str, Any]]:
    """The certificate of each setting, by title."""
    return {
        title: keep(title, functools.partial(_certificate, title, config))
        for title in config.settings
    }


def _certificate(title: str, config: Config) -> dict[str, Any]:
    settings, bar = config.settings[title], show_progress
    dims, draws = config.embedding_dims, config.num_draws
    return verify(dims, num_draws=draws, progress=bar, **settings).to_dict()


def panels(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the figure shows of the certificates."""
    return {title: each["alignment"] for title, each in found.items()}


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "copying_alignment", Config,
        in_parts(compute),
        lambda found: alignment_figure(panels(found)),
        record=lambda found: {"certificates": found}, resumes=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
