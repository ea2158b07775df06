"""Losses on unseen symbols of trained networks, and of kernels beside them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import (
    BLACK,
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    MARKERS,
    ORANGE,
    PURPLE,
    TEXT_WIDTH,
    new_figure,
)

_HEIGHT = 2.9  # inches

# By name, so that a model looks the same in every panel; a kernel has the colour of its network.
_STYLES: dict[str, dict[str, Any]] = {
    "transformer": {"color": BLUE, "marker": "o"},
    "transformer + aI": {"color": ORANGE, "marker": "s"},
    "transformer + bI": {"color": GREEN, "marker": "^"},
    "transformer + aI + bI": {"color": PURPLE, "marker": "D"},
    "MLP": {"color": GREY, "marker": "v"},
    "MLP, shared embedding": {"color": GREY, "marker": "<", "mfc": "white"},
    "MLP + XXᵀ": {"color": BLACK, "marker": "P"},
    "K_trans, ridge": {"color": BLUE, "ls": "--"},
    "K_trans, gradient flow": {"color": BLUE, "ls": "none", "marker": "x", "ms": 5},
    "K_trans with aI, ridge": {"color": ORANGE, "ls": "--"},
}
_LABELS = {
    "transformer + aI": "transformer, $+\\,aI$",
    "transformer + bI": "transformer, $+\\,bI$",
    "transformer + aI + bI": "transformer, $+\\,aI$, $+\\,bI$",
    "MLP + XXᵀ": r"MLP with $XX^\top$",
    "K_trans, ridge": r"$K_\mathrm{trans}$, ridge",
    "K_trans, gradient flow": r"$K_\mathrm{trans}$, gradient flow",
    "K_trans with aI, ridge": r"$K_\mathrm{trans}$ with $aI$, ridge",
}


def data_efficiency_figure(panels: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss against n, a panel for each task, one legend for all.

    Args:
        panels: Each with `title`; with `models` and `kernels`, by name with `x`, `loss` and
            `stderr`; and with `published`, losses by name and n.

    Returns:
        The figure.
    """
    rows = -(-len(panels) // 4)
    columns = -(-len(panels) // rows)
    figure = new_figure(TEXT_WIDTH if columns > 1 else 0.8 * TEXT_WIDTH, _HEIGHT + 1.9 * (rows - 1))
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for ax, panel in zip(axes.flat, panels, strict=False):
        plot_losses(ax, panel["models"] | panel["kernels"])
        plot_published(ax, panel["published"])
        ax.set_title(panel["title"])
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for row in axes:
        row[0].set_ylabel("test loss on unseen symbols")
    _share_legend(figure, axes.flat, columns=4 if columns > 1 else 1)
    return figure


def loss_sweep_figure(panels: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss against anything, each panel with a legend of its own where its curves differ.

    Args:
        panels: Each with `xlabel`, `title`, `ticks` (None: powers of two) and `curves`, by name
            with `x`, `loss` and `stderr`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH if len(panels) > 1 else 0.5 * TEXT_WIDTH, _HEIGHT)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, panel in zip(axes, panels, strict=True):
        plot_losses(ax, panel["curves"])
        ax.set_xlabel(panel["xlabel"])
        ax.set_title(panel["title"])
        if panel["ticks"] is not None:
            ax.set_xticks(panel["ticks"], [f"{tick:g}" for tick in panel["ticks"]])
            ax.xaxis.minorticks_off()
    axes[0].set_ylabel("test loss on unseen symbols")
    if all(panel["curves"].keys() == panels[0]["curves"].keys() for panel in panels):
        _share_legend(figure, axes, columns=4 if len(panels) > 1 else 2)
        return figure
    for ax in axes:
        ax.legend(loc="lower left")
    return figure


def plot_losses(axes: Axes, curves: Mapping[str, Mapping[str, Any]]) -> Axes:
    """Means over seeds with standard errors, on logarithmic axes, over the line of chance.

    Args:
        axes: Where to draw.
        curves: By name with `x`, `loss` and `stderr`.

    Returns:
        The axes.
    """
    for i, (name, found) in enumerate(curves.items()):
        default = {"color": CYCLE[i % len(CYCLE)], "marker": MARKERS[i % len(MARKERS)]}
        axes.errorbar(
            found["x"], found["loss"], yerr=found["stderr"], capsize=2, elinewidth=0.8,
            label=_LABELS.get(name, name), **_STYLES.get(name, default),
        )  # fmt: skip
    axes.axhline(1.0, color=BLACK, ls=":", lw=0.8, zorder=1.5, label="chance")
    axes.set_xscale("log", base=2)
    log_scales(axes, "y")
    axes.set_xlabel("samples and symbols $n$")
    return axes


def plot_published(axes: Axes, published: Mapping[str, Mapping[Any, float]]) -> Axes:
    """Published losses as large hollow markers.

    Args:
        axes: Where to draw.
        published: Losses by n, by name.

    Returns:
        The axes.
    """
    for name, losses in published.items():
        style, counts = _STYLES[name], np.array(list(losses), float)
        axes.plot(
            counts, list(losses.values()), ls="none", mfc="none", ms=7, zorder=4,
            color=style["color"], marker=style["marker"],
        )  # fmt: skip
    if published:
        axes.plot([], [], "o", color=BLACK, mfc="none", ms=7, label="published")
    return axes


def _share_legend(figure: Figure, axes: Iterable[Axes], *, columns: int) -> None:
    """All labels once: below in several columns, or at the right in one."""
    pairs = [zip(*ax.get_legend_handles_labels(), strict=True) for ax in axes]
    handles = {label: handle for pair in pairs for handle, label in pair}
    place: Any = "outside lower center" if columns > 1 else "outside right center"
    figure.legend(handles.values(), handles.keys(), loc=place, ncols=columns)
