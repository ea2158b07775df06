"""Whether the conditions of the theorem hold for a task and a kernel, with error bounds."""

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ktrans._checks import Number, as_non_negative
from ktrans._numerics import as_plain
from ktrans._results import Result
from ktrans._tables import TextTable, digits, with_bound
from ktrans.kernels.activations import Cosine
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.transformer import TransformerKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.curves.floor import (
    CHEAP_VALUES,
    Floor,
    find_floor,
    finite_samples_needed,
    is_cheap,
)
from ktrans.theory.curves.plain import plain_samples_needed
from ktrans.theory.separation import Separation, describe_separation, separate
from ktrans.theory.statistics import BoundedEigenvalues, TemplateStatistics, template_statistics
from ktrans.theory.structure import is_singular_by_structure
from ktrans.theory.verdict import Decision, Findings, describe_meeting, judge

# Half of the labels' power: the error at which a task of two templates has n ν_min = 2 σ.
_REFERENCE_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Certificate(Result):
    """What was found about a kernel on a task.

    Attributes:
        task_name: Name of the task, may be empty.
        templates: The r templates, as text.
        kernel: The kernel, as text.
        nonsingular: True if N is certified nonsingular, False if certified singular, None where
            the bounds (or an estimate) leave it open, or the function is not a kernel.
        indefinite: True if N has an eigenvalue that is certified negative: the function is then
            not positive semi-definite, and the theorem says nothing about it.
        sigma_min: Smallest singular value of N; certified, within `sigma_min_error`.
        sigma_min_error: Bound: |σ_min(N) − sigma_min| ≤ ‖E‖₂ ≤ largest row sum of the entries'
            bounds (Weyl), plus the verified error of the eigensolver.
        eigenvalues: Eigenvalues of N, ascending, shape (r,), each within `sigma_min_error`.
        groups: The templates, those in groups that the kernel cannot tell apart on unseen symbols
            because their rows of N are equal for a structural reason; exact.
        follows_labels: Whether predictions on unseen symbols can follow the task's labels: False if
            two of them differ within a group, True if the range of N is certified to be all
            vectors that are constant on the groups, None for undecided or symbols.
        condition_number: σ_max / σ_min, exact to rounding for the approximated N; infinite where
            N is singular.
        template_matrix: N, shape (r, r).
        template_matrix_error: Bound on the error of each entry, shape (r, r).
        self_kernel: σ_z = K(x, x) − N_zz, shape (r,), exact to the kernel's accuracy.
        sample_scale: n* = r·mean(σ_z + λ)/ν_min, the samples that bring the slowest direction of
            the labels to a quarter of its error; infinite where N is singular. An order of
            magnitude.
        samples_needed: n at which the closed-form error on unseen symbols at the task's own
            diversity is a quarter of chance, infinite where it never is (None for labels that are
            symbols).
        floor: Mean squared error on unseen symbols as n → ∞ at the task's own diversity, as
            `diversity_floor` has it; None for symbols, or where it takes too many kernel values.
        floor_error: Bound on its error; infinite where nothing is certified.
        floor_certified: Whether that bound is proved.
        chance: Error of the best constant prediction, None for labels that are symbols.
        ridge: λ that these two take.
        diversity: ρ, exact.
        disjoint: Whether no string matches two templates, exact.
        witness: A string that matches two of them, with these templates; None if disjoint.
        token_symmetric: True by construction: other kernels are refused.
        certified: Whether all kernel values are certified; estimates decide nothing.
        remarks: What a reader should know besides.
        decision: "Certified" (the lemma's conditions hold, and the floor is at most a quarter of
            chance), "Refuted" (failure on this task is proved), "Undecided" or "Not covered".
        verdict: The conclusion in one sentence, which begins with the decision.
    """

    task_name: str
    templates: tuple[str, ...]
    kernel: str
    nonsingular: bool | None
    indefinite: bool
    sigma_min: float
    sigma_min_error: float
    eigenvalues: np.ndarray
    groups: tuple[tuple[str, ...], ...]
    follows_labels: bool | None
    condition_number: float
    template_matrix: np.ndarray
    template_matrix_error: np.ndarray
    self_kernel: np.ndarray
    sample_scale: float
    samples_needed: float | None
    floor: float | None
    floor_error: float
    floor_certified: bool
    chance: float | None
    ridge: float
    diversity: float
    disjoint: bool
    witness: str | None
    token_symmetric: bool
    certified: bool
    remarks: tuple[str, ...]
    decision: Decision
    verdict: str

    def table(self) -> TextTable:
        """What was checked, and the verdict."""
        return certificate_table({"kernel": self})

    @property
    def holds(self) -> bool | None:
        """Whether the task is certified: True, False, or None for undecided."""
        return {"Certified": True, "Undecided": None}.get(self.decision, False)

    def to_dict(self) -> dict[str, Any]:
        """All fields for JSON: arrays as lists, numbers that are not finite as None."""
        return as_plain(vars(self) | {"holds": self.holds})


