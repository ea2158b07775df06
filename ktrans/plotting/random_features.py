"""Random features of finite width: distance to the limit, and error of ridge regression."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, GREY, MARKERS, TEXT_WIDTH, new_figure

_NAMES = {
    "heads": "heads $H$",
    "head_dim": "head dimension $d$",
    "mlp_width": "MLP width $p$",
    "all": "all three, against $p$",
}


def random_features_figure(results: Mapping[str, Any]) -> Figure:
    """Distances against the width at the left, ridge regression at the right.

    Args:
        results: `sources`, each with `widths`, `rms`, `slope` and its `slope_stderr`; `ridge` with
            `widths`, `features`, `stderr`, `kernel`, `num_samples` and `wide_enough`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.6)
    left, right = figure.subplots(1, 2)
    plot_distances(left, results["sources"])
    plot_ridge(right, results["ridge"])
    return figure


def plot_distances(axes: Axes, sources: Mapping[str, Mapping[str, Any]]) -> Axes:
    """Root mean square distances of each source of finiteness, with lines of slope −1/2.

    Args:
        axes: Where to draw.
        sources: By name; each with `widths`, `rms`, `slope` and `slope_stderr`.

    Returns:
        The axes.
    """
    for i, (name, source) in enumerate(sources.items()):
        widths, rms = np.array(source["widths"], float), np.array(source["rms"])
        slope = f"{source['slope']:.2f} ± {source['slope_stderr']:.2f}".replace("-", "−")
        axes.plot(
            widths, rms, color=CYCLE[i], marker=MARKERS[i], ls="none",
            label=f"{_NAMES[name]}, slope {slope}",
        )  # fmt: skip
        scale = np.exp(np.mean(np.log(rms * widths**0.5)))
        axes.plot(widths, scale / widths**0.5, color=CYCLE[i], lw=0.8)
    _scales(axes)
    axes.set_xlabel("width")
    axes.set_ylabel(r"rms distance to the limit, in $K_\mathrm{trans}$")
    axes.set_title(r"lines: $\propto$ width$^{-1/2}$")
    _legend_below(axes)
    return axes


def plot_ridge(axes: Axes, ridge: Mapping[str, Any]) -> Axes:
    """Error on unseen symbols of ridge regression on p features, over that of the exact kernel.

    Args:
        axes: Where to draw.
        ridge: `widths`, `features`, `stderr`, `kernel`, `num_samples`, `wide_enough`.

    Returns:
        The axes.
    """
    n, kernel = ridge["num_samples"], ridge["kernel"]
    axes.axhspan(kernel, 1.1 * kernel, color=GREY, alpha=0.3, lw=0, label="within 10 %")
    axes.axhline(kernel, color=CYCLE[1], label="exact kernel")
    axes.errorbar(
        ridge["widths"], ridge["features"], yerr=ridge["stderr"], color=CYCLE[0], marker="o",
        capsize=2, elinewidth=0.8, label="random features",
    )  # fmt: skip
    axes.axhline(1.0, color=BLACK, ls=":", label="chance")
    if ridge["wide_enough"] is not None:
        axes.axvline(ridge["wide_enough"], color=GREY, lw=0.8, ls="--", zorder=0)
    _scales(axes)
    axes.set_xlabel("number of features $p$")
    axes.set_ylabel("mean squared error\non unseen symbols")
    axes.set_title(f"$n$ = {n}")
    _legend_below(axes)
    return axes


def _scales(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    log_scales(axes, "y")


def _legend_below(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))
