"""Population spectra against the diversity, and learning curves from them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.measure.spectrum_curves import SpectrumCurves
from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, GREY, MARKERS, TEXT_WIDTH, new_figure

_STYLES = ("-", "--", ":", "-.")
_FINE_TICKS, _COARSE_TICKS = (0.9, 1.0, 1.1, 1.2, 1.4, 1.6), (1.0, 2.0, 3.0, 5.0, 10.0)


def population_figure(curves: SpectrumCurves) -> Figure:
    """Eigenvalues against ρ at the left, and what share of the trace they carry at the right.

    Args:
        curves: From `spectrum_curves`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.3)
    left, right = figure.subplots(1, 2)
    plot_population(left, curves)
    plot_power(right, curves)
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def plot_population(axes: Axes, curves: SpectrumCurves) -> Axes:
    """Population eigenvalues by representation, limits, and eigenvalues of samples.

    Args:
        axes: Where to draw.
        curves: From `spectrum_curves`.

    Returns:
        The axes.
    """
    for i, label in enumerate(curves.labels):
        values = curves.eigenvalues(label)
        positive = np.where(values > 0, values, np.nan)
        lines = axes.plot(curves.diversity, positive, color=_colour(i), ls=_style(i))
        lines[0].set_label(_mathematics(label))
    for j, limit in enumerate(curves.limit[curves.limit > 0]):
        name = r"limit, $D^{1/2} N D^{1/2}$" if j == 0 else None
        axes.axhline(limit, color=BLACK, lw=0.6, ls=(0, (1, 2)), label=name)
    _plot_samples(axes, curves)
    log_scales(axes)
    axes.set_xlabel(r"sample diversity $\rho$")
    axes.set_ylabel(r"eigenvalue")
    return axes


def plot_power(axes: Axes, curves: SpectrumCurves) -> Axes:
    """Multiplicity times eigenvalue, as a share of the trace, for each representation."""
    for i, label in enumerate(curves.labels):
        axes.plot(curves.diversity, curves.power(label), color=_colour(i), ls=_style(i))
    log_scales(axes)
    axes.set_xlabel(r"sample diversity $\rho$")
    axes.set_ylabel("multiplicity × eigenvalue, share of trace")
    return axes


def learning_curve_figure(panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Ridge regression against n, what the closed forms miss of it, and gradient flow against time.

    Args:
        panels: By title; each with `ridge`, `in_distribution` and `flow`. These have `x`,
            `measured`, `stderr`, and closed forms `plain` and `corrected` at x, `plain_curve` and
            `corrected_curve` on `grid`; `ridge` also `cavity` at x, `in_distribution` no plain one.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 5.4)
    axes = figure.subplots(3, len(panels), squeeze=False, height_ratios=(2, 1, 2))
    for column, (title, panel) in zip(axes.T, panels.items(), strict=True):
        _plot_errors(column[0], panel["ridge"])
        _plot_in_distribution(column[0], panel["in_distribution"])
        _plot_ratios(column[1], panel["ridge"])
        column[0].tick_params(labelbottom=False)
        _plot_errors(column[2], panel["flow"])
        column[2].set_xlabel(rf"training time $t$ ($n$ = {panel['flow']['num_samples']})")
        column[0].set_title(title)
    axes[0, 0].set_ylabel("mean squared error,\nridge regression")
    axes[1, 0].set_ylabel("predicted /\nmeasured")
    axes[2, 0].set_ylabel("mean squared error,\ngradient flow")
    (upper, upper_names), (lower, lower_names) = (
        each.get_legend_handles_labels() for each in axes[:2, 0]
    )
    names = [*upper_names, *lower_names]
    figure.legend([*upper, *lower], names, loc="outside lower center", ncols=3)
    return figure


def _plot_samples(axes: Axes, curves: SpectrumCurves) -> None:
    leading = len(curves.limit)
    for j, column in enumerate(curves.sampled.T):
        axes.plot(
            curves.sampled_diversity, column, ls="none", mfc="white", zorder=3,
            marker=MARKERS[0] if j < leading else MARKERS[2], ms=3.5 if j < leading else 2.5,
            color=CYCLE[0] if j < leading else GREY,
            label=_sample_name(j, leading, curves.num_samples),
        )  # fmt: skip


def _sample_name(j: int, leading: int, n: int) -> str | None:
    if j == 0:
        return rf"$\hat{{K}}/n$, $r$ leading, $n$ = {n}"
    return r"$\hat{K}/n$, next ones" if j == leading else None


def _plot_errors(axes: Axes, panel: Mapping[str, Any]) -> None:
    axes.plot(
        panel["grid"], panel["plain_curve"], color=CYCLE[1], ls="--",
        label="unseen symbols, collisions neglected",
    )  # fmt: skip
    axes.plot(
        panel["grid"], panel["corrected_curve"], color=CYCLE[0],
        label="unseen symbols, collisions counted",
    )  # fmt: skip
    _plot_measured(axes, panel, BLACK, "o", "unseen symbols, measured ± 2 s.e.")
    log_scales(axes)


def _plot_in_distribution(axes: Axes, panel: Mapping[str, Any]) -> None:
    axes.plot(
        panel["grid"],
        panel["corrected_curve"],
        color=CYCLE[2],
        ls=":",
        label="training distribution, closed form",
    )
    _plot_measured(axes, panel, CYCLE[2], "^", "training distribution, measured")


def _plot_measured(
    axes: Axes, panel: Mapping[str, Any], colour: str, marker: str, label: str
) -> None:
    axes.errorbar(
        panel["x"], panel["measured"], yerr=2 * np.asarray(panel["stderr"]), color=colour,
        ls="none", marker=marker, ms=3, capsize=2, elinewidth=0.8, zorder=3, label=label,
    )  # fmt: skip


def _plot_ratios(axes: Axes, panel: Mapping[str, Any]) -> None:
    measured = np.asarray(panel["measured"])
    axes.axhspan(0.95, 1.05, color=GREY, alpha=0.25, lw=0)
    forms = (("plain", CYCLE[1], "s"), ("corrected", CYCLE[0], "o"), ("cavity", CYCLE[3], "D"))
    for name, colour, marker in forms:
        ratio = np.asarray(panel[name]) / measured
        spread = 2 * np.asarray(panel["stderr"]) / measured * ratio
        label = "unseen symbols, cavity method" if name == "cavity" else None
        axes.errorbar(
            panel["x"], ratio, yerr=spread, color=colour, marker=marker, ms=3, lw=0.8, capsize=2,
            label=label,
        )  # fmt: skip
    log_scales(axes)
    axes.set_ylim(0.85, max(1.2, 1.1 * float(np.max(np.asarray(panel["plain"]) / measured))))
    top = axes.get_ylim()[1]
    ticks = [tick for tick in (_FINE_TICKS if top < 2 else _COARSE_TICKS) if tick < top]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlabel(r"number of samples $n$")


def _colour(i: int) -> str:
    return CYCLE[i % len(CYCLE)]


def _style(i: int) -> str:
    return _STYLES[i // len(CYCLE) % len(_STYLES)]


def _mathematics(label: str) -> str:
    """ "(m-1,1)" with a true minus and in italics."""
    return label if label == "trivial" else f"${label}$"