def verify(
    kernel: TokenSymmetricKernel, task: TemplateTask, *, ridge: Number = 1e-6
) -> Certificate:
    """Check the hypotheses of the generalisation theorem for one kernel and one task.

    The verdict is about this task at its own diversity: certified only if the error on unseen
    symbols also falls below a quarter of chance there as n grows (`diversity_floor`).

    Lemma: ridge regression with a token-symmetric kernel generalises on unseen symbols as n and ρ
    grow if the templates are pairwise disjoint (or meet with equal labels only) and N is
    nonsingular, or has the labels in its range: by `diversity_floor` the predictor then errs by
    (N : G) a for f* = N a, which vanishes with G. With entries of N known to
    within E, |σ_min(N) − σ_min(N̂)| ≤ ‖E‖₂ (Weyl), so σ_min(N̂) beyond the bound certifies it. N is
    certified singular where that follows from which of its entries are equal. A function whose N
    has a negative eigenvalue is not a kernel: it is reported as `indefinite`, nothing certified.

    Args:
        kernel: A token-symmetric kernel.
        task: The template task.
        ridge: λ ≥ 0 for the number of samples needed; the conditions do not depend on it.

    Returns:
        The certificate.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
        ValueError: if the ridge is negative.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Theorem 3.4 and the lemma before it.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=1000)
        >>> mlp = kt.MLPKernel(kind="ntk", depth=3, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> kt.verify(mlp, task).nonsingular
        False
    """
    return certify(template_statistics(kernel, task), ridge=ridge)


@np.errstate(invalid="ignore")  # a kernel that is not finite is undecided, not a warning
def certify(statistics: TemplateStatistics, *, ridge: Number = 1e-6) -> Certificate:
    """`verify` from statistics that are there already."""
    penalty, known, symmetric = as_non_negative("ridge", ridge), statistics.task, statistics.kernel
    matrix, spectrum, pattern = statistics.matrix, statistics.spectrum, statistics.pattern
    indefinite = matrix.certified and bool(spectrum.eigenvalues.min() + spectrum.bound < 0)
    nonsingular = None if indefinite else _decide(pattern, spectrum, matrix.certified)
    separation = separate(statistics)
    follows = None if known.is_symbolic or indefinite else separation.follows(statistics.labels)
    sigma, floor = statistics.self_kernel, _floor(statistics, indefinite)
    needed = _samples_needed(statistics, floor, penalty)
    found = Findings(known, nonsingular, follows, indefinite, floor, _target(known), needed)
    verdict = judge(found)
    smallest = float(np.abs(spectrum.eigenvalues).min())
    return Certificate(
        task_name=known.name,
        templates=tuple(map(str, known.templates)),
        kernel=describe_kernel(symmetric),
        nonsingular=nonsingular,
        indefinite=indefinite,
        sigma_min=smallest,
        sigma_min_error=spectrum.bound,
        eigenvalues=spectrum.eigenvalues,
        groups=separation.named,
        follows_labels=follows,
        condition_number=_ratio(np.abs(spectrum.eigenvalues).max(), smallest, nonsingular),
        template_matrix=matrix.value,
        template_matrix_error=matrix.bound,
        self_kernel=sigma,
        sample_scale=_ratio(len(sigma) * float(np.mean(sigma + penalty)), smallest, nonsingular),
        samples_needed=needed,
        floor=None if floor is None else floor.mse,
        floor_error=math.inf if floor is None else floor.mse_error,
        floor_certified=floor is not None and floor.certified,
        chance=chance_error(known),
        ridge=penalty,
        diversity=known.diversity,
        disjoint=known.disjoint,
        witness=describe_meeting(known, known.meeting),
        token_symmetric=True,
        certified=matrix.certified,
        remarks=tuple(_remarks(symmetric, known, separation, matrix.certified)),
        decision=verdict.decision,
        verdict=str(verdict),
    )


def chance_error(task: TemplateTask) -> float | None:
    """Σ_z w_z (f*(z) − mean)², the error of the best constant; None for symbols."""
    if not isinstance(task.labels, np.ndarray):
        return None
    mean = task.weights @ task.labels
    return float(task.weights @ (task.labels - mean) ** 2)


def describe_kernel(kernel: TokenSymmetricKernel) -> str:
    """The kernel's name and hyperparameters on one line."""
    return " ".join(repr(kernel).split()).replace("( ", "(").replace(" )", ")")


def _decide(pattern: np.ndarray, spectrum: BoundedEigenvalues, certified: bool) -> bool | None:
    if is_singular_by_structure(pattern):
        return False
    if certified and spectrum.eigenvalues.min() > spectrum.bound:
        return True
    return None


def _ratio(numerator: float, smallest: float, nonsingular: bool | None) -> float:
    return math.inf if nonsingular is False or smallest == 0 else float(numerator / smallest)


