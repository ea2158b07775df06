import sys

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import ktrans as kt
from tests.coincidence_kernel import CoincidenceKernel

ABA_ABB = kt.tasks.load("aba_abb", vocab_size=10)
SAME_DIFFERENT = kt.tasks.load("same_different", vocab_size=10)
COSINE = kt.Cosine(b1=1.0, b2=0.5)
TRANSFORMER = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=COSINE)
COARSE = kt.TransformerKernel(beta=0.5, gamma=0.7, activation=COSINE, rtol=1e-5)


def hold(enclosure, values):
    return np.all((enclosure.lower <= values) & (values <= enclosure.upper))


def eigenvalues_in_fifty_digits(matrix):
    with mpmath.workdps(50):
        return np.array([float(value) for value in mpmath.eigsy(mpmath.matrix(matrix))[0]])


@pytest.mark.slow
def test_enclosures_hold_the_known_eigenvalues_of_aba_abb():
    pytest.importorskip("flint")
    enclosure = kt.theory.enclose_spectrum(TRANSFORMER, ABA_ABB)
    certificate = kt.verify(TRANSFORMER, ABA_ABB)
    assert enclosure.nonsingular is True
    assert hold(enclosure, np.array([1.7486308082e-4, 0.8234289585]))
    # Eigenvalue isolation widens the balls; they stay within twice what Weyl's inequality says.
    assert np.all(certificate.eigenvalues - enclosure.lower <= 2 * certificate.sigma_min_error)
    assert np.all(enclosure.upper - certificate.eigenvalues <= 2 * certificate.sigma_min_error)


def test_enclosures_hold_what_numpy_and_mpmath_find():
    pytest.importorskip("flint")
    enclosure = kt.theory.enclose_spectrum(COARSE, SAME_DIFFERENT)
    matrix = kt.template_matrix(COARSE, SAME_DIFFERENT)
    assert hold(enclosure, np.linalg.eigvalsh(matrix))
    assert hold(enclosure, eigenvalues_in_fifty_digits(matrix))
    assert np.all(enclosure.upper - enclosure.lower < 1e-4)  # the kernel is good to 1e-5


def test_balls_of_exact_values_are_as_narrow_as_rounding():
    pytest.importorskip("flint")
    kernel = CoincidenceKernel(bound=0.0)
    enclosure = kt.theory.enclose_spectrum(kernel, ABA_ABB)
    exact = eigenvalues_in_fifty_digits(kt.template_matrix(kernel, ABA_ABB))
    assert hold(enclosure, exact)
    assert np.all(enclosure.upper - enclosure.lower <= 4 * np.spacing(exact))


def test_intervals_that_hold_zero_leave_it_open():
    pytest.importorskip("flint")
    task = kt.TemplateTask.from_templates({"αα": 1.0, "αβ": -1.0, "βα": -1.0}, vocab_size=10)
    enclosure = kt.theory.enclose_spectrum(CoincidenceKernel(bound=1e-9), task)
    assert enclosure.nonsingular is None
    assert np.any((enclosure.lower <= 0) & (enclosure.upper >= 0))


def test_any_certified_kernel_has_enclosures():
    pytest.importorskip("flint")
    mlp = kt.MLPKernel(
        kind="ntk", depth=2, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
    )
    task = kt.tasks.load("regular_cue", vocab_size=10)
    assert kt.theory.enclose_spectrum(mlp, task).nonsingular is True


@pytest.mark.parametrize(
    "kernel",
    [
        kt.TransformerKernel(0.5, 0.7, COSINE, 1e-3, "quasi-monte-carlo"),
        CoincidenceKernel(certified=False),
        kt.TransformerKernel(0.5, 0.7, kt.Custom(jnp.tanh), 1e-3),
    ],
    ids=["sampled", "estimated", "quadrature of φ"],
)
def test_estimates_are_refused(kernel):
    pytest.importorskip("flint")
    with pytest.raises(ValueError, match=r"`kernel` must have certified values .* estimates"):
        kt.theory.enclose_spectrum(kernel, SAME_DIFFERENT)


def test_the_precision_of_flint_is_left_as_it_was():
    flint = pytest.importorskip("flint")
    before = flint.ctx.prec
    kt.theory.enclose_spectrum(CoincidenceKernel(), SAME_DIFFERENT)
    with pytest.raises(ValueError, match="estimates"):
        kt.theory.enclose_spectrum(CoincidenceKernel(certified=False), SAME_DIFFERENT)
    assert flint.ctx.prec == before


def test_a_missing_flint_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"needs python-flint; install it with `pip install"):
        kt.theory.enclose_spectrum(COARSE, SAME_DIFFERENT)
