"""Bounds on the error of the quadrature of K_attn that are theorems, found before it is run.

All errors are relative to W = 1 + γ², which bounds Σ_ij Q_ij s_i t_j for Q = X Yᵀ + γ² I ≥ 0 and
any probability vectors s, t. Variables are put on uniform grids one after the other, in the order
tokens ω, τ, τ′, positions p. What is on a grid already has positive weights of sum at most 1 + ε;
what is not yet is an exact integral, whose contour may shift along. The errors of the steps add.

*Lemma T* (Trefethen and Weideman, SIAM Review 2014, Theorem 5.1). Let g be analytic in |Im z| < d
with ∫|g(x + iy)| dx ≤ M for |y| < d. A uniform grid of step h, any offset, errs by at most
2M/(e^{2πd/h} − 1).

*Lemma S.* If the imaginary shifts θ_a of the logits have a spread φ = max θ − min θ < π, then
|smax_i(u + iθ)| ≤ smax_i(u)/cos(φ/2). Turn the denominator by the middle of the θ: the real part of
Σ e^{u_a + i(θ_a − middle)} is at least cos(φ/2) Σ e^{u_a}.

*Lemma R.* If |θ_a| ≤ φ < π/2 for all a, then |f(c_i + iθ_i) Π_{a≠i} F(c_a + iθ_a)| is at most
e^{c_i} exp(−cos φ Σ_a e^{c_a}). Over τ, with c = τ + βu, its integral is s_i/cos φ; on a grid of τ
its sum is at most (1 + δ) s_i/cos φ, δ from Lemma T for g(τ) = e^τ exp(−e^τ) (`race_excess`).

*Lemma G.* An exact integral over a Gaussian may shift its own contour, p → p + iζ; the modulus of
its weight grows by e^{ζ²/2} (for correlated ones by e^{ζᵀPζ/2}, P the precision matrix).

A shift that falls linearly with |Im z| keeps every spread below its value at d, so that M at d
serves the whole strip; where the unshifted integral diverges (|Im τ| ≥ π/2) the shifted one is its
analytic continuation. Any shift is allowed: each function takes the best of a grid of them, and
a shift that was missed costs nodes, never truth.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Numbers = Float[np.ndarray, "..."]

# Shares of a strip at which shifts are tried; its edge, where a cosine vanishes, is left out.
_SHARES = np.concatenate([np.geomspace(1e-3, 0.5, 20), np.linspace(0.52, 0.995, 60)])
_PARTS = np.linspace(0.0, 1.0, 9)  # of the shift that makes the spreads of x and of y equal


class Shifts(NamedTuple):
    """For each of some strips its half-width d and the logarithm of M/W on it."""

    width: Numbers
    log_mass: Numbers

    def error(self, step: float) -> float:
        """Lemma T at the best of the strips."""
        return math.exp(min(float(np.min(self._log_error(step))), 700.0))

    def step(self, error: float) -> float:
        """The widest step that errs by no more than `error`: 2πd / log(1 + 2M/error)."""
        allowed = self.log_mass + math.log(2 / error)
        return float(np.max(2 * np.pi * self.width / np.logaddexp(0.0, allowed)))

    def _log_error(self, step: float) -> Numbers:
        """log 2M − log(e^x − 1) with x = 2πd/h, written so that nothing overflows."""
        x = 2 * np.pi * self.width / step
        return math.log(2) + self.log_mass - x - np.log1p(-np.exp(-x))


def joined(some: Sequence[Shifts]) -> Shifts:
    """The strips of all of them."""
    return Shifts(*(np.concatenate(parts) for parts in zip(*some, strict=True)))


def softmax_shifts(cost: float, spread_x: float, spread_y: float) -> Shifts:
    """A contour on which a shift η costs e^{cost·η²/2} and spreads the logits by η·spread.

    M = W e^{cost·η²/2}/(cos(φ_x/2) cos(φ_y/2)) by Lemmas S and G.
    """
    edge = np.pi / max(spread_x, spread_y, 1e-300)
    eta = _SHARES * min(edge, 100.0)  # beyond 100 standard deviations a Gaussian's cost is all
    mass = cost * eta**2 / 2 - _log_cos(eta * spread_x / 2) - _log_cos(eta * spread_y / 2)
    return Shifts(eta, mass)


def token_shifts(beta: float, gamma: float, edges: int) -> Shifts:
    """The shifts of a token; `edges` > 0 where all its ancestors are later on their grids.

    The token alone moves its logits by βη, in x and in y. Call x_a a parent of y_a. If all
    ancestors of the token are still exact they can shift with it: at most edges + 1 tokens, if the
    component has so many positions, and then y_a shifts only if x_a does, s_y ≤ s_x, both 0 or 1.
    The positions follow by −λη(s_x + s_y)/2γ, 0 ≤ λ ≤ 1, at a cost of at most λ²/γ² each. Logits
    of x then shift by βη times 0, 1 − λ/2 or 1 − λ, of y by 0, −λ/2 or 1 − λ: both spreads are
    βη(1 − λ/2).
    """
    alone = softmax_shifts(1.0, beta, beta)
    if not edges or gamma == 0:
        return alone
    followed = [
        softmax_shifts(1 + edges * (1 + (part / gamma) ** 2), *[beta * (1 - part / 2)] * 2)
        for part in _PARTS
    ]
    return joined([alone, *followed])


def copied_token_shifts(beta: float, correlation: float) -> Shifts:
    """The worse of a token's two copies, one for each string, of correlation r < 1.

    The first on the grid takes its copy along by r at a cost of 1; the second shifts given the
    first, whose conditional variance is 1 − r², in its own string alone.
    """
    first = softmax_shifts(1.0, beta, beta * correlation)
    second = softmax_shifts(1 / (1 - correlation**2), 0.0, beta)
    return _worse(first, second)


def race_shifts(scale: float, correlation: float, length: int) -> Shifts:
    """τ and τ′, shifted by θ, with all positions shifted by −s/scale, scale = βγ.

    τ: x moves by θ − s, y by a constant that its exact τ′ absorbs. τ′, with τ on its grid: y moves
    by θ − s, x by rs, Lemma R. The second is larger: M = W e^{ks²/2 scale²}/(cos(θ − s) cos rs).
    """
    shift = np.linspace(0.0, np.pi / 2, 40)[:-1] if scale > 0 else np.zeros(1)
    theta = shift[:, None] + _SHARES * np.pi / 2
    cost = length * (shift / (scale or 1.0)) ** 2 / 2
    mass = (cost - _log_cos(correlation * shift))[:, None] - _log_cos(theta - shift[:, None])
    return Shifts(theta.ravel(), mass.ravel())


def position_shifts(scale: float, correlation: float) -> Shifts:
    """A position p_a, put on its grid last: Lemma R for both strings, scale = βγ.

    Where the two strings have copies of it of correlation r < 1: the first takes the second along,
    and the second moves given the first.
    """
    first = _race_contour(scale, 1.0, correlation)
    if correlation == 1:
        return first
    return _worse(first, _race_contour(scale, 1 / (1 - correlation**2), 0.0))


def race_excess(step: float) -> float:
    """δ of Lemma R, and the same for e^{2τ} exp(−e^τ), of which the rounding of arguments takes.

    ∫|g(x + iθ)| dx = 1/cos θ and 1/cos²θ.
    """
    theta = _SHARES * np.pi / 2
    return Shifts(theta, -2 * _log_cos(theta)).error(step)


def weight_excess(step: float) -> float:
    """ε: a grid of this step, any offset, gives a standard normal at most 1 + ε."""
    return softmax_shifts(1.0, 0.0, 0.0).error(step)


def gaussian_tail(radius: float) -> float:
    """A standard normal beyond ±radius; for radii on a uniform grid no less than the grid's sum."""
    return math.erfc(radius / math.sqrt(2))


