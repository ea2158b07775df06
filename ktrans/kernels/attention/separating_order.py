"""Which order of the power series of K_attn first makes the template matrix nonsingular."""

import functools
from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any

from ktrans._checks import as_int, shown
from ktrans.kernels.attention.multigraph import pair_graph
from ktrans.kernels.attention.series import Exponents, as_pair, coefficient, even_orders
from ktrans.tasks.task import TemplateTask


def first_separating_order(
    templates: object, *, max_order: int = 12, ray: tuple[int, int] = (1, 1)
) -> int | None:
    """The order in ε of the smallest eigenvalue of the template matrix, as ε → 0.

    N(β, γ) of K_attn at (β, γ) = ε·ray has eigenvalues of order ε^{d_1}, …, ε^{d_r}; the result is
    the largest d. A number proves that N is nonsingular for almost every (β, γ), since its
    determinant is analytic and not identically zero.

    Args:
        templates: A task, or (strings x, strings y): one string for each template in either, as
            `task.fresh_strings()` gives them.
        max_order: Largest d to look for.
        ray: Direction (β, γ)/ε in whole numbers. A special direction can only raise the order.

    Returns:
        The order, exact; None where it exceeds `max_order` or N is singular.

    Raises:
        ValueError: if the strings differ in length or number.

    Example:
        >>> from ktrans.kernels.attention.separating_order import first_separating_order
        >>> first_separating_order((["aabb", "abab"], ["ccdd", "cdcd"]))
        10
    """
    orders = eigenvalue_orders(template_matrix_series(templates, max_order=max_order, ray=ray))
    return None if None in orders else max(order for order in orders if order is not None)


def template_matrix_series(
    templates: object, *, max_order: int, ray: tuple[int, int] = (1, 1)
) -> list[list[list[Fraction]]]:
    """N(ε·ray) of K_attn as power series in ε²: entry [i][j] lists the coefficients from ε⁰ on."""
    strings1, strings2 = _as_strings(templates)
    max_order = as_int("max_order", max_order, 0)
    rows = range(len(strings1))
    series = {
        (i, j): _ray_series(*_class_pair(strings1[i], strings2[j]), max_order, ray)
        for i in rows
        for j in rows[i:]
    }
    return [[series[min(i, j), max(i, j)] for j in rows] for i in rows]


def eigenvalue_orders(matrix: list[list[list[Fraction]]]) -> list[int | None]:
    """The orders in ε of the eigenvalues of a positive semi-definite matrix of series in ε².

    Gaussian elimination, each time on the diagonal entry of lowest order. Positive
    semi-definiteness bounds the order of N_ij by the mean of those of N_ii and N_jj, so nothing is
    divided by a higher order than its own and no accuracy is lost. None: beyond the truncation.
    """
    work, orders = matrix, []
    while work:
        pivot = min(range(len(work)), key=lambda i: _valuation(work[i][i]))
        lowest = _valuation(work[pivot][pivot])
        if lowest == len(work[pivot][pivot]):
            return orders + [None] * len(work)
        orders.append(2 * lowest)
        work = _schur_complement(work, pivot)
    return orders


def _class_pair(x: Sequence[Hashable], y: Sequence[Hashable]) -> tuple[Exponents, Exponents]:
    """One pair of strings for each class of pairs with equal kernel values."""
    first: list[int] = []
    second: list[int] = []
    for part in pair_graph(*as_pair(x, y)):
        start = 1 + max(first + second, default=-1)
        for edge in part.edges:
            a, b = reversed(edge) if part.reversed_ else edge
            first.append(start + a)
            second.append(start + b)
    return tuple(first), tuple(second)


@functools.lru_cache(maxsize=1 << 12)
def _ray_series(x: Exponents, y: Exponents, max_order: int, ray: tuple[int, int]) -> list[Fraction]:
    series = [Fraction(0)] * (max_order // 2 + 1)
    for b, g in even_orders(max_order):
        series[(b + g) // 2] += coefficient(x, y, b // 2, g // 2) * ray[0] ** b * ray[1] ** g
    return series


def _schur_complement(matrix: list[list[list[Fraction]]], pivot: int):
    kept = [i for i in range(len(matrix)) if i != pivot]
    ratio = {i: _divided(matrix[i][pivot], matrix[pivot][pivot]) for i in kept}
    return [
        [
            [
                entry - sum(map(Fraction.__mul__, ratio[i][: d + 1], row[d::-1]))
                for d, entry in enumerate(matrix[i][j])
            ]
            for j in kept
            for row in [matrix[pivot][j]]
        ]
        for i in kept
    ]


def _divided(numerator: list[Fraction], denominator: list[Fraction]) -> list[Fraction]:
    """The quotient of two series, padded with zeros where the division leaves it unknown."""
    shift = _valuation(denominator)
    top, bottom = numerator[shift:], denominator[shift:]
    quotient: list[Fraction] = []
    for d, entry in enumerate(top):
        known = sum((q * bottom[d - i] for i, q in enumerate(quotient)), Fraction(0))
        quotient.append((entry - known) / bottom[0])
    return quotient + [Fraction(0)] * shift


def _valuation(series: list[Fraction]) -> int:
    return next((d for d, entry in enumerate(series) if entry), len(series))


def _as_strings(templates: object) -> tuple[Sequence, Sequence]:
    pair: Any = templates
    if isinstance(templates, TemplateTask):
        pair = templates.fresh_strings()
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise TypeError(
            "`templates` must be a task, or (strings x, strings y) with one string for each "
            f"template in either; got {shown(templates)}."
        )
    first, second = (some.tolist() if hasattr(some, "tolist") else some for some in pair)
    if len(first) != len(second):
        raise ValueError(
            f"`templates` must hold as many strings x as strings y; got {len(first)} and "
            f"{len(second)}."
        )
    return first, second
