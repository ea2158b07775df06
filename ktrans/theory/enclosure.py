"""Eigenvalues of N enclosed in ball arithmetic, which accounts for rounding by itself."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.statistics import check_kernel, check_task

_BITS = 192  # of the balls' midpoints: far more than the bounds on a kernel's values need


class Enclosure(NamedTuple):
    """Intervals [lower_i, upper_i] that hold the eigenvalues of N, ascending."""

    lower: Float[np.ndarray, "r"]
    upper: Float[np.ndarray, "r"]

    @property
    def nonsingular(self) -> bool | None:
        """True where all intervals are above zero, otherwise None: they prove nothing singular.

        An eigenvalue below zero says that the function is not a kernel, see `indefinite`.
        """
        return True if bool(np.all(self.lower > 0)) else None

    @property
    def indefinite(self) -> bool:
        """Whether an eigenvalue is certainly negative, so that the function is not a kernel."""
        return bool(np.any(self.upper < 0))


def enclose_spectrum(kernel: TokenSymmetricKernel, task: TemplateTask) -> Enclosure:
    """Enclosures of the eigenvalues of N in ball arithmetic (python-flint).

    The balls start from the kernel's own values and bounds. From there on nothing is approximated
    without a bound, so for a kernel that is certified all is proved, given what
    `ktrans._rounding` assumes of floating-point arithmetic. `verify` proves as much in float64.

    Args:
        kernel: A token-symmetric kernel.
        task: A template task, of small r: the cost grows like r³ in multiple precision.

    Returns:
        Certified intervals, outward rounded to float64, each of shape (r,).

    Raises:
        ImportError: if python-flint is not installed.
        ValueError: if kernel values are estimates, or too inexact to tell eigenvalues apart.

    References:
        Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic (2017).

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=10)
        >>> kernel = kt.TransformerKernel(beta=0.5, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> kt.theory.enclose_spectrum(kernel, task).nonsingular
        True
    """
    flint = _flint()
    symmetric, known = check_kernel(kernel), check_task(task)
    before = flint.ctx.prec
    flint.ctx.prec = _BITS
    try:
        matrix = symmetric.bounded(*known.fresh_strings())
        return _intervals(_eigenvalues(flint, _balls(flint, matrix)))
    finally:
        flint.ctx.prec = before


def _eigenvalues(flint: Any, balls: list[list[Any]]) -> list[Any]:
    try:
        return flint.acb_mat(balls).eig(multiple=True)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f"`kernel` is not exact enough to enclose the eigenvalues of N ({error}); "
            "lower its `rtol`."
        ) from None


def _balls(flint: Any, matrix: Bounded) -> list[list[Any]]:
    _check_certified(matrix.certified)
    return [
        [flint.arb(value, bound) for value, bound in zip(*row, strict=True)]
        for row in zip(matrix.value.tolist(), matrix.bound.tolist(), strict=True)
    ]


def _check_certified(certified: bool) -> None:
    if not certified:
        raise ValueError(
            "`kernel` must have certified values to enclose the eigenvalues of N; some of its "
            'values are estimates. Choose method="exact" and an activation with a closed form.'
        )


def _intervals(eigenvalues: list[Any]) -> Enclosure:
    """Real parts, rounded outward; N is symmetric, so the imaginary parts are zero."""
    ends = sorted((_down(value.real), _up(value.real)) for value in eigenvalues)
    lower, upper = zip(*ends, strict=True)
    return Enclosure(np.array(lower), np.array(upper))


def _down(ball: Any) -> float:
    return float(np.nextafter(float((ball.mid() - ball.rad()).mid()), -np.inf))


def _up(ball: Any) -> float:
    return float(np.nextafter(float((ball.mid() + ball.rad()).mid()), np.inf))


def _flint() -> Any:
    try:
        import flint
    except ImportError:
        raise ImportError(
            "Ball arithmetic needs python-flint; install it with `pip install ktrans[flint]`."
        ) from None
    return flint
