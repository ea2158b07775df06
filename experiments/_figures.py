"""Every figure: its claim, what it takes, and which of its numbers stand beside published ones.

`ktrans reproduce` runs what is listed here, and experiments.reproducing writes docs/reproducing.md
from it.
"""

import importlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.data_efficiency import MLP, PLAIN, PUBLISHED, WITH_A, WITH_B, WITH_BOTH
from ktrans._files import check_numbers, read_json, refuse_damage

Record = Mapping[str, Any]
QUICK, PAPER = "quick", "paper"
NOT_THERE = "not in this configuration"
MAX_BYTES = 2**28  # of a result file


class Found(NamedTuple):
    """A number of ours, and how it is printed."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Published:
    """A number that was published, or that theory says, and where ours is found."""

    what: str
    value: float
    read: Callable[[Record], Found | None]


@dataclass(frozen=True)
class Figure:
    """A module of experiments, by its name.

    Attributes:
        name: Of the module, of the figure, and of its folder.
        claim: What the figure shows.
        quick: Minutes on two cores.
        paper: Time and machine of the paper configuration.
        published: Numbers to compare with.
    """

    name: str
    claim: str
    quick: float
    paper: str
    published: tuple[Published, ...] = ()

    def load(self) -> Any:
        """The module."""
        return importlib.import_module(f"experiments.{self.name}")

    def configuration(self, kind: str) -> Any:
        """ "quick" or "paper", as JSON has it."""
        config = getattr(self.load().Config, kind)()
        return json.loads(json.dumps(asdict(config)))

    def results(self, folder: Path, kind: str) -> Record | None:
        """What this version found with this configuration, None where that is not there in full.

        Raises:
            ValueError: the file is damaged.
        """
        file = folder / "results.json"
        if not file.exists():
            return None
        record = read_json(file, max_bytes=MAX_BYTES)
        if not {"configuration", "versions", "seconds"} <= record.keys():
            return None
        with refuse_damage(file):
            same = record["configuration"] == self.configuration(kind)
            if not same or record["versions"]["ktrans"] != importlib.metadata.version("ktrans"):
                return None
            check_numbers(record, "seconds")
            self.compare(record)
        return record

    def finished(self, results: Path, kind: str) -> Record | None:
        """What the trainings that are done show, where not all are; None where none is."""
        find = getattr(self.load(), "find_finished", None)
        if find is None:
            return None
        record = find(getattr(self.load().Config, kind)(), results / "trainings")
        return record if record["trained"] else None

    def compare(self, record: Record, otherwise: str = NOT_THERE) -> list[dict[str, Any]]:
        """What, the published number and ours, with our text, for each published number."""
        return [_row(each, each.read(record), otherwise) for each in self.published]


def _row(published: Published, found: Found | None, otherwise: str) -> dict[str, Any]:
    ours = found or Found(None, otherwise)
    return {
        "what": published.what,
        "published": published.value,
        "ours": ours.value,
        "text": ours.text,
    }


def _loss(name: str, n: int) -> Callable[[Record], Found | None]:
    def read(record: Record) -> Found | None:
        curve = record["models"].get(name, {"x": []})
        if n not in curve["x"]:
            return None
        i = curve["x"].index(n)
        loss, stderr, seeds = (curve[key][i] for key in ("loss", "stderr", "seeds"))
        return Found(loss, f"{loss:.3g} ± {stderr:.1g} ({seeds} seeds)")

    return read


def _samples(name: str, *path: str) -> Callable[[Record], Found | None]:
    def read(record: Record) -> Found | None:
        for key in path:
            record = record[key]
        curve = record["models"].get(name)
        return None if curve is None else _samples_found(curve)

    return read


def _samples_found(curve: Record) -> Found:
    estimate, low, high = (curve["samples"][key] for key in ("estimate", "low", "high"))
    if estimate is None:
        return Found(None, f"more than {curve['x'][-1]}")
    if estimate <= curve["x"][0]:
        return Found(estimate, f"at most {curve['x'][0]}")
    most = f"{high:.0f}" if high is not None else f"more than {curve['x'][-1]}"
    return Found(estimate, f"{estimate:.0f} ({low:.0f} to {most})")


def _at(*path: Any, digits: str = ".3g") -> Callable[[Record], Found | None]:
    """The number at the end of a path of keys and places."""

    def read(record: Any) -> Found | None:
        for key in path:
            record = record[key]
        return Found(record, f"{record:{digits}}")

    return read


def _slope(source: str) -> Callable[[Record], Found | None]:
    def read(record: Record) -> Found | None:
        found = record["sources"][source]
        return Found(found["slope"], f"{found['slope']:.3f} ± {found['slope_stderr']:.3f}")

    return read


def _power_law(name: str) -> Callable[[Record], Found | None]:
    def read(record: Record) -> Found | None:
        found = record["rates"][name]
        interval = f"({found['low']:.2f} to {found['high']:.2f})"
        return Found(found["exponent"], f"{found['exponent']:.2f} {interval}")

    return read


def _floor_slope(record: Record) -> Found | None:
    slope = record["floors"]["transformer"]["slope"]
    return Found(slope, f"{slope:.4f}")


def _copying_slope(record: Record) -> Found | None:
    """Threshold over d_emb at the largest d_emb at which there is one, without b."""
    rows = [row for row in record["thresholds"] if not row["with_b"] and row["threshold"]]
    if not rows:
        return None
    last = max(rows, key=lambda row: row["embedding_dim"])
    slope = last["threshold"] / last["embedding_dim"]
    return Found(slope, f"{slope:.2f} at d_emb = {last['embedding_dim']}")


def _relation(task: str, layer: str) -> Callable[[Record], Found | None]:
    """The error of a linear probe at the largest n, in the last of the task's sentences."""

    def read(record: Record) -> Found | None:
        rows = [row for title, row in record["relations"].items() if title.startswith(task)]
        found = rows[-1]["layers"][layer]
        stderr, n = found["unseen_stderr"][-1], found["num_samples"][-1]
        return Found(found["unseen_error"], f"{found['unseen_error']:.3f} ± {stderr:.1g} (n = {n})")

    return read


