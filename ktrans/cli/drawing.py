"""Pictures are drawn last: one that fails is a remark, and loses no table."""

import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from ktrans._checks import one_line
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import write_figure


def draw_and_write(path: Path, draw: Callable[[], Figure]) -> Figure | None:
    """Draw a figure and write it.

    Args:
        path: Of the picture.
        draw: Makes the figure.

    Returns:
        The figure; None where it could not be drawn, which is said on standard error.

    Raises:
        OSError: the file cannot be written, which is no fault of the figure.
    """
    try:
        with paper_style():
            figure = draw()
            write_figure(path, figure)
            return figure
    except OSError:
        raise
    except Exception as error:  # whatever a figure stumbles over, the numbers are there
        kind = type(error).__name__
        print(f"ktrans: {path.name} is not drawn: {kind}: {one_line(error)}", file=sys.stderr)
        return None
