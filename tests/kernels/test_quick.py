"""The quick estimate of a transformer kernel."""

import math

import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.quick import QuickKernel

COSINE = kt.Cosine(b1=1.0, b2=0.5)
KERNELS = [
    kt.TransformerKernel(1.2, 0.7, COSINE, rtol=1e-6),
    kt.TransformerKernel(1.0, 0.0, COSINE, rtol=1e-6),
    kt.ModifiedTransformerKernel(0.5, 1.0, 1.0, COSINE, "per-position", rtol=1e-6),
]
STRINGS = np.array([[0, 1, 0], [0, 1, 1], [2, 3, 0]])


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_within_five_standard_errors(kernel):
    quick, exact = QuickKernel(kernel).bounded(STRINGS), kernel.bounded(STRINGS)
    assert not quick.certified
    assert (np.abs(quick.value - exact.value) <= quick.bound + exact.bound).all()
    assert quick.bound.max() < 5e-3


def test_it_is_exact_where_nothing_is_random():
    kernel = kt.TransformerKernel(0.0, 0.7, COSINE)
    assert QuickKernel(kernel)(STRINGS) == pytest.approx(kernel(STRINGS), abs=1e-12)


def test_values_do_not_depend_on_how_many_are_asked_for():
    quick = QuickKernel(KERNELS[0])
    assert quick(STRINGS[:1])[0, 0] == quick(STRINGS)[0, 0]


def test_other_kernels_are_refused():
    mlp = kt.MLPKernel(
        kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
    )
    with pytest.raises(TypeError, match="`kernel` must be a TransformerKernel"):
        QuickKernel(mlp)
    for kernel in (
        kt.TransformerKernel(math.inf, 0.7, COSINE),
        kt.ModifiedTransformerKernel(0.5, 1.0, 1.0, COSINE, "pooled"),
    ):
        with pytest.raises(ValueError, match="`kernel` must have a finite `beta` and no pooled"):
            QuickKernel(kernel)
