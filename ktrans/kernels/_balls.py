"""Ball arithmetic in NumPy: numbers with a radius that holds their error, whatever its origin.

A formula that is written with Python's operators and the functions of this module gives the same
number for NumPy arrays, JAX arrays and balls, and for balls a proof along with it: the result of
every operation holds all values that the operation has on members of its operands (inclusion), the
rounding of the midpoint included. What is assumed of that rounding is in `ktrans._rounding`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ktrans._rounding import ELEMENTARY_ULPS, TINY, ULP, UNIT, round_up

Operand = Any  # an array of NumPy or JAX, a number, or a Ball

_ELEMENTARY = ELEMENTARY_ULPS * ULP
_LARGEST_ANGLE = np.pi * (1 + ULP)


@dataclass(frozen=True, eq=False)
class Ball:
    """All numbers within `rad` of `mid`, elementwise; a radius of infinity says nothing.

    Arrays have one axis at least, so that NumPy's operations on them give arrays.
    """

    mid: np.ndarray
    rad: np.ndarray

    __array_ufunc__ = None  # so that an array on the left leaves the operation to the ball

    @property
    def lower(self) -> np.ndarray:
        """A number that none of the members is below."""
        return _down(self.mid - self.rad)

    @property
    def upper(self) -> np.ndarray:
        """A number that none of the members is above."""
        return _up(self.mid + self.rad)

    @property
    def size(self) -> np.ndarray:
        """A bound on the members' absolute values."""
        return round_up(np.abs(self.mid) + self.rad)

    def distance(self, value: np.ndarray) -> np.ndarray:
        """A bound on the distance of a number from every member."""
        return round_up(np.abs(value - self.mid) + self.rad)

    def __neg__(self) -> "Ball":
        return Ball(-self.mid, self.rad)

    def __add__(self, other: Operand) -> "Ball":
        other = as_ball(other)
        return _rounded(self.mid + other.mid, self.rad + other.rad)

    def __sub__(self, other: Operand) -> "Ball":
        return self + (-as_ball(other))

    def __mul__(self, other: Operand) -> "Ball":
        other = as_ball(other)
        spread = abs(self.mid) * other.rad + abs(other.mid) * self.rad + self.rad * other.rad
        return _rounded(self.mid * other.mid, spread)

    def __truediv__(self, other: Operand) -> "Ball":
        """|A/B − a/b| ≤ (r_A + |a/b| r_B)/(|b| − r_B) for A, B in the balls about a, b."""
        other = as_ball(other)
        quotient, least = self.mid / other.mid, abs(other.mid) - other.rad
        spread = (self.rad + (abs(quotient) + TINY) * other.rad) / least
        return _rounded(quotient, np.where(least > 0, spread, np.inf))

    def __radd__(self, other: Operand) -> "Ball":
        return self + other

    def __rmul__(self, other: Operand) -> "Ball":
        return self * other

    def __rsub__(self, other: Operand) -> "Ball":
        return as_ball(other) - self

    def __rtruediv__(self, other: Operand) -> "Ball":
        return as_ball(other) / self


def as_ball(value: Operand) -> Ball:
    """The value as a ball; numbers and arrays are exact."""
    if isinstance(value, Ball):
        return value
    mid = np.atleast_1d(np.asarray(value, dtype=np.float64))
    return Ball(mid, np.zeros(mid.shape))


def like(value: Operand, model: Operand) -> Operand:
    """A parameter as a ball where the model is one, so that what is made of it alone counts too."""
    return as_ball(value) if isinstance(model, Ball) else value


def pi(model: Operand) -> Operand:
    """π, as a ball where the model is one."""
    return Ball(np.array([np.pi]), np.array([ULP])) if isinstance(model, Ball) else np.pi


def exp(x: Operand) -> Operand:
    """eˣ; members differ from e^mid by at most e^mid (e^rad − 1)."""
    if not isinstance(x, Ball):
        return _library(x).exp(x)
    value = np.exp(x.mid)
    return _elementary(value, (value + TINY) * np.expm1(x.rad))


