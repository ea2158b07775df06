"""The page of `ktrans compare`."""

from matplotlib.figure import Figure

from ktrans.cli.page import (
    Origin,
    Page,
    Picture,
    Table,
    kernel_table,
    task_table,
    task_title,
)
from ktrans.measure.comparison import MATRIX_HEADS, Comparison, error_cell, matrix_cells
from ktrans.measure.reasons import LEARNT
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


def comparison_page(task: TemplateTask, found: Comparison, figure: Figure, origin: Origin) -> Page:
    """Who generalises as the verdict, then reasons, N, errors and the figure.

    Args:
        task: The task.
        found: From `compare`.
        figure: From `comparison_figure`.
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
        pictures=[Picture("comparison", *CAPTION, figure)],
        origin=origin,
    )


def _verdict(found: Comparison) -> str:
    last = max(range(len(found.design.num_samples)), key=found.design.num_samples.__getitem__)
    limit = LEARNT * found.chance
    learnt = [n for n, each in found.kernels.items() if each.summary["unseen"].mean[last] <= limit]
    others = [name for name in found.kernels if name not in learnt]
    return (
        f"With n = {found.design.num_samples[last]} samples these generalise to unseen symbols, "
        f"with a mean error of at most {LEARNT:g} of that by chance: {_names(learnt)}. These do "
        f"not: {_names(others)}."
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
