"""How much of the target lies in leading eigenspaces, of samples and of the population."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ktrans._checks import as_array, check_kind, shown
from ktrans.analysis.eigenpairs import top_eigenpairs
from ktrans.analysis.pair_counts import pair_table
from ktrans.analysis.population import (
    Spectrum,
    mean_template_matrix,
    operator_spectrum,
    population_operator,
)
from ktrans.analysis.template_matrix import check_task
from ktrans.gram.operator import GramOperator


def target_alignment(operator: Any, labels: object) -> float:
    """Kernel–target alignment yᵀ K̂ y / (‖K̂‖_F ‖y‖²).

    The Frobenius norm comes from the counts of pairs by class, in O(n).

    Args:
        operator: The Gram operator, n × n.
        labels: y, n numbers that are not all zero.

    Returns:
        Between 0 and 1, exact to rounding; 1 where K̂ is a multiple of y yᵀ.

    Raises:
        TypeError: if the labels are not numbers.
        ValueError: if they are not n, or all zero, or the matchings are too many to tabulate.

    References:
        Cristianini, Shawe-Taylor, Elisseeff and Kandola, "On kernel-target alignment", NeurIPS
        2001.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> data = kt.tasks.load("aba_abb", vocab_size=9).sample(50)
        >>> 0 < target_alignment(kt.GramOperator(mlp, data), data.labels) < 1
        True
    """
    check_kind("operator", operator, GramOperator)
    y = _read_labels(labels, operator.shape[0])
    table = pair_table(operator)
    frobenius = np.sqrt(table.total(table.values**2, table.self_values**2))
    return float(y @ (operator @ y) / (frobenius * (y @ y)))


def cumulative_power(operator: Any, labels: object, *, count: object) -> Float[np.ndarray, "e"]:
    """Share of ‖y‖² in the span of the first j eigenvectors of K̂, j = 1, …, count.

    Args:
        operator: The Gram operator, n × n.
        labels: y, n numbers that are not all zero.
        count: How many eigenvectors, from 1 to n.

    Returns:
        Ascending shares of shape (count,), by Lanczos where n is large.

    Raises:
        TypeError: if the labels are not numbers.
        ValueError: if they are not n, or all zero, or `count` is out of range.

    References:
        Canatar, Bordelon and Pehlevan, Nat. Commun. 12, 2021.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> data = kt.tasks.load("aba_abb", vocab_size=90).sample(20)
        >>> cumulative_power(kt.GramOperator(mlp, data), data.labels, count=20)[-1].round(9)
        np.float64(1.0)
    """
    check_kind("operator", operator, GramOperator)
    y = _read_labels(labels, operator.shape[0])
    vectors = top_eigenpairs(operator, count).vectors
    return np.cumsum((y @ vectors) ** 2) / (y @ y)


@dataclass(frozen=True, eq=False)
class PopulationPower:
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


def population_power(kernel: object, task: object) -> PopulationPower:
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
    target = np.sqrt(known.weights) * _read_labels(known.labels, known.num_templates)
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


def _read_labels(labels: object, count: int) -> Float[np.ndarray, "n"]:
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
