"""Errors on unseen symbols against the number of samples and against the diversity."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ktrans.measure.unseen import Measurement
from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, MARKERS


def plot_error_against_samples(
    axes: Axes, measured: Mapping[str, Measurement], curves: Mapping[str, tuple], chance: float
) -> Axes:
    """Measured errors against n at the lowest and highest ρ swept, over the closed-form curves.

    Args:
        axes: Where to draw.
        measured: A measurement for each kernel, by name.
        curves: Numbers of samples and closed-form errors for each kernel.
        chance: Error of the best constant.

    Returns:
        The axes.
    """
    for i, (name, measurement) in enumerate(measured.items()):
        colour, marker = CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]
        swept = _swept_diversities(measurement)
        for diversity in swept:
            hollow = len(swept) > 1 and diversity == max(swept)
            _plot_points(
                axes, measurement.at_diversity(diversity), "num_samples", colour, marker,
                hollow=hollow, label=rf"{name}, $\rho$ = {diversity:.5g}",
            )  # fmt: skip
        axes.plot(*curves[name], color=colour, zorder=2, label=_closed_form_label(i))
    _finish(axes, chance)
    axes.legend(loc="lower left")
    axes.set_xlabel(r"number of samples $n$")
    axes.set_ylabel("mean squared error on unseen symbols")
    return axes


def plot_error_against_diversity(
    axes: Axes, measured: Mapping[str, Measurement], chance: float
) -> Axes:
    """Measured errors against ρ at the largest n; the closed form is their limit as ρ → ∞.

    Args:
        axes: Where to draw.
        measured: A measurement for each kernel, by name.
        chance: Error of the best constant.

    Returns:
        The axes.
    """
    for i, (name, measurement) in enumerate(measured.items()):
        colour, marker = CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]
        n = int(measurement.num_samples.max())
        cells = measurement.at_num_samples(n)
        axes.plot(cells.diversity, cells.unseen, color=colour, lw=0.6, alpha=0.6, zorder=2)
        _plot_points(axes, cells, "diversity", colour, marker, hollow=False, label=name)
        axes.axhline(cells.closed_form[0], color=colour, zorder=2, label=_closed_form_label(i))
        axes.set_title(f"$n$ = {n}")
    _finish(axes, chance)
    axes.set_xlabel(r"sample diversity $\rho$")
    return axes


def _plot_points(
    axes: Axes, cells: Measurement, by: str, colour: str, marker: str, *, hollow: bool, label: str
) -> None:
    axes.errorbar(
        getattr(cells, by), cells.unseen, yerr=np.nan_to_num(cells.unseen_stderr),
        color=colour, marker=marker, ls="none", capsize=2, elinewidth=0.8,
        mfc="white" if hollow else colour, label=label, zorder=4 if hollow else 3,
    )  # fmt: skip


def _swept_diversities(measurement: Measurement) -> list[float]:
    """The diversities at which there is more than the largest n, or all if n was not swept."""
    below = measurement.num_samples < measurement.num_samples.max()
    rows = measurement.diversity[below] if below.any() else measurement.diversity
    return np.unique(rows).tolist()


def _closed_form_label(index: int) -> str | None:
    return r"closed form, $\rho \to \infty$" if index == 0 else None


def _finish(axes: Axes, chance: float) -> None:
    axes.axhline(chance, color=BLACK, ls=":", lw=1.2, zorder=2.5, label="chance")
    log_scales(axes)
