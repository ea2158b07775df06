"""What `ktrans verify` computes, and how often."""

from collections import Counter

import ktrans as kt
from ktrans.measure.report import investigate
from ktrans.measure.unseen import Plan
from ktrans.theory import statistics
from tests.coincidence_kernel import CoincidenceKernel

TASK = kt.tasks.load("aba_abb", vocab_size=20)
PLAN = Plan(num_samples=(8, 16), vocab_sizes=(6, 40), seeds=(0, 1), ridge=0.1)


def test_the_template_matrix_is_computed_once_for_each_kernel(monkeypatch):
    kernels = {"one": CoincidenceKernel(), "two": CoincidenceKernel(weight=2.0)}
    compute, counted = statistics.bounded_template_matrix, Counter()

    def count(kernel, task):
        counted[kernel.weight] += 1
        return compute(kernel, task)

    monkeypatch.setattr(statistics, "bounded_template_matrix", count)
    report = investigate(kernels, TASK, PLAN)
    assert counted == {1.0: 1, 2.0: 1}
    assert report.measured.keys() == report.certificates.keys() == kernels.keys()


def test_statistics_at_another_vocabulary_share_what_does_not_depend_on_it():
    known = statistics.template_statistics(CoincidenceKernel(), TASK)
    matrix, other = known.matrix, known.at_vocabulary(400)
    assert other.matrix is matrix
    assert (other.task.diversity, known.task.diversity) == (200.0, 10.0)
