"""Eigenvalues of N enclosed in ball arithmetic, which accounts for rounding by itself."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans.kernels.activations import Cosine, Custom
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.kernels.transformer import TransformerKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.statistics import check_kernel, check_task

_BITS = 192  # of the balls' midpoints: far more than the bounds on K_attn need


class Enclosure(NamedTuple):
    """Intervals [lower_i, upper_i] that hold the eigenvalues of N, ascending."""

    lower: Float[np.ndarray, "r"]
    upper: Float[np.ndarray, "r"]

    @property
    def nonsingular(self) -> bool | None:
        """True where no interval holds zero, otherwise None: intervals prove nothing singular."""
        return True if bool(np.all((self.lower > 0) | (self.upper < 0))) else None


def enclose_spectrum(kernel: TokenSymmetricKernel, task: TemplateTask) -> Enclosure:
    """Enclosures of the eigenvalues of N in ball arithmetic (python-flint).

    The balls start from the bounds on K_attn for a transformer kernel with a cosine, whose dual is
    then taken in ball arithmetic, and from the bounds on the kernel's own values otherwise. From
    there on nothing is approximated without a bound. What is not proved is the first step: the
    bounds on K_attn compare two quadrature rules.

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
        return _intervals(_eigenvalues(flint, _entries(flint, symmetric, known)))
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


def _entries(flint: Any, kernel: TokenSymmetricKernel, task: TemplateTask) -> list[list[Any]]:
    """N with balls as entries."""
    tokens1, tokens2 = task.fresh_strings()
    _check_certified(not isinstance(getattr(kernel, "activation", None), Custom))
    if isinstance(kernel, TransformerKernel) and isinstance(kernel.activation, Cosine):
        return _cosine_entries(flint, kernel.attention, kernel.activation, tokens1, tokens2)
    return _balls(flint, kernel.bounded(tokens1, tokens2))


def _cosine_entries(
    flint: Any, kernel: AttentionKernel, cosine: Cosine, tokens1: np.ndarray, tokens2: np.ndarray
) -> list[list[Any]]:
    """½[exp(−b₁²(A + B − 2C)/2) + cos(2b₂) exp(−b₁²(A + B + 2C)/2)] in balls."""
    across = _balls(flint, kernel.bounded(tokens1, tokens2))
    own = _balls(flint, kernel.bounded(tokens1, tokens1))
    square, phase = flint.arb(cosine.b1) ** 2 / 2, (2 * flint.arb(cosine.b2)).cos()

    def dual(i: int, j: int) -> Any:
        total = own[i][i] + own[j][j]  # K(x, x) is the same for both instances of a template
        twice = across[i][j] + across[j][i]  # N is symmetric: both halves hold the same number
        return ((-square * (total - twice)).exp() + phase * (-square * (total + twice)).exp()) / 2

    size = range(len(tokens1))
    return [[dual(i, j) for j in size] for i in size]


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
