import mpmath
import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.base import Bounded
from ktrans.theory import bounded_template_matrix, template_matrix
from ktrans.theory.statistics import enclosed_spectrum, residual_bound, symmetrised
from tests.coincidence_kernel import CoincidenceKernel

MLP = kt.MLPKernel(
    kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)


def test_entries_are_kernel_values_on_fresh_strings():
    task = kt.tasks.load("marked_aba_abb", vocab_size=30)
    matrix = template_matrix(CoincidenceKernel(), task)
    cls = task.cls_id
    ids = task.regular_token_ids
    first = [[ids["a"], 500, 501, 500, cls], [ids["b"], 500, 501, 501, cls]]
    second = [[ids["a"], 700, 701, 700, cls], [ids["b"], 700, 701, 701, cls]]
    wanted = CoincidenceKernel()(first, second)
    np.testing.assert_array_equal(matrix[np.ix_([0, 3], [0, 3])], wanted)


def test_it_is_the_limit_of_samples_that_share_nothing():
    task = kt.tasks.load("aba_abb", vocab_size=10**6)
    data = task.sample(40, seed=0)
    gram = CoincidenceKernel()(data.tokens)
    limit = template_matrix(CoincidenceKernel(), task)[np.ix_(data.template_ids, data.template_ids)]
    distinct = ~np.eye(40, dtype=bool)
    np.testing.assert_array_equal(gram[distinct], limit[distinct])


@pytest.mark.parametrize("name", ["aba_abb", "majority_4", "regular_cue", "identity_rules"])
def test_it_is_symmetric_with_its_bound(name):
    matrix = bounded_template_matrix(MLP, kt.tasks.load(name, vocab_size=50))
    np.testing.assert_array_equal(matrix.value, matrix.value.T)
    np.testing.assert_array_equal(matrix.bound, matrix.bound.T)
    assert matrix.certified
    assert matrix.bound.max() < 1e-11


def test_estimates_stay_estimates():
    task = kt.tasks.load("aba_abb", vocab_size=10)
    assert not bounded_template_matrix(CoincidenceKernel(certified=False), task).certified


def test_kernels_without_token_symmetry_are_refused():
    task = kt.tasks.load("aba_abb", vocab_size=10)
    with pytest.raises(TypeError, match=r"`kernel` must be .*; got function"):
        template_matrix(lambda x, y: x @ y.T, task)


def test_tasks_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"`task` must be a TemplateTask.*got str"):
        template_matrix(MLP, "aba_abb")


def exact_eigenvalues(matrix):
    with mpmath.workdps(40):
        return np.sort(np.array(mpmath.eigsy(mpmath.matrix(matrix.tolist()))[0].tolist()).ravel())


def random_symmetric(rng, size, spread):
    vectors = np.linalg.qr(rng.standard_normal((size, size)))[0]
    matrix = vectors * 10 ** rng.uniform(-spread, 0, size) * rng.choice([-1, 1], size) @ vectors.T
    return matrix + matrix.T


@pytest.mark.parametrize("size", [1, 2, 5, 9])
@pytest.mark.parametrize("spread", [0, 8, 20])
def test_errors_of_the_eigensolver_are_within_the_verified_bound(size, spread):
    rng = np.random.default_rng(size + spread)
    for _ in range(5):
        matrix = random_symmetric(rng, size, spread)
        found = enclosed_spectrum(Bounded(matrix, np.zeros_like(matrix), True))
        assert np.abs(exact_eigenvalues(matrix) - found.eigenvalues).max() <= found.bound
        assert found.bound < 1e-13 * size**2


@pytest.mark.parametrize("noise", [1e-12, 1e-6, 1e-2, 0.1, 10.0])
def test_eigenpairs_that_are_wrong_are_found_out(noise):
    rng = np.random.default_rng(3)
    for _ in range(10):
        matrix = random_symmetric(rng, 5, 3)
        values, vectors = np.linalg.eigh(matrix)
        values = np.sort(values + noise * rng.standard_normal(5))
        vectors = vectors + noise * rng.standard_normal((5, 5))
        off = float(np.abs(exact_eigenvalues(matrix) - values).max())
        assert off <= residual_bound(matrix, values, vectors)


def test_entries_that_are_not_finite_have_no_spectrum():
    matrix = np.array([[1.0, np.nan], [np.nan, 1.0]])
    found = enclosed_spectrum(Bounded(matrix, np.zeros((2, 2)), True))
    assert np.isnan(found.eigenvalues).all() and found.bound == np.inf


def test_halves_that_differ_are_both_near_their_mean():
    matrix = Bounded(np.array([[1.0, 0.1], [0.3, 1.0]]), np.full((2, 2), 0.2), True)
    mean = symmetrised(matrix)
    assert mean.certified and np.all(np.abs(mean.value - matrix.value) <= mean.bound)
    kept = symmetrised(Bounded(np.eye(2), np.zeros((2, 2)), True))
    assert np.all(kept.bound == 0)
