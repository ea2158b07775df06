"""Next-token tasks: errors on unseen symbols, and eigenvalues of the enlarged template matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLUE, GREY, ORANGE, TEXT_WIDTH, new_figure

_STYLES = {
    "without b": (ORANGE, "s", r"$W_V W_O^\top$"),
    "with b": (BLUE, "o", r"$W_V W_O^\top + bI$"),
}
_HEADROOM = 3.0


def next_token_figure(panels: Sequence[Mapping[str, Any]]) -> Figure:
    """A column for each task: error on unseen symbols over n, eigenvalues below.

    Args:
        panels: Each with `title`, and for "without b" and "with b" a mapping with `num_samples`,
            `error`, `stderr`, `accuracy`, `grid`, `curve` and `eigenvalues` (0 where they vanish).

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 4.2)
    axes = figure.subplots(2, len(panels), sharey="row", squeeze=False)
    every = np.concatenate([panel[name]["eigenvalues"] for panel in panels for name in _STYLES])
    floor = every[every > 0].min() / _HEADROOM**2
    for (top, bottom), panel in zip(axes.T, panels, strict=True):
        plot_unseen_error(top, panel)
        plot_eigenvalues(bottom, panel, floor)
    axes[1, 0].set_ylim(floor / _HEADROOM, every.max() * _HEADROOM)
    axes[0, 0].set_ylabel("error on unseen symbols")
    axes[1, 0].set_ylabel("eigenvalue of enlarged $N$")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def plot_unseen_error(axes: Axes, panel: Mapping[str, Any]) -> Axes:
    """Measured errors over the closed form; filled where all unseen symbols are predicted."""
    for name, (colour, marker, label) in _STYLES.items():
        found = panel[name]
        axes.plot(found["grid"], found["curve"], color=colour, lw=0.9)
        right = np.array(found["accuracy"]) == 1
        for chosen, face in ((right, colour), (~right, "white")):
            n, error, stderr = (
                np.array(found[key])[chosen] for key in ("num_samples", "error", "stderr")
            )
            axes.errorbar(
                n, error, yerr=stderr, color=colour, ls="none", marker=marker, mfc=face,
                ms=6 if name == "without b" else 4,
                capsize=2, elinewidth=0.8,
            )  # fmt: skip
        axes.plot([], [], color=colour, marker=marker, lw=0.9, label=label)
    axes.plot([], [], color=GREY, marker="o", ls="none", label="every unseen symbol right")
    axes.plot([], [], color=GREY, marker="o", mfc="white", ls="none", label="not every one")
    axes.set_xscale("log", base=2)
    log_scales(axes, "y")
    axes.set_xlabel("number of samples $n$")
    axes.set_title(panel["title"])
    return axes


def plot_eigenvalues(axes: Axes, panel: Mapping[str, Any], floor: float) -> Axes:
    """Eigenvalues in descending order; those that vanish stand at `floor`, on the line marked 0."""
    for name, (colour, marker, _) in _STYLES.items():
        values = np.sort(panel[name]["eigenvalues"])[::-1]
        index, kept = 1 + np.arange(len(values)), values > 0
        offset = -0.12 if name == "without b" else 0.12
        axes.plot(index[kept] + offset, values[kept], color=colour, marker=marker, ls="none", ms=4)
        axes.plot(
            index[~kept] + offset, np.full((~kept).sum(), floor), color=colour, marker=marker,
            ls="none", ms=4, mfc="white",
        )  # fmt: skip
    axes.axhline(floor, color=GREY, lw=0.5, ls=":")
    axes.annotate(
        "0", (1.0, floor), xycoords=("axes fraction", "data"), va="center", color=GREY, size=7
    )
    log_scales(axes, "y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("rank of the eigenvalue")
    return axes
