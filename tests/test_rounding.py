"""The one assumption about elementary functions, and that balls hold what they should."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special

from ktrans._rounding import ELEMENTARY_ULPS, TINY, gamma
from ktrans.kernels import _balls as balls
from ktrans.kernels._balls import Ball

COUNT = 1500


def wide(rng, low, high):
    return 10 ** rng.uniform(low, high, COUNT) * rng.choice([-1, 1], COUNT)


FUNCTIONS = {
    "exp": (np.exp, jnp.exp, mpmath.exp, lambda rng: rng.uniform(-700, 700, COUNT)),
    "expm1": (np.expm1, jnp.expm1, mpmath.expm1, lambda rng: wide(rng, -12, 1.5)),
    "log": (np.log, jnp.log, mpmath.log, lambda rng: np.abs(wide(rng, -300, 300))),
    "log near one": (np.log, jnp.log, mpmath.log, lambda rng: rng.uniform(0.5, 2, COUNT)),
    "sin": (np.sin, jnp.sin, mpmath.sin, lambda rng: wide(rng, -6, 4)),
    "cos": (np.cos, jnp.cos, mpmath.cos, lambda rng: wide(rng, -6, 4)),
    "tanh": (np.tanh, jnp.tanh, mpmath.tanh, lambda rng: wide(rng, -12, 1.5)),
    "erf": (scipy.special.erf, jax.scipy.special.erf, mpmath.erf, lambda rng: wide(rng, -12, 0.8)),
    "atan": (np.arctan, jnp.arctan, mpmath.atan, lambda rng: wide(rng, -12, 12)),
    "sqrt": (np.sqrt, jnp.sqrt, mpmath.sqrt, lambda rng: np.abs(wide(rng, -300, 300))),
}


def worst_ulps(found, exact):
    return max(
        float(abs(mpmath.mpf(f) - e)) / float(np.spacing(abs(float(e))))
        for f, e in zip(np.asarray(found).tolist(), exact, strict=True)
    )


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_elementary_functions_are_as_good_as_is_assumed(name):
    numpy, xla, exact, draw = FUNCTIONS[name]
    points = draw(np.random.default_rng(0))
    with mpmath.workdps(40), jax.enable_x64(True):
        truth = [exact(mpmath.mpf(x)) for x in points.tolist()]
        for function in (numpy, xla, jax.jit(xla)):
            assert worst_ulps(function(points), truth) <= ELEMENTARY_ULPS


@pytest.mark.parametrize("layout", ["row", "column", "complex"])
def test_exp_is_as_good_as_the_engine_of_k_attn_needs_it(layout):
    """NumPy's loops differ by length and stride; the engine's arguments are large tables' entries.

    Below −708.4 the result is subnormal: within `TINY` is assumed, and one step is what there is.
    """
    rng = np.random.default_rng(3)
    ends = [-745.13, -745.0, -708.4, -0.0, 1e-300, -1e-17, 7.0, 709.0, 709.78]
    points = np.concatenate([rng.uniform(-745, 709, 600), rng.uniform(-40, 7, 600), ends])
    table = np.tile(points, (4, 1))
    if layout == "column":
        found = np.exp(np.asfortranarray(table)[:, ::-1][2, ::-1])
    elif layout == "complex":  # of which derivatives are made
        found = np.exp(table + 0j)[3].real
    else:
        found = np.exp(table)[1]
    with mpmath.workdps(40):
        for x, value in zip(points.tolist(), found.tolist(), strict=True):
            truth = mpmath.exp(mpmath.mpf(x))
            allowed = max(ELEMENTARY_ULPS * float(np.spacing(float(truth))), TINY * (x < -708))
            assert float(abs(mpmath.mpf(value) - truth)) <= allowed


def test_angles_are_as_good_as_is_assumed():
    rng = np.random.default_rng(1)
    y, x = wide(rng, -9, 3), wide(rng, -9, 3)
    with mpmath.workdps(40), jax.enable_x64(True):
        truth = [
            mpmath.atan2(*map(mpmath.mpf, pair))
            for pair in zip(y.tolist(), x.tolist(), strict=True)
        ]
        for function in (np.arctan2, jnp.arctan2, jax.jit(jnp.arctan2)):
            assert worst_ulps(function(y, x), truth) <= ELEMENTARY_ULPS


def test_gamma_is_highams():
    assert gamma(10) > 10 * 2.0**-53 / (1 - 10 * 2.0**-53)
    assert gamma(10) < 10.001 * 2.0**-53
    assert gamma(2**60) == np.inf


OPERATIONS = {
    "sum": (lambda x, y: x + y, lambda x, y: x + y),
    "difference": (lambda x, y: 1 - x - y, lambda x, y: 1 - x - y),
    "product": (lambda x, y: x * y, lambda x, y: x * y),
    "quotient": (lambda x, y: x / (3 + y), lambda x, y: x / (3 + y)),
    "inverse": (lambda x, y: 2 / (3 + x * y), lambda x, y: 2 / (3 + x * y)),
    "exp": (lambda x, y: balls.exp(x - y), lambda x, y: mpmath.exp(x - y)),
    "expm1": (lambda x, y: balls.expm1(x * y), lambda x, y: mpmath.expm1(x * y)),
    "cos": (lambda x, y: balls.cos(x + y), lambda x, y: mpmath.cos(x + y)),
    "sqrt": (lambda x, y: balls.sqrt(x * x + y * y), lambda x, y: mpmath.hypot(x, y)),
    "angle": (
        lambda x, y: balls.arctan2(x, 2.5 + y) / balls.pi(x),
        lambda x, y: mpmath.atan2(x, 2.5 + y) / mpmath.pi,
    ),
    "upper angle": (
        lambda x, y: balls.arctan2(y * y, x),
        lambda x, y: mpmath.atan2(y * y, x),
    ),
}


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_balls_hold_what_the_operation_has_on_their_members(name):
    rng = np.random.default_rng(2)
    ours, exact = OPERATIONS[name]
    mids = [rng.uniform(-2, 2, COUNT) for _ in range(2)]
    rads = [rng.choice([0.0, 1.0], COUNT) * 10 ** rng.uniform(-18, 0, COUNT) for _ in range(2)]
    with np.errstate(all="ignore"):
        found = ours(*(Ball(mid, rad) for mid, rad in zip(mids, rads, strict=True)))
    with mpmath.workdps(40):
        for i in range(COUNT):
            x, y = (
                mpmath.mpf(float(mid[i])) + mpmath.mpf(float(rad[i])) * float(rng.uniform(-1, 1))
                for mid, rad in zip(mids, rads, strict=True)
            )
            distance = abs(exact(x, y) - mpmath.mpf(float(found.mid[i])))
            assert distance <= mpmath.mpf(float(found.rad[i]))
    assert np.median(found.rad[(rads[0] == 0) & (rads[1] == 0)]) < 1e-13


def test_a_quotient_by_a_ball_about_zero_is_unknown():
    with np.errstate(all="ignore"):
        assert (1 / Ball(np.zeros(1), np.full(1, 1e-9))).rad == np.inf


def test_underflow_is_in_the_radius():
    square = Ball(np.full(1, 1e-170), np.zeros(1)) * 1e-170
    assert square.mid == 0 and square.rad > 0
