"""Run a sweep: what is missing is shared among processes, written as it comes, and gathered."""

import concurrent.futures
import os
import random
import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import joblib
import xarray as xr

from ktrans._checks import Numbers, as_int, check_kind, shown
from ktrans._interrupts import handled_by
from ktrans._progress import Counted, Progress, in_silence
from ktrans._store import Store
from ktrans.sweeps.dataset import collect, write_dataset
from ktrans.sweeps.grid import Grid, read_grid
from ktrans.sweeps.jobs import Done, Job, fits_of, perform, theory_of

BACKENDS = ("loky", "dask")
# In the folder of a sweep: the results one by one, and what took how long.
CELLS, SECONDS = "cells", "seconds.jsonl"
# After which a worker leaves; those of a process that was killed do not know that it was.
IDLE_SECONDS = 30

# Gets the finished jobs one by one and their number, as `tqdm(steps, total=total)` does.


def sweep(
    tasks: object,
    kernels: object,
    *,
    vocab_sizes: object,
    num_samples: object,
    ridges: Numbers,
    seeds: object,
    folder: object,
    jobs: object = None,
    backend: object = "loky",
    progress: Progress = in_silence,
) -> xr.Dataset:
    """Kernel ridge regression on a grid of tasks, kernels, m, n, λ and seeds.

    Every result is written to `folder` as soon as it is there, under a hash of all that it depends
    on. Called again, a sweep goes on where it was stopped, also if it was killed; with other values
    on its axes it computes what is new. Several processes may run it in one folder, and share the
    work. The training sets of a seed are the same for all kernels.

    Args:
        tasks: Template tasks with numbers as labels, by name.
        kernels: Token-symmetric kernels by name, of the classes in `ktrans.kernels.registry`.
        vocab_sizes: m, numbers of substitution tokens, from 1 to 10⁷.
        num_samples: n, from 1 to 10⁶.
        ridges: λ ≥ 0.
        seeds: Of the training sets.
        folder: Where results are kept, and the dataset, sweep.nc.
        jobs: Processes; left out, one for each core. With 1, all is done in this process.
        backend: "loky" (processes on this machine) or "dask" (the workers of the current
            `distributed.Client`).
        progress: Wraps the loop over training sets.

    Returns:
        Dataset with dimensions task, kernel, vocab_size, num_samples, ridge, seed; `long_name` says
        what a variable is and which kind of number. Equal bits however often it was stopped, for
        equal versions of the libraries and like processors.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range.
        OSError: the folder cannot be written to.
        MemoryError: the system ended a worker process.

    Example:
        >>> import ktrans as kt, tempfile
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = sweep({"ABA": kt.tasks.load("aba_abb")}, {"MLP": mlp}, vocab_sizes=[50],
        ...         num_samples=[10, 20], ridges=[0.1], seeds=[0, 1], folder=folder, jobs=1)
        >>> found.unseen_mse.mean("seed").squeeze().dims
        ('num_samples',)
    """
    grid = read_grid(
        tasks,
        kernels,
        vocab_sizes=vocab_sizes,
        num_samples=num_samples,
        ridges=ridges,
        seeds=seeds,
    )
    return run_sweep(grid, folder, jobs=jobs, backend=backend, progress=progress)


def run_sweep(
    grid: Any,
    folder: object,
    *,
    jobs: object = None,
    backend: object = "loky",
    say: Callable[[str], object] = warnings.warn,
    progress: Progress = in_silence,
) -> xr.Dataset:
    """Compute the results of a grid that are missing, and gather all of them.

    Args:
        grid: What to compute.
        folder, jobs, backend, progress: as in `sweep`.
        say: Told, in a sentence, of each damaged file that is computed again.

    Returns:
        The dataset, which is also written as sweep.nc.

    Raises:
        TypeError, ValueError, OSError, MemoryError: as `sweep`.
    """
    check_kind("grid", grid, Grid)
    place, workers = _read_folder(folder), _read_jobs(jobs)
    store = Store(place / CELLS, say)
    options = _read_backend(backend)
    store.prepare()
    todo = missing_jobs(grid, store)
    with closing(_results(todo, store, n_jobs=workers, **options)) as results:
        for done in progress(Counted(results, len(todo)), "training sets"):
            for record, values in zip(done.records, done.values, strict=True):
                store.write(record, values)
            store.log(done.records, done.seconds, place / SECONDS)
    dataset = collect(grid, store)
    write_dataset(dataset, place)
    return dataset


def missing_jobs(grid: Grid, store: Store) -> list[Job]:
    """The jobs whose results are not there, closed forms first since they refuse what is bad."""
    theory = [theory_of(grid, task, kernel) for task in grid.tasks for kernel in grid.kernels]
    cells = [cell for cell in grid.cells() if store.read(grid.record_of(cell)) is None]
    fits = fits_of(grid, cells)
    # In an order of its own a process seldom meets another that shares its folder, and skips what
    # that one has done; and the time left is known, the small and large ones being mixed.
    random.SystemRandom().shuffle(fits)
    return [job for job in theory if store.read(job.records[0]) is None] + fits


def _results(jobs: list[Job], store: Store, **options: Any) -> Generator[Done, None, None]:
    """What comes of the jobs, in the order in which they finish."""
    absent = (job for job in jobs if not all(map(store.has, job.records)))
    with joblib.parallel_config(**options):
        parallel = joblib.Parallel(return_as="generator_unordered")
    try:
        with _deaf():
            found: Any = parallel(joblib.delayed(perform)(job) for job in absent)
        with _closed_quietly(found):
            for done in found:  # noqa: UP028 - `yield from` would let it be closed elsewhere
                yield done
    except concurrent.futures.BrokenExecutor:
        raise MemoryError(
            "the system ended a worker process, as it does where memory is short; give fewer `jobs`"
        ) from None


@contextmanager
def _closed_quietly(found: Any) -> Iterator[None]:
    """Without joblib's warning that tasks were cancelled, which is what an interruption is for."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started within do not hear Ctrl-C, not even while they import."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with handled_by(signal.SIG_IGN):
        yield


def _prepare_worker() -> None:
    """One thread for each process, and interruptions are the business of the main one."""
    os.environ["NPROC"] = "1"  # from which XLA takes its number of threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_folder(folder: object) -> Path:
    if not isinstance(folder, str | Path):
        raise TypeError(f"`folder` must be a path; got {shown(folder)}.")
    return Path(folder)


def _read_jobs(jobs: object) -> int:
    """As joblib counts: −1 is one for each core."""
    return -1 if jobs is None else as_int("jobs", jobs, 1)


def _read_backend(backend: object) -> dict[str, Any]:
    if backend not in BACKENDS:
        raise ValueError(f'`backend` must be "loky" or "dask"; got {shown(backend)}.')
    own = {"initializer": _prepare_worker, "idle_worker_timeout": IDLE_SECONDS}
    return {"backend": backend} | (own if backend == "loky" else {})
