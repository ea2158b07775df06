"""Sweeps: the right numbers, once, whatever stops them."""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

import ktrans as kt
from ktrans._store import Store
from ktrans.sweeps import run_sweep, sweep
from ktrans.sweeps.dataset import collect
from ktrans.sweeps.run import CELLS
from tests.sweeps.small_sweep import AXES, DeadlyKernel, SmallKernel, WrongKernel, small_grid
from tests.tolerances import ROUNDING

SEEDS = 12  # of the longer sweep
DIMS = ("task", "kernel", "vocab_size", "num_samples", "ridge", "seed")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return run_sweep(small_grid(), folder, jobs=1), folder


def test_a_cell_is_the_ridge_regression_that_it_names(swept):
    dataset, _ = swept
    at = {"vocab_size": 300, "num_samples": 250, "ridge": 0.1}
    cell = dataset.sel(task="noisy", kernel="steep", seed=1, **at)
    task = kt.tasks.load("same_different", noise_std=0.1, vocab_size=300)
    kernel = SmallKernel(agreement=2.0)
    model = kt.KernelRidge(kernel, ridge=0.1).fit(task.sample(250, seed=1))
    errors = (model.predict_unseen() - task.labels) ** 2
    # A factorisation with other threads, at condition number 1e4.
    np.testing.assert_allclose(cell.unseen_mse, task.weights @ errors, rtol=1e4 * ROUNDING)
    assert cell.residual < 1e-10 and cell.num_iterations == 0
    curve = kt.learning_curve(kernel, task, num_samples=[250], ridge=0.1)
    np.testing.assert_allclose(cell.closed_form_mse, curve.mse[0], rtol=ROUNDING)
    others = task.sample(20_000, seed=12345)
    truth = np.mean((model.predict(others.tokens) - task.labels[others.template_ids]) ** 2)
    assert abs(cell.in_distribution_mse - truth) < 5 * cell.in_distribution_stderr
    assert cell.in_distribution_stderr < 0.2 * cell.in_distribution_mse


def test_the_dataset_names_its_dimensions_and_says_what_it_holds(swept):
    dataset, folder = swept
    assert dataset.unseen_mse.dims == DIMS and dataset.unseen_mse.shape == (2, 2, 2, 2, 2, 2)
    assert not any(dataset[name].isnull().any() for name in dataset)
    assert dataset.diversity.sel(task="ABA").values.tolist() == [10.0, 150.0]
    assert dataset.sigma_min.dims == ("task", "kernel") and (dataset.sigma_min > 0).all()
    assert all(dataset[name].attrs["long_name"] for name in [*dataset, *DIMS])
    assert '"seeds":[0,1]' in dataset.attrs["configuration"]
    xr.testing.assert_identical(xr.load_dataset(folder / "sweep.nc", engine="scipy"), dataset)


def test_processes_and_their_number_change_no_bit(swept, tmp_path):
    _, folder = swept
    run_sweep(small_grid(), tmp_path, jobs=2)
    assert contents(tmp_path) == contents(folder)


def test_a_finished_sweep_computes_nothing_and_a_larger_one_what_is_new(swept, tmp_path):
    dataset, folder = swept[0], shutil.copytree(swept[1], tmp_path / "copy")
    done = []

    def watch(steps, word):
        for step in steps:
            assert word == "training sets"
            done.append(step)
            yield step

    again = run_sweep(small_grid(), folder, jobs=1, progress=watch)
    assert done == []
    xr.testing.assert_identical(again, dataset)
    # One more seed: the training sets of two tasks, kernels, m and n each.
    larger = run_sweep(small_grid(num_seeds=3), folder, jobs=1, progress=watch)
    assert len(done) == 16
    xr.testing.assert_equal(larger.isel(seed=slice(2)), dataset)


def test_an_unfinished_dataset_has_nan_where_nothing_is_known(tmp_path):
    def stop(steps, word):
        # The closed forms of two tasks and kernels come first.
        yield from (step for step, _ in zip(steps, range(10), strict=False))
        raise KeyboardInterrupt

    grid = small_grid()
    with pytest.raises(KeyboardInterrupt):
        run_sweep(grid, tmp_path, jobs=1, progress=stop)
    dataset = collect(grid, Store(tmp_path / CELLS))
    assert int(dataset.unseen_mse.notnull().sum()) == 12
    assert not dataset.sigma_min.isnull().any()


