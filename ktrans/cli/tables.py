"""Certificates, measurements and published numbers as text."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ktrans.measure.unseen import Measurement
from ktrans.theory.certificate import Certificate

_WIDTH = 96
_SHOWN_TEMPLATES = 6
_USUAL_RESIDUAL = 1e-10
_SHOWN_EIGENVALUES = 4
ERROR_HEADS = ("unseen", "closed form", "training")
_DECISIONS = {True: "yes, certified", False: "no, certified singular", None: "undecided"}

ROWS: dict[str, Callable[[Certificate], str]] = {
    "token-symmetric": lambda c: "yes, by construction",
    "N nonsingular": lambda c: _DECISIONS[c.nonsingular],
    "σ_min(N)": lambda c: f"{c.sigma_min:.10e} ± {c.sigma_min_error:.1e}",
    "eigenvalues of N": lambda c: _eigenvalues(c.eigenvalues),
    "condition number": lambda c: f"{c.condition_number:.4g}",
    "mean self-kernel σ": lambda c: f"{c.self_kernel.mean():.6g}",
    "n* = r (σ + λ) / ν_min": lambda c: f"{c.sample_scale:.4g}",
    "floor as n → ∞ at this ρ": lambda c: _floor(c),
    "n for a quarter of chance": lambda c: _number(c.samples_needed),
}  # fmt: skip


def certificate_table(certificates: Mapping[str, Certificate]) -> str:
    """The certificates of several kernels on one task side by side, then the verdicts."""
    first = next(iter(certificates.values()))
    rows = certificate_rows(certificates)
    return "\n".join([*_task_lines(first), "", *columns(rows), "", *_verdicts(certificates)])


def certificate_rows(certificates: Mapping[str, Certificate]) -> list[list[str]]:
    """A row for each thing that was checked, a column for each kernel."""
    found = ([name, *map(show, certificates.values())] for name, show in ROWS.items())
    return [["", *certificates], *found]


def error_table(measured: Mapping[str, Measurement], seeds: int) -> str:
    """Errors in every cell, mean ± standard error."""
    unseen, *others = ERROR_HEADS
    heads = [head for name in measured for head in (f"{name}: {unseen}", *others)]
    title = f"Mean squared error, {seeds} training set(s) for each row; closed form for ρ → ∞"
    table = columns([["n", "ρ", *heads], *error_rows(measured)])
    return "\n".join([title, *table, *_residual_lines(measured)])


def _residual_lines(measured: Mapping[str, Measurement]) -> list[str]:
    """What the ridge systems were solved to, where it is not what is usual."""
    largest = max(
        (float(each.residual.max(initial=0.0)) for each in measured.values()), default=0.0
    )
    if largest <= _USUAL_RESIDUAL:
        return []
    return [
        f"relative residuals of ridge systems are up to {largest:.1e}; a larger --ridge lowers them"
    ]


def error_rows(measured: Mapping[str, Measurement]) -> list[list[str]]:
    """n, ρ and the errors of each kernel, for each cell; no heads."""
    first = next(iter(measured.values()))
    return [
        [f"{n}", f"{rho:.5g}", *(cell for each in measured.values() for cell in _cells(each, i))]
        for i, (n, rho) in enumerate(zip(first.num_samples, first.diversity, strict=True))
    ]


def published_rows(numbers: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Published numbers and ours, from the list of figures in experiments/."""
    cells = [[each["what"], f"{each['published']:g}", each["text"]] for each in numbers]
    return [["", "published", "ours"], *cells]


def columns(rows: list[list[str]]) -> list[str]:
    """Rows as lines with aligned columns.

    Example:
        >>> columns([["a", "b"], ["ccc", "d"]])
        ['a    b', 'ccc  d']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def _task_lines(certificate: Certificate) -> list[str]:
    shown = ", ".join(certificate.templates[:_SHOWN_TEMPLATES])
    more = len(certificate.templates) - _SHOWN_TEMPLATES
    disjoint = "yes" if certificate.disjoint else f"no: {certificate.witness}"
    return columns(
        [
            ["task", certificate.task_name or "(no name)"],
            ["templates", shown + (f" and {more} more" if more > 0 else "")],
            ["disjoint", disjoint],
            ["diversity ρ", f"{certificate.diversity:g}"],
        ]
    )


def _verdicts(certificates: Mapping[str, Certificate]) -> list[str]:
    lines = []
    for name, certificate in certificates.items():
        for sentence in (certificate.verdict, *certificate.remarks):
            lines += textwrap.wrap(f"{name}: {sentence}", _WIDTH, subsequent_indent="    ")
    return lines


def _floor(certificate: Certificate) -> str:
    """With its bound where that is proved."""
    if certificate.floor is None:
        return "—"
    if not certificate.floor_certified:
        return f"{certificate.floor:.4g} (estimate)"
    return f"{certificate.floor:.4g} ± {certificate.floor_error:.0e}"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"


def _eigenvalues(values: np.ndarray) -> str:
    shown = " ".join(f"{value:.10g}" for value in values[:_SHOWN_EIGENVALUES])
    return shown + (" …" if len(values) > _SHOWN_EIGENVALUES else "")


def _cells(measurement: Measurement, i: int) -> list[str]:
    stderr = measurement.unseen_stderr[i]
    spread = "" if np.isnan(stderr) else f" ± {stderr:.1g}"
    return [
        f"{measurement.unseen[i]:.4g}{spread}",
        f"{measurement.closed_form[i]:.4g}",
        f"{measurement.training[i]:.1e}",
    ]
