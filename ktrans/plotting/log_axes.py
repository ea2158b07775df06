"""Logarithmic axes whose labels never run into each other, however few decades they span."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatterMathtext, LogLocator, NullFormatter

_FEW = 2.0  # decades up to which 1, 2 and 5 of each are labelled
_PLAIN = (1e-3, 1e5)  # what is written as a plain number there


def log_scales(axes: Axes, which: str = "xy") -> None:
    """Make axes logarithmic.

    Args:
        axes: What has them.
        which: "x", "y" or "xy".
    """
    for name in which:
        getattr(axes, f"set_{name}scale")("log")
        axis = getattr(axes, f"{name}axis")
        axis.set_major_locator(DecadeLocator())
        axis.set_major_formatter(DecadeFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=1.5, width=0.4)


class DecadeLocator(LogLocator):
    """Powers of ten; 1, 2 and 5 of each where few are in view, most digits in part of one."""

    def tick_values(self, vmin: float, vmax: float) -> list[float]:  # type: ignore[override]
        """The ticks of an interval."""
        decades = _decades(vmin, vmax)
        subs = (1, 2, 3, 4, 5, 6, 8) if decades < 0.5 else (1, 2, 5) if decades < _FEW else (1,)
        self.set_params(subs=tuple(map(float, subs)))
        return list(super().tick_values(vmin, vmax))


class DecadeFormatter(LogFormatterMathtext):
    """Plain numbers where few decades are in view, powers of ten elsewhere."""

    def __init__(self) -> None:
        super().__init__(labelOnlyBase=False, minor_thresholds=(math.inf, math.inf))

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label of a tick."""
        low, high = _PLAIN
        few = self.axis is not None and _decades(*self.axis.get_view_interval()) < _FEW
        return f"{x:g}" if few and low <= x < high else str(super().__call__(x, pos))


def _decades(low: float, high: float) -> float:
    return math.log10(high / low) if 0 < low < high else math.inf
