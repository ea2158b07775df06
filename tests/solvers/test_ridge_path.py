import numpy as np
import pytest

import ktrans as kt
from ktrans.solvers.ridge import KernelRidge
from ktrans.solvers.ridge_path import KernelRidgePath
from tests.gram.small_kernel import SmallKernel

KERNEL = SmallKernel()
RIDGES = [10.0, 1.0, 0.1]


@pytest.mark.parametrize("method", ["dense", "lanczos"])
@pytest.mark.parametrize("vocab_size", [6, 100])
def test_one_basis_gives_every_ridge(method, vocab_size):
    data = kt.tasks.load("aba_abb", vocab_size=vocab_size, noise_std=0.1).sample(300)
    path = KernelRidgePath(KERNEL, RIDGES, method=method).fit(data)
    singles = [KernelRidge(KERNEL, ridge).fit(data) for ridge in RIDGES]
    expected = np.stack([model.predict(data) for model in singles])
    unseen = np.stack([model.predict_unseen() for model in singles])
    np.testing.assert_allclose(path.predict(data), expected, atol=1e-8)
    np.testing.assert_allclose(path.predict_unseen(), unseen, atol=1e-8)
    assert path.error_estimate(RIDGES).max() <= path.tolerance


def test_wrong_ridges_are_named():
    data = kt.tasks.load("aba_abb", vocab_size=9).sample(20)
    with pytest.raises(ValueError, match="`ridges` must be positive"):
        KernelRidgePath(KERNEL, [1.0, 0.0]).fit(data)
    with pytest.raises(ValueError, match=r"`ridges` must be a sequence .*; got 1\.0"):
        KernelRidgePath(KERNEL, 1.0).fit(data)
