"""Where in (β, γ) the template matrix is proved nonsingular."""

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from ktrans.plotting.style import new_figure, paper_style
from ktrans.theory.regions import Region

_COLOURS = ("#d55e00", "#bfe0d3")  # open, proved; told apart by the colour-blind


@paper_style()
def region_figure(region: Region) -> Figure:
    """The tiles of a region: proved ones light, open ones dark.

    Args:
        region: What `certify_region` found.

    Returns:
        A figure of one panel, γ against β.
    """
    figure = new_figure(3.6, 3.2)
    axes = figure.subplots()
    low1, high1, low2, high2 = region.boxes.T
    corners = [(low1, low2), (high1, low2), (high1, high2), (low1, high2)]
    tiles = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    colours = np.array(_COLOURS)[region.proved.astype(int)]
    axes.add_collection(
        PolyCollection(list(tiles), facecolors=colours, edgecolors="white", linewidths=0.2)
    )
    axes.set_xlim(region.beta)
    axes.set_ylim(region.gamma)
    axes.set_xlabel("β")
    axes.set_ylabel("γ")
    share = np.floor(1000 * region.share) / 10
    task = region.task_name or "the task"
    axes.set_title(f"N of {task}, {region.kernel}:\nproved nonsingular on {share:g} %")
    return figure
