import json

import jax.numpy as jnp
import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.next_token import NextTokenKernel
from ktrans.solvers.next_token import NextTokenRidge
from ktrans.theory.curves.next_token import next_token_curve
from ktrans.theory.next_token import enlarged_template_matrix, verify_next_token
from tests.coincidence_kernel import CoincidenceKernel
from tests.gram.small_kernel import SmallKernel
from tests.tolerances import ROUNDING

BASE = SmallKernel(scale=0.2)


def kernel(b_variance, gamma=0.7, base=BASE):
    attention = kt.AttentionKernel(beta=1.0, gamma=gamma, rtol=1e-6)
    return NextTokenKernel(base, b_variance=b_variance, attention=attention)


def task_of(templates, vocab_size=10_000):
    return kt.TemplateTask.from_templates(templates, vocab_size=vocab_size)


COPY, FIRST = task_of({"α": "α"}), task_of({"αβ": "α"})
SELECT, SAME = task_of({"ααβ": "α", "αβα": "β"}), task_of({"αα": "s", "αβ": "d"})


@pytest.mark.parametrize("task", [COPY, FIRST, SELECT])
def test_labels_that_are_wildcards_need_the_b_term(task):
    without, with_b = (verify_next_token(kernel(b), task) for b in (0.0, 1.0))
    assert without.generalises is False
    assert len(without.unreachable) == task.num_templates
    assert without.verdict.startswith("Refuted")
    assert with_b.generalises is True
    assert with_b.sigma_min > with_b.sigma_min_error
    assert with_b.verdict.startswith("Certified")


