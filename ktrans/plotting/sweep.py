"""Errors of a sweep against n: a row for each task, a column for each vocabulary."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import CYCLE, MARKERS, TEXT_WIDTH, new_figure

MOST_ROWS, MOST_COLUMNS, MOST_TICKS = 4, 3, 6
_ROW_HEIGHT = 1.9


def sweep_figure(dataset: xr.Dataset) -> Figure:
    """Errors on unseen symbols at the smallest ridge, measured and in closed form.

    Points are means over seeds with standard errors; lines are the closed form, ρ → ∞. Of many
    tasks the first four are shown, of many vocabularies three: the smallest, one between, the
    largest.

    Args:
        dataset: From `ktrans.sweep`.

    Returns:
        The figure.
    """
    shown = dataset.sel(ridge=dataset.ridge.min()).sortby(["num_samples", "vocab_size"])
    shown = shown.isel(task=slice(MOST_ROWS), vocab_size=_spread(dataset.sizes["vocab_size"]))
    rows, columns = shown.sizes["task"], shown.sizes["vocab_size"]
    figure = new_figure(TEXT_WIDTH * max(columns, 2) / MOST_COLUMNS, 0.5 + _ROW_HEIGHT * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey="row")
    for i, row in enumerate(panels):
        for j, axes in enumerate(row):
            _plot_panel(axes, shown.isel(task=i, vocab_size=j))
        row[0].set_ylabel(f"{shown.task.values[i]}\nMSE on unseen symbols")
    for axes in panels[-1]:
        axes.set_xlabel(r"number of samples $n$")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _spread(count: int) -> list[int]:
    """The first, the last, and others evenly between."""
    return np.unique(np.linspace(0, count - 1, MOST_COLUMNS).round().astype(int)).tolist()


def _plot_panel(axes: Axes, panel: xr.Dataset) -> None:
    """Every kernel of one task at one vocabulary."""
    counts, seeds = panel.num_samples.values, panel.sizes["seed"]
    for i, name in enumerate(panel.kernel.values):
        colour, marker = CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]
        errors = panel.unseen_mse.isel(kernel=i)
        spread = errors.std("seed", ddof=min(1, seeds - 1)).values / np.sqrt(seeds)
        axes.errorbar(
            counts, errors.mean("seed").values, yerr=spread, color=colour, marker=marker,
            ls="none", capsize=2, elinewidth=0.8, label=name,
        )  # fmt: skip
        label = r"closed form, $\rho \to \infty$" if i == 0 else None
        curve = panel.closed_form_mse.isel(kernel=i).values
        axes.plot(counts, curve, color=colour, lw=1.0, label=label)
    log_scales(axes)
    if len(counts) <= MOST_TICKS:
        axes.set_xticks(counts, [str(n) for n in counts])
        axes.set_xticks([], minor=True)
    axes.set_title(rf"$m = {panel.vocab_size.item()}$, $\rho = {panel.diversity.item():.4g}$")
