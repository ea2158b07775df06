"""All that `ktrans verify` finds out about a task, gathered in one record."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ktrans._numerics import as_plain
from ktrans._provenance import versions
from ktrans.measure.blocks import OrderedGram, ordered_gram
from ktrans.measure.spectrum_curves import DiversitySpectrum, diversity_spectrum
from ktrans.measure.unseen import Kernels, Measurement, Plan, measure
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.certificate import Certificate, verify
from ktrans.theory.curves.plain import learning_curve

_CURVE_POINTS = 60

Progress = Callable[[Iterable, str], Iterable]


@dataclass(frozen=True, eq=False)
class Report:
    """Certificates, errors, spectra and Gram matrices of one task.

    Attributes:
        certificates: For each kernel by name.
        measured: Errors for each kernel, by name; None where labels are symbols.
        curves: Numbers of samples and closed-form errors for each kernel; None likewise.
        spectrum: Eigenvalues of the first kernel against ρ.
        grams: Ordered Gram matrices of the first kernel at the task's ρ and smaller ones.
        seconds: Wall-clock time of all this.
    """

    certificates: dict[str, Certificate]
    measured: dict[str, Measurement] | None
    curves: dict[str, tuple[np.ndarray, np.ndarray]] | None
    spectrum: DiversitySpectrum
    grams: list[OrderedGram]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Everything but the Gram matrices, for JSON."""
        return describe_certificates(self.certificates) | as_plain(
            {
                "measured": self.measured and {n: vars(m) for n, m in self.measured.items()},
                "spectrum": vars(self.spectrum),
                "seconds": round(self.seconds, 3),
            }
        )


def certify(
    task: TemplateTask, kernels: Kernels, ridge: float, progress: Progress = lambda s, _: s
) -> dict[str, Certificate]:
    """A certificate for each kernel, by name."""
    steps = progress(kernels.items(), "certificates")
    return {name: verify(task, kernel, ridge=ridge) for name, kernel in steps}


def investigate(
    task: TemplateTask,
    kernels: Kernels,
    plan: Plan,
    *,
    gram_samples: int = 100,
    progress: Progress = lambda steps, _: steps,
    keep: Callable[[dict[str, Certificate]], object] = len,
) -> Report:
    """Certify and measure; the first kernel also gets spectra and Gram matrices.

    Args:
        task: The task.
        kernels: The kernels to compare, by name.
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
    certificates = certify(task, kernels, plan.ridge, progress)
    keep(certificates)
    main = next(iter(kernels.values()))
    spectrum = diversity_spectrum(
        main, task, num_samples=max(plan.num_samples),
        vocab_sizes=plan.vocab_sizes or (task.vocab_size,), seed=plan.seeds[0],
        progress=lambda steps: progress(steps, "spectra"),
    )  # fmt: skip
    return Report(
        certificates=certificates,
        measured=_measured(task, kernels, plan, progress),
        curves=_curves(task, kernels, plan),
        spectrum=spectrum,
        grams=[ordered_gram(main, each, gram_samples) for each in _shown_tasks(task, plan)],
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


def _measured(
    task: TemplateTask, kernels: Kernels, plan: Plan, progress: Progress
) -> dict[str, Measurement] | None:
    if isinstance(task.labels, tuple):
        return None
    return measure(task, kernels, plan, lambda steps: progress(steps, "ridge regression"))


def _curves(
    task: TemplateTask, kernels: Kernels, plan: Plan
) -> dict[str, tuple[np.ndarray, np.ndarray]] | None:
    if isinstance(task.labels, tuple):
        return None
    grid = np.geomspace(min(plan.num_samples), max(plan.num_samples), _CURVE_POINTS)
    return {
        name: (grid, learning_curve(kernel, task, num_samples=grid, ridge=plan.ridge).mse)
        for name, kernel in kernels.items()
    }


def _shown_tasks(task: TemplateTask, plan: Plan) -> list[TemplateTask]:
    """Two diversities, where blocks can still be told from collisions: a small one and the own."""
    smaller = [m for m in plan.vocab_sizes if m < task.vocab_size]
    middle = sorted(smaller)[len(smaller) // 2 :][:1]
    return [with_vocabulary(task, m) for m in (*middle, task.vocab_size)]