def test_a_damaged_result_is_computed_again_with_a_sentence(swept, tmp_path):
    dataset, folder = swept[0], shutil.copytree(swept[1], tmp_path / "copy")
    paths = sorted((folder / "cells").iterdir())[:3]
    paths[0].write_bytes(paths[1].read_bytes())
    paths[1].write_bytes(paths[1].read_bytes()[:-40])
    paths[2].unlink()
    said = []
    again = run_sweep(small_grid(), folder, jobs=1, say=said.append)
    assert sorted(said) == [
        f"'{path}' is damaged, and its result is computed again." for path in paths[:2]
    ]
    xr.testing.assert_identical(again, dataset)
    assert contents(folder) == contents(swept[1])


def test_a_worker_that_is_ended_is_one_sentence(tmp_path):
    with pytest.raises(MemoryError, match=r"ended a worker process.*give fewer `jobs`"):
        run_sweep(small_grid(deadly=DeadlyKernel()), tmp_path, jobs=2)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_in_a_worker_is_the_error_here(tmp_path, jobs):
    with pytest.raises(ValueError, match=r"^`tokens1` must be other ones\.$"):
        run_sweep(small_grid(wrong=WrongKernel()), tmp_path, jobs=jobs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "`jobs` must be at least 1; got 0"),
        ({"jobs": 1.5}, "`jobs` must be an integer; got 1.5"),
        ({"folder": 3}, "`folder` must be a path; got 3"),
        ({"backend": "threads"}, '`backend` must be "loky" or "dask"; got \'threads\''),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    grid = small_grid()
    with pytest.raises((TypeError, ValueError), match=message):
        sweep(grid.tasks, grid.kernels, **AXES, seeds=[0], **{"folder": tmp_path} | options)
    assert not any(tmp_path.iterdir())


def contents(folder):
    """The dataset and the results, byte for byte; times and what a kill left half are no part."""
    return (folder / "sweep.nc").read_bytes(), {p.name: p.read_bytes() for p in results(folder)}


def results(folder):
    return list(folder.glob("cells/[!.]*.json"))


def start(folder, *, jobs, seeds):
    arguments = map(str, (folder, jobs, seeds))
    command = [sys.executable, "-m", "tests.sweeps.small_sweep", *arguments]
    # Not a pipe: the workers of a process that was killed would hold it open.
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def finish(*processes):
    for process in processes:
        assert process.wait(timeout=600) == 0


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_sweep_killed_in_mid_run_goes_on_to_the_same_bits(swept, tmp_path):
    process = start(tmp_path, jobs=1, seeds=2)
    while process.poll() is None and len(results(tmp_path)) < 20:
        time.sleep(0.002)
    kill(process)
    assert 20 <= len(results(tmp_path)) < 68
    assert not (tmp_path / "sweep.nc").exists()
    run_sweep(small_grid(), tmp_path, jobs=1)
    assert contents(tmp_path) == contents(swept[1])


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """A longer sweep, and how long it takes."""
    folder, began = tmp_path_factory.mktemp("longer"), time.perf_counter()
    finish(start(folder, jobs=1, seeds=SEEDS))
    return contents(folder), time.perf_counter() - began


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_bit(longer, tmp_path):
    expected, seconds = longer
    moments, folder, found = random.Random(0), tmp_path / "0", []
    while len(found) < 20:
        # Workers take long to start: every fifth time there are two, else none.
        jobs = 2 if len(found) % 5 == 0 else 1
        before, process = len(results(folder)), start(folder, jobs=jobs, seeds=SEEDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.0, seconds))
        if process.returncode is None:
            kill(process)
            found.append(len(results(folder)) - before)
        else:  # it came to its end: compare, and begin anew
            assert contents(folder) == expected
            folder = tmp_path / str(len(found))
    finish(start(folder, jobs=2, seeds=SEEDS))
    assert contents(folder) == expected
    # Much of a run is the start of its processes; some kills must fall among results.
    assert sum(new > 0 for new in found) >= 3


@pytest.mark.slow
def test_two_processes_that_write_at_once_agree(longer, tmp_path):
    finish(*(start(tmp_path, jobs=1, seeds=SEEDS) for _ in range(2)))
    assert contents(tmp_path) == longer[0]
    lines = (tmp_path / "seconds.jsonl").read_text().splitlines()
    # They share the work: together they measure hardly more than there is.
    assert len(lines) < 1.4 * (16 * SEEDS + 4)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bits(swept, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        run_sweep(small_grid(), tmp_path / "good", backend="dask")
        with pytest.raises(ValueError, match="must be other ones"):
            run_sweep(small_grid(wrong=WrongKernel()), tmp_path / "bad", backend="dask")
    assert contents(tmp_path / "good") == contents(swept[1])
