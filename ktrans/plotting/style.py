"""One look for all figures: colour-blind safe, legible in print."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

# Okabe and Ito's palette: distinct with every kind of colour blindness, and in grey.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
GREY, BLACK = "#8C8C8C", "#1A1A1A"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE)
MARKERS = ("o", "s", "^", "D")

# Inches: the text width of a paper in one column, and of one column of two.
TEXT_WIDTH, COLUMN_WIDTH = 6.75, 3.25

RC: Any = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.5,
    "legend.fontsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "figure.dpi": 100,
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw and save inside this block with the style, and leave the user's settings alone."""
    with matplotlib.rc_context(RC):
        yield


def new_figure(width: float, height: float) -> matplotlib.figure.Figure:
    """A figure of the given inches that no window system needs to know of."""
    figure = matplotlib.figure.Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
