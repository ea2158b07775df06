"""Importing ktrans leaves JAX alone, and results do not depend on its precision."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import ktrans as kt
from ktrans.theory import learning_curve, template_matrix

QUIET_IMPORT = """
import signal, sys
import jax
before = dict(jax.config.values)
import ktrans, ktrans.cli, ktrans.plotting, ktrans.measure.report
from jax._src import xla_bridge
assert not xla_bridge._backends, xla_bridge._backends
assert dict(jax.config.values) == before
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert not {"panel", "bokeh"} & sys.modules.keys()
print("quiet")
"""


def test_importing_starts_no_backend_changes_no_setting_and_needs_no_panel():
    done = subprocess.run(
        [sys.executable, "-c", QUIET_IMPORT], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "quiet\n", "")


@pytest.mark.parametrize(
    "kernel",
    [
        kt.TransformerKernel(beta=0.6, gamma=0.9, activation=kt.Cosine(b1=1.0, b2=0.5)),
        kt.MLPKernel(
            kind="ntk", depth=2, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.1
        ),
    ],
    ids=["transformer", "mlp"],
)
def test_results_are_the_same_with_64_bits_off_and_on(kernel):
    task = kt.tasks.load("same_different", vocab_size=20)
    found = []
    for enabled in (False, True):
        with jax.enable_x64(enabled):
            curve = learning_curve(kernel, task, num_samples=[10, 1000], ridge=1e-3)
            found.append((template_matrix(kernel, task), curve.mse))
    for off, on in zip(*found, strict=True):
        assert off.dtype == np.float64
        np.testing.assert_array_equal(off, on)
