"""Where the target lies among the eigenfunctions of the population operator."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ktrans._checks import as_array, shown
from ktrans._results import Result
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.spectrum.population import (
    Spectrum,
    mean_template_matrix,
    operator_spectrum,
    population_operator,
)
from ktrans.theory.statistics import check_task


@dataclass(frozen=True, eq=False)
class PopulationPower(Result):
    """Where the target f* lies among the eigenfunctions of the population operator T.

    Attributes:
        eigenvalues: Those of the trivial representation, which holds all of f*; descending, (r,).
        power: Share of E f*² in each of their eigenfunctions, sums to 1, shape (r,).
        ranks: Number of eigenfunctions, all representations together, with an eigenvalue at least
            as large: how deep in the spectrum that share lies. Exact integers, r of them.
        alignment: ⟨f*, T f*⟩ / (‖T‖_HS E f*²), the kernel–target alignment as n → ∞.
    """

    eigenvalues: np.ndarray
    power: np.ndarray
    ranks: tuple[int, ...]
    alignment: float


def population_power(kernel: TokenSymmetricKernel, task: TemplateTask) -> PopulationPower:
    """Cumulative power of the target, through the irreducible representations, exactly.

    f* depends on the template alone, so it lies in the trivial representation, where T is the
    r × r matrix D^½ B D^½ (B the mean kernel value of two templates): its other representations
    hold nothing of the target, however large their eigenvalues.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with uniform substitution and numbers as labels.

    Returns:
        Exact to rounding for the kernel's values.

    Raises:
        TypeError, ValueError: as `population_spectrum`, or if labels are symbols or all zero.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> found = population_power(mlp, kt.tasks.load("aba_abb", vocab_size=100))
        >>> found.power.round(6), found.ranks
        (array([0., 1.]), (1, 299))
    """
    operator = population_operator(kernel, task)
    known = check_task(task)
    target = np.sqrt(known.weights) * read_target(np.asarray(known.labels), known.num_templates)
    values, vectors = np.linalg.eigh(
        np.outer(np.sqrt(known.weights), np.sqrt(known.weights)) * mean_template_matrix(operator)
    )
    values, power = values[::-1], (target @ vectors)[::-1] ** 2 / (target @ target)
    spectrum = operator_spectrum(operator)
    square = spectrum.eigenvalues**2 @ spectrum.multiplicities.astype(np.float64)
    return PopulationPower(
        eigenvalues=values,
        power=power,
        ranks=_ranks(spectrum, len(values)),
        alignment=float(power @ values / np.sqrt(square)),
    )


def _ranks(spectrum: Spectrum, num_templates: int) -> tuple[int, ...]:
    """For each eigenvalue of the trivial representation, which stands first."""
    order = np.argsort(-spectrum.eigenvalues, kind="stable")
    counts = itertools.accumulate(int(spectrum.multiplicities[i]) for i in order)
    rank = dict(zip(order.tolist(), counts, strict=True))
    return tuple(rank[i] for i in range(num_templates))


def read_target(labels: ArrayLike, count: int) -> Float[np.ndarray, "n"]:
    """The labels, if they are `count` finite numbers that are not all zero."""
    array = as_array("labels", labels)
    if array.dtype.kind not in "fiub":
        raise TypeError("`labels` must be numbers; got symbols or other objects.")
    if not np.isfinite(array).all():
        raise ValueError(f"`labels` must be finite; got {shown(labels)}.")
    if array.shape != (count,) or not array.any():
        raise ValueError(
            f"`labels` must be {count} numbers that are not all zero; got shape {array.shape}."
        )
    return array.astype(np.float64)