_LOSSES = tuple(
    Published(f"{name}, test loss at n = {n}", loss, _loss(name, n))
    for name, losses in PUBLISHED.items()
    for n, loss in losses.items()
)
_CHANCE = tuple(
    Published(f"{MLP}, test loss at n = {n} (1.00 to 1.02)", 1.0, _loss(MLP, n))
    for n in (256, 4096)
)
_SAMPLES = tuple(
    Published(f"{name}, samples to reach 0.5", count, _samples(name))
    for name, count in ((PLAIN, 573), (WITH_A, 17), (WITH_B, 302), (WITH_BOTH, 33))
)
_SAME_DIFFERENT = tuple(
    Published(
        f"same/different, {name}, samples to reach 0.5",
        count,
        _samples(name, "panels", "same_different"),
    )
    for name, count in ((PLAIN, 418), (WITH_A, 18))
)

_RELATIONS = tuple(
    Published(f"{task}, {layer}, error on unseen words", 1.0, _relation(task, layer))
    for task in ("same_different", "aba_abb")
    for layer in ("bag of words", "layer 4")
)

FIGURES = (
    Figure(
        "data_efficiency",
        "αβα against αββ: + aI takes many times fewer samples than the plain transformer; an MLP "
        "stays at chance, with XXᵀ it does not; kernels on the same samples",
        3, "days on two cores, hours on a GPU", (*_SAMPLES, *_LOSSES, *_CHANCE),
    ),
    Figure(
        "relational_tasks",
        "same/different, AABB against ABAB, majority of 2 to 8: fewer samples with aI",
        3, "days on two cores, hours on a GPU", _SAME_DIFFERENT,
    ),
    Figure(
        "symbolic_training",
        "labels that are symbols: with bI networks copy unseen ones from few samples",
        2,
        "days on two cores, hours on a GPU",
    ),
    Figure(
        "random_templates",
        "random templates: loss against n for several numbers of them, of wildcards, and lengths",
        2, "days on two cores, hours on a GPU",
    ),
    Figure(
        "last_layer",
        "read-out alone: training it is kernel regression about the initial function, which costs "
        "more the larger the scale of the weights",
        2, "an hour on a GPU",
    ),
    Figure(
        "network_sweeps", "learning rate, depth, heads and width; a needs two layers",
        2, "hours on a GPU",
    ),
    Figure(
        "block_structure", "Figure 3: the Gram matrix tends to its blocks as ρ and n grow",
        2, "minutes on two cores",
    ),
    Figure(
        "theorem_rates", "Theorem 3.4: errors against n and ρ, with the exponents of its bound",
        1, "minutes on two cores",
        (
            Published("exponent of the spread in n", -0.5, _power_law("spread")),
            Published("exponent in ρ (the bound)", -0.5, _power_law("in_diversity")),
        ),
    ),
    Figure(
        "diversity_floor",
        "the error that no number of samples removes falls like 1/ρ², and is what is measured",
        1, "four minutes on two cores",
        (Published("slope of the floor in ρ (the bound: −1)", -2.0, _floor_slope),),
    ),
    Figure(
        "learning_curves", "closed forms of errors against n and time, with collisions counted",
        1, "minutes on two cores",
    ),
    Figure(
        "spectrum_vs_diversity", "population eigenvalues against ρ and their limits",
        1, "minutes on two cores",
    ),
    Figure(
        "modified_attention", "what one scalar a saves a kernel, and by which read-out",
        1, "ten minutes on two cores",
    ),
    Figure(
        "mlp_incidence",
        "what XXᵀ is worth to an infinitely wide MLP, against its scale",
        1,
        "minutes on two cores",
    ),
    Figure(
        "nonsingularity",
        "where N is nonsingular, and where it is best conditioned",
        2,
        "hours on two cores",
    ),
    Figure(
        "quadrature_bounds",
        "the stated error bounds of K_attn hold",
        2,
        "three hours on two cores",
    ),
    Figure(
        "random_features", "finite networks tend to K_trans at rate 1/√width",
        3, "ten minutes on two cores",
        tuple(
            Published(f"slope in {source}", -0.5, _slope(source))
            for source in ("heads", "head_dim", "mlp_width", "all")
        ),
    ),
    Figure(
        "symbolic_labels",
        "labels that are symbols: kernels name unseen ones with b only",
        1,
        "minutes on two cores",
    ),
    Figure(
        "copying_alignment", "Theorems 4.1, 4.2: without b gradients on seen tokens do not align",
        1, "minutes on two cores",
    ),
    Figure(
        "copying_threshold", "without b copying takes a number of tokens in proportion to d_emb",
        1, "hours on a GPU", (Published("tokens needed over d_emb", 0.27, _copying_slope),),
    ),
    Figure(
        "heads_in_training",
        "a, the identity in heads, N and the error on unseen symbols are learned together, and "
        "only with aI",
        2, "half an hour on two cores",
    ),
    Figure(
        "minilm",
        "a public sentence encoder: which heads compare and copy, and which relations its states "
        "carry to unseen words",
        2, "ten minutes on two cores",
        (
            Published("heads with aI past 5 deviations, of 72", 64, _at("beyond", "query_key")),
            Published("heads with bI past 5 deviations, of 72", 57, _at("beyond", "value_output")),
            *_RELATIONS,
        ),
    ),
    Figure(
        "language_model", "GPT-2 with and without two scalars a head, on held-out text",
        4, "hours on a GPU",
    ),
)  # fmt: skip
BY_NAME = {figure.name: figure for figure in FIGURES}
