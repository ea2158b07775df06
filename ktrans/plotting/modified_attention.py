"""What a in W_K W_Qᵀ + aI saves: the scale n*(a), learning curves, and the reason at small β."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLUE, GREEN, GREY, ORANGE, TEXT_WIDTH, new_figure

_COLOURS = {"cls": GREEN, "pooled": ORANGE, "per-position": BLUE}
_MARKERS = {"cls": "^", "pooled": "s", "per-position": "o"}
_SIZES = {"cls": 7.0, "pooled": 4.0, "per-position": 3.5}  # of markers, which may coincide
_NAMES = {"cls": "[CLS]", "pooled": "pooled", "per-position": "per position"}
_STYLES = ("-", "--", ":")


def modified_attention_figure(results: Mapping[str, Any]) -> Figure:
    """n* against a, errors against n, and σ_min against β.

    Args:
        results: `against_a`, `curves` and `against_beta` of `experiments.modified_attention`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.3)
    left, middle, right = figure.subplots(1, 3)
    plot_sample_scale(left, results["against_a"])
    plot_learning_curves(middle, results["curves"])
    plot_conditioning(right, results["against_beta"])
    for letter, axes in zip("abc", (left, middle, right), strict=True):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")
    return figure


def plot_sample_scale(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> Axes:
    """n*(a) for each read-out and β, with the best a ≥ 0 marked.

    Args:
        axes: Where to draw.
        rows: Each with `readout`, `beta`, `a`, `n_star` and `best_positive`.

    Returns:
        The axes.
    """
    betas = sorted({row["beta"] for row in rows})
    for row in rows:
        colour, style = _COLOURS[row["readout"]], _STYLES[betas.index(row["beta"])]
        axes.plot(row["a"], _numbers(row["n_star"]), color=colour, ls=style)
        best = row["best_positive"]
        axes.plot(best["a"], best["n_star"], color=colour, marker="*", ms=7, mec="white", mew=0.5)
    for readout, colour in _COLOURS.items():
        axes.plot([], [], color=colour, label=_NAMES[readout])
    for beta, style in zip(betas, _STYLES, strict=False):
        axes.plot([], [], color=GREY, ls=style, label=rf"$\beta$ = {beta:g}")
    axes.plot([], [], color=GREY, marker="*", ls="none", ms=7, label=r"best $a \geq 0$")
    log_scales(axes, "y")
    axes.xaxis.set_major_locator(MultipleLocator(2.0))
    axes.set_xlabel(r"$a$ in $W_K W_Q^\top + aI$")
    axes.set_ylabel("samples needed, $n^*$")
    _legend_below(axes)
    return axes


def plot_learning_curves(axes: Axes, curves: Sequence[Mapping[str, Any]]) -> Axes:
    """Errors on unseen symbols, measured with standard errors, and the closed form.

    Args:
        axes: Where to draw.
        curves: Each with `readout`, `a`, `beta`, `num_samples`, `measured`, `stderr`, `grid` and
            `predicted_curve`.

    Returns:
        The axes.
    """
    for curve in curves:
        colour, is_filled = _COLOURS[curve["readout"]], curve["a"] != 0
        axes.plot(
            curve["grid"], curve["predicted_curve"], color=colour, ls="-" if is_filled else "--"
        )
        axes.errorbar(
            curve["num_samples"], curve["measured"], yerr=curve["stderr"], color=colour, ls="none",
            marker=_MARKERS[curve["readout"]], mfc=colour if is_filled else "white", capsize=2,
            elinewidth=0.8, ms=_SIZES[curve["readout"]],
            label=f"{_NAMES[curve['readout']]}, $a$ = {curve['a']:g}",
        )  # fmt: skip
    log_scales(axes)
    axes.set_xlabel("number of samples $n$")
    axes.set_ylabel("error on unseen symbols")
    axes.text(0.04, 0.04, rf"$\beta$ = {curves[0]['beta']:g}", transform=axes.transAxes)
    _legend_below(axes)
    return axes


def plot_conditioning(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> Axes:
    """σ_min(N) against β with and without a, and its deterministic limit at β = 0.

    Args:
        axes: Where to draw.
        rows: Each with `readout`, `a`, `beta`, `sigma_min` and `deterministic`.

    Returns:
        The axes.
    """
    for row in rows:
        colour, has_identity = _COLOURS[row["readout"]], row["a"] != 0
        axes.plot(
            row["beta"], _numbers(row["sigma_min"]), color=colour, ls="-" if has_identity else "--"
        )
        limit = row["deterministic"]["sigma_min"]
        if limit is not None:
            axes.axhline(limit, color=colour, lw=0.8, ls=":")
    for readout, colour in _COLOURS.items():
        axes.plot([], [], color=colour, label=f"{_NAMES[readout]}, $a$ = 1")
    axes.plot([], [], color=GREY, ls="--", label="$a$ = 0")
    axes.plot([], [], color=GREY, lw=0.8, ls=":", label=r"$\beta \to 0$ at $a$ = 1")
    log_scales(axes)
    axes.set_xlabel(r"inverse temperature $\beta$")
    axes.set_ylabel(r"$\sigma_{\min}(N)$")
    _legend_below(axes)
    return axes


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    """Gaps where a number is not known."""
    return np.array([np.nan if value is None else value for value in values])


def _legend_below(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), handlelength=1.8)
