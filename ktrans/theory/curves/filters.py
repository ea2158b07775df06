"""Ridge regression and gradient flow as functions φ of the Gram matrix: f̂ = k(x)ᵀ φ(K̂) y."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from ktrans._checks import Number, as_non_negative, as_positive, shown

# Poles in each half-plane: the error falls like 10^(−n), down to rounding at sixteen, after which
# rounding grows.
_POLES = 16


class Resolvents(NamedTuple):
    """φ(x) = Σ_j weights_j / (x + ridges_j), exact or to 10⁻¹² of φ for all x ≥ 0."""

    ridges: Float[np.ndarray, "j"] | Complex[np.ndarray, "j"]
    weights: Float[np.ndarray, "j"] | Complex[np.ndarray, "j"]


class RidgeFilter(NamedTuple):
    """φ(x) = 1 / (x + λ)."""

    ridge: float

    def __call__(self, values: Float[np.ndarray, "e"]) -> Float[np.ndarray, "e"]:
        return 1 / (values + self.ridge)

    def resolvents(self) -> Resolvents:
        """Itself."""
        return Resolvents(np.array([self.ridge]), np.ones(1))


class FlowFilter(NamedTuple):
    """φ(x) = (1 − e^{−tx}) / x, and t at x = 0."""

    time: float

    def __call__(self, values: Float[np.ndarray, "e"]) -> Float[np.ndarray, "e"]:
        zero = values == 0
        return np.where(zero, self.time, -np.expm1(-self.time * values) / np.where(zero, 1, values))

    def resolvents(self) -> Resolvents:
        """The inverse Laplace transform φ(x) = (2πi)⁻¹ ∫ e^{tz} / z · (x + z)⁻¹ dz, by quadrature.

        The path is a hyperbola around the negative axis and the rule is the midpoint rule, with the
        parameters that balance its errors.

        References:
            Weideman and Trefethen, "Parabolic and hyperbolic contours for computing the Bromwich
            integral", Mathematics of Computation 2007: 2N nodes, μ = 4.4921 N / t, α = 1.1721,
            h = 1.0818 / N.
        """
        step = 1.08179214 / _POLES
        where = 1j * step * (np.arange(_POLES) + 0.5) - 1.17210423
        points = 4.49207528 * _POLES * (1 + np.sin(where))
        speed = 4.49207528 * _POLES * np.cos(where)
        weights = step / (2 * np.pi) * np.exp(points) * speed / points
        return Resolvents(_with_conjugates(points / self.time), _with_conjugates(weights))


Filter = RidgeFilter | FlowFilter


def read_filter(ridge: Number | None, time: Number | None) -> Filter:
    """The filter of the one that is given, ridge or time."""
    if (ridge is None) == (time is None):
        raise TypeError(
            "give exactly one of `ridge` and `time`; got "
            f"ridge={shown(ridge)} and time={shown(time)}."
        )
    if time is None:
        return RidgeFilter(as_non_negative("ridge", ridge))
    return FlowFilter(as_positive("time", time))


def _with_conjugates(half: Complex[np.ndarray, "h"]) -> Complex[np.ndarray, "j"]:
    return np.concatenate([half, half.conj()])
