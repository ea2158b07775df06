"""The page of `ktrans spectrum`."""

from typing import NamedTuple

from matplotlib.figure import Figure

from ktrans.cli.page import Origin, Page, Picture, Table, task_table, task_title
from ktrans.cli.spectrum.text import dimension_rows, target_rows
from ktrans.measure.blocks import BlockStructure, block_rows
from ktrans.measure.collisions.graph import collision_rows
from ktrans.tasks import TemplateTask
from ktrans.theory.spectrum.population import Spectrum, spectrum_rows

LEAD = (
    "The eigenvalues of the transformer kernel on all strings of the task, exactly, and how near "
    "the Gram matrix of a sample has come to the blocks of the template matrix."
)
CAPTION = (
    "Eigenvalues against the diversity, and their shares of the trace",
    "Left: eigenvalues of the kernel on all strings against the sample diversity ρ, by "
    "representation, with their limits; circles: leading eigenvalues of K̂/n on samples. Right: "
    "what share of the trace the eigenvalues carry with their multiplicities.",
)
BLOCKS = "The sample: K̂ = Z N Zᵀ + E, where Z says which template each sample is of."
COLLISIONS = (
    "Collisions, pairs of samples that share a substituted token, and what E is made of: counts "
    "are exact."
)
DIMENSIONS = (
    "Effective dimension tr K̂ (K̂ + λ)^−1, estimated with random probes ± standard error, beside "
    "what the eigenvalues on all strings let expect, and its bound."
)
QUANTITY = ["quantity", "value"]


class Findings(NamedTuple):
    """What the command has found: `target` and `dimensions` as in its record."""

    task: TemplateTask
    spectrum: Spectrum
    blocks: BlockStructure
    target: dict[str, float] | None
    dimensions: list[dict[str, float]]


def spectrum_page(found: Findings, figure: Figure | None, origin: Origin) -> Page:
    """How many eigenvalues of the templates stand out as the verdict, then all spectra.

    Args:
        found: What the page is about.
        figure: Eigenvalues against ρ, None where the vocabulary cannot change.
        origin: How the page was made.

    Returns:
        The page.
    """
    return Page(
        heading="spectrum",
        title=task_title(found.task),
        lead=LEAD,
        verdict=_verdict(found.blocks),
        tables=_tables(found),
        pictures=[] if figure is None else [Picture("population", *CAPTION, figure)],
        origin=origin,
    )


def _verdict(blocks: BlockStructure) -> str:
    """How many eigenvalues of the templates stay above ‖E‖₂/n when moved by as much (Weyl)."""
    error, size = blocks.operator_norm, len(blocks.limits)
    count = int((blocks.limits > 2 * error).sum())
    some = {0: "none", size: "all"}.get(count, f"{count}")
    return (
        f"At n = {blocks.num_samples} and ρ = {blocks.diversity:g}, {some} of the {size} "
        "eigenvalues due to the templates can be told from those due to collisions: these are at "
        f"most ‖E‖₂/n = {error:.3g}, and move the others by no more (Weyl). "
        f"{blocks.share_equal:.4%} of the entries of K̂ equal their entry of the template matrix N."
    )


def _tables(found: Findings) -> list[Table]:
    return [
        task_table(found.task),
        Table(_about_strings(found.spectrum), spectrum_rows(found.spectrum)),
        Table(BLOCKS, [QUANTITY, *block_rows(found.blocks), *target_rows(found.target)]),
        Table(COLLISIONS, [QUANTITY, *collision_rows(found.blocks.collisions)]),
        Table(DIMENSIONS, dimension_rows(found.dimensions)),
    ]


def _about_strings(spectrum: Spectrum) -> str:
    return (
        f"Eigenvalues of the kernel on all strings, m = {spectrum.vocab_size}, by representation "
        "of the permutations of tokens: exact, the largest of each. With their multiplicities all "
        f"of them sum to {spectrum.trace:.10g}."
    )
