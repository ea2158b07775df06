"""The Gram matrix in the order of templates, and the template matrix it tends to."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.image import AxesImage

from ktrans.measure.blocks import OrderedGram
from ktrans.plotting.style import BLACK, ORANGE

_NAMED_TEMPLATES = 8  # more labels than this would overlap
_WRITTEN_ENTRIES = 4


def gram_norm(template_matrix: np.ndarray) -> Normalize:
    """A colour scale over the entries of N, which K̂ shares: what is above it is a collision.

    On a scale that contained the collisions, entries of N that differ in the fourth digit would
    all have one colour.
    """
    low, high = float(template_matrix.min()), float(template_matrix.max())
    margin = 0.15 * (high - low) or 0.05 * abs(high) or 1.0
    return Normalize(low - margin, high + margin)


def gram_colours() -> Colormap:
    """Grey to blue within the scale, orange for collisions above it."""
    return matplotlib.colormaps["Blues"].with_extremes(over=ORANGE, under=BLACK)


def plot_gram(axes: Axes, gram: OrderedGram, norm: Normalize | None = None) -> AxesImage:
    """K̂ as an image, samples in the order of their templates, with block boundaries.

    Args:
        axes: Where to draw.
        gram: From `ordered_gram`.
        norm: The shared colour scale; `gram_norm` of N if left out.

    Returns:
        The image, for a colour bar.
    """
    image = axes.imshow(
        gram.matrix,
        cmap=gram_colours(),
        norm=norm or gram_norm(gram.template_matrix),
        interpolation="nearest",
    )
    edges = _block_edges(gram.template_ids, len(gram.templates))
    for edge in edges[1:-1]:
        axes.axhline(edge, color=BLACK, linewidth=0.6)
        axes.axvline(edge, color=BLACK, linewidth=0.6)
    _label_blocks(axes, (edges[1:] + edges[:-1]) / 2, gram.templates)
    axes.set_title(rf"$\hat{{K}}$,  $\rho$ = {gram.diversity:.4g}")
    return image


def plot_template_matrix(
    axes: Axes, template_matrix: np.ndarray, templates: Sequence[str], norm: Normalize | None = None
) -> AxesImage:
    """N as an image on the scale of K̂, its entries written in where there are few.

    Args:
        axes: Where to draw.
        template_matrix: N, shape (r, r).
        templates: Names of the templates.
        norm: The shared colour scale.

    Returns:
        The image, for a colour bar.
    """
    scale = norm or gram_norm(template_matrix)
    image = axes.imshow(template_matrix, cmap=gram_colours(), norm=scale, interpolation="nearest")
    for edge in np.arange(1, len(templates)) - 0.5:
        axes.axhline(edge, color=BLACK, linewidth=0.6)
        axes.axvline(edge, color=BLACK, linewidth=0.6)
    if len(templates) <= _WRITTEN_ENTRIES:
        _write_entries(axes, template_matrix, scale)
    _label_blocks(axes, np.arange(len(templates), dtype=float), templates)
    axes.set_title(r"$N$")
    return image


def _write_entries(axes: Axes, matrix: np.ndarray, norm: Normalize) -> None:
    size = 7.0 if len(matrix) <= 2 else 5.0
    for (i, j), entry in np.ndenumerate(matrix):
        colour = "white" if norm(entry) > 0.6 else BLACK
        axes.text(j, i, f"{entry:.4f}", ha="center", va="center", color=colour, fontsize=size)


def _block_edges(template_ids: np.ndarray, num_templates: int) -> np.ndarray:
    counts = np.bincount(template_ids, minlength=num_templates)
    return np.concatenate([[0], np.cumsum(counts)]) - 0.5


def _label_blocks(axes: Axes, centres: np.ndarray, names: Sequence[str]) -> None:
    shown = (
        names if len(names) <= _NAMED_TEMPLATES else [f"$z_{{{i + 1}}}$" for i in range(len(names))]
    )
    axes.set_xticks(centres, shown, rotation=90 if len(names) > 2 else 0)
    axes.set_yticks(centres, shown, rotation=0 if len(names) > 2 else 90, va="center")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)
