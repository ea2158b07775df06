"""The page of `ktrans compare`."""

from matplotlib.figure import Figure

from ktrans.cli.compare.text import MATRIX_HEADS, error_cell, matrix_cells
from ktrans.cli.page import (
    Origin,
    Page,
    Picture,
    Table,
    kernel_table,
    task_table,
    task_title,
)
from ktrans.measure.comparison import Comparison
from ktrans.measure.standing import LEARNT, WORDS
from ktrans.tasks import TemplateTask

LEAD = (
    "Ridge regression with kernels of transformers and of perceptrons on the same training sets: "
    "which of them generalise to symbols that they never saw, and why."
)
MATRIX = (
    "The template matrix N of each kernel, σ_min(N) certified within the bound after ±, and n* = "
    "r (σ + λ)/ν_min, an order of magnitude."
)
UNSEEN = "Mean squared error on all unseen symbols, ± standard error over training sets."
INSIDE = (
    "Mean squared error on fresh strings of the training distribution, ± standard error over "
    "training sets."
)
CAPTION = (
    "Errors on unseen symbols and in distribution against n, spectra, and eigenvalues of N",
    "(a) Mean squared error on unseen symbols and (b) in distribution: points with standard "
    "errors, lines in closed form. (c) Eigenvalues of K̂/n, those of the templates marked. "
    "(d) Eigenvalues of N with n*; arrows: within the error bound.",
)


def comparison_page(
    task: TemplateTask, found: Comparison, figure: Figure | None, origin: Origin
) -> Page:
    """Who generalises as the verdict, then reasons, N, errors and the figure.

    Args:
        task: The task.
        found: From `compare`.
        figure: From `comparison_figure`, None where it could not be drawn.
        origin: How the page was made.

    Returns:
        The page.
    """
    return Page(
        heading="comparison",
        title=task_title(task),
        lead=LEAD,
        verdict=_verdict(found),
        remarks={name: each.reasons for name, each in found.kernels.items()},
        tables=_tables(task, found),
        pictures=[] if figure is None else [Picture("comparison", *CAPTION, figure)],
        origin=origin,
    )


def _verdict(found: Comparison) -> str:
    last = max(found.design.num_samples)
    groups = (
        ([name for name, each in found.kernels.items() if each.standing.word == word], meaning)
        for word, meaning in WORDS.items()
    )
    parts = (f"{_names(names)} {meaning}" for names, meaning in groups if names)
    return (
        f"To unseen symbols, with n up to {last} and an error of at most {LEARNT:g} of that by "
        f"chance: {'; '.join(parts)}."
    )


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _tables(task: TemplateTask, found: Comparison) -> list[Table]:
    certificates = {name: each.certificate for name, each in found.kernels.items()}
    matrix = [["kernel", *MATRIX_HEADS]]
    matrix += [[name, *matrix_cells(each)] for name, each in found.kernels.items()]
    return [
        task_table(task),
        Table(MATRIX, matrix),
        Table(UNSEEN, _error_rows(found, "unseen")),
        Table(INSIDE, _error_rows(found, "in_distribution")),
        kernel_table(certificates),
    ]


def _error_rows(found: Comparison, kind: str) -> list[list[str]]:
    counts = found.design.num_samples
    cells = {
        name: [error_cell(each, kind, place) for place in range(len(counts))]
        for name, each in found.kernels.items()
    }
    return [["kernel", *(f"n = {n}" for n in counts)], *([n, *row] for n, row in cells.items())]
