"""The finite-sample bound holds on measured training sets, and has the rates it states."""

import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.unseen import fit_ridge
from ktrans.theory import finite_sample_bound

SHARP = kt.TransformerKernel(beta=4.0, gamma=1.0, activation=kt.Cosine(b1=1.5, b2=0.4))
MLP = kt.MLPKernel(
    kind="ntk", depth=3, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("size", [20, 2000])
def test_measured_errors_are_below_the_bound(size, noise):
    task = kt.tasks.load("aba_abb", vocab_size=size, noise_std=noise)
    counts = [300, 3000]
    bound = finite_sample_bound(SHARP, task, num_samples=counts, ridge=0.1, delta=0.05)
    for n, values in zip(counts, bound.values, strict=True):
        for seed in range(5):
            model = fit_ridge(SHARP, task.sample(n, seed=seed), 0.1)
            assert np.all(np.abs(model.predict_unseen() - task.labels) <= values)


def test_without_noise_the_rate_is_one_over_n():
    task = kt.tasks.load("aba_abb", vocab_size=10**8)
    found = finite_sample_bound(SHARP, task, num_samples=[10**5, 10**6], ridge=0.1, delta=0.05)
    slope = np.log10(found.values[1] / found.values[0])
    np.testing.assert_allclose(slope, -1.0, atol=0.05)


def test_as_n_grows_the_rate_is_one_over_the_diversity():
    tasks = [kt.tasks.load("aba_abb", vocab_size=m) for m in (2 * 10**4, 2 * 10**5)]
    options = {"num_samples": [10**15], "ridge": 0.1, "delta": 0.05}
    low, high = (finite_sample_bound(SHARP, task, **options).values for task in tasks)
    np.testing.assert_allclose(np.log10(high / low), -1.0, atol=0.05)


def test_few_samples_may_miss_a_template():
    task = kt.tasks.load("aba_abb", vocab_size=100)
    found = finite_sample_bound(SHARP, task, num_samples=[1, 1000], ridge=0.1, delta=0.05)
    assert np.isinf(found.values[0]).all() and np.isfinite(found.values[1]).all()


def test_a_singular_matrix_has_no_bound():
    task = kt.tasks.load("aba_abb", vocab_size=100)
    with pytest.raises(ValueError, match="template matrix that is certified nonsingular"):
        finite_sample_bound(MLP, task, num_samples=[100], ridge=0.1, delta=0.05)
