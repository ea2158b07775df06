"""The results of a sweep as one xarray dataset with named dimensions."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ktrans._files import write_whole
from ktrans._provenance import canonical
from ktrans._store import FORMAT, Store
from ktrans.sweeps.grid import Cell, Grid

FIT_VARIABLES = {
    "unseen_mse": "Σ_z w_z (f̂(z) − f*(z))² on all unseen symbols at once; exact to the residual",
    "in_distribution_mse": "mean of (f̂(x) − f*(z))² on 2000 new training strings; estimated",
    "in_distribution_stderr": "standard error of in_distribution_mse",
    "residual": "relative residual of the ridge system, recomputed; exact",
    "num_iterations": "iterations of the solver; 0 for a factorisation",
}
THEORY_VARIABLES = {
    "sigma_min": "smallest singular value of N, within sigma_min_error",
    "sigma_min_error": "bound on the error of sigma_min",
    "sigma_min_certified": "1 where that bound is certified, 0 where it is estimated",
    "closed_form_mse": "unseen_mse predicted without collisions, ρ → ∞",
}
AXES = {
    "task": "template task",
    "kernel": "kernel",
    "vocab_size": "number of substitution tokens m",
    "num_samples": "number of samples n",
    "ridge": "λ, absolute",
    "seed": "seed of the training set",
}
THEORY_DIMS = {"closed_form_mse": ("task", "kernel", "num_samples", "ridge")}


def collect(grid: Grid, store: Store) -> xr.Dataset:
    """The dataset of a grid, from the results that are there.

    Args:
        grid: The grid.
        store: Where the results are; those of another process that still runs count too.

    Returns:
        Variables of shape `grid.shape`, or smaller ones where they depend on less; NaN where there
        is no result.
    """
    variables = _fit_variables(grid, store) | _theory_variables(grid, store)
    dataset = xr.Dataset(variables, coords=_coordinates(grid), attrs=_attributes(grid, store))
    for name, text in (FIT_VARIABLES | THEORY_VARIABLES | AXES).items():
        dataset[name].attrs["long_name"] = text
    return dataset


def write_dataset(dataset: xr.Dataset, folder: Path) -> None:
    """Write it as sweep.nc, whole (netCDF 3, which SciPy reads and writes)."""
    content = bytes(dataset.to_netcdf(engine="scipy"))  # type: ignore[arg-type]
    write_whole(folder / "sweep.nc", lambda stream: stream.write(content))


def _fit_variables(grid: Grid, store: Store) -> dict[str, Any]:
    tables = {name: np.full(grid.shape, np.nan) for name in FIT_VARIABLES}
    for index, cell in zip(np.ndindex(grid.shape), grid.cells(), strict=True):
        _fill(tables, index, store.read(grid.record_of(cell)))
    return {name: (Cell._fields, table) for name, table in tables.items()}


def _theory_variables(grid: Grid, store: Store) -> dict[str, Any]:
    shape = dict(zip(Cell._fields, grid.shape, strict=True))
    dims = {name: THEORY_DIMS.get(name, ("task", "kernel")) for name in THEORY_VARIABLES}
    tables = {name: np.full([shape[d] for d in dims[name]], np.nan) for name in dims}
    for i, task in enumerate(grid.tasks):
        for j, kernel in enumerate(grid.kernels):
            _fill(tables, (i, j), store.read(grid.record_of_theory(task, kernel)))
    return {name: (dims[name], table) for name, table in tables.items()}


def _fill(tables: dict[str, np.ndarray], index: tuple, values: dict[str, Any] | None) -> None:
    """Put the values where they belong; null, a number that was not finite, is NaN."""
    if values is None:
        return
    for name, table in tables.items():
        table[index] = np.array(values[name], dtype=float)


def _coordinates(grid: Grid) -> dict[str, Any]:
    sizes = grid.vocab_sizes
    diversity = [[grid.tasks_by_size[t, m].diversity for m in sizes] for t in grid.tasks]
    named = {name: list(values) for name, values in grid.axes.items()}
    return named | {"diversity": (("task", "vocab_size"), diversity)}


def _attributes(grid: Grid, store: Store) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "configuration": canonical(grid.configuration()),
        "versions": canonical(store.versions),
    }
