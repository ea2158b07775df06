"""Identities in heads and the template matrix along training, beside the error on new symbols."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.plotting.style import BLACK, CYCLE, GREY, MARKERS, TEXT_WIDTH, new_figure

_PANELS = {
    "unseen": "error on unseen symbols",
    "a": r"largest $|c\,a_h|$",
    "query_key": r"largest $|z|$ in $W_Q^\top W_K$",
    "sigma_min": r"$\sigma_{\min}(\hat N)\,/\,\bar\sigma$",
}


def heads_in_training_figure(found: Mapping[str, Any]) -> Figure:
    """Four quantities against the step, a colour a model, a line a seed.

    Args:
        found: With `models`: for each a list of records of seeds, with `step` and the quantities.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 3.9)
    panels = figure.subplots(2, 2, sharex=True).ravel()
    for axes, (name, label) in zip(panels, _PANELS.items(), strict=True):
        plot_path(axes, found["models"], name)
        axes.set_ylabel(label)
    panels[0].axhline(found["chance"], color=GREY, lw=0.5, ls=":")
    panels[0].set_ylim(bottom=0)
    panels[3].axhline(0, color=BLACK, lw=0.5)
    for axes in panels[2:]:
        axes.set_xlabel("step")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def plot_path(axes: Axes, models: Mapping[str, list[Mapping[str, Any]]], name: str) -> Axes:
    """One quantity of all models and seeds; of σ_min, filled marks where N is nonsingular.

    Args:
        axes: Where to draw.
        models: Records of seeds by model.
        name: Of the quantity.

    Returns:
        The axes.
    """
    for colour, marker, (model, seeds) in zip(CYCLE, MARKERS, models.items(), strict=False):
        for i, record in enumerate(seeds):
            values = np.array(record[name])
            axes.plot(
                record["step"], values, color=colour, lw=0.9, marker=marker, ms=3, mfc="white",
                label=model if i == 0 else None,
            )  # fmt: skip
            if name == "sigma_min":
                is_found = np.array(record["nonsingular"])
                steps = np.array(record["step"])[is_found]
                axes.plot(steps, values[is_found], marker, color=colour, ms=3)
    return axes
