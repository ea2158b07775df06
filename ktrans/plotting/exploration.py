"""What `ktrans explore` draws, in Bokeh: its figures live in a browser and only take new data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from bokeh.models import ColorBar, ColumnDataSource, Legend, LinearColorMapper, Span
from bokeh.palettes import Blues256
from bokeh.plotting import figure

from ktrans.measure.exploration import View
from ktrans.plotting.style import BLACK, BLUE, CYCLE, GREY, ORANGE

_NAMED_TEMPLATES = 8  # more labels than this would overlap
_WRITTEN_ENTRIES = 4
_HEIGHT, _CURVE_HEIGHT = 300, 360
_MATRIX_WIDTH = 360
_FLOOR = 1e-4  # of chance, the bottom of the learning curves
_DARK = 0.6  # of the colour scale, from where letters are white
Data = dict[str, Any]


class Panel(NamedTuple):
    """A Bokeh figure, and the function that gives it a view to show."""

    figure: Any
    show: Callable[[View], None]


def matrix_panel(view: View) -> Panel:
    """N as an image, its entries written in where there are few.

    Args:
        view: From `explore`.

    Returns:
        The panel, which can show other views of the same task.
    """
    names = _names(view.templates)
    plot = _plot(
        "template matrix N", width=_MATRIX_WIDTH, height=_HEIGHT, x_range=names,
        y_range=names[::-1],
        tooltips=[("N", "@value{0.000000} ± @error{0.0e}"), ("templates", "@row, @column")],
    )  # fmt: skip
    source, mapper = ColumnDataSource(), LinearColorMapper(palette=Blues256[::-1])
    colour = {"field": "value", "transform": mapper}
    plot.rect("column", "row", 1, 1, source=source, line_color="white", fill_color=colour)
    if len(names) <= _WRITTEN_ENTRIES:
        plot.text(
            "column", "row", "text", source=source, text_color="colour", text_align="center",
            text_baseline="middle", text_font_size="13px" if len(names) <= 2 else "10px",
        )  # fmt: skip
    plot.add_layout(ColorBar(color_mapper=mapper, width=8, title=None), "right")
    plot.grid.visible = False
    plot.axis.major_tick_line_color = None

    def show(view: View) -> None:
        low, high = _scale(view.template_matrix)
        mapper.update(low=low, high=high)
        source.data = _matrix_data(view, names, low, high)

    return _shown(Panel(plot, show), view)


def spectrum_panel(view: View) -> Panel:
    """Eigenvalues on all strings against their multiplicities, with those of √D N √D.

    Args:
        view: From `explore`.

    Returns:
        The panel.
    """
    plot = _log_plot(
        "eigenvalues", "multiplicity (functions of 0, 1, 2 … symbols)", "eigenvalue", _HEIGHT
    )
    every, limits = ColumnDataSource(), ColumnDataSource()
    plot.segment("one", "low", "one", "high", source=limits, line_color=ORANGE, line_width=2)
    circle = plot.scatter(
        "multiplicity", "eigenvalue", source=every, size=8, fill_color="colour",
        line_color="white", line_width=0.5,
    )  # fmt: skip
    diamond = plot.scatter(
        "one", "value", source=limits, marker="diamond", size=15, fill_color=None,
        line_color=ORANGE, line_width=2,
    )  # fmt: skip
    _add_legend(plot, {"of the kernel on all strings": circle, "of √D N √D, their limit": diamond})

    def show(view: View) -> None:
        every.data, limits.data = _spectrum_data(view), _limit_data(view)

    return _shown(Panel(plot, show), view)


def curve_panel(view: View) -> Panel:
    """Predicted and measured errors on unseen symbols against n.

    Args:
        view: From `explore`.

    Returns:
        The panel.
    """
    title = "error on unseen symbols (dotted: chance, and n at a quarter of it)"
    plot = _log_plot(
        title, "number of samples n", "mean squared error", _CURVE_HEIGHT,
        x_range=(0.8 * view.curve_samples[0], view.curve_samples[-1]),
        y_range=(_FLOOR * view.chance, 2 * view.chance),
    )  # fmt: skip
    curves, means, points = ColumnDataSource(), ColumnDataSource(), ColumnDataSource()
    plain = plot.line("n", "plain", source=curves, color=ORANGE, line_dash="dashed", line_width=2)
    corrected = plot.line("n", "corrected", source=curves, color=BLUE, line_width=2.5)
    each = plot.scatter("n", "mse", source=points, size=4, color=GREY)
    circle = {"size": 10, "fill_color": None, "line_color": BLACK, "line_width": 1.6}
    mean = plot.scatter("n", "mse", source=means, **circle)
    enough = Span(dimension="height", line_color=BLACK, line_dash="dotted", line_width=1.2)
    chance = Span(dimension="width", location=view.chance, line_color=GREY, line_dash="dotted")
    for line in (enough, chance):
        plot.add_layout(line)
    items = {
        "predicted at this ρ": corrected,
        "predicted for ρ → ∞": plain,
        "measured, mean": mean,
        "measured, each training set": each,
    }
    _add_legend(plot, items)

    def show(view: View) -> None:
        curves.data, means.data, points.data = _curve_data(view)
        enough.location = view.samples_needed if np.isfinite(view.samples_needed) else None

    return _shown(Panel(plot, show), view)


def _matrix_data(view: View, names: list[str], low: float, high: float) -> Data:
    row, column = (each.ravel() for each in np.indices(view.template_matrix.shape))
    values = view.template_matrix.ravel()
    dark = (values - low) / (high - low) > _DARK
    return {
        "row": [names[i] for i in row],
        "column": [names[j] for j in column],
        "value": values.tolist(),
        "error": view.template_matrix_error.ravel().tolist(),
        "text": [f"{value:.5f}" for value in values],
        "colour": ["white" if some else BLACK for some in dark],
    }


def _spectrum_data(view: View) -> Data:
    if view.spectrum is None:
        return {"multiplicity": [], "eigenvalue": [], "colour": []}
    values, orders = view.spectrum.eigenvalues, view.spectrum.orders
    kept = np.flatnonzero(values > 0)
    return {
        "multiplicity": view.spectrum.multiplicities[kept].astype(float).tolist(),
        "eigenvalue": values[kept].tolist(),
        "colour": [CYCLE[(0, 2, 3)[order % 3]] for order in orders[kept].tolist()],
    }


def _limit_data(view: View) -> Data:
    root = np.sqrt(view.weights)
    values = np.linalg.eigvalsh(root[:, None] * view.template_matrix * root)
    error = view.bound * float(view.weights.max())
    kept = values[values > 0]
    return {
        "one": [1.0] * len(kept),
        "value": kept.tolist(),
        "low": np.maximum(kept - error, kept / 10).tolist(),
        "high": (kept + error).tolist(),
    }


def _curve_data(view: View) -> tuple[Data, Data, Data]:
    """Curves, means over training sets, and each training set; missing values left out."""
    n, measured = view.measured
    nothing = np.full(len(view.curve_samples), np.nan)
    corrected = nothing if view.corrected is None else view.corrected
    curves = {"n": view.curve_samples, "plain": view.closed_form, "corrected": corrected}
    points = {"n": np.tile(n, len(measured)), "mse": measured.ravel()}
    return curves, {"n": n, "mse": measured.mean(axis=0)}, points


def _scale(matrix: np.ndarray) -> tuple[float, float]:
    """The entries of N and a margin, as `ktrans.plotting.gram.gram_norm` has it."""
    low, high = float(matrix.min()), float(matrix.max())
    margin = 0.15 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _names(templates: tuple[str, ...]) -> list[str]:
    if len(set(templates)) == len(templates) <= _NAMED_TEMPLATES:
        return list(templates)
    return [f"z{i + 1}" for i in range(len(templates))]


def _log_plot(title: str, x: str, y: str, height: int, **options: Any) -> Any:
    """Axes as wide as there is room for, with a tooltip of the place."""
    return _plot(
        title, height=height, sizing_mode="stretch_width", x_axis_type="log", y_axis_type="log",
        x_axis_label=x, y_axis_label=y, tooltips=[(y, "$y{0.000e+0}"), (x[0], "$x{0,0}")],
        **options,
    )  # fmt: skip


def _plot(title: str, **options: Any) -> Any:
    plot: Any = figure(title=title, toolbar_location=None, tools="hover", **options)
    plot.outline_line_color = None
    plot.title.text_font_size = "13px"
    plot.title.text_color = BLACK
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_color = BLACK
    plot.axis.axis_line_color = GREY
    plot.axis.minor_tick_line_color = None
    plot.grid.grid_line_alpha = 0.4
    return plot


def _add_legend(plot: Any, renderers: dict[str, Any]) -> None:
    look: Any = {"padding": 0, "margin": 4, "spacing": 16, "label_text_font_size": "12px"}
    items = [(name, [renderer]) for name, renderer in renderers.items()]
    legend = Legend(items=items, orientation="horizontal", border_line_color=None, **look)
    plot.add_layout(legend, "below")


def _shown(panel: Panel, view: View) -> Panel:
    panel.show(view)
    return panel
