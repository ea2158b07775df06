"""What a representation knows of the templates, layer by layer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.style import BLACK, BLUE, GREY, ORANGE, TEXT_WIDTH, new_figure

_SHORT = {"layer ": "", "bag of words": "bag", "embeddings": "0"}


def probe_figure(found: Mapping[str, Any]) -> Figure:
    """σ_min of N̂, the share of variance and the errors of a linear probe through the layers.

    Args:
        found: What `Probe.to_dict` returns; a single layer is drawn as one point.

    Returns:
        The figure.
    """
    layers = found["layers"] or {"": found}
    figure = new_figure(TEXT_WIDTH, 2.6)
    left, middle, right = figure.subplots(1, 3)
    plot_sigma(left, layers)
    plot_errors(middle, layers)
    plot_curves(right, layers)
    return figure


def relations_figure(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """σ_min of N̂ and the errors of a linear probe through the layers, a row a task.

    Args:
        found: What `Probe.to_dict` returns, by the title of its row.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 0.3 + 2.2 * len(found))
    rows = figure.subplots(len(found), 2, squeeze=False)
    for (left, right), (title, each) in zip(rows, found.items(), strict=True):
        plot_sigma(left, each["layers"])
        plot_errors(right, each["layers"])
        left.set_title(title, loc="left")
    return figure


def plot_sigma(axes: Axes, layers: Mapping[str, Mapping[str, Any]]) -> Axes:
    """σ_min(N̂) ± 2 standard errors over the mean self-kernel, filled where N is nonsingular.

    Args:
        axes: Where to draw.
        layers: Probes by layer.

    Returns:
        The axes.
    """
    scale = [np.mean(each["self_kernel"]) or 1.0 for each in layers.values()]
    sigma = np.array([each["sigma_min"] for each in layers.values()]) / scale
    error = np.array([each["sigma_min_stderr"] for each in layers.values()]) / scale
    places = np.arange(len(layers))
    axes.errorbar(places, sigma, yerr=2 * error, color=BLUE, lw=0.9, elinewidth=0.8, capsize=2)
    for mark, face in ((True, BLUE), (False, "white")):
        own = [each["nonsingular"] is mark for each in layers.values()]
        axes.plot(places[own], sigma[own], "o", color=BLUE, mfc=face, zorder=3)
    axes.plot([], [], "o", color=BLUE, label="nonsingular")
    axes.plot([], [], "o", color=BLUE, mfc="white", label="not shown to be")
    axes.axhline(0, color=BLACK, lw=0.5)
    axes.set_ylabel(r"$\sigma_{\min}(\hat N)\,/\,\bar\sigma$")
    axes.legend(loc="upper left", title="$N$ at the level")
    low, high = float((sigma - 2 * error).min()), float((sigma + 2 * error).max())
    axes.set_ylim(top=high + 0.5 * max(high - low, 1e-12))  # room for the legend
    return _name_layers(axes, layers)


def plot_errors(axes: Axes, layers: Mapping[str, Mapping[str, Any]]) -> Axes:
    """Errors of the linear probe at its largest n, on seen and on unseen symbols.

    Args:
        axes: Where to draw.
        layers: Probes by layer.

    Returns:
        The axes.
    """
    places = range(len(layers))
    first = next(iter(layers.values()))
    styles = {"seen": (GREY, "s"), "unseen": (ORANGE, "o")}
    for name, (colour, marker) in styles.items():
        values = [each[name][-1] for each in layers.values()]
        errors = [2 * (each[f"{name}_stderr"][-1] or 0) for each in layers.values()]
        axes.errorbar(
            places, values, yerr=errors, color=colour, marker=marker, ms=3.5, capsize=2,
            elinewidth=0.8, label=f"{name} symbols",
        )  # fmt: skip
    closed = [each["closed_form"][-1] for each in layers.values()]
    axes.plot(places, closed, color=BLACK, lw=0.8, ls="--", label=r"from $\hat N$, $\hat\sigma$")
    axes.axhline(1, color=GREY, lw=0.5, ls=":")
    axes.set_ylim(0, 2.0)
    axes.set_ylabel(f"probe's error, $n$ = {first['num_samples'][-1]}")
    axes.legend(loc="upper right")
    return _name_layers(axes, layers)


def plot_curves(axes: Axes, layers: Mapping[str, Mapping[str, Any]]) -> Axes:
    """Errors on unseen symbols against n, a line a layer, first layers pale, last ones dark.

    Args:
        axes: Where to draw.
        layers: Probes by layer.

    Returns:
        The axes.
    """
    colours = colormaps["viridis_r"](np.linspace(0.1, 0.95, len(layers)))
    for colour, (name, each) in zip(colours, layers.items(), strict=True):
        axes.plot(
            each["num_samples"], each["unseen"], color=colour, marker=".", ms=4,
            label=_short(name) or "features",
        )  # fmt: skip
    axes.axhline(1, color=GREY, lw=0.5, ls=":")
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 2.0)
    axes.set_xlabel("training strings $n$")
    axes.set_ylabel("error on unseen symbols")
    axes.legend(loc="upper right", ncols=3, columnspacing=0.8, handlelength=1.0)
    return axes


def _name_layers(axes: Axes, layers: Mapping[str, Any]) -> Axes:
    axes.set_xticks(range(len(layers)), map(_short, layers))
    axes.set_xlabel("layer")
    axes.set_xlim(-0.5, len(layers) - 0.5)
    return axes


def _short(name: str) -> str:
    for long, short in _SHORT.items():
        name = name.replace(long, short)
    return name
