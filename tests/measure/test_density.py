import numpy as np
import pytest
from scipy.special import ndtr

import ktrans as kt
from ktrans.measure.density import effective_dimension, spectral_density
from ktrans.measure.eigenpairs import top_eigenpairs
from ktrans.theory import learnability
from ktrans.theory.spectrum.effective_dimension import population_effective_dimension
from tests.gram.small_kernel import SmallKernel
from tests.tolerances import ROUNDING

KERNEL = SmallKernel()
TASK = kt.tasks.load("aba_abb", vocab_size=40)


@pytest.fixture(scope="module")
def operator():
    """600 samples, of which some are copies: the matrix has zero eigenvalues."""
    return kt.GramOperator(KERNEL, TASK.sample(600, seed=0))


@pytest.fixture(scope="module")
def eigenvalues(operator):
    values = np.linalg.eigvalsh(operator.to_dense())
    return np.where(values > 1e-12 * values[-1], values, 0.0)  # rounding of zeros


@pytest.fixture(scope="module")
def density(operator):
    return spectral_density(operator, num_probes=16, num_steps=60)


@pytest.mark.parametrize("function", [np.sqrt, lambda x: x / (x + 0.05), lambda x: np.exp(-x)])
def test_traces_are_within_five_standard_errors(density, eigenvalues, function):
    found, wanted = density.trace(function), function(eigenvalues).sum()
    assert abs(found.mean - wanted) <= 5 * found.stderr
    assert found.stderr < 0.05 * abs(wanted)


def test_shares_below_are_within_five_standard_errors(density, eigenvalues):
    points, width = np.geomspace(0.05, 5.0, 7), 0.3
    found = density.cumulative(points, width=width)
    with np.errstate(divide="ignore"):
        distance = np.log(points)[:, None] - np.log(eigenvalues)
    wanted = ndtr(distance / width).mean(axis=1)
    # What 60 steps leave out of a smoothed step is below 1e-3.
    assert (np.abs(found.mean - wanted) <= 5 * found.stderr + 1e-3).all()
    assert (found.stderr < 0.02).all()


def test_the_density_is_the_slope_of_the_shares_below(density):
    points = np.geomspace(0.05, 5.0, 400)
    shares = density.cumulative(points, width=0.3).mean
    slope = np.gradient(shares, np.log(points))
    found = density.density(points, width=0.3).mean
    np.testing.assert_allclose(found[1:-1], slope[1:-1], atol=1e-3)  # of finite differences


def test_copies_are_zero_eigenvalues(density, operator, eigenvalues):
    assert density.num_distinct == np.count_nonzero(eigenvalues) < operator.shape[0]
    below = density.cumulative([1e-8], width=0.1)
    zeros = 1 - density.num_distinct / density.num_samples
    np.testing.assert_allclose(below.mean, [zeros], atol=ROUNDING)


def test_an_invariant_subspace_ends_the_basis():
    task = kt.TemplateTask.from_templates({"αA": 1.0, "Aα": -1.0}, vocab_size=10**6)
    data = task.sample(300, seed=0)
    operator = kt.GramOperator(KERNEL, data)
    density = spectral_density(operator, num_probes=3, num_steps=50)
    assert np.isfinite(density.nodes).all()
    np.testing.assert_allclose(density.weights.sum(axis=1), 1.0, rtol=ROUNDING)
    found = density.trace(np.sqrt)
    wanted = np.sqrt(np.linalg.eigvalsh(operator.to_dense())).sum()
    assert abs(found.mean - wanted) <= 5 * found.stderr


def test_the_seed_says_which_probes():
    operator = kt.GramOperator(KERNEL, TASK.sample(50))
    first, again, other = (
        spectral_density(operator, num_probes=2, num_steps=5, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.nodes, again.nodes)
    assert not np.array_equal(first.nodes, other.nodes)


def test_one_probe_has_no_standard_error(operator):
    with pytest.raises(ValueError, match=r"`num_probes` must be at least 2; got 1"):
        spectral_density(operator, num_probes=1)


def test_the_effective_dimension_is_what_the_population_predicts():
    spectrum = kt.population_spectrum(KERNEL, TASK)
    dimensions = []
    for seed in range(4):
        operator = kt.GramOperator(KERNEL, TASK.sample(300, seed=seed))
        values = np.linalg.eigvalsh(operator.to_dense())
        dimensions.append(np.sum(values / (values + 0.3)))
    expected = learnability(spectrum, num_samples=300, ridge=0.3).total
    bound = population_effective_dimension(spectrum, num_samples=300, ridge=0.3)
    assert np.mean(dimensions) < bound
    # Eigenlearning takes eigenfunctions for Gaussian; here they are functions of few tokens.
    np.testing.assert_allclose(np.mean(dimensions), expected, rtol=0.03)


def test_the_effective_dimension_falls_with_the_ridge(density, eigenvalues):
    found = [effective_dimension(density, ridge=ridge) for ridge in (0.01, 0.1, 1.0)]
    assert np.all(np.diff([each.mean for each in found]) < 0)
    for ridge, each in zip((0.01, 0.1, 1.0), found, strict=True):
        assert abs(each.mean - np.sum(eigenvalues / (eigenvalues + ridge))) <= 5 * each.stderr


def test_a_ridge_that_is_not_positive_is_refused(density):
    with pytest.raises(ValueError, match=r"`ridge` must be positive; got 0\.0"):
        effective_dimension(density, ridge=0.0)
    spectrum = kt.population_spectrum(KERNEL, TASK)
    with pytest.raises(ValueError, match=r"`ridge` must be positive; got -1\.0"):
        population_effective_dimension(spectrum, num_samples=10, ridge=-1.0)


@pytest.mark.parametrize("n", [300, 1200])
def test_an_eigenvalue_lies_within_each_residual(n):
    operator = kt.GramOperator(KERNEL, TASK.sample(n, seed=1))
    dense = np.linalg.eigvalsh(operator.to_dense())[::-1]
    pairs = top_eigenpairs(operator, 4)
    rounding = ROUNDING * dense[0]
    assert (np.abs(dense[:4] - pairs.values) <= pairs.residuals + rounding).all()
    assert (pairs.residuals < 1e-3 * pairs.values).all()  # eigenvalues are asked to 1e-6
    np.testing.assert_allclose(pairs.vectors.T @ pairs.vectors, np.eye(4), atol=1e-12)


def test_the_number_of_eigenpairs_is_checked(operator):
    with pytest.raises(ValueError, match="`count` must be from 1 to 600; got 0"):
        top_eigenpairs(operator, 0)
