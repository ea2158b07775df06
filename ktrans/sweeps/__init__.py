"""Grids over tasks, kernels, m, n, ridges and seeds, resumed where they were stopped."""

from ktrans.sweeps.files import read_sweep
from ktrans.sweeps.grid import Grid, read_grid
from ktrans.sweeps.run import run_sweep, sweep

__all__ = ["Grid", "read_grid", "read_sweep", "run_sweep", "sweep"]
