import json
from fractions import Fraction

import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.base import Bounded
from ktrans.theory import verify
from ktrans.theory.statistics import enclosed_spectrum
from ktrans.theory.structure import entry_pattern, exact_rank, is_singular_by_structure
from tests.coincidence_kernel import CoincidenceKernel

TRANSFORMER = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
MLP = kt.MLPKernel(
    kind="ntk", depth=3, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)
ABA_ABB = kt.tasks.load("aba_abb", vocab_size=1000)


def test_transformer_is_certified_on_aba_abb():
    certificate = verify(TRANSFORMER, ABA_ABB)
    wanted = [1.7486308082e-4, 0.8234289585]
    assert certificate.sigma_min_error < 1e-9
    # The reference values have ten digits, and are off by half a unit in the last at most.
    rounding = np.array([0.5e-14, 0.5e-10])
    error = np.abs(certificate.eigenvalues - wanted)
    assert np.all(error <= certificate.sigma_min_error + rounding)
    assert certificate.nonsingular is True
    assert certificate.holds is True
    assert certificate.verdict.startswith("Certified")


def test_mlp_is_certified_singular_on_aba_abb():
    certificate = verify(MLP, ABA_ABB)
    assert certificate.nonsingular is False
    assert certificate.holds is False
    assert certificate.sample_scale == certificate.samples_needed == np.inf


def test_mlp_is_certified_nonsingular_where_a_regular_token_decides():
    task = kt.tasks.load("regular_cue", vocab_size=100)
    assert verify(MLP, task).nonsingular is True


def test_bounds_that_are_too_wide_leave_it_undecided():
    task = kt.tasks.load("same_different", vocab_size=10)
    assert verify(CoincidenceKernel(), task).nonsingular is True
    certificate = verify(CoincidenceKernel(bound=1.0), task)
    assert certificate.nonsingular is None
    assert certificate.holds is None
    assert certificate.verdict.startswith("Undecided")


def test_estimates_certify_nothing():
    task = kt.tasks.load("same_different", vocab_size=10)
    certificate = verify(CoincidenceKernel(certified=False), task)
    assert certificate.nonsingular is None
    assert "Some kernel values are estimates, which certify nothing." in certificate.remarks


def test_symbolic_labels_are_not_covered():
    certificate = verify(MLP, kt.tasks.load("copy", vocab_size=10))
    assert certificate.holds is False
    assert certificate.samples_needed is None
    assert certificate.verdict.startswith("Not covered")


def test_other_activations_get_a_remark():
    kernel = kt.TransformerKernel(beta=0.0, gamma=0.7, activation=kt.ReLU())
    (remark,) = verify(kernel, ABA_ABB).remarks
    assert remark.startswith("Theorem 3.4 is about φ = cos")


def test_sample_scale_is_where_two_balanced_templates_reach_a_quarter():
    certificate = verify(TRANSFORMER, kt.tasks.load("aba_abb", vocab_size=10**6))
    # Of the two only the scale neglects r directions that are learnt already.
    assert certificate.samples_needed == pytest.approx(certificate.sample_scale, rel=0.01)


@pytest.mark.parametrize("kernel", [MLP, CoincidenceKernel()], ids=["mlp", "coincidence"])
def test_the_dictionary_is_json(kernel):
    certificate = verify(kernel, ABA_ABB)
    read = json.loads(json.dumps(certificate.to_dict(), allow_nan=False))
    assert read["nonsingular"] is certificate.nonsingular
    assert read["template_matrix"] == certificate.template_matrix.tolist()
    assert read["holds"] is certificate.holds


def test_perturbed_matrices_have_their_eigenvalues_enclosed():
    rng = np.random.default_rng(0)
    square = rng.standard_normal((6, 6))
    matrix, bound = square + square.T, rng.uniform(0, 1e-3, (6, 6))
    bound = (bound + bound.T) / 2
    found = enclosed_spectrum(Bounded(matrix, bound))
    for _ in range(50):
        signs = np.sign(rng.standard_normal((6, 6)))
        off = bound * np.triu(signs) + (bound * np.triu(signs, 1)).T * (np.tril(signs, -1) != 0)
        truth = matrix + (np.triu(off) + np.triu(off, 1).T)
        assert np.abs(np.linalg.eigvalsh(truth) - found.eigenvalues).max() <= found.bound


def test_an_mlp_sees_agreements_only():
    pattern = entry_pattern(MLP, kt.tasks.load("majority_4", vocab_size=10))
    assert len(np.unique(pattern)) == 1


def test_a_combination_of_rows_is_found_where_no_two_are_equal():
    # Rows 0 + 1 equal rows 2 + 3 in every indicator.
    pattern = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]])
    assert is_singular_by_structure(pattern)
    cycle = np.array([[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]])
    assert not is_singular_by_structure(cycle)


def test_rank_is_exact():
    rows = [tuple(map(Fraction, row)) for row in ([1, 2, 3], [2, 4, 6], [0, 1, 1])]
    assert exact_rank(rows) == 2
    assert exact_rank([]) == 0


def test_a_negative_ridge_is_refused():
    with pytest.raises(ValueError, match=r"`ridge` must be non-negative; got -1\.0"):
        verify(MLP, ABA_ABB, ridge=-1.0)
