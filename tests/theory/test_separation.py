import itertools

import numpy as np
import pytest

import ktrans as kt
from ktrans.theory.separation import mlp_groups, separation
from tests.coincidence_kernel import CoincidenceKernel
from tests.tolerances import ROUNDING

ACTIVATIONS = {
    "relu": kt.ReLU(),
    "erf": kt.Erf(),
    "gelu": kt.GELU(),
    "sine": kt.Sine(),
    "cosine": kt.Cosine(b1=1.0, b2=0.5),
    "identity": kt.Identity(),
}
TIMES = [0.0, 1e-3, 0.1, 1.0, 10.0, 1e3, np.inf]
PARTLY_LEARNABLE = {"aαβ": 1.0, "aαα": 1.0, "bαβ": -1.0, "ααb": 0.5}


def mlp(kind="ntk", depth=1, activation=None, bias=0.1):
    return kt.MLPKernel(
        kind=kind,
        depth=depth,
        activation=kt.ReLU() if activation is None else activation,
        weight_variance=1.5,
        bias_variance=bias,
    )


def tasks():
    names = ("aba_abb", "regular_cue", "marked_aba_abb", "associative_recall")
    random = kt.tasks.load("random_templates", num_templates=12, num_regular=2)
    partly = kt.TemplateTask.from_templates(PARTLY_LEARNABLE, vocab_size=50)
    return [*map(kt.tasks.load, names), random, partly]


def test_an_mlp_groups_templates_by_their_regular_tokens():
    counts = set()
    for task in tasks():
        found = separation(mlp(), task)
        assert found.groups == mlp_groups(task)
        # A certified rank is that of N as it is.
        assert found.rank == len(found.groups) == np.linalg.matrix_rank(found_matrix(task))
        counts.add(found.rank)
    assert len(counts) > 3


def found_matrix(task):
    return kt.template_matrix(mlp(), task)


def test_without_regular_tokens_all_entries_of_n_are_equal():
    for name in ("aba_abb", "majority_4", "identity_rules"):
        assert len(np.unique(found_matrix(kt.tasks.load(name)))) == 1


def test_labels_can_be_followed_if_and_only_if_they_are_in_the_range_of_n():
    task = kt.TemplateTask.from_templates(PARTLY_LEARNABLE, vocab_size=50)
    found, matrix = separation(mlp(), task), found_matrix(task)
    assert found.named == (("aαβ", "aαα"), ("bαβ",), ("ααb",))
    for labels, can in [((2.0, 2.0, 0.0, 7.0), True), ((1.0, 0.0, 0.0, 0.0), False)]:
        weights = np.linalg.lstsq(matrix, np.array(labels))[0]
        # Solving multiplies rounding by the condition number of the groups' matrix, below 100.
        assert np.allclose(matrix @ weights, labels, rtol=0, atol=100 * ROUNDING) is can
        assert found.follows(list(labels)) is can


def test_what_can_be_followed_is_learnt_although_n_is_singular():
    task = kt.TemplateTask.from_templates(PARTLY_LEARNABLE, vocab_size=200)
    certificate = kt.verify(mlp(), task)
    assert certificate.nonsingular is False and certificate.follows_labels is True
    assert certificate.decision == "Certified"
    assert "N is singular with the labels in its range" in certificate.verdict
    models = [kt.KernelRidge(mlp(), ridge=1e-6).fit(task.sample(n)) for n in (20, 300)]
    errors = [np.mean((model.predict_unseen() - task.labels) ** 2) for model in models]
    assert errors[1] < min(0.02, errors[0] / 4)


def test_the_certificate_says_what_an_mlp_can_and_cannot_separate():
    said = {
        "aba_abb": "it cannot tell αβα from αββ.",
        "regular_cue": "it can tell apart {aαβ}, {bαβ}.",
        "marked_aba_abb": ("it can tell apart {aαβα, aαββ}, {bαβα, bαββ}, but not aαβα from aαββ."),
    }
    for name, words in said.items():
        certificate = kt.verify(mlp(), kt.tasks.load(name))
        assert words in certificate.remarks[0]
        assert certificate.follows_labels is (name == "regular_cue")
    assert certificate.groups == (("aαβα", "aαββ"), ("bαβα", "bαββ"))


def test_other_kernels_are_described_only_where_they_fail():
    task = kt.tasks.load("aba_abb")
    assert kt.verify(CoincidenceKernel(), task).follows_labels is True
    assert kt.verify(CoincidenceKernel(), task).remarks == ()
    uniform = kt.AttentionKernel(0.0, 0.0)
    assert kt.verify(uniform, task).remarks[0] == (
        "Rows of N are equal: on unseen symbols the kernel cannot tell αβα from αββ."
    )


def test_wide_bounds_leave_the_rank_open():
    found = separation(CoincidenceKernel(bound=1.0), kt.tasks.load("same_different"))
    assert found.rank is found.follows([1.0, -1.0]) is None


def test_labels_of_another_number_are_refused():
    found = separation(CoincidenceKernel(), kt.tasks.load("same_different"))
    with pytest.raises(ValueError, match=r"`labels` must be 2 numbers.*; got shape \(3,\)"):
        found.follows([1.0, 2.0, 3.0])


# Every kind, depth and activation; most of them among the slow tests.
FEW = [("ntk", 1, "relu"), ("nngp", 2, "erf")]
ALL = list(itertools.product(("nngp", "ntk"), (1, 2, 3, 4), ACTIVATIONS))


@pytest.mark.parametrize(
    ("kind", "depth", "name"),
    FEW + [pytest.param(*case, marks=pytest.mark.slow) for case in ALL if case not in FEW],
)
def test_on_fresh_strings_an_mlp_predicts_the_same_for_both_templates(kind, depth, name):
    task = kt.tasks.load("aba_abb", vocab_size=12)
    kernel, data = mlp(kind, depth, ACTIVATIONS[name]), task.sample(60, seed=1)
    fresh = task.sample_unseen(8, seed=2).tokens
    ridge = kt.KernelRidge(kernel, ridge=0.1, method="dense").fit(data)
    flow = kt.KernelGradientFlow(kernel).fit(data)
    for found in (
        ridge.predict(fresh),
        ridge.predict_unseen(),
        *flow.predict(fresh, TIMES),
        *flow.predict_unseen(TIMES),
    ):
        assert np.ptp(found) <= ROUNDING * np.abs(ridge.dual_coef_).sum()
    assert np.abs(flow.predict_unseen(TIMES)[3]).min() > 0 or name == "identity"


@pytest.mark.parametrize("kind", ["nngp", "ntk"])
def test_in_distribution_the_error_of_an_mlp_falls_with_n(kind):
    task, kernel = kt.tasks.load("aba_abb", vocab_size=20), mlp(kind)
    test = task.sample(1000, seed=99)
    seen, unseen = [], []
    for n in (30, 120, 480):
        model = kt.KernelRidge(kernel, ridge=1e-3, method="dense").fit(task.sample(n, seed=3))
        seen.append(np.mean((model.predict(test.tokens) - test.labels) ** 2))
        unseen.append(np.mean((model.predict_unseen() - task.labels) ** 2))
    assert seen[2] < 0.5 * seen[1] < 0.5 * seen[0]
    assert min(unseen) >= 1.0  # chance: no number is nearer to both labels
