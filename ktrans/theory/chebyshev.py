"""Interpolation of K_attn over a rectangle of (log β, log γ), with a bound on the error.

K_attn is analytic in β and γ. Its Gaussians w = βω and q = βγp have densities that continue to
complex β and γ while the logits stay real, so that no softmax has a pole:

    |K_attn| ≤ (1 + |γ|²) (cos 2 arg β)^{−t/2} (cos 2 arg βγ)^{−k/2}

for t tokens and k positions: |Σ_ij Q_ij s_i t_j| ≤ 1 + |γ|², and ∫|density| = (cos 2 arg)^{−½}.
In s = log β and g = log γ that is a strip |Im s| < π/4 (and the same in g). A function with
|f| ≤ M in the Bernstein ellipse ρ of an interval differs from its interpolant in n + 1 Chebyshev
points by at most 4Mρ^{−n}/(ρ − 1) (Trefethen, Approximation Theory and Approximation Practice,
Theorem 8.2), and interpolation in n + 1 points has norm at most (2/π) log(n + 1) + 1.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial.chebyshev import chebder, chebvander

from ktrans._rounding import gamma as growth

_ELLIPSES = 1 + np.geomspace(1e-2, 1e2, 400)
_MOST_NODES = 400


class Strip(NamedTuple):
    """What bounds K_attn near an interval of a logarithm: of its positions and tokens, of 1 + γ².

    Attributes:
        variables: Gaussians whose scale turns with the logarithm.
        size: 1 + γ² at the interval's upper end.
        grows: Whether γ moves with the logarithm.
    """

    variables: int
    size: float
    grows: bool

    def remainder(self, half: float, degree: int) -> float:
        """The error of the interpolant of this degree on an interval of half-length `half`."""
        rho = _ELLIPSES[(_ELLIPSES - 1 / _ELLIPSES) / 2 * half < np.pi / 4 * 0.999]
        turn = (rho - 1 / rho) / 2 * half
        reach = np.exp(2 * half * ((rho + 1 / rho) / 2 - 1)) if self.grows else 1.0
        mass = self.size * reach * np.cos(2 * turn) ** (-self.variables / 2)
        return float(np.min(4 * mass * rho**-degree / (rho - 1)))

    def degree(self, half: float, error: float) -> int:
        """The least degree whose remainder is no more than `error`."""
        return next(n for n in range(1, _MOST_NODES) if self.remainder(half, n) <= error)


def lebesgue(degree: int) -> float:
    """A bound on the norm of interpolation in degree + 1 Chebyshev points."""
    return 2 / math.pi * math.log(degree + 1) + 1


def nodes(degree: int) -> Float[np.ndarray, "nodes"]:
    """cos(πj/n), j = 0, …, n."""
    return np.cos(np.pi * np.arange(degree + 1) / degree)


def coefficients(values: Float[np.ndarray, "a b *e"]) -> Float[np.ndarray, "a b *e"]:
    """The Chebyshev coefficients of the interpolant of values at the nodes of two axes."""
    for axis in (0, 1):
        moved = np.moveaxis(values, axis, 0)
        degree = len(moved) - 1
        turns = np.cos(np.pi * np.outer(np.arange(degree + 1), np.arange(degree + 1)) / degree)
        halves = np.ones(degree + 1)
        halves[[0, -1]] = 0.5
        weights = 2 / degree * halves[:, None] * turns * halves
        values = np.moveaxis(np.tensordot(weights, moved, axes=1), 0, axis)
    return values


def coefficient_rounding(values: Float[np.ndarray, "a b *e"]) -> float:
    """What rounding of `coefficients` and of the sum over them adds to a value.

    Each coefficient is a sum of products with factors of at most 2, twice; a polynomial T_j by its
    recurrence is off by at most 2j²u; all are added up.
    """
    a, b = values.shape[:2]
    largest = float(np.abs(values).max())
    return 4 * a * b * growth(4 * (a + b) + 2 * max(a, b) ** 2 + 40) * largest


def derivative(some: Float[np.ndarray, "a b"], order: tuple[int, int]) -> Float[np.ndarray, "_ _"]:
    """The coefficients of a derivative in the coordinates of the square."""
    for axis, times in enumerate(order):
        some = chebder(some, times, axis=axis) if times else some
    return some


def largest(some: Float[np.ndarray, "a b"], order: tuple[int, int]) -> float:
    """A bound on a derivative over the square: |T_j| ≤ 1."""
    return float(np.abs(derivative(some, order)).sum())


def at(
    some: Float[np.ndarray, "a b"], x: Float[np.ndarray, "tiles"], y: Float[np.ndarray, "tiles"]
) -> Float[np.ndarray, "tiles"]:
    """The polynomial's values at points of the square."""
    a, b = some.shape
    return np.einsum("ta,ta->t", chebvander(x, a - 1), chebvander(y, b - 1) @ some.T)
