"""K̂ against its blocks: how fast it tends to them, what it collides in, what that does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ktrans.measure.blocks import BlockStructure, OrderedGram
from ktrans.measure.collisions.geometry import GeometryMargins
from ktrans.measure.collisions.graph import CollisionClass
from ktrans.plotting.gram import gram_norm, plot_gram, plot_template_matrix
from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, GREY, MARKERS, TEXT_WIDTH, new_figure

_SHOWN_CLASSES = 7
_DISTANCES = (
    ("share_unequal", r"share of entries $\neq N$"),
    ("off_diagonal", r"$\Vert E - \mathrm{diag}\Vert_F/n$"),
    ("operator_norm", r"$\Vert E\Vert_2/n$"),
    ("eigenvalue_gap", r"$\max\,|\lambda_j - \mathrm{limit}|$"),
)


def block_structure_figure(
    grams: Sequence[OrderedGram],
    by_diversity: Sequence[BlockStructure],
    by_samples: Sequence[BlockStructure],
    shown: BlockStructure,
    margins: Mapping[str, GeometryMargins],
    without_collisions: float,
) -> Figure:
    """The Gram matrix in blocks, its convergence in ρ and n, and the collisions.

    Args:
        grams: From `ordered_gram`, two of them.
        by_diversity: From `block_structure` at one n, ρ ascending.
        by_samples: The same at one ρ, n ascending.
        shown: The one whose classes of collisions are shown.
        margins: From `geometry_margins`.
        without_collisions: The margin of the closed form, ρ → ∞.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 7.4)
    # Matplotlib's annotation leaves open that two rows are an array.
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.0, 2.3))
    top, bottom = parts
    _draw_grams(top, grams)
    axes = bottom.subplots(2, 3)
    plot_block_eigenvalues(axes[0, 0], by_diversity)
    plot_distances(axes[0, 1], by_diversity, "diversity")
    plot_angles(axes[0, 2], by_diversity)
    plot_distances(axes[1, 0], by_samples, "num_samples")
    plot_classes(axes[1, 1], shown)
    plot_margins(axes[1, 2], margins, without_collisions)
    handles, names = axes[0, 1].get_legend_handles_labels()
    bottom.legend(handles, names, loc="outside upper center", ncols=len(names))
    return figure


def plot_block_eigenvalues(axes: Axes, structures: Sequence[BlockStructure]) -> Axes:
    """The r largest eigenvalues of K̂/n against ρ, and those of D^½ N D^½ as lines."""
    rho = [each.diversity for each in structures]
    values = np.array([each.eigenvalues for each in structures])
    limits = np.array([each.limits for each in structures])
    for j in range(values.shape[1]):
        colour, marker = _look(j)
        axes.plot(rho, values[:, j], ls="none", marker=marker, color=colour, mfc="white",
                  label=rf"$\lambda_{{{j + 1}}}(\hat{{K}}/n)$")  # fmt: skip
        axes.plot(rho, limits[:, j], color=colour, lw=0.9, ls="--",
                  label=rf"$\lambda_{{{j + 1}}}(D^{{1/2}}ND^{{1/2}})$")  # fmt: skip
    _logarithmic(axes, r"sample diversity $\rho$", f"eigenvalue,  $n$ = {_count(structures)}")
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.62))
    return axes


def plot_distances(axes: Axes, structures: Sequence[BlockStructure], against: str) -> Axes:
    """Measures of E against ρ ("diversity") or n ("num_samples")."""
    x = np.array([getattr(each, against) for each in structures], dtype=float)
    for i, (measure, label) in enumerate(_DISTANCES):
        values = np.array([_distance(each, measure) for each in structures])
        colour, marker = _look(i)
        axes.plot(x, values, color=colour, marker=marker, ms=3, label=label)
    rho = against == "diversity"
    if rho:
        _draw_powers(axes, x, structures)
    name = r"sample diversity $\rho$" if rho else r"number of samples $n$"
    _logarithmic(axes, name, f"distance,  {_fixed(structures, against)}")
    return axes


def plot_angles(axes: Axes, structures: Sequence[BlockStructure]) -> Axes:
    """Principal angles of the top eigenspace and the indicators, with slope −1/2 as a guide."""
    x = np.array([each.diversity for each in structures])
    angles = np.array([each.angles for each in structures])
    for j in range(angles.shape[1]):
        colour, marker = _look(j)
        axes.plot(x, angles[:, j], color=colour, marker=marker, ms=3, label=rf"$\theta_{j + 1}$")
    axes.axhline(np.pi / 2, color=GREY, lw=0.6, ls=(0, (1, 2)))
    guide = angles[-1, -1] * np.sqrt(x[-1] / x) * 1.8
    axes.plot(x, guide, color=BLACK, lw=0.8, ls=":", label=r"$\propto \rho^{-1/2}$")
    _logarithmic(axes, r"sample diversity $\rho$", r"principal angle (rad)")
    axes.legend(loc="lower left")
    return axes


