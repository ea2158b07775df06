"""Importing ktrans leaves JAX alone, names are where they are said to be, precision is our own."""

import ast
import subprocess
import sys
from pathlib import Path

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


LIGHT_IMPORT = """
import sys
import ktrans as kt
heavy = {"jax", "scipy.stats", "xarray", "pandas", "matplotlib", "equinox"} & sys.modules.keys()
assert not heavy, heavy
kt.TransformerKernel, kt.verify, kt.theory.statistics
heavy = {"xarray", "pandas", "matplotlib"} & sys.modules.keys()
assert not heavy, heavy
"""

LIGHT_COMMAND = """
import contextlib, io, sys
from ktrans.cli import main
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    main(sys.argv[1:])
assert said.getvalue().strip()
assert not {"jax", "matplotlib", "equinox"} & sys.modules.keys()
"""


def runs(program, *arguments):
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_loads_nothing_heavy_and_the_everyday_names_no_plotting():
    runs(LIGHT_IMPORT)


@pytest.mark.parametrize("argument", ["--help", "--version", "tasks"])
def test_what_needs_no_numbers_starts_without_jax(argument):
    runs(LIGHT_COMMAND, argument)


def test_all_names_and_rooms_are_there_and_few():
    assert len(dir(kt)) <= 55
    assert dir(kt) == sorted(set(dir(kt)))
    for name in dir(kt):
        assert getattr(kt, name).__doc__
    assert kt.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="module 'ktrans' has no attribute 'nothing'"):
        kt.nothing  # noqa: B018


@pytest.mark.parametrize("package", [kt, kt.kernels], ids=["ktrans", "kernels"])
def test_names_are_declared_to_type_checkers_too(package):
    tree = ast.parse(Path(package.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.name for node in block.body for alias in node.names}
    assert declared == set(dir(package))


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
