"""No certified value outside its bound: closed forms and perceptrons against mpmath, at random."""

import mpmath
import numpy as np
import pytest

import ktrans as kt
from tests import reference_mlp as reference

ACTIVATIONS = {
    "cosine": kt.Cosine(b1=reference.FREQUENCY, b2=reference.PHASE),
    "sine": kt.Sine(),
    "relu": kt.ReLU(),
    "erf": kt.Erf(),
    "gelu": kt.GELU(),
    "identity": kt.Identity(),
}
RANGES = [(-12, 6), (-2, 2), (-160, -100), (4, 12)]

each = pytest.mark.parametrize("name", list(ACTIVATIONS))
counts = pytest.mark.parametrize("count", [30, pytest.param(400, marks=pytest.mark.slow)])


def random_covariance(rng):
    """Variances from 1e-160 to 1e12, often nearly equal; covariances up to ±√(ab) and a bit on."""
    low, high = RANGES[rng.choice(4, p=[0.4, 0.4, 0.1, 0.1])]
    a, b = 10 ** rng.uniform(low, high, 2)
    if rng.random() < 0.5:
        b = a * (1 + rng.choice([-0.5, 1]) * 10 ** rng.uniform(-16, 0))
    shrink = rng.choice([1.0, 1 - 10 ** rng.uniform(-17, 0), 10 ** rng.uniform(-20, 0)])
    return float(a), float(b), float(rng.choice([-1, 1]) * np.sqrt(a) * np.sqrt(b) * shrink)


def exact(formula, a, b, c):
    """The closed form in digits enough for c² nearly ab; c² above ab counts as ab."""
    with mpmath.workdps(400 if min(a, b) < 1e-50 else 80):
        a, b, c = map(mpmath.mpf, (a, b, c))
        c = mpmath.sign(c) * min(abs(c), mpmath.sqrt(a * b))
        return mpmath.re(formula.__wrapped__(a, b, c))


def both(name):
    phi = ACTIVATIONS[name]
    return [
        (phi.dual, phi.dual_error, reference.DUALS[name]),
        (phi.derivative_dual, phi.derivative_dual_error, reference.DERIVATIVE_DUALS[name]),
    ]


@each
@counts
def test_duals_of_known_covariances_are_within_their_bounds(name, count):
    rng = np.random.default_rng(5)
    triples = [random_covariance(rng) for _ in range(count)]
    for dual, error, formula in both(name):
        values, bounds = (found(*np.array(triples).T) for found in (dual, error))
        for triple, value, bound in zip(triples, values, bounds, strict=True):
            assert abs(mpmath.mpf(float(value)) - exact(formula, *triple)) <= float(bound), triple


@each
@counts
def test_duals_of_covariances_that_are_off_are_within_their_bounds(name, count):
    rng, checked = np.random.default_rng(6), 0
    for _ in range(count):
        triple = np.array(random_covariance(rng))
        scales = np.array([triple[0], triple[1], np.sqrt(triple[0]) * np.sqrt(triple[1])])
        widths = 10 ** rng.uniform(-14, 0.3, 3) * scales
        other = triple + widths * rng.uniform(-1, 1, 3)
        inside = min(other[:2]) > 1e-50 and other[2] ** 2 < other[0] * other[1] * (1 - 1e-15)
        if not inside:
            continue
        checked += 1
        for dual, error, formula in both(name):
            truth = exact(formula, *map(float, other))
            bound = error(*triple, *np.maximum(widths, np.abs(other - triple)) * (1 + 1e-12))
            assert abs(mpmath.mpf(float(dual(*triple))) - truth) <= float(bound), (triple, widths)
    assert checked > count / 5


@each
@pytest.mark.parametrize("kind", ["nngp", "ntk"])
@pytest.mark.parametrize("count", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_perceptrons_are_within_their_bounds(name, kind, count, monkeypatch):
    monkeypatch.setattr(reference, "DIGITS", 150)  # the sine's two waves cancel
    rng, length = np.random.default_rng(7), 3
    for _ in range(count):
        depth, weight = int(rng.integers(1, 6)), float(10 ** rng.uniform(-3, 2))
        bias = float(rng.choice([0.0, 10 ** rng.uniform(-6, 6)]))
        found = kt.MLPKernel(
            kind=kind,
            depth=depth,
            activation=ACTIVATIONS[name],
            weight_variance=weight,
            bias_variance=bias,
        ).by_agreement(length)
        for agreements in range(length + 1):
            truth = reference.perceptron(kind, name, depth, weight, bias, agreements, length)
            error = abs(mpmath.mpf(float(found.value[agreements])) - truth)
            assert error <= float(found.bound[agreements]), (depth, weight, bias, agreements)
        assert found.certified


def test_slopes_of_all_covariances_are_bounded_by_their_constants():
    with mpmath.workdps(30):
        erf_curvature = 4 / mpmath.sqrt(mpmath.pi) / mpmath.sqrt(2) * mpmath.exp(-0.5) / 2
        gelu = mpmath.ncdf(mpmath.sqrt(2)) + mpmath.sqrt(2) * mpmath.npdf(mpmath.sqrt(2))
        one = np.ones(1)
        curvature, slope = kt.Erf().slopes(one, one)
        assert erf_curvature < curvature[0] and 4 / mpmath.pi < slope[0]
        assert gelu**2 < kt.GELU().slopes(one, one)[1][0]
        assert 1 / mpmath.pi < kt.GELU().slopes(one, one)[0][0]
        assert 1 / (4 * mpmath.pi) < kt.ReLU().slopes(one, one)[0][0]


def test_a_bias_that_hides_the_strings_is_not_taken_for_equality():
    # ⟨x, y⟩ and the norms are equal in float64, but x ≠ y: ReLU's angle is not zero.
    kernel = kt.IncidenceMLPKernel(
        kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=1.0, bias_variance=0.0,
        scale=1e9,
    )  # fmt: skip
    found = kernel.bounded([[0, 1, 2]], [[0, 1, 3]])
    length, scale = 3, 10**18
    a = (length + mpmath.mpf(scale) * 3) / length
    c = (2 + mpmath.mpf(scale) * 3) / length
    truth = reference.relu(a, a, c) + reference.relu_slope(a, a, c) * c
    assert abs(mpmath.mpf(float(found.value[0, 0])) - truth) <= float(found.bound[0, 0])
