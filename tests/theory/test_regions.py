"""Boxes of (β, γ) on which N is proved nonsingular."""

import numpy as np
import pytest

import ktrans as kt
from ktrans.theory.chebyshev import Strip, at, coefficients, derivative, largest, nodes
from ktrans.theory.regions import certify_region

COSINE = kt.Cosine(b1=1.0, b2=0.5)


def kernel(activation=COSINE):
    return kt.TransformerKernel(1.0, 1.0, activation)


def test_a_small_region_is_proved_and_covered():
    task = kt.tasks.load("same_different", vocab_size=10)
    region = certify_region(kernel(), task, beta=(0.8, 1.0), gamma=(0.9, 1.0))
    assert region.share == 1.0 and region.proved.all()
    areas = np.prod(region.boxes[:, 1::2] - region.boxes[:, ::2], axis=1)
    assert areas.sum() == pytest.approx(0.2 * 0.1, rel=1e-9)
    assert "100 %" in str(region)
    for beta, gamma in [(0.8, 0.9), (0.93, 0.97), (1.0, 1.0)]:
        assert kt.verify(kt.TransformerKernel(beta, gamma, COSINE), task).nonsingular


def test_a_singular_matrix_is_proved_nowhere(monkeypatch):
    """αβ and γδ are the same template: N has equal rows."""
    monkeypatch.setattr("ktrans.theory.regions._MOST_TILES", 1 << 11)
    task = kt.TemplateTask.from_templates({"αβ": 1.0, "γδ": 1.0}, vocab_size=10)
    region = certify_region(kernel(), task, beta=(0.9, 1.0), gamma=(0.9, 1.0))
    assert region.share == 0.0 and not region.proved.any()


def test_finished_rows_are_kept(tmp_path):
    task = kt.tasks.load("same_different", vocab_size=10)
    sides = {"beta": (0.9, 1.0), "gamma": (0.9, 1.0)}
    first = certify_region(kernel(), task, **sides, folder=tmp_path)
    again = certify_region(kernel(), task, **sides, folder=tmp_path)
    assert len(list(tmp_path.rglob("*.json"))) > 3
    assert np.array_equal(first.boxes, again.boxes) and first.share == again.share


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"beta": (1.0, 0.5)}, ValueError, "`beta` must be 0 < from < to"),
        ({"gamma": (0.0, 0.5)}, ValueError, "`gamma` must be 0 < from < to"),
        ({"gamma": (0.5, np.nan)}, ValueError, "`gamma` must be"),
        ({"kernel": kernel(kt.ReLU())}, TypeError, "`kernel` must be an AttentionKernel"),
    ],
)
def test_bad_input_is_refused(change, error, told):
    task = kt.tasks.load("same_different", vocab_size=10)
    arguments = {"kernel": kernel(), "task": task, "beta": (0.5, 1.0), "gamma": (0.5, 1.0)}
    with pytest.raises(error, match=told):
        certify_region(**arguments | change)


def test_the_interpolant_is_within_its_bound_of_an_analytic_function():
    """1/(1 + e^{2 Re s}) type functions: cos^{−½} bounds the Gaussian of scale e^s."""
    half, degree = 0.6, 8
    strip = Strip(variables=1, size=1.0, grows=False)

    def smooth(s):  # E tanh²(w), w ~ N(0, e^{2s}), at most 1 on real logits
        x, weight = np.polynomial.hermite_e.hermegauss(150)
        return np.tanh(np.exp(s)[:, None] * x) ** 2 @ weight / weight.sum()

    values = smooth(half * nodes(degree))[:, None]
    table = coefficients(np.concatenate([values, values], axis=1))
    points = np.linspace(-1, 1, 301)
    error = np.abs(at(table, points, 0 * points) - smooth(half * points)).max()
    assert 1e-12 < error <= strip.remainder(half, degree) < 0.1


def test_derivatives_are_those_of_the_polynomial_and_below_their_bounds():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 4))
    x, y, step = rng.uniform(-0.9, 0.9, 7), rng.uniform(-0.9, 0.9, 7), 1e-5
    slope = (at(table, x + step, y) - at(table, x - step, y)) / (2 * step)
    np.testing.assert_allclose(at(derivative(table, (1, 0)), x, y), slope, atol=1e-7)
    assert np.abs(slope).max() <= largest(table, (1, 0))
