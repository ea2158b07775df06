import numpy as np
import pytest

import ktrans as kt
from ktrans.gram.operator import GramOperator
from ktrans.measure.eigenpairs import top_eigenpairs
from ktrans.measure.spectrum_curves import diversity_spectrum
from ktrans.measure.unseen import Plan, measure
from ktrans.solvers.ridge import KernelRidge
from ktrans.tasks.diversity import can_change_vocabulary, vocabulary_for, with_vocabulary
from ktrans.theory.statistics import template_statistics
from tests.coincidence_kernel import CoincidenceKernel

KERNEL = CoincidenceKernel(weight=0.1)
TASK = kt.tasks.load("aba_abb", vocab_size=60)
PLAN = Plan(num_samples=(20, 60), vocab_sizes=(10, 200), seeds=(0, 1, 2), ridge=0.1)
EXACT = 1e-9


def test_each_cell_is_the_mean_over_training_sets():
    found = measure({"kernel": template_statistics(KERNEL, TASK)}, PLAN)["kernel"]
    unseen, training = [], []
    for seed in PLAN.seeds:
        data = TASK.sample(60, seed=seed)
        model = KernelRidge(KERNEL, ridge=0.1).fit(data)
        unseen.append(np.mean((model.predict_unseen() - TASK.labels) ** 2))
        training.append(np.mean((model.predict(data) - data.labels) ** 2))
    row = found.at_diversity(30.0)
    assert row.num_samples.tolist() == [20, 60]
    np.testing.assert_allclose(row.unseen[1], np.mean(unseen), rtol=EXACT)
    np.testing.assert_allclose(row.training[1], np.mean(training), rtol=EXACT)
    stderr = np.std(unseen, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(row.unseen_stderr[1], stderr, rtol=1e-6)


def test_n_is_swept_at_two_diversities_and_diversity_at_the_largest_n():
    cells = [(task.vocab_size, n) for task, n in PLAN.cells(TASK)]
    assert cells == [(60, 20), (60, 60), (200, 20), (200, 60), (10, 60)]


def test_a_single_seed_has_no_standard_error():
    plan = Plan(num_samples=(20,), vocab_sizes=(), seeds=(0,), ridge=0.1)
    assert np.isnan(
        measure({"kernel": template_statistics(KERNEL, TASK)}, plan)["kernel"].unseen_stderr
    ).all()


def test_the_largest_eigenvalue_of_one_template_without_collisions_is_the_limit():
    task = kt.TemplateTask.from_templates({"αβα": 1.0}, vocab_size=10**7)
    found = diversity_spectrum(
        template_statistics(KERNEL, task), num_samples=40, vocab_sizes=(10**7,)
    )
    np.testing.assert_allclose(found.eigenvalues[0, 0], found.limit_at_n[0], rtol=EXACT)
    assert found.limit_at_n[0] > found.limit[0]


def test_lanczos_agrees_with_the_dense_solver():
    operator = GramOperator(KERNEL, TASK.sample(1600, seed=0))
    dense = np.linalg.eigvalsh(operator.to_dense())[::-1][:4]
    np.testing.assert_allclose(top_eigenpairs(operator, 4).values, dense, rtol=1e-5)


def test_vocabularies_are_replaced_where_tokens_have_no_names():
    assert with_vocabulary(TASK, 10).diversity == 5.0
    assert with_vocabulary(TASK, 60) is TASK
    assert vocabulary_for(TASK, 5.0) == 10
    named = kt.TemplateTask.from_templates({"αβ": 1.0}, substitution_tokens=["x", "y", "z"])
    assert not can_change_vocabulary(named)
    with pytest.raises(ValueError, match="`vocab_size` cannot become 10: the task names"):
        with_vocabulary(named, 10)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_samples": ()}, "`num_samples` must have at least one entry"),
        ({"num_samples": (0,)}, "`num_samples` must be from 1 to 1000000; got 0"),
        ({"vocab_sizes": (10**8,)}, "`vocab_sizes` must be from 1 to 10000000"),
        ({"seeds": (-1,)}, "`seeds` must be from 0"),
        ({"ridge": -0.5}, r"`ridge` must be non-negative; got -0\.5"),
    ],
)
def test_impossible_plans_are_refused(changes, sentence):
    given = {"num_samples": (10,), "vocab_sizes": (), "seeds": (0,), "ridge": 0.1} | changes
    with pytest.raises(ValueError, match=sentence):
        Plan(**given)