def plot_classes(axes: Axes, structure: BlockStructure) -> Axes:
    """Share of ‖E‖_F² that the diagonal and the heaviest classes of edges carry."""
    graph = structure.collisions
    classes = graph.classes[:_SHOWN_CLASSES]
    rest = 1 - graph.diagonal_share - sum(each.share for each in classes)
    others = len(graph.classes) - len(classes)
    names = ["diagonal", *(_class_name(each) for each in classes)]
    shares = [graph.diagonal_share, *(each.share for each in classes)]
    if others > 0:
        names, shares = [*names, f"{others} other classes"], [*shares, rest]
    colours = [GREY, *(CYCLE[(len(each.matching) - 1) % len(CYCLE)] for each in classes), GREY]
    axes.barh(names, shares, color=colours[: len(names)], height=0.7)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0, labelsize=6.0)
    axes.set_xlabel(r"share of $\Vert E\Vert_F^2$")
    axes.set_title(rf"$n$ = {_count([structure])}, $\rho$ = {structure.diversity:g}", fontsize=7.0)
    return axes


def plot_margins(axes: Axes, margins: Mapping[str, GeometryMargins], without: float) -> Axes:
    """Margins on unseen symbols against ρ for each geometry of collisions."""
    axes.axhline(without, color=GREY, lw=0.9, ls="--", label=r"closed form, $\rho\to\infty$")
    for i, (name, each) in enumerate(margins.items()):
        colour, marker = _look(i)
        axes.errorbar(
            each.diversity, each.margin, yerr=2 * each.stderr, color=colour, marker=marker, ms=3,
            capsize=2, elinewidth=0.8, label=name,
        )  # fmt: skip
    log_scales(axes, "x")
    axes.set_xlabel(r"sample diversity $\rho$")
    axes.set_ylabel("margin on unseen symbols")
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.55 * (high - low), high)
    axes.legend(loc="lower right", fontsize=6.0)
    return axes


def _draw_powers(axes: Axes, x: np.ndarray, structures: Sequence[BlockStructure]) -> None:
    """What theory says: ‖E − diag‖_F falls like ρ^(−1/2), ‖E‖₂ like ρ⁻¹ down to the diagonal."""
    for measure, power, above, name, offset in (
        ("off_diagonal", -0.5, 2.0, r"$\rho^{-1/2}$", (3, 4)),
        ("operator_norm", -1.0, 0.45, r"$\rho^{-1}$", (-18, -10)),
    ):
        guide = above * _distance(structures[0], measure) * (x / x[0]) ** power
        shown = guide > 0.3 * _distance(structures[-1], measure)
        axes.plot(x[shown], guide[shown], color=BLACK, lw=0.8, ls=":")
        place = np.count_nonzero(shown) // 2
        axes.annotate(name, (x[place], guide[place]), xytext=offset, textcoords="offset points")


def _draw_grams(figure: SubFigure, grams: Sequence[OrderedGram]) -> None:
    axes = figure.subplots(1, len(grams) + 1)
    norm = gram_norm(grams[0].template_matrix)
    for ax, gram in zip(axes, grams, strict=False):
        plot_gram(ax, gram, norm)
    image = plot_template_matrix(axes[-1], grams[0].template_matrix, grams[0].templates, norm)
    bar = figure.colorbar(image, ax=axes, extend="max", shrink=0.9, aspect=20, pad=0.015)
    bar.set_label("kernel (orange: above)")
    formatter: Any = bar.formatter
    formatter.set_useOffset(False)


def _distance(structure: BlockStructure, measure: str) -> float:
    if measure == "share_unequal":
        return 1 - structure.share_equal
    if measure == "off_diagonal":
        return structure.frobenius * float(np.sqrt(1 - structure.collisions.diagonal_share))
    if measure == "eigenvalue_gap":
        return float(np.abs(structure.eigenvalues - structure.limits).max())
    return structure.operator_norm


def _class_name(each: CollisionClass) -> str:
    first, second = each.templates
    equal = ", ".join(f"{a}={b}" for a, b in each.matching)
    return f"{first}·{second}: {equal}"


def _fixed(structures: Sequence[BlockStructure], against: str) -> str:
    if against == "diversity":
        return f"$n$ = {_count(structures)}"
    return rf"$\rho$ = {structures[0].diversity:g}"


def _count(structures: Sequence[BlockStructure]) -> str:
    return f"{structures[0].num_samples:,}".replace(",", "\u2009")


def _look(i: int) -> tuple[str, str]:
    return CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]


def _logarithmic(axes: Axes, xlabel: str, ylabel: str) -> None:
    log_scales(axes)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