@pytest.mark.parametrize("b_variance", [0.0, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_labels_that_are_regular_tokens_need_no_b_term(b_variance, gamma):
    assert verify_next_token(kernel(b_variance, gamma), SAME).generalises is True


def test_an_infinitely_wide_mlp_cannot_choose_between_regular_tokens_by_a_relation():
    mlp = kt.MLPKernel(
        kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
    )
    certificate = verify_next_token(kernel(0.0, base=mlp), SAME)
    assert certificate.generalises is False
    assert certificate.unreachable == ("αα → s", "αβ → d")


@pytest.mark.parametrize("task", [FIRST, SELECT])
def test_without_positions_the_b_term_cannot_tell_places_apart(task):
    certificate = verify_next_token(kernel(1.0, gamma=0.0), task)
    assert certificate.generalises is False
    curve = next_token_curve(kernel(1.0, gamma=0.0), task, num_samples=[10**6], ridge=1e-6)
    assert curve.margin.min() <= 1e-6


def test_without_positions_the_b_term_still_tells_how_often_a_symbol_stands():
    task = task_of({"ααβ": "β", "αβα": "β", "αββ": "α"})
    base = kt.AttentionKernel(beta=1.0, gamma=0.0, rtol=1e-6)
    certificate = verify_next_token(kernel(1.0, gamma=0.0, base=base), task)
    assert certificate.generalises is True
    assert len(np.unique(certificate.classes)) == 4


def test_rows_that_vanish_are_those_of_tokens_outside_and_without_b_of_wildcards():
    without, with_b = (verify_next_token(kernel(b), FIRST) for b in (0.0, 1.0))
    assert without.candidates == ("αβ → α", "αβ → β", "αβ → [CLS]", "αβ → other")
    assert without.vanishing.tolist() == [True, True, False, True]
    assert with_b.vanishing.tolist() == [False, False, False, True]


def test_the_enlarged_matrix_is_that_of_the_module():
    """1{c = c′ no wildcard} N_K + σ_b² E[g g′], the second by attention in simulation."""
    found = enlarged_template_matrix(kernel(2.0), FIRST).value
    rng = np.random.default_rng(0)
    omega, p = rng.standard_normal((2, 100_000, 2)), rng.standard_normal((100_000, 3))
    cls = rng.standard_normal((100_000, 1))
    s, t = (np.exp(np.hstack([some, cls]) + 0.7 * p) for some in omega)
    s, t = (np.pad(some / some.sum(1, keepdims=True), ((0, 0), (0, 1))) for some in (s, t))
    expected = 2.0 * s.T @ t / len(s)
    expected[2, 2] += kt.template_matrix(BASE, task_of({"αβ": 1.0}))[0, 0]
    # Five standard errors of means of products below 1, whose deviation is below 0.2.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2.0 * 5 * 0.2 / np.sqrt(100_000))


def test_a_wide_bound_or_an_estimate_leaves_it_undecided():
    for base in (CoincidenceKernel(bound=10.0), CoincidenceKernel(certified=False)):
        certificate = verify_next_token(kernel(1.0, base=base), COPY)
        assert certificate.generalises is None
        assert certificate.verdict.startswith("Undecided")


def test_duals_by_quadrature_certify_nothing():
    base = kt.TransformerKernel(0.0, 0.7, kt.Custom(jnp.tanh, num_nodes=8))
    certificate = verify_next_token(kernel(1.0, base=base), COPY)
    assert certificate.generalises is None


def test_templates_that_meet_are_not_covered():
    task = kt.TemplateTask.from_templates(
        {"aα": "α", "αb": "b"}, substitution_tokens=["a", "b", *map(str, range(30))]
    )
    certificate = verify_next_token(kernel(1.0), task)
    assert certificate.generalises is None
    assert "not disjoint" in certificate.verdict


@pytest.mark.parametrize("b_variance", [0.0, 1.0])
@pytest.mark.parametrize("task", [COPY, SAME])
def test_the_curve_is_what_ridge_regression_does_where_no_tokens_collide(task, b_variance):
    n = 12
    data = task.sample(10 * n)
    # Strings of equal numbers for each template whose tokens occur nowhere else.
    chosen, used, counts = [], set(), np.zeros(task.num_templates)
    for i, (row, z) in enumerate(zip(data.substitutions, data.template_ids, strict=True)):
        tokens = set(row[row >= 0].tolist())
        if not tokens & used and counts[z] < n / task.num_templates:
            chosen.append(i)
            used |= tokens
            counts[z] += 1
    assert len(chosen) == n
    model = NextTokenRidge(kernel(b_variance), 0.1, negatives=0).fit(data.subset(chosen))
    curve = next_token_curve(kernel(b_variance), task, num_samples=[n], ridge=0.1)
    found = model.predict_unseen()
    np.testing.assert_allclose(found.scores, curve.scores[0], atol=1e-8)
    np.testing.assert_allclose(found.margin, curve.margin[0], atol=1e-8)
    assert abs(found.error - curve.error[0]) < 1e-8


def test_errors_vanish_with_n_where_certified():
    curve = next_token_curve(kernel(1.0), SELECT, num_samples=[10, 10**7], ridge=1e-6)
    assert curve.error[1] < 1e-3 < curve.error[0]
    assert curve.margin[1].min() > 0.9


def test_the_dictionary_is_json():
    certificate = verify_next_token(kernel(1.0), COPY)
    read = json.loads(json.dumps(certificate.to_dict(), allow_nan=False))
    assert read["generalises"] is True
    np.testing.assert_allclose(read["enlarged_matrix"], certificate.enlarged_matrix, rtol=ROUNDING)


def test_wrong_inputs_are_named():
    with pytest.raises(ValueError, match="`task` must have symbols as labels"):
        verify_next_token(kernel(1.0), kt.tasks.load("aba_abb", vocab_size=10))
    with pytest.raises(TypeError, match="`kernel` must be a token-symmetric kernel"):
        verify_next_token("kernel", COPY)
    with pytest.raises(ValueError, match="`ridge` must be non-negative"):
        next_token_curve(kernel(1.0), COPY, num_samples=[1], ridge=-1.0)
