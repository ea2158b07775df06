"""Identities in the heads of a network: z over layers and heads, in two colours about zero."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ktrans.plotting.style import BLACK, BLUE, COLUMN_WIDTH, GREY, ORANGE, TEXT_WIDTH, new_figure

TITLES = {
    "query_key": r"$aI$ in $W_Q^\top W_K$: compares tokens",
    "value_output": r"$bI$ in $W_O W_V$: copies tokens",
}
_LINEAR = 5.0  # |z| up to which the colours grow in proportion
_COLOURS = LinearSegmentedColormap.from_list("two", [ORANGE, "white", BLUE])
_MOST_MARKS, _TALLEST = 40, 6.0


def heads_figure(found: Mapping[str, Any]) -> Figure:
    """z of a I and of b I for each head, on one scale.

    Args:
        found: What `HeadIdentities.to_dict` returns.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, _height(found))
    pair = figure.subplots(1, 2, sharey=True)
    largest = max(np.abs(found[name]).max() for name in TITLES)
    norm = SymLogNorm(_LINEAR, vmin=-max(largest, _LINEAR), vmax=max(largest, _LINEAR))
    images = [plot_heads(axes, found, name, norm) for axes, name in zip(pair, TITLES, strict=True)]
    pair[0].set_ylabel("layer")
    bar = figure.colorbar(images[1], ax=list(pair), fraction=0.04, pad=0.02)
    bar.set_label("$z$ against permuted coordinates")
    ticks = _ticks(norm.vmax or _LINEAR)
    bar.set_ticks(ticks, labels=[f"{x:g}".replace("-", "−") for x in ticks])
    bar.minorticks_off()
    return figure


def plot_heads(axes: Axes, found: Mapping[str, Any], name: str, norm: SymLogNorm) -> AxesImage:
    """z of one kind; a dot marks heads in which no identity is found at the level.

    Args:
        axes: Where to draw.
        found: What `HeadIdentities.to_dict` returns.
        name: "query_key" or "value_output".
        norm: Scale of the colours, symmetric about zero.

    Returns:
        The image.
    """
    z, is_found = np.array(found[name]), np.array(found[f"{name}_found"])
    image = axes.imshow(z, cmap=_COLOURS, norm=norm, aspect="auto", interpolation="nearest")
    if max(z.shape) <= _MOST_MARKS:
        layers, heads = np.nonzero(~is_found)
        axes.plot(heads, layers, ls="none", marker=".", ms=3, color=GREY)
    axes.set_title(TITLES[name])
    axes.set_xlabel("head")
    axes.set_xticks(_places(z.shape[1]))
    axes.set_yticks(_places(z.shape[0]))
    axes.spines[:].set_visible(True)
    return image


def distances_figure(found: Mapping[str, Any]) -> Figure:
    """a of each head of a network with rotary positions, against the distance.

    Args:
        found: What `HeadIdentities.to_dict` returns, with distances.

    Returns:
        The figure: a line a head, the heads whose a is found darker.
    """
    figure = new_figure(COLUMN_WIDTH, 2.4)
    axes = figure.subplots()
    curves = np.array(found["distance_a"]).reshape(-1, len(found["distances"])) * found["dim"]
    dark = np.ravel(found["query_key_found"])
    for curve, is_found in zip(curves, dark, strict=True):
        axes.plot(range(len(curve)), curve, lw=0.6, color=BLUE if is_found else GREY, alpha=0.5)
    axes.axhline(0, color=BLACK, lw=0.5)
    axes.set_xticks(range(len(found["distances"])), map(str, found["distances"]))
    axes.set_xlabel("distance from query to key")
    axes.set_ylabel(r"$a\,d$, logit of an equal token")
    return figure


def _height(found: Mapping[str, Any]) -> float:
    cell = (TEXT_WIDTH - 1.2) / 2 / found["num_heads"]
    return float(np.clip(cell * found["num_layers"] + 0.9, 1.6, _TALLEST))


def _places(count: int) -> np.ndarray:
    step = max(1, -(-count // 12))
    return np.arange(0, count, step)


def _ticks(largest: float) -> list[float]:
    """±5, ±10, ±20, … within the scale, and zero."""
    steps = [x for x in (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0) if x <= largest]
    return [*(-x for x in reversed(steps)), 0.0, *steps]
