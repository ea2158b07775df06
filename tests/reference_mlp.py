"""Dual activations and perceptron kernels straight from their formulas; imports nothing of ours.

`DUALS` and `DERIVATIVE_DUALS` are closed forms in mpmath, `PHI` and `SLOPE` the functions
themselves in NumPy, so that the closed forms can be held against plain integration.
"""

import functools
from fractions import Fraction

import mpmath
import numpy as np
from mpmath import mpf
from scipy.special import erf, ndtr

DIGITS = 50
FREQUENCY, PHASE = 1.3, 0.4


def in_digits(function):
    @functools.wraps(function)
    def wrapped(*args):
        with mpmath.workdps(DIGITS):
            return function(*(mpf(arg) if isinstance(arg, float) else arg for arg in args))

    return wrapped


def _waves(a, b, c, frequency):
    square = mpf(frequency) ** 2
    return [mpmath.exp(-square * (a + b + sign * 2 * c) / 2) for sign in (-1, 1)]


@in_digits
def cosine(a, b, c):
    near, far = _waves(a, b, c, FREQUENCY)
    return (near + mpmath.cos(2 * mpf(PHASE)) * far) / 2


@in_digits
def cosine_slope(a, b, c):
    near, far = _waves(a, b, c, FREQUENCY)
    return mpf(FREQUENCY) ** 2 * (near - mpmath.cos(2 * mpf(PHASE)) * far) / 2


@in_digits
def sine(a, b, c):
    near, far = _waves(a, b, c, 1)
    return (near - far) / 2


@in_digits
def sine_slope(a, b, c):
    near, far = _waves(a, b, c, 1)
    return (near + far) / 2


@in_digits
def relu(a, b, c):
    theta = mpmath.acos(c / mpmath.sqrt(a * b))
    return (mpmath.sqrt(a * b - c * c) + (mpmath.pi - theta) * c) / (2 * mpmath.pi)


@in_digits
def relu_slope(a, b, c):
    return (mpmath.pi - mpmath.acos(c / mpmath.sqrt(a * b))) / (2 * mpmath.pi)


@in_digits
def erf_dual(a, b, c):
    return 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt((1 + 2 * a) * (1 + 2 * b)))


@in_digits
def erf_slope(a, b, c):
    return 4 / mpmath.pi / mpmath.sqrt((1 + 2 * a) * (1 + 2 * b) - 4 * c * c)


@in_digits
def gelu(a, b, c):
    d = (1 + a) * (1 + b) - c * c
    both = mpf(1) / 4 + mpmath.asin(c / mpmath.sqrt((1 + a) * (1 + b))) / (2 * mpmath.pi)
    term = c * c / (1 + b) + a * (b * (1 + a) - c * c) / (1 + a)
    return c * both + term / (2 * mpmath.pi * mpmath.sqrt(d))


@in_digits
def gelu_slope(a, b, c):
    d = (1 + a) * (1 + b) - c * c
    both = mpf(1) / 4 + mpmath.asin(c / mpmath.sqrt((1 + a) * (1 + b))) / (2 * mpmath.pi)
    bracket = 1 / (1 + a) + 1 / (1 + b) + 1 / d
    return both + c * bracket / (2 * mpmath.pi * mpmath.sqrt(d))


@in_digits
def identity(a, b, c):
    return c


@in_digits
def identity_slope(a, b, c):
    return mpf(1)


DUALS = {
    "cosine": cosine,
    "sine": sine,
    "relu": relu,
    "erf": erf_dual,
    "gelu": gelu,
    "identity": identity,
}
DERIVATIVE_DUALS = {
    "cosine": cosine_slope,
    "sine": sine_slope,
    "relu": relu_slope,
    "erf": erf_slope,
    "gelu": gelu_slope,
    "identity": identity_slope,
}


def _normal_density(t):
    return np.exp(-t * t / 2) / np.sqrt(2 * np.pi)


PHI = {
    "cosine": lambda t: np.cos(FREQUENCY * t + PHASE),
    "sine": np.sin,
    "relu": lambda t: np.maximum(t, 0),
    "erf": erf,
    "gelu": lambda t: t * ndtr(t),
    "identity": lambda t: t,
}
SLOPE = {
    "cosine": lambda t: -FREQUENCY * np.sin(FREQUENCY * t + PHASE),
    "sine": np.cos,
    "relu": lambda t: np.heaviside(t, 0.5),
    "erf": lambda t: 2 / np.sqrt(np.pi) * np.exp(-t * t),
    "gelu": lambda t: ndtr(t) + t * _normal_density(t),
    "identity": np.ones_like,
}


def integrate(function, a, b, c, step=0.03, reach=10.0):
    """E[function(u) function(v)] by the trapezoid rule on a square."""
    g = np.arange(-reach, reach + step / 2, step)
    weights = np.outer(_normal_density(g), _normal_density(g)) * step**2
    u = np.sqrt(a) * g[:, None] + 0 * g[None, :]
    v = c / np.sqrt(a) * g[:, None] + np.sqrt(b - c * c / a) * g[None, :]
    return float(np.sum(function(u) * function(v) * weights))


@in_digits
def scale(name, dual, a, b):
    """√(E[φ(u)²] E[φ(v)²]), or the size of φ's terms where those cancel."""
    if name == "cosine":
        return mpf(1)
    return mpmath.sqrt(dual(a, a, a) * dual(b, b, b))


def perceptron(kind, name, depth, weight_variance, bias_variance, agreements, length):
    """The NNGP or NTK of section 2 in mpmath, from the numbers as floats."""
    with mpmath.workdps(DIGITS):
        share = mpf(agreements) / length
        return on_inputs(kind, name, depth, weight_variance, bias_variance, 1, 1, share)


@in_digits
def on_inputs(kind, name, depth, weight_variance, bias_variance, norm1, norm2, product):
    """The same for inputs of any ⟨x, x⟩, ⟨y, y⟩, ⟨x, y⟩ over the fan-in."""
    w, bias = mpf(weight_variance), mpf(bias_variance)
    a, b, c = (w * entry + bias for entry in (norm1, norm2, product))
    theta = c
    for _ in range(depth):
        coincide = name == "relu" and a == b == c
        gain = w * (mpf(0.5) if coincide else DERIVATIVE_DUALS[name](a, b, c))
        shared = w * DUALS[name](a, b, c) + bias
        a, b = (w * DUALS[name](q, q, q) + bias for q in (a, b))
        c = a if coincide else shared
        theta = c + gain * theta
    return theta if kind == "ntk" else c


def random_covariances(count, seed):
    """Triples of floats with ab > c² exactly, many of them within 10⁻¹⁶ of coincidence."""
    rng = np.random.default_rng(seed)
    triples = []
    while len(triples) < count:
        a = 10 ** rng.uniform(-5, 5)
        close = 10 ** rng.uniform(-16, 0)
        b = (
            a * (1 + rng.choice([-0.9, 1]) * close)
            if rng.random() < 0.6
            else 10 ** rng.uniform(-5, 5)
        )
        shrink = 1 - 10 ** rng.uniform(-16, 0)
        c = float(rng.choice([-1, 1]) * np.sqrt(a * b) * shrink)
        if Fraction(a) * Fraction(b) > Fraction(c) ** 2:
            triples.append((float(a), float(b), c))
    return triples