def expm1(x: Operand) -> Operand:
    """eˣ − 1, without cancellation."""
    if not isinstance(x, Ball):
        return _library(x).expm1(x)
    value = np.expm1(x.mid)
    return _elementary(value, (value + 1 + TINY) * np.expm1(x.rad))


def cos(x: Operand) -> Operand:
    """cos x, of slope at most 1; the error of the function itself is taken relative to 1."""
    if not isinstance(x, Ball):
        return _library(x).cos(x)
    return Ball(np.cos(x.mid), round_up(np.minimum(x.rad, 2.0) + _ELEMENTARY))


def sqrt(x: Operand) -> Operand:
    """√x, 0 with derivative 0 where x is not positive.

    A ball is cut at zero: what it stands for is known not to be negative. With m its midpoint
    |√x − √m| = |x − m|/(√x + √m), and √x itself is at most the root of the upper end.
    """
    if not isinstance(x, Ball):
        library = _library(x)
        return library.where(x > 0, library.sqrt(library.where(x > 0, x, 1.0)), 0.0)
    value = np.sqrt(np.maximum(x.mid, 0.0))
    below, above = np.sqrt(np.maximum(x.lower, 0.0)), np.sqrt(np.maximum(x.upper, 0.0))
    total = value + below
    spread = np.where((x.mid > 0) & (total > 0), x.rad / np.where(total > 0, total, 1.0), np.inf)
    return _rounded(value, np.minimum(spread, above))


def arctan2(y: Operand, x: Operand) -> Operand:
    """The angle of the point (x, y), for balls in which x > 0 or y ≥ 0 is known.

    Within R of a point at distance ρ > R from the origin the angle changes by at most
    arcsin(R/ρ) ≤ (R/ρ)/√(1 − (R/ρ)²), and neither half-plane is left; else by at most π.
    """
    if not (isinstance(y, Ball) or isinstance(x, Ball)):
        return _library(x, y).arctan2(y, x)
    y, x = as_ball(y), as_ball(x)
    share = round_up(np.hypot(x.rad, y.rad)) / np.hypot(x.mid, y.mid) * (1 + 8 * ULP)
    inside = share < 1
    turn = share / np.sqrt(np.where(inside, (1 - share) * (1 + share), 1.0))
    angle = _elementary(np.arctan2(y.mid, x.mid), np.where(inside, turn, np.inf))
    return Ball(angle.mid, np.minimum(angle.rad, 2 * _LARGEST_ANGLE))


def where(condition: Operand, one: Operand, other: Operand) -> Operand:
    """One where the condition holds and the other elsewhere."""
    if not (isinstance(one, Ball) or isinstance(other, Ball)):
        return _library(condition, one, other).where(condition, one, other)
    one, other = as_ball(one), as_ball(other)
    mid, rad = ((o, p) for o, p in ((one.mid, other.mid), (one.rad, other.rad)))
    return Ball(np.where(condition, *mid), np.where(condition, *rad))


def middle(x: Operand) -> Operand:
    """The number itself, or the midpoint of a ball, for decisions that any choice is right for."""
    return x.mid if isinstance(x, Ball) else x


def quietly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without NumPy's warnings: what overflows or is not a number has no bound, and says so."""
    return np.errstate(all="ignore")(function)


def _rounded(mid: np.ndarray, rad: np.ndarray) -> Ball:
    """The result of one operation of IEEE arithmetic."""
    return Ball(mid, round_up(rad + UNIT * np.abs(mid) + TINY))


def _elementary(mid: np.ndarray, rad: np.ndarray) -> Ball:
    """The result of an elementary function."""
    return Ball(mid, round_up(rad + _ELEMENTARY * np.abs(mid) + TINY))


def _up(x: np.ndarray) -> np.ndarray:
    return np.nextafter(x, np.inf)


def _down(x: np.ndarray) -> np.ndarray:
    return np.nextafter(x, -np.inf)


def _library(*values: Operand) -> Any:
    return jnp if any(isinstance(value, jax.Array) for value in values) else np
