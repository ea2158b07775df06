"""All that `ktrans verify` finds out about a task, gathered in one record."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ktrans._numerics import as_plain
from ktrans._progress import Progress, in_silence
from ktrans._provenance import versions
from ktrans._results import Result
from ktrans.measure.blocks import OrderedGram, ordered_gram
from ktrans.measure.spectrum_curves import DiversitySpectrum, diversity_spectrum
from ktrans.measure.unseen import Kernels, Measurement, Plan, error_table, measure
from ktrans.tasks import TemplateTask
from ktrans.theory.certificate import Certificate, certificate_table, certify
from ktrans.theory.curves.plain import plain_curve
from ktrans.theory.statistics import TemplateStatistics, template_statistics

_CURVE_POINTS = 60


@dataclass(frozen=True, eq=False)
class Report(Result):
    """Certificates, errors, spectra and Gram matrices of one task.

    Attributes:
        certificates: For each kernel by name.
        measured: Errors for each kernel, by name; None where labels are symbols.
        curves: Numbers of samples and closed-form errors for each kernel; None likewise.
        spectrum: Eigenvalues of the first kernel against ρ.
        grams: Ordered Gram matrices of the first kernel at the task's ρ and smaller ones.
        num_seeds: Training sets of each cell.
        seconds: Wall-clock time of all this.
    """

    certificates: dict[str, Certificate]
    measured: dict[str, Measurement] | None
    curves: dict[str, tuple[np.ndarray, np.ndarray]] | None
    spectrum: DiversitySpectrum
    grams: list[OrderedGram]
    num_seeds: int
    seconds: float

    def __str__(self) -> str:
        tables = [certificate_table(self.certificates)]
        if self.measured is not None:
            tables.append(error_table(self.measured, self.num_seeds))
        return "\n\n".join(table.as_text() for table in tables)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the Gram matrices, for JSON."""
        return describe_certificates(self.certificates) | as_plain(
            {
                "measured": self.measured and {n: vars(m) for n, m in self.measured.items()},
                "spectrum": vars(self.spectrum),
                "seconds": round(self.seconds, 3),
            }
        )


def investigate(
    kernels: Kernels,
    task: TemplateTask,
    plan: Plan,
    *,
    gram_samples: int = 100,
    progress: Progress = in_silence,
    keep: Callable[[dict[str, Certificate]], object] = len,
) -> Report:
    """Certify and measure; the first kernel also gets spectra and Gram matrices.

    Args:
        kernels: The kernels to compare, by name.
        task: The task.
        plan: What to measure.
        gram_samples: Samples in the Gram matrices shown.
        progress: Wraps loops; gets the steps and a word about them.
        keep: Gets the certificates before anything is measured, which takes longer.

    Returns:
        The report.

    Raises:
        ValueError: if the plan asks for vocabularies that the task cannot have.
    """
    start = time.perf_counter()
    plan.cells(task)  # refuses impossible vocabularies before anything is computed
    known = {name: template_statistics(kernel, task) for name, kernel in kernels.items()}
    steps = progress(known.items(), "certificates")
    certificates = {name: certify(each, ridge=plan.ridge) for name, each in steps}
    keep(certificates)
    main = next(iter(known.values()))
    spectrum = diversity_spectrum(
        main, num_samples=max(plan.num_samples),
        vocab_sizes=plan.vocab_sizes or (task.vocab_size,), seed=plan.seeds[0], progress=progress,
    )  # fmt: skip
    has_errors = not task.is_symbolic
    return Report(
        certificates=certificates,
        measured=measure(known, plan, progress) if has_errors else None,
        curves=_curves(known, plan) if has_errors else None,
        spectrum=spectrum,
        grams=[ordered_gram(each, gram_samples) for each in _shown(main, plan)],
        num_seeds=len(plan.seeds),
        seconds=time.perf_counter() - start,
    )


def describe_certificates(certificates: dict[str, Certificate]) -> dict[str, Any]:
    """Certificates and versions, for the record."""
    plain = {name: certificate.to_dict() for name, certificate in certificates.items()}
    return {"certificates": as_plain(plain), "versions": versions()}


def describe_plan(task: TemplateTask, plan: Plan) -> dict[str, Any]:
    """The configuration, for the record."""
    own = {"task": task.name, "vocab_size": task.vocab_size, "noise_std": task.noise_std}
    return own | as_plain(asdict(plan))


def _curves(
    known: Mapping[str, TemplateStatistics], plan: Plan
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    grid = np.geomspace(min(plan.num_samples), max(plan.num_samples), _CURVE_POINTS)
    return {
        name: (grid, plain_curve(each, num_samples=grid, ridge=plan.ridge).mse)
        for name, each in known.items()
    }


def _shown(main: TemplateStatistics, plan: Plan) -> list[TemplateStatistics]:
    """Two diversities, where blocks can still be told from collisions: a small one and the own."""
    smaller = [m for m in plan.vocab_sizes if m < main.task.vocab_size]
    middle = sorted(smaller)[len(smaller) // 2 :][:1]
    return [main.at_vocabulary(m) for m in (*middle, main.task.vocab_size)]
