"""What an explorer shows of a setting, and its exports."""

import contextlib
import io

import numpy as np
import pytest

import ktrans as kt
from ktrans.cli.explore.export import python_script, sweep_toml, task_toml
from ktrans.measure.exploration import ExplorerSetting, certify, explore, read_explorable
from ktrans.sweeps import read_sweep

TASK = kt.tasks.load("same_different", vocab_size=40)
SMALL = ExplorerSetting(vocab_size=40, num_samples=64)


@pytest.fixture(scope="module")
def certified():
    return certify(TASK, SMALL)


@pytest.fixture(scope="module")
def estimated():
    return explore(TASK, SMALL)


def test_an_estimate_says_so_and_is_within_its_bound(certified, estimated):
    assert (certified.kind, estimated.kind) == ("certified", "estimated")
    assert certified.decided
    assert not estimated.decided
    difference = np.abs(estimated.template_matrix - certified.template_matrix)
    assert (difference <= estimated.template_matrix_error + certified.template_matrix_error).all()
    # No bound, which is wider: what a reader sees change when the view is certified.
    assert estimated.sigma_min == pytest.approx(certified.sigma_min, rel=0.05)


def test_a_certified_view_agrees_with_the_certificate(certified):
    certificate = kt.verify(SMALL.kernel(certified.rtol), TASK, ridge=SMALL.ridge)
    assert certified.sigma_min == certificate.sigma_min
    assert certified.bound == certificate.sigma_min_error
    # The certificate asks at the task's own diversity, the view as ρ → ∞.
    assert certificate.samples_needed >= certified.samples_needed


def test_measured_errors_are_those_of_kernel_ridge(certified):
    kernel, counts = SMALL.kernel(certified.rtol), certified.measured.num_samples.astype(int)
    for seed, errors in enumerate(certified.measured.mse):
        data = TASK.sample(SMALL.num_samples, seed=seed)
        for n, error in zip(counts, errors, strict=True):
            part = data.subset(np.arange(n))
            model = kt.KernelRidge(kernel, ridge=SMALL.ridge).fit(part)
            expected = TASK.weights @ (model.predict_unseen() - TASK.labels) ** 2
            assert error == pytest.approx(expected, rel=1e-6)  # two solvers, condition 1e3


def test_predicted_curves_are_those_of_the_library(certified):
    kernel, plan = SMALL.kernel(certified.rtol), certified.curve_samples
    plain = kt.learning_curve(kernel, TASK, num_samples=plan, ridge=SMALL.ridge)
    corrected = kt.theory.corrected_learning_curve(
        kernel, TASK, num_samples=plan, ridge=SMALL.ridge
    )
    assert np.array_equal(certified.closed_form, plain.mse)
    assert np.array_equal(certified.corrected, corrected.mse)


def test_a_task_without_the_symmetry_has_no_corrected_curve():
    task = kt.TemplateTask.from_templates(
        {"αα": 1.0, "αβ": -1.0}, vocab_size=4, substitution=[4.0, 3.0, 2.0, 1.0]
    )
    view = explore(task, ExplorerSetting(vocab_size=4, num_samples=16))
    assert view.corrected is None
    assert view.spectrum is None
    assert np.isfinite(view.closed_form).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"readout": "pooled"}, "`readout` must be one of"),
        ({"num_samples": 4096}, "`num_samples` must be from 8 to 2048; got 4096"),
        ({"ridge": 0.0}, "`ridge` must be positive; got 0.0"),
    ],
)
def test_a_setting_out_of_range_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        ExplorerSetting(**change)


@pytest.mark.parametrize("labels", [{"α": "α"}, {"αα": 1.0, "αβ": 1.0}])
def test_labels_without_a_curve_are_refused(labels):
    task = kt.TemplateTask.from_templates(labels, vocab_size=4)
    with pytest.raises(ValueError, match="`task` must have numbers as labels, not all equal"):
        read_explorable(task)


def test_the_exported_python_gives_the_same_numbers(certified):
    names, said = {}, io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(python_script(TASK, certified), names)
    assert names["certificate"].sigma_min == certified.sigma_min
    assert names["errors"] == pytest.approx(certified.measured.mse[:, -1].tolist(), rel=1e-6)
    assert f"{certified.sigma_min}" in said.getvalue()


def test_the_exported_files_are_read_back(certified, tmp_path):
    (tmp_path / "task.toml").write_text(task_toml(TASK, certified), "utf-8")
    (tmp_path / "sweep.toml").write_text(sweep_toml(certified), "utf-8")
    task = kt.TemplateTask.from_file(tmp_path / "task.toml")
    grid = read_sweep(tmp_path / "sweep.toml")
    assert (task.templates, task.vocab_size) == (TASK.templates, SMALL.vocab_size)
    assert list(grid.kernels.values()) == [SMALL.kernel(certified.rtol)]
    assert (grid.vocab_sizes, grid.num_samples) == ((40,), (64,))
    assert (grid.ridges, grid.seeds) == ((SMALL.ridge,), tuple(range(SMALL.num_sets)))


@pytest.mark.parametrize("readout", ["cls", "per-position"])
def test_exports_of_a_task_with_everything_are_executable(readout):
    task = kt.TemplateTask.from_templates(
        {("?x", "a'b"): 1.0, ("a'b", "?x"): -1.0}, vocab_size=9, noise_std=0.1,
        weights=[1.0, 3.0], substitution=kt.tasks.Zipf(1.5), name='"odd"',
    )  # fmt: skip
    view = explore(task, ExplorerSetting(beta=0.0, vocab_size=9, num_samples=16, readout=readout))
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(python_script(task, view), names)
    assert names["task"].to_toml() == task.to_toml()
    assert names["kernel"] == view.setting.kernel()
