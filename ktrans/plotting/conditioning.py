"""Maps of σ_min(N) over the parameters of the transformer kernel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, NullLocator

from ktrans.plotting.style import TEXT_WIDTH, new_figure

_DECADES = 6  # of colour below the largest value
_UNDECIDED = "#D9D9D9"


def conditioning_figure(result: Sequence[Mapping[str, Any]]) -> Figure:
    """A row for each task: over (β, γ) at the left, over (b₁, b₂) at the right.

    Args:
        result: For each task `templates`, `at` (where the other two parameters are), and the maps
            `attention` and `cosine` with `rows`, `columns`, `sigma_min` and `bound`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 0.45 + 2.5 * len(result))
    axes = figure.subplots(len(result), 2, squeeze=False)
    for row, maps in zip(axes, result, strict=True):
        at, norm = maps["at"], _norm(maps)
        _set_log_axes(row[0], maps["attention"])
        plot_sigma_map(row[0], maps["attention"], norm)
        plot_sigma_map(row[1], maps["cosine"], norm)
        row[1].set(xlabel=r"$b_2$", ylabel=r"$b_1$")
        row[0].set_title(rf"{_name(maps)}, $b_1$ = {at['b1']:g}, $b_2$ = {at['b2']:g}")
        row[1].set_title(rf"{_name(maps)}, $\beta$ = {at['beta']:g}, $\gamma$ = {at['gamma']:g}")
        bar = figure.colorbar(ScalarMappable(norm, "viridis"), ax=list(row), extend="min", pad=0.01)
        bar.set_label(r"$\sigma_{\min}(N)$; grey: undecided")
    return figure


def plot_sigma_map(axes: Axes, found: Mapping[str, Any], norm: LogNorm) -> Axes:
    """σ_min(N) by colour; grey where its bound does not exclude a singular N.

    Args:
        axes: Where to draw.
        found: `rows`, `columns`, `sigma_min` and `bound`.
        norm: The scale of the colours.

    Returns:
        The axes.
    """
    rows, columns = np.asarray(found["rows"]), np.asarray(found["columns"])
    sigma, bound = np.asarray(found["sigma_min"]), np.asarray(found["bound"])
    edges = _edges(columns, axes.get_xscale()), _edges(rows, axes.get_yscale())
    shown = np.ma.masked_where(sigma <= bound, np.maximum(sigma, norm.vmin or 0.0))
    axes.set_facecolor(_UNDECIDED)
    axes.pcolormesh(*edges, shown, norm=norm, cmap="viridis")
    return axes


def _set_log_axes(axes: Axes, found: Mapping[str, Any]) -> None:
    """β against γ, with ticks at powers of two."""
    axes.set(xscale="log", yscale="log", xlabel=r"$\gamma$", ylabel=r"$\beta$")
    for axis, name in ((axes.xaxis, "columns"), (axes.yaxis, "rows")):
        low, high = np.log2(found[name][0]), np.log2(found[name][-1])
        axis.set_ticks(2.0 ** np.arange(np.ceil(low), np.floor(high) + 1))
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_locator(NullLocator())


def _edges(centres: np.ndarray, scale: str) -> np.ndarray:
    """Half-way between neighbours, on an axis of this scale."""
    places = np.log(centres) if scale == "log" else centres
    half = np.diff(places).mean() / 2
    between = (places[1:] + places[:-1]) / 2
    edges = np.array([places[0] - half, *between, places[-1] + half])
    return np.exp(edges) if scale == "log" else edges


def _norm(maps: Mapping[str, Any]) -> LogNorm:
    """One scale for both maps of a task."""
    largest = max(float(np.max(maps[name]["sigma_min"])) for name in ("attention", "cosine"))
    return LogNorm(largest * 10.0**-_DECADES, largest)


def _name(maps: Mapping[str, Any]) -> str:
    templates = maps["templates"]
    return ", ".join(templates) if len(templates) < 4 else f"{len(templates)} templates"
