"""What finite diversity costs: floors against ρ, and learning curves that end on them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, GREY, MARKERS, TEXT_WIDTH, new_figure

_COLOURS = (*CYCLE, BLACK)


def floor_figure(result: Mapping[str, Any]) -> Figure:
    """The floor against ρ for several kernels at the left, error against n at the right.

    Args:
        result: With `floors` (by kernel: `diversity`, `mse`, `measured`) and `curves` (a list with
            `task`, `diversity`, `num_samples`, `mean`, `stderr`, `grid`, `closed_form`, `floor`),
            of which those of the first task are drawn.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 2.9)
    left, right = figure.subplots(1, 2)
    for i, (name, each) in enumerate(result["floors"].items()):
        _plot_floor(left, name, each, CYCLE[i], MARKERS[i])
    _plot_slope(left, next(iter(result["floors"].values())))
    first = result["curves"][0]["task"]
    shown = [each for each in result["curves"] if each["task"] == first]
    for i, each in enumerate(shown):
        _plot_curve(right, each, _COLOURS[i % len(_COLOURS)], MARKERS[i % len(MARKERS)])
    left.set_xlabel(r"sample diversity $\rho$")
    left.set_ylabel(r"error on unseen symbols as $n \to \infty$")
    right.set_xlabel(r"number of samples $n$")
    right.set_ylabel("error on unseen symbols")
    for axes in (left, right):
        log_scales(axes)
        axes.legend(loc="lower left")
    return figure


def _plot_floor(axes: Axes, name: str, floor: Mapping[str, Any], colour: str, marker: str) -> None:
    axes.plot(floor["diversity"], floor["mse"], color=colour, label=name)
    points = floor["measured"]
    axes.errorbar(
        points["diversity"], points["mean"], yerr=2 * np.array(points["stderr"]), color=colour,
        ls="none", marker=marker, ms=4, mfc="white",
    )  # fmt: skip


def _plot_slope(axes: Axes, floor: Mapping[str, Any]) -> None:
    x = np.array(floor["diversity"])
    last = x >= x[-1] / 100
    line = 4 * floor["constant"] / x[last] ** 2
    axes.plot(x[last], line, color=GREY, lw=1, ls="--", label=r"$\propto \rho^{-2}$")


def _plot_curve(axes: Axes, curve: Mapping[str, Any], colour: str, marker: str) -> None:
    axes.errorbar(
        curve["num_samples"], curve["mean"], yerr=2 * np.array(curve["stderr"]), color=colour,
        ls="none", marker=marker, ms=4, mfc="white",
    )  # fmt: skip
    axes.plot(
        curve["grid"], curve["closed_form"], color=colour, label=rf"$\rho$ = {curve['diversity']:g}"
    )
    if curve["floor"] > 0.3 * min(curve["mean"]):
        axes.axhline(curve["floor"], color=colour, lw=0.8, ls=":")
