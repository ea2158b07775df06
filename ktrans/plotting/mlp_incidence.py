"""What c·X Xᵀ in a perceptron's input is worth: samples needed against c, and learning curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, GREY, MARKERS, TEXT_WIDTH, new_figure

_STYLES = {"nngp": "--", "ntk": "-"}
_NAMES = {
    "aba_abb": "αβα / αββ",
    "relational_match_to_sample": "match to sample",
    "marked_aba_abb": "αβα / αββ after a, b",
}


def mlp_incidence_figure(results: Mapping[str, Any]) -> Figure:
    """n* against c, errors on unseen symbols against n, and errors on known ones.

    Args:
        results: `against_scale` and `curves` of `experiments.mlp_incidence`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.2)
    left, middle, right = figure.subplots(1, 3)
    right.sharey(middle)
    plot_against_scale(left, results["against_scale"])
    plot_errors(middle, results["curves"], "unseen")
    plot_errors(right, results["curves"], "seen")
    _legend_below(middle)
    for letter, axes in zip("abc", (left, middle, right), strict=True):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")
    return figure


def plot_against_scale(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> Axes:
    """n*(c) for each task and kind of kernel, with the power of c at small c.

    Args:
        axes: Where to draw.
        rows: Each with `task`, `kind`, `scale`, `n_star`, `power` and `templates`.

    Returns:
        The axes.
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    for row in rows:
        colour = CYCLE[tasks.index(row["task"])]
        axes.plot(row["scale"], row["n_star"], color=colour, ls=_STYLES[row["kind"]])
        if row["kind"] == "ntk":
            power = f"{row['power']:.2g}".replace("-", "−")
            name = _NAMES.get(row["task"], row["task"])
            axes.plot([], [], color=colour, label=rf"{name}, $\propto c^{{{power}}}$")
    for kind, style in _STYLES.items():
        axes.plot([], [], color=GREY, ls=style, label=kind.upper())
    axes.set_ylim(bottom=1.0)
    log_scales(axes)
    axes.set_xlabel(r"scale $c$ of $XX^\top$ in the input")
    axes.set_ylabel("samples needed, $n^*$")
    _legend_below(axes)
    return axes


def plot_errors(axes: Axes, curves: Sequence[Mapping[str, Any]], part: str) -> Axes:
    """Errors measured, with standard errors, and in closed form, for each c.

    Args:
        axes: Where to draw.
        curves: Each with `scale`, `vocab_size`, `num_samples`, `grid`, and `unseen` and `seen` with
            `measured`, `stderr` and `predicted_curve`.
        part: "unseen" for unseen symbols or "seen" for new strings of known ones.

    Returns:
        The axes.
    """
    for i, curve in enumerate(curves):
        colour, found = CYCLE[i % len(CYCLE)], curve[part]
        axes.plot(curve["grid"], found["predicted_curve"], color=colour)
        axes.errorbar(
            curve["num_samples"], found["measured"], yerr=found["stderr"], color=colour, ls="none",
            marker=MARKERS[i % len(MARKERS)], capsize=2, elinewidth=0.8, label=_scale_name(curve),
        )  # fmt: skip
    axes.axhline(1.0, color=BLACK, ls=":", lw=1.0, zorder=0, label="chance")
    log_scales(axes)
    axes.set_xlabel("number of samples $n$")
    axes.set_ylabel(f"error on {'unseen' if part == 'unseen' else 'known'} symbols")
    axes.text(0.04, 0.04, f"$m$ = {curves[0]['vocab_size']} tokens", transform=axes.transAxes)
    return axes


def _scale_name(curve: Mapping[str, Any]) -> str:
    return f"$c$ = {curve['scale']:g}" + (" (plain MLP)" if curve["scale"] == 0 else "")


def _legend_below(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), handlelength=1.8)
