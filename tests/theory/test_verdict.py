"""The verdict speaks about this task at its own diversity; refuted only where failure is proved."""

import numpy as np
import pytest

import ktrans as kt
from ktrans.theory import diversity_floor, learning_curve, verify
from tests.coincidence_kernel import CoincidenceKernel

TRANSFORMER = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
MLP = kt.MLPKernel(
    kind="ntk", depth=3, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)
make = kt.TemplateTask.from_templates
ABA = {"αβα": 1.0, "αββ": -1.0}


def test_it_is_certified_at_its_own_diversity_with_the_floor_and_n():
    found = verify(TRANSFORMER, kt.tasks.load("aba_abb", vocab_size=1000))
    assert found.decision == "Certified" and found.holds is True
    assert found.floor_certified and found.floor_error < 1e-3 * found.floor
    assert f"at ρ = 500 the error falls to {found.floor:.3g}" in found.verdict
    assert f"about n = {found.samples_needed:.3g}" in found.verdict


def test_two_tokens_are_too_few():
    found = verify(TRANSFORMER, make(ABA, vocab_size=2))
    assert found.nonsingular is True
    assert found.decision == "Refuted" and found.holds is False
    assert "N is nonsingular, but at ρ = 1 the error cannot fall below 0.889" in found.verdict
    assert found.samples_needed == np.inf


def test_zipf_needs_more_samples_and_has_the_floor_of_its_support():
    zipf = verify(TRANSFORMER, make(ABA, vocab_size=30, substitution="zipf"))
    uniform = verify(TRANSFORMER, make(ABA, vocab_size=30))
    assert zipf.decision == "Certified" and zipf.diversity < 3
    assert zipf.floor == uniform.floor == pytest.approx(0.0982, abs=1e-4)
    assert zipf.samples_needed > uniform.samples_needed


def test_steep_zipf_needs_very_many_samples():
    task = make(ABA, vocab_size=30, substitution=kt.tasks.Zipf(3.0))
    assert task.diversity < 1.02
    # n = 10,000 is measured to have an error of .48.
    assert verify(TRANSFORMER, task).samples_needed > 3e4


def test_templates_that_cannot_meet_are_certified():
    found = verify(TRANSFORMER, make({"Aα": 1.0, "βB": -1.0}, vocab_size=50))
    assert found.disjoint and found.witness is None
    assert found.decision == "Certified"


def test_templates_that_meet_with_other_labels_are_not_covered():
    tokens = list("ABCDEFGH")
    found = verify(MLP, make({"Aα": 1.0, "βB": -1.0}, substitution_tokens=tokens))
    assert not found.disjoint and found.holds is False
    assert found.witness == "'A B' matches both Aα and βB"
    assert found.decision == "Not covered"


def test_templates_that_meet_with_equal_labels_are_no_contradiction():
    tokens = list("ABCDEFGH")
    templates = {"Aα": 1.0, "βB": 1.0, "αα": -1.0}
    found = verify(TRANSFORMER, make(templates, substitution_tokens=tokens))
    assert not found.disjoint
    assert found.decision == "Certified"


def test_a_singular_matrix_is_refuted_only_where_the_labels_differ():
    refuted = verify(MLP, kt.tasks.load("aba_abb", vocab_size=100))
    assert refuted.decision == "Refuted" and refuted.floor == pytest.approx(1.0, abs=1e-6)
    labels = {"aαβα": 1.0, "aαββ": 1.0, "bαβα": -1.0, "bαββ": -1.0}
    found = verify(MLP, make(labels, vocab_size=100))
    assert found.nonsingular is False and found.follows_labels is True
    assert found.decision == "Certified"
    assert "singular with the labels in its range" in found.verdict
    curve = learning_curve(MLP, make(labels, vocab_size=100), num_samples=[10**6], ridge=0.1)
    assert curve.mse[0] < 1e-6


def test_one_template_twice_with_two_labels_is_refused():
    with pytest.raises(ValueError, match="'αβα' and 'γδγ' differ in the names of their wildcards"):
        make({"αβα": 1.0, "γδγ": -1.0}, vocab_size=10)


@pytest.mark.parametrize("function", [verify, diversity_floor])
def test_a_task_without_wildcards_is_refused_with_what_was_meant(function):
    task = make({"ABA": 1.0, "ABB": -1.0}, vocab_size=10)
    with pytest.raises(ValueError, match=r"'ABA' has no wildcards; did you mean 'αβα'\?"):
        function(TRANSFORMER, task)


def test_estimates_and_symbols_refute_nothing():
    task = kt.tasks.load("same_different", vocab_size=2)
    found = verify(CoincidenceKernel(certified=False), task)
    assert found.decision == "Undecided" and found.holds is None
    found = verify(MLP, kt.tasks.load("copy", vocab_size=10))
    assert found.decision == "Not covered" and found.floor is None
