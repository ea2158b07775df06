"""Language models with and without two scalars a head: perplexity, and what a and b become."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, BLUE, GREY, ORANGE, TEXT_WIDTH, new_figure

_KINDS = {"none": (ORANGE, "--", "GPT-2"), "ab": (BLUE, "-", r"GPT-2 with $aI$ and $bI$")}


def language_model_figure(results: Mapping[str, Any]) -> Figure:
    """Perplexities and their difference at the left, a and b of the first seed at the right.

    Args:
        results: `runs` (for "none" and "ab", one each seed), `unigram` and `difference` of
            `experiments.language_model`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.8)
    layout: Any = [["perplexity", "a", "b"], ["difference", "a", "b"]]
    axes = figure.subplot_mosaic(layout, height_ratios=(3, 2), width_ratios=(1.3, 1, 1))
    plot_perplexity(axes["perplexity"], results["runs"], results["unigram"])
    plot_difference(axes["difference"], results["difference"])
    axes["perplexity"].sharex(axes["difference"])
    axes["perplexity"].tick_params(labelbottom=False)
    first = results["runs"]["ab"][0]
    for name in ("a", "b"):
        plot_scalars(axes[name], first["steps"], first[name], name)
    axes["b"].set_ylabel("")
    for letter, panel in zip("abcd", ("perplexity", "difference", "a", "b"), strict=True):
        axes[panel].set_title(f"({letter})", loc="left", fontweight="bold")
    return figure


def plot_perplexity(
    axes: Axes, runs: Mapping[str, Sequence[Mapping[str, Any]]], unigram: float
) -> Axes:
    """Validation perplexity against steps, a line a seed.

    Args:
        axes: Where to draw.
        runs: For "none" and "ab", one each seed with `steps` and `perplexity`.
        unigram: Perplexity of token frequencies alone.

    Returns:
        The axes.
    """
    for kind, (colour, style, name) in _KINDS.items():
        for i, run in enumerate(runs[kind]):
            label = name if i == 0 else None
            axes.plot(run["steps"], run["perplexity"], color=colour, ls=style, lw=0.9, label=label)
    axes.axhline(unigram, color=GREY, ls=":", label="unigrams")
    log_scales(axes, "y")
    axes.set_ylabel("validation perplexity")
    axes.legend()
    return axes


def plot_difference(axes: Axes, difference: Mapping[str, Any]) -> Axes:
    """Validation loss with the scalars minus without, mean over seeds and two standard errors.

    Args:
        axes: Where to draw.
        difference: `steps`, `mean` and `stderr`.

    Returns:
        The axes.
    """
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.errorbar(
        difference["steps"], difference["mean"], yerr=2 * np.asarray(difference["stderr"]),
        color=BLUE, marker="o", ms=3, lw=0.9, capsize=2, elinewidth=0.8,
    )  # fmt: skip
    axes.set_xlabel("step")
    axes.set_ylabel("loss with − without\n[nats a token], ± 2 s.e.")
    return axes


def plot_scalars(axes: Axes, steps: Sequence[int], values: Any, name: str) -> Axes:
    """A strip a head, layers from top to bottom, time from left to right.

    Args:
        axes: Where to draw.
        steps: (t,) evenly spaced.
        values: (t, layers, heads).
        name: "a" or "b".

    Returns:
        The axes.
    """
    scalars = np.asarray(values)
    _, layers, heads = scalars.shape
    largest = float(np.abs(scalars).max()) or 1.0
    half = (steps[1] - steps[0]) / 2
    image = axes.imshow(
        scalars.reshape(len(steps), -1).T, cmap="RdBu_r", vmin=-largest, vmax=largest,
        aspect="auto", interpolation="none",
        extent=(steps[0] - half, steps[-1] + half, layers * heads, 0),
    )  # fmt: skip
    for layer in range(1, layers):
        axes.axhline(layer * heads, color=BLACK, lw=0.6)
    axes.set_yticks(heads * (np.arange(layers) + 0.5), [str(1 + layer) for layer in range(layers)])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("step")
    axes.set_ylabel("layer (a strip a head; first seed)")
    figure = axes.get_figure()
    assert figure is not None
    bar = figure.colorbar(image, ax=axes, aspect=40, pad=0.03)
    bar.ax.set_title(f"${name}$")
    return axes
