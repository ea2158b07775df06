"""The page of `ktrans reproduce`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ktrans.cli.page import Origin, Page, Picture, Table

Numbers = Sequence[Mapping[str, Any]]


def reproduction_page(
    name: str, claim: str, kind: str, numbers: Numbers, files: Sequence[Path], origin: Origin
) -> Page:
    """How near our numbers are to published ones as the verdict, then the numbers and the figure.

    Args:
        name: Of the figure.
        claim: What it shows.
        kind: "quick" or "paper".
        numbers: What was published, beside ours.
        files: What the experiment has written.
        origin: How the page was made.

    Returns:
        The page.
    """
    sentence = f"{claim[0].upper()}{claim[1:]}."
    return Page(
        heading=f"reproduction, {kind} configuration",
        title=name.replace("_", " "),
        lead=f"{sentence} The figure that shows it, drawn again.",
        verdict=_verdict(numbers, kind),
        tables=[Table("Published numbers and ours.", published_rows(numbers))] if numbers else [],
        pictures=[
            Picture(f"figure-{i}", f"Figure {path.stem}", sentence, path)
            for i, path in enumerate(_drawn(files))
        ],
        origin=origin,
    )


def _verdict(numbers: Numbers, kind: str) -> str:
    """What can be said without knowing what the numbers are."""
    if not numbers:
        return "No number was published beside this figure: its claim is to be seen in it."
    found = [each for each in numbers if each["ours"] is not None and each["published"]]
    head = f"{len(found)} of {len(numbers)} published numbers are found in the {kind} configuration"
    if not found:
        return f"{head}."
    ratios = [each["ours"] / each["published"] for each in found]
    return f"{head}; ours are {min(ratios):.2g} to {max(ratios):.2g} times as large."


def _drawn(files: Sequence[Path]) -> list[Path]:
    """As SVG; as PNG where an earlier version has drawn nothing else."""
    vector = [path for path in files if path.suffix == ".svg"]
    return vector or [path for path in files if path.suffix == ".png"]


def published_rows(numbers: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Published numbers and ours, from the list of figures in experiments/."""
    cells = [[each["what"], f"{each['published']:g}", each["text"]] for each in numbers]
    return [["", "published", "ours"], *cells]
