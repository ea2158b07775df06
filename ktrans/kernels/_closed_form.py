"""Activations whose duals are closed forms, and how errors go through them with proof."""

import abc

import numpy as np

from ktrans._rounding import ULP, round_up
from ktrans.kernels._activation import Activation
from ktrans.kernels._balls import Ball, Operand, quietly
from ktrans.kernels._gaussian import Values, is_covariance


class ClosedForm(Activation):
    """An activation whose formulas are closed, so that they prove themselves in ball arithmetic.

    The formulas are written with the functions of `_balls`: they take NumPy and JAX arrays and
    balls. With (A, B, C) the true covariance, which lies in the cone AB ≥ C² and in the box of
    half-widths da, db, dc about (a, b, c), and c̃ = c moved into the cone,

        |E[φ(u)φ(v)] − dual(a, b, c)| ≤ |dual(a, b, c) − f(a, b, c̃)| + |f(a, b, c̃) − f(A, B, C)|.

    The first term is what the formula in balls says at exact (a, b, c̃). The second is bounded by
    the mean value theorem on the segment from (a, b, c̃) to (A, B, C), which stays in the convex
    cone, by slopes ∂f/∂c = E[φ'(u)φ'(v)] and ∂f/∂a = ½E[φ''(u)φ(v)] (Price 1958) bounded over the
    box: by the formulas in balls or for all covariances at once, whichever is less.
    """

    @abc.abstractmethod
    def dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """E[φ(u)φ(v)]."""

    @abc.abstractmethod
    def derivative_dual_formula(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """E[φ'(u)φ'(v)]."""

    @abc.abstractmethod
    def slopes(self, a: Values, b: Values) -> tuple[Values, Values]:
        """Bounds on ½|E[φ''(u)φ(v)]| and |E[φ'(u)φ'(v)]| for variances from a up, to b at most."""

    def variance_slope_formula(self, a: Ball, b: Ball, c: Ball) -> Ball | None:
        """½E[φ''(u)φ(v)] in balls; None where only `slopes` bounds it."""
        return None

    def variance_formula(self, a: Operand) -> Operand:
        """E[φ(u)²], u ~ N(0, a)."""
        return self.dual_formula(a, a, a)

    def derivative_variance_formula(self, a: Operand) -> Operand:
        """E[φ'(u)²]."""
        return self.derivative_dual_formula(a, a, a)

    @quietly
    def dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """See the class."""
        inner, moved = into_cone(a, b, c, dc)
        centre = self.dual_formula(*map(exactly, (a, b, inner)))
        rounding = centre.distance(self.dual_formula(a, b, c))
        return round_up(rounding + self.perturbation(a, b, inner, da, db, moved))

    def perturbation(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """The mean value theorem over the box of half-widths da, db, dc."""
        box = variance_ball(a, da), variance_ball(b, db), Ball(c, dc)
        slope_a = self._variance_slope(*box)
        slope_b = self._variance_slope(box[1], box[0], box[2])
        _, most = self.slopes(np.maximum(box[0].lower, 0.0), box[1].upper)
        slope_c = _least(self.derivative_dual_formula(*box).size, most)
        return round_up(_times(slope_a, da) + _times(slope_b, db) + _times(slope_c, dc))

    @quietly
    def derivative_dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """The formula in balls that hold the whole box."""
        inner, moved = into_cone(a, b, c, dc)
        value = self.derivative_dual_formula(a, b, c)
        box = variance_ball(a, da), variance_ball(b, db), Ball(inner, moved)
        return self.derivative_dual_formula(*box).distance(value)

    @quietly
    def variance_error_formula(self, a: Values, da: Values) -> Values:
        """The formula in a ball; inputs that are one stay one."""
        return self.variance_formula(variance_ball(a, da)).distance(self.dual_formula(a, a, a))

    @quietly
    def derivative_variance_error_formula(self, a: Values, da: Values) -> Values:
        """The formula in a ball."""
        value = self.derivative_dual_formula(a, a, a)
        return self.derivative_variance_formula(variance_ball(a, da)).distance(value)

    def _variance_slope(self, a: Ball, b: Ball, c: Ball) -> Values:
        most, _ = self.slopes(np.maximum(a.lower, 0.0), b.upper)
        formula = self.variance_slope_formula(a, b, c)
        return most if formula is None else _least(formula.size, most)


def into_cone(a: Values, b: Values, c: Values, dc: Values) -> tuple[Values, Values]:
    """c̃ with c̃² ≤ ab, and a bound on its distance from the true covariance C.

    c̃ is c, unless c² > ab: then it is √a √b less four roundings, with the sign of c. C is within dc
    of c, and within |c − c̃| of c̃ where c² > ab merely counts as c² = ab.
    """
    edge = np.copysign(np.minimum(np.sqrt(a) * np.sqrt(b) * (1 - 2 * ULP), np.abs(c)), c)
    inner = np.where(is_covariance(a, b, c), c, edge)
    return inner, np.where(inner == c, dc, round_up(dc + np.abs(c - inner)))


def variance_ball(a: Values, da: Values) -> Ball:
    """The variances within da of a, none of them negative."""
    half = (a + da) / 2 * (1 + ULP)
    negative = a < da
    return Ball(np.where(negative, half, a), np.where(negative, half, da))


def exactly(value: Values) -> Ball:
    """The array as balls of radius zero."""
    return Ball(value, np.zeros_like(value))


def _times(slope: Values, error: Values) -> Values:
    """The product, 0 for an error of 0 even where the slope is infinite."""
    return np.where(error == 0, 0.0, slope * error)


def _least(one: Values, other: Values) -> Values:
    """The smaller bound; one that is not a number says nothing."""
    return np.fmin(one, other)
