"""How much of the target lies in leading eigenspaces of samples."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ktrans._checks import Whole, check_kind
from ktrans.gram.operator import GramOperator
from ktrans.measure.collisions.pair_counts import pair_table
from ktrans.measure.eigenpairs import top_eigenpairs
from ktrans.theory.spectrum.power import read_target


def target_alignment(operator: GramOperator, labels: ArrayLike) -> float:
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
    y = read_target(labels, operator.shape[0])
    table = pair_table(operator)
    frobenius = np.sqrt(table.total(table.values**2, table.self_values**2))
    return float(y @ (operator @ y) / (frobenius * (y @ y)))


def cumulative_power(
    operator: GramOperator, labels: ArrayLike, *, count: Whole
) -> Float[np.ndarray, "e"]:
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
    y = read_target(labels, operator.shape[0])
    vectors = top_eigenpairs(operator, count).vectors
    return np.cumsum((y @ vectors) ** 2) / (y @ y)
