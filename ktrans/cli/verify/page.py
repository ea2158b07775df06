"""The page of `ktrans verify`."""

from collections.abc import Mapping

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
from ktrans.measure.report import Report
from ktrans.measure.unseen import ERROR_HEADS, error_rows
from ktrans.tasks import TemplateTask
from ktrans.theory.certificate import Certificate, certificate_rows

LEAD = (
    "Whether ridge regression with a token-symmetric kernel generalises to symbols that it never "
    "saw: the hypotheses of the theorem checked with error bounds, and the error measured."
)
ANSWERS = {"Certified": "yes", "Refuted": "no"}
CERTIFICATES = (
    "The conditions for each kernel. σ_min(N) and the eigenvalues of the template matrix N are "
    "certified, within the bound after ±. n* is an order of magnitude."
)
ERRORS = (
    "Mean squared errors: on all unseen symbols, ± standard error over training sets; in closed "
    "form, for ρ → ∞; and on the training labels."
)
# Of each figure what is seen, and what it says.
CAPTIONS = {
    "gram": (
        "Gram matrices sorted by template, and the template matrix",
        "The Gram matrix K̂ of a hundred samples in the order of their templates, at a small "
        "diversity and at that of the task, and the template matrix N that its blocks tend to. "
        "Orange entries are above all those of N: pairs of samples that share a symbol.",
    ),
    "spectrum": (
        "Eigenvalues of the Gram matrix against the diversity, with their limits",
        "The largest eigenvalues of K̂/n against the sample diversity ρ. Dashed: those of "
        "D^½ N D^½, which they tend to as n and ρ grow; dotted: with the self-kernel at this n.",
    ),
    "error": (
        "Mean squared error on unseen symbols against n, and against the diversity",
        "The error of ridge regression on all unseen symbols. Points: mean and standard error over "
        "training sets; lines: the closed form for ρ → ∞; dotted: the best constant prediction.",
    ),
}


def verify_page(
    task: TemplateTask, report: Report, figures: Mapping[str, Figure], origin: Origin
) -> Page:
    """The certificate of the first kernel as the verdict, then the others, errors and figures.

    Args:
        task: The task.
        report: From `investigate`.
        figures: "gram", "spectrum" and, where errors were measured, "error".
        origin: How the page was made.

    Returns:
        The page.
    """
    first = next(iter(report.certificates.values()))
    return Page(
        heading="certificate",
        title=task_title(task),
        lead=LEAD,
        verdict=first.verdict,
        answer=ANSWERS.get(first.verdict.partition(":")[0], "open"),
        remarks=_remarks(report.certificates),
        tables=_tables(task, report),
        pictures=[Picture(name, *CAPTIONS[name], each) for name, each in figures.items()],
        origin=origin,
    )


def _remarks(certificates: Mapping[str, Certificate]) -> dict[str, list[str]]:
    """Verdicts on the kernels after the first, and remarks on each."""
    first = next(iter(certificates))
    found = {
        name: [*([] if name == first else [each.verdict]), *each.remarks]
        for name, each in certificates.items()
    }
    return {name: sentences for name, sentences in found.items() if sentences}


def _tables(task: TemplateTask, report: Report) -> list[Table]:
    tables = [
        task_table(task),
        Table(CERTIFICATES, certificate_rows(report.certificates)),
        kernel_table(report.certificates),
    ]
    if report.measured is None:
        return tables
    groups = [("", 2), *((name, len(ERROR_HEADS)) for name in report.measured)]
    heads = ["n", "ρ", *ERROR_HEADS * len(report.measured)]
    return [*tables, Table(ERRORS, [heads, *error_rows(report.measured)], groups)]
