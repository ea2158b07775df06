"""Errors of K_attn against the bounds that were proved for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, MARKERS, TEXT_WIDTH, new_figure

_LEAST = 1e-16  # where an error of zero is drawn


def quadrature_bounds_figure(result: Mapping[str, Any]) -> Figure:
    """All classes at the left, a colour for each (β, γ); random checks at the right.

    Args:
        result: With `points` (a list) and `random`; each has `error`, `bound` and `method`, and a
            point has `beta` and `gamma`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.1)
    left, right = figure.subplots(1, 2)
    for at, colour, marker in zip(result["points"], CYCLE, MARKERS, strict=False):
        label = rf"$\beta$ = {at['beta']:g}, $\gamma$ = {at['gamma']:g}"
        _plot_checks(left, at["error"], at["bound"], colour, marker, label)
    random = result["random"]
    exact = np.array(random["method"]) == "exact"
    for kind, colour, marker, label in (
        (exact, CYCLE[0], "o", "quadrature: proved"),
        (~exact, CYCLE[1], "s", "quasi-Monte Carlo: estimated"),
    ):
        error, bound = (np.asarray(random[name])[kind] for name in ("error", "bound"))
        _plot_checks(right, error, bound, colour, marker, label)
    _finish(left, f"all {result['points'][0]['checks']} classes")
    _finish(right, f"{random['checks']} random checks")
    left.set_ylabel(r"error against a finer rule, over $1 + \gamma^2$")
    return figure


def _plot_checks(axes: Axes, error: Any, bound: Any, colour: str, marker: str, label: str) -> None:
    shown = np.maximum(error, _LEAST)
    axes.plot(
        bound, shown, color=colour, ls="none", marker=marker, ms=2.5, mew=0, alpha=0.5, label=label
    )


def _finish(axes: Axes, title: str) -> None:
    log_scales(axes)
    low, high = axes.get_xlim()
    low = min(low, high / 20)  # more than a decade, so that two powers of ten are named
    axes.plot([low, high], [low, high], color=BLACK, lw=0.8, label="error = bound")
    axes.set_xlim(low, high)
    axes.set_xlabel(r"bound, over $1 + \gamma^2$")
    axes.set_title(title)
    axes.legend(loc="lower right")
