"""Errors on all unseen symbols against n and against ρ, under the bound of the theorem."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, BLUE, GREY, ORANGE, TEXT_WIDTH, new_figure


def rates_figure(result: Mapping[str, Any]) -> Figure:
    """Against n at the left, a colour for each ρ; against ρ at the largest n at the right.

    Args:
        result: With `against_n` (a list of sweeps), `against_rho` (a sweep) and `rates`; a sweep
            has `fixed`, `x`, `rms`, `stderr`, `worst`, `spread`, and `grid`, `corrected`, `bound`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.2)
    left, right = figure.subplots(1, 2, sharey=True)
    low, high = result["against_n"]
    _plot_sweep(left, low, ORANGE, rf"$\rho$ = {low['fixed']:g}")
    _plot_sweep(left, high, BLUE, rf"$\rho$ = {high['fixed']:g}")
    left.plot(high["x"], high["spread"], color=BLUE, ls="none", marker="D", ms=3.5, mfc="white")
    _plot_slope(left, high, "n", result["rates"]["in_num_samples"])
    last = result["against_rho"]
    _plot_sweep(right, last, BLACK, f"$n$ = {last['fixed']}")
    _plot_slope(right, last, r"\rho", result["rates"]["in_diversity"])
    left.set_ylabel(r"error on unseen symbols, $\hat{f} - f^*$")
    left.set_xlabel(r"number of samples $n$")
    right.set_xlabel(r"sample diversity $\rho$")
    for axes in (left, right):
        axes.legend(loc="best")
    _explain(figure)
    return figure


def _plot_sweep(axes: Axes, sweep: Mapping[str, Any], colour: str, label: str) -> None:
    spread = 2 * np.asarray(sweep["stderr"])
    axes.errorbar(
        sweep["x"], sweep["rms"], yerr=spread, color=colour, ls="none", marker="o", ms=3.5,
        capsize=2, elinewidth=0.8, label=label,
    )  # fmt: skip
    axes.plot(sweep["x"], sweep["worst"], color=colour, ls="none", marker="_", ms=8)
    axes.plot(sweep["grid"], sweep["corrected"], color=colour, lw=1.0)
    axes.plot(sweep["grid"], sweep["bound"], color=colour, lw=1.0, ls="--")
    log_scales(axes)


def _plot_slope(axes: Axes, sweep: Mapping[str, Any], name: str, law: Mapping[str, float]) -> None:
    text = rf"$\propto {name}^{{{law['exponent']:.2f}}}$"
    x = np.array(sweep["x"])
    line = law["constant"] * x ** law["exponent"]
    shown = (line < max(sweep["rms"])) & (line > 0.9 * min(sweep["rms"]))
    axes.plot(x[shown], line[shown], color=GREY, lw=2.5, alpha=0.5, zorder=1, label=text)


def _explain(figure: Figure) -> None:
    entries = {
        "root mean square ± 2 standard errors": {"ls": "none", "marker": "o", "ms": 3.5},
        r"$\max_z$, quantile $1 - \delta$": {"ls": "none", "marker": "_", "ms": 8},
        "spread over training sets": {"ls": "none", "marker": "D", "ms": 3.5, "mfc": "white"},
        "closed form, collisions counted": {"lw": 1.0},
        r"$C_n \sqrt{\log(1/\delta)/n} + C_\rho \sqrt{1/\rho}$, fitted": {"lw": 1.0, "ls": "--"},
    }
    handles = [Line2D([], [], color=BLACK, **style) for style in entries.values()]
    figure.legend(handles, list(entries), loc="outside lower center", ncols=3)
