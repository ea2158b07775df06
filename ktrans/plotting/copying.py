"""Gradient ratios against the embedding dimension, and the tokens it takes to copy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.style import BLACK, CYCLE, GREY, MARKERS, TEXT_WIDTH, new_figure

_NAMES = {"W_E": "$W_E$", "W_V": "$W_V$", "W_O": "$W_O$", "W_U": "$W_U$", "b": "$b$"}
_COLOURS = dict(zip(_NAMES, (GREY, *CYCLE[:2], BLACK, CYCLE[2]), strict=True))
_MARKERS = dict(zip(_NAMES, ("v", "o", "s", "D", "^"), strict=True))
_DIMENSION = r"embedding dimension $d_\mathrm{emb}$"


def alignment_figure(panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The ratio of every group in the first setting, and the supremum without b in all of them.

    Args:
        panels: By title, what `Alignment.to_dict` returns.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 2.9)
    left, right = figure.subplots(1, 2)
    plot_ratios(left, next(iter(panels.values())))
    plot_suprema(right, panels)
    return figure


def plot_ratios(axes: Axes, found: Mapping[str, Any]) -> Axes:
    """R_g against d_emb with 95 % intervals, over the closed forms.

    Args:
        axes: Where to draw.
        found: What `Alignment.to_dict` returns.

    Returns:
        The axes.
    """
    dims = found["embedding_dims"]
    ratio, interval = np.array(found["ratio"]), np.array(found["interval"])
    for i, group in enumerate(found["groups"]):
        colour = _COLOURS[group]
        axes.plot(dims, np.array(found["closed_form"])[:, i], color=colour, lw=0.9)
        axes.errorbar(
            dims, ratio[:, i], yerr=_arms(ratio[:, i], interval[:, i]), color=colour, ls="none",
            marker=_MARKERS[group], ms=6 if group == "W_V" else 3.5, capsize=2, elinewidth=0.8,
            mfc="white" if group == "W_V" else colour, label=_NAMES[group],
        )  # fmt: skip
    axes.axhline(0, color=GREY, lw=0.5)
    axes.set_xscale("log", base=2)
    axes.set_xlabel(_DIMENSION)
    axes.set_ylabel(r"$R_g$ at initialisation")
    axes.legend(title="group $g$; lines: closed form", loc="center right", ncols=2)
    return axes


def plot_suprema(axes: Axes, panels: Mapping[str, Mapping[str, Any]]) -> Axes:
    """The supremum over learning rates without b, with 95 % intervals, over the closed forms."""
    for i, (title, found) in enumerate(panels.items()):
        colour, dims = CYCLE[i % len(CYCLE)], found["embedding_dims"]
        supremum, interval = np.array(found["supremum"]), np.array(found["supremum_interval"])
        without_b = [j for j, group in enumerate(found["groups"]) if group != "b"]
        closed = np.array(found["closed_form"])[:, without_b].max(axis=1)
        axes.plot(dims, closed, color=colour, lw=0.9)
        axes.errorbar(
            dims, supremum, yerr=_arms(supremum, interval), color=colour, ls="none", capsize=2,
            marker=MARKERS[i % len(MARKERS)], ms=3.5, elinewidth=0.8, label=title,
            mfc=colour if i < len(CYCLE) else "white",
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.axhline(0, color=GREY, lw=0.5)
    # Linear about zero, where estimates of what vanishes are of either sign.
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(-0.005, 1)
    axes.set_xlabel(_DIMENSION)
    axes.set_ylabel(r"$\max_g R_g$ without $b$")
    axes.legend(loc="best")
    return axes


def threshold_figure(record: Mapping[str, Any]) -> Figure:
    """Loss on unseen tokens against n, and the threshold in n against d_emb.

    Args:
        record: With `curves`, each with `embedding_dim`, `with_b`, `num_seen`, `relative` and
            `stderr`; `thresholds`, each with `embedding_dim`, `with_b` and `threshold` (None where
            not reached) and `least_tried`; and `paper_slope`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.1)
    left, right = figure.subplots(1, 2)
    plot_losses(left, record["curves"])
    plot_thresholds(right, record["thresholds"], record["paper_slope"])
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def plot_losses(axes: Axes, curves: Sequence[Mapping[str, Any]]) -> Axes:
    """Test loss over chance against n: filled squares without b, hollow circles with b."""
    dims = sorted({curve["embedding_dim"] for curve in curves})
    colours = dict(zip(dims, colormaps["viridis"](np.linspace(0, 0.85, len(dims))), strict=True))
    for curve in curves:
        dim, with_b = curve["embedding_dim"], curve["with_b"]
        axes.errorbar(
            curve["num_seen"], curve["relative"], yerr=curve["stderr"], color=colours[dim],
            marker="o" if with_b else "s", mfc="white" if with_b else colours[dim], ms=3.5,
            ls="--" if with_b else "-", lw=0.9, capsize=2, elinewidth=0.8,
            label=None if with_b else rf"$d_\mathrm{{emb}}$ = {dim}",
        )  # fmt: skip
    axes.plot([], [], color=GREY, ls="--", marker="o", mfc="white", ms=3.5, label="with $b$")
    axes.axhline(0.5, color=GREY, lw=0.6, ls=":")
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel(r"number of training tokens $n$")
    axes.set_ylabel(r"test loss on unseen tokens / $\log m$")
    return axes


def plot_thresholds(
    axes: Axes, thresholds: Sequence[Mapping[str, Any]], paper_slope: float
) -> Axes:
    """The least n that copies unseen tokens, without and with b, over the paper's line.

    A triangle about a point says that the least n tried succeeds, so that the threshold is below.
    """
    for with_b, colour, marker, name in (
        (False, CYCLE[1], "s", r"$W_V W_O^\top$"),
        (True, CYCLE[0], "o", r"$W_V W_O^\top + bI$"),
    ):
        found = [each for each in thresholds if each["with_b"] == with_b and each["threshold"]]
        dims, least = (np.array([e[k] for e in found]) for k in ("embedding_dim", "threshold"))
        axes.plot(dims, least, color=colour, marker=marker, label=name)
        at_most = least <= [each["least_tried"] for each in found]
        axes.plot(
            dims[at_most], least[at_most], color=colour, marker="v", ls="none", ms=7, mfc="none"
        )
    dims = np.array(sorted({each["embedding_dim"] for each in thresholds}))
    line, label = paper_slope * dims, rf"{paper_slope:g}$\,d_\mathrm{{emb}}$ (paper)"
    axes.plot(dims, line, color=BLACK, lw=0.8, ls="--", label=label)
    axes.fill_between(dims, line / 2, line * 2, color=GREY, alpha=0.2, lw=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xlabel(_DIMENSION)
    axes.set_ylabel(r"least $n$ that copies unseen tokens")
    axes.legend(loc="upper left")
    return axes


def _arms(values: np.ndarray, interval: np.ndarray) -> np.ndarray:
    """Lengths of the error bars below and above."""
    return np.abs(interval.T - values)