def _target(task: TemplateTask) -> float:
    """A quarter of chance; of the labels' power where a constant predicts them all."""
    if not isinstance(task.labels, np.ndarray):
        return 0.0
    return _REFERENCE_SHARE * (chance_error(task) or float(task.weights @ task.labels**2))


def _floor(statistics: TemplateStatistics, indefinite: bool) -> Floor | None:
    """The floor, where labels are numbers and N is one of a kernel."""
    known = statistics.task
    usable = not known.is_symbolic and not indefinite
    if not usable or not np.isfinite(statistics.matrix.value).all():
        return None
    return find_floor(statistics) if is_cheap(statistics, CHEAP_VALUES) else None


def _samples_needed(
    statistics: TemplateStatistics, floor: Floor | None, ridge: float
) -> float | None:
    target = _target(statistics.task)
    if not chance_error(statistics.task):
        return None
    if floor is None:
        return plain_samples_needed(statistics, mse=target, ridge=ridge)
    return finite_samples_needed(statistics, floor, mse=target, ridge=ridge)


def _remarks(
    kernel: TokenSymmetricKernel, task: TemplateTask, separation: Separation, certified: bool
) -> Iterator[str]:
    yield from describe_separation(kernel, task, separation)
    if isinstance(kernel, TransformerKernel) and not isinstance(kernel.activation, Cosine):
        yield (
            "Theorem 3.4 is about φ = cos(b₁t + b₂); for another activation the lemma still holds "
            "where N is nonsingular, which is what was checked."
        )
    if not certified:
        yield "Some kernel values are estimates, which certify nothing."
    if not isinstance(task.labels, np.ndarray):
        yield "Labels are symbols (next token): `verify_next_token` is about them."
    if isinstance(task.labels, np.ndarray) and np.ptp(task.labels) == 0:
        yield "All templates have the same label, which a constant predicts."


_WIDTH = 96
_SHOWN_TEMPLATES = 6
_SHOWN_EIGENVALUES = 4
_DECISIONS = {True: "yes, certified", False: "no, certified singular", None: "undecided"}

ROWS: dict[str, Callable[[Certificate], str]] = {
    "token-symmetric": lambda c: "yes, by construction",
    "N nonsingular": lambda c: _DECISIONS[c.nonsingular],
    "σ_min(N)": lambda c: with_bound(c.sigma_min, c.sigma_min_error),
    "eigenvalues of N": lambda c: _eigenvalues(c.eigenvalues, c.sigma_min_error),
    "condition number": lambda c: f"{c.condition_number:.4g}",
    "mean self-kernel σ": lambda c: f"{c.self_kernel.mean():.6g}",
    "n* = r (σ + λ) / ν_min": lambda c: f"{c.sample_scale:.4g}",
    "floor as n → ∞ at this ρ": lambda c: _floor_cell(c),
    "n for a quarter of chance": lambda c: _number(c.samples_needed),
}  # fmt: skip


def certificate_table(certificates: Mapping[str, Certificate]) -> TextTable:
    """The certificates of several kernels on one task side by side, then the verdicts."""
    first = next(iter(certificates.values()))
    before = [f"{name:<13}{value}" for name, value in _about_task(first).items()]
    return TextTable(certificate_rows(certificates), before, list(_verdicts(certificates)))


def certificate_rows(certificates: Mapping[str, Certificate]) -> list[list[str]]:
    """A row for each thing that was checked, a column for each kernel."""
    found = ([name, *map(show, certificates.values())] for name, show in ROWS.items())
    return [["", *certificates], *found]


def _about_task(certificate: Certificate) -> dict[str, str]:
    shown = ", ".join(certificate.templates[:_SHOWN_TEMPLATES])
    more = len(certificate.templates) - _SHOWN_TEMPLATES
    return {
        "task": certificate.task_name or "(no name)",
        "templates": shown + (f" and {more} more" if more > 0 else ""),
        "disjoint": "yes" if certificate.disjoint else f"no: {certificate.witness}",
        "diversity ρ": f"{certificate.diversity:g}",
    }


def _verdicts(certificates: Mapping[str, Certificate]) -> Iterator[str]:
    for name, certificate in certificates.items():
        for sentence in (certificate.verdict, *certificate.remarks):
            yield from textwrap.wrap(f"{name}: {sentence}", _WIDTH, subsequent_indent="    ")


def _floor_cell(certificate: Certificate) -> str:
    """With its bound if that is proved."""
    if certificate.floor is None:
        return "—"
    if not certificate.floor_certified:
        return f"{certificate.floor:.4g} (estimate)"
    return with_bound(certificate.floor, certificate.floor_error)


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"


def _eigenvalues(values: np.ndarray, bound: float) -> str:
    shown = " ".join(digits(value, bound) for value in values[:_SHOWN_EIGENVALUES].tolist())
    return shown + (" …" if len(values) > _SHOWN_EIGENVALUES else "")
