"""The duals of tanh in the frequencies of u and v, where they are other integrals altogether.

tanh x = ∫_0^∞ sin(ωx)/sinh(πω/2) dω and tanh'x = ∫_0^∞ ω cos(ωx)/sinh(πω/2) dω. The expectations
of products of sines and of cosines of Gaussians are known, so

    E[tanh u tanh v]   =  ∫∫ e^{−(aω² + bη²)/2} sinh(cωη)/(sinh(πω/2) sinh(πη/2)) dω dη,
    E[tanh'u tanh'v]   =  ∫∫ ωη e^{−(aω² + bη²)/2} cosh(cωη)/(sinh(πω/2) sinh(πη/2)) dω dη.

Imports nothing of ours.
"""

import mpmath
import numpy as np


def in_frequencies(order, a, b, c, step=None):
    """Either dual by midpoints in both frequencies, to some 1e-15 of its scale; a, b up to 100."""
    step = min(0.1, 0.35 / np.sqrt(max(a, b))) if step is None else step
    grid = step * (np.arange(int(27 / step)) + 0.5)
    omega, eta = grid[:, None], grid[None, :]
    # −(aω² + bη²)/2 ± cωη, arranged so that near coincidence nothing cancels.
    ratio, rest = (c / a if a > 0 else 0.0), spare(a, b, c)
    waves = [
        np.exp(-(a * (omega - sign * ratio * eta) ** 2 + rest * eta**2) / 2) for sign in (1, -1)
    ]
    weight = step**2 / (np.sinh(np.pi * omega / 2) * np.sinh(np.pi * eta / 2))
    if order == 1:
        return float(np.sum(omega * eta * weight * (waves[0] + waves[1]) / 2))
    product = omega * eta
    odd = np.where(
        np.abs(c) * product < 1,
        np.sinh(np.minimum(np.abs(c) * product, 1.0))
        * np.sign(c)
        * np.exp(-(a * omega**2 + b * eta**2) / 2),
        (waves[0] - waves[1]) / 2,
    )
    return float(np.sum(odd * weight))


def spare(a, b, c):
    """b − c²/a in digits enough."""
    if a == 0:
        return b
    with mpmath.workdps(60):
        a, b, c = map(mpmath.mpf, (a, b, c))
        return float(max(b - c * c / a, 0))


def in_digits(order, a, b, c, digits=20):
    """The expectation itself, an iterated integral in mpmath; seconds."""
    with mpmath.workdps(digits):
        a, b, c = map(mpmath.mpf, (a, b, c))
        root, rest = mpmath.sqrt(a), mpmath.sqrt(b - c * c / a)
        function = mpmath.tanh if order == 0 else (lambda t: mpmath.sech(t) ** 2)

        def density(x):
            return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)

        def inner(x):
            mean = c / root * x
            return mpmath.quad(
                lambda y: function(mean + rest * y) * density(y), mpmath.linspace(-10, 10, 9)
            )

        # (−x, −y) has the same term.
        return 2 * mpmath.quad(
            lambda x: function(root * x) * density(x) * inner(x), mpmath.linspace(0, 10, 5)
        )
