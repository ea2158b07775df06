"""Why a kernel fares as it does on a task, in plain words."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans.measure.standing import LEARNT
from ktrans.theory.certificate import Certificate
from ktrans.theory.separation import describe_separation, separate
from ktrans.theory.statistics import TemplateStatistics


class ErrorsAt(NamedTuple):
    """Errors of ridge regression at one n, one for each training set."""

    num_samples: int
    unseen: Float[np.ndarray, "seeds"]
    in_distribution: Float[np.ndarray, "seeds"]


def reasons(
    statistics: TemplateStatistics, certificate: Certificate, measured: ErrorsAt
) -> tuple[str, ...]:
    """Sentences on N, on what the kernel cannot tell apart, and on what was measured.

    Args:
        statistics: Of a kernel on a task with numbers as labels.
        certificate: Of the same.
        measured: Errors at the largest n.

    Returns:
        Sentences, the first about N and the last about errors.
    """
    found = separate(statistics)
    return (
        _about_matrix(certificate, len(found.groups)),
        *describe_separation(statistics.kernel, statistics.task, found),
        _about_errors(certificate, measured),
    )


def _about_matrix(certificate: Certificate, groups: int) -> str:
    """N, its smallest eigenvalue, and what follows."""
    value, bound = f"{certificate.sigma_min:.3g}", f"{certificate.sigma_min_error:.1g}"
    if certificate.nonsingular is None:
        return f"σ_min(N) = {value} is not separated from zero by its error bound {bound}."
    if certificate.nonsingular:
        return (
            f"N is nonsingular with ν_min = {value} ± {bound}, so about n* = r (σ + λ)/ν_min = "
            f"{certificate.sample_scale:.3g} samples show the slowest direction of the labels."
        )
    if groups == 1:
        return "N is singular: the prediction on fresh strings is the same for all templates."
    return "N is singular: predictions on fresh strings cannot follow every labelling."


def _about_errors(certificate: Certificate, measured: ErrorsAt) -> str:
    n, unseen, inside = measured
    return (
        f"At n = {n} the error is {_shown(unseen)} on unseen symbols and {_shown(inside)} in "
        f"distribution, by chance {certificate.chance:.3g}: {_meaning(certificate, measured)}."
    )


def _meaning(certificate: Certificate, measured: ErrorsAt) -> str:
    limit = LEARNT * (certificate.chance or 0.0)
    if measured.unseen.mean() <= limit:
        return "what is learnt carries over to unseen symbols"
    if measured.in_distribution.mean() <= limit:
        return "it has learnt about the symbols that it saw, not the rule"
    if certificate.nonsingular and certificate.sample_scale > measured.num_samples:
        return "n is below n*"
    return "it has learnt neither"


def _shown(errors: Float[np.ndarray, "seeds"]) -> str:
    """Mean and standard error."""
    if len(errors) == 1:
        return f"{errors[0]:.3g}"
    return f"{errors.mean():.3g} ± {errors.std(ddof=1) / np.sqrt(len(errors)):.1g}"
