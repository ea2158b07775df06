"""A small sweep, also as a process: python -m tests.sweeps.small_sweep FOLDER JOBS SEEDS."""

import os
import sys

import ktrans as kt
from ktrans.kernels.registry import register_kernel
from ktrans.sweeps import Grid, read_grid, run_sweep
from tests.gram.small_kernel import SmallKernel


class DeadlyKernel(SmallKernel):
    """Ends the process that evaluates it, as the system does where memory is short."""

    def evaluate_pairs(self, tokens1, tokens2):
        os._exit(9)


class WrongKernel(SmallKernel):
    """Fails in the worker."""

    def evaluate_pairs(self, tokens1, tokens2):
        raise ValueError("`tokens1` must be other ones.")


register_kernel("small", SmallKernel)
register_kernel("deadly", DeadlyKernel)
register_kernel("wrong", WrongKernel)

# BLAS shares a factorisation among threads from a few hundred strings on.
AXES = {"vocab_sizes": [20, 300], "num_samples": [20, 250], "ridges": [1e-3, 0.1]}


def small_grid(num_seeds: int = 2, **kernels) -> Grid:
    """Two tasks and two kernels, or those given."""
    tasks = {
        "ABA": kt.tasks.load("aba_abb"),
        "noisy": kt.tasks.load("same_different", noise_std=0.1),
    }
    own = {"small": SmallKernel(), "steep": SmallKernel(agreement=2.0)}
    return read_grid(tasks, kernels or own, **AXES, seeds=range(num_seeds))


def main(folder: str, jobs: str, num_seeds: str) -> None:
    run_sweep(small_grid(int(num_seeds)), folder, jobs=int(jobs))


if __name__ == "__main__":
    main(*sys.argv[1:])