def gaussian_radius(tail: float) -> float:
    """A radius beyond which no more than `tail` is left, to four digits."""
    low, high = 0.0, math.sqrt(2 * math.log(1 / tail))  # erfc(x) ≤ e^{−x²}
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_tail(middle) > tail else (low, middle)
    return high


class Race(NamedTuple):
    """What is known of L = log Σ_a e^{βu_a + μ_a}: k logits of standard deviation at most `spread`.

    Their means μ_a ≤ 0 and one of them is 0. Expectations are those on the grids of ω and p, at
    most (1 + ε)² times those of Gaussians (Lemma T: e^{tβω} only moves a Gaussian).
    """

    spread: float
    length: int

    def log_moment(self, t: Numbers) -> Numbers:
        """log E e^{tL} for t ≠ 0: (Σ e^{v})^t ≤ k^{max(t, 1) − 1} Σ e^{tv}, or e^{tv} if t < 0."""
        return t**2 * self.spread**2 / 2 + np.maximum(t, 1.0) * math.log(self.length) * (t > 0)

    def log_shares(self, tau: Float[np.ndarray, "taus"]) -> Float[np.ndarray, "taus taus"]:
        """A bound on log E g(τ + L)g(τ′ + L′) for all pairs, g(c) = e^c exp(−e^c) = Σ_i f(c_i) Π F.

        By Cauchy and Schwarz from E g², with g² ≤ C e^{tc}; and, since logits of x and y are not
        negatively correlated, as a product of g ≤ C e^{tc} with t > 0 in one, t < 0 in the other.
        """
        t = np.geomspace(1e-2, 1e3, 80)
        falling = np.concatenate([-t, t[t <= 1]])
        half = self._log_least(tau, np.concatenate([falling, 2 * t[t <= 1]]), 2) / 2
        rising, falling = (self._log_least(tau, some, 1) for some in (t[t <= 1], -t))
        opposite = np.minimum(np.add.outer(rising, falling), np.add.outer(falling, rising))
        return np.minimum(np.add.outer(half, half), opposite)

    def _log_least(self, tau: np.ndarray, t: np.ndarray, power: int) -> np.ndarray:
        """The least over t of log C e^{tτ} E e^{tL} for each τ, C = sup g(c)^power e^{−tc}."""
        return np.min(np.outer(tau, t) + _log_sup(t, power) + self.log_moment(t), axis=1)

    def log_tail(self, end: float, step: float, side: int) -> float:
        """log of Σ step·E g(τ + L) over τ = end ± step, end ± 2 step, …, to the left (−1) or right.

        With g(c) ≤ C e^{tc} for a t of the sign that makes it fall, the sum is a geometric series.
        """
        t = -side * np.geomspace(1e-2, 1.0 if side < 0 else 1e4, 200)
        falls = np.abs(t) * step
        series = -falls - np.log(-np.expm1(-falls))
        level = _log_sup(t, 1) + self.log_moment(t) + series
        return math.log(step) + float(np.min(level + t * end))


def _log_sup(t: Numbers, power: int) -> Numbers:
    """log sup_c g(c)^q e^{−tc} for t ≤ q: with w = q − t it is w log(w/q) − w."""
    rest = power - t
    return np.where(rest > 0, rest * (np.log(np.maximum(rest, 1e-300) / power) - 1), 0.0)


def _race_contour(scale: float, cost: float, correlation: float) -> Shifts:
    """Shifts η of one string by scale·η and of the other by r times that, both in Lemma R."""
    eta = _SHARES * min(np.pi / 2 / max(scale, 1e-300), 100.0)
    one, other = _log_cos(scale * eta), _log_cos(correlation * scale * eta)
    return Shifts(eta, cost * eta**2 / 2 - one - other)


def _worse(first: Shifts, second: Shifts) -> Shifts:
    """Strips good for both: on the smaller width the larger mass. Shares are the same in both."""
    return Shifts(
        np.minimum(first.width, second.width), np.maximum(first.log_mass, second.log_mass)
    )


def _log_cos(angle: Numbers) -> Numbers:
    return np.log(np.cos(angle))
