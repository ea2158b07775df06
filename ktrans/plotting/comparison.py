"""Kernels compared on one task: errors, spectra, and the eigenvalues of N."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans.measure.comparison import Comparison, KernelComparison
from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import BLACK, CYCLE, TEXT_WIDTH, new_figure
from ktrans.theory.certificate import Certificate

# Three more of Okabe and Ito's colours after the house's four.
_COLOURS = (*CYCLE, "#E69F00", "#56B4E9", BLACK)
_MARKERS = ("o", "s", "^", "v", "D", "P", "X")
_LEAST_ERROR = 1e-12  # a logarithmic axis has no zero
_ROUNDING = 1e-13  # smaller shares of the largest eigenvalue, as copies of strings give them
_LEGEND_COLUMNS = 4
_WRITTEN_OUT = 1e4  # larger n* as powers of ten


class _Look(NamedTuple):
    colour: str
    marker: str
    shift: float  # of points in n, as a factor: equal errors would hide each other


def comparison_figure(found: Comparison) -> Figure:
    """Errors on unseen symbols and in distribution, spectra, and the eigenvalues of N.

    Args:
        found: From `compare`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH, 5.4)
    (upper, right), (lower, last) = figure.subplots(2, 2)
    right.sharey(upper)
    plot_errors(upper, found, "unseen")
    plot_errors(right, found, "in_distribution")
    plot_eigenvalues(lower, found)
    plot_template_eigenvalues(last, found)
    for letter, axes in zip("abcd", (upper, right, lower, last), strict=True):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")
    (chance, *kernels), (word, *names) = upper.get_legend_handles_labels()
    figure.legend(
        [*kernels, chance], [*names, word], loc="outside upper center", ncols=_LEGEND_COLUMNS,
        handlelength=1.6,
    )  # fmt: skip
    return figure


def plot_errors(axes: Axes, found: Comparison, kind: str) -> Axes:
    """Measured errors against n with standard errors, over the closed forms.

    Args:
        axes: Where to draw.
        found: From `compare`.
        kind: "unseen" or "in_distribution".

    Returns:
        The axes.
    """
    counts = np.array(found.design.num_samples)
    for name, each, look in _kernels(found):
        mean, stderr = each.summary[kind]
        curve = getattr(each.curves, kind)
        if curve is None and kind == "unseen":
            curve = each.curves.limit
        if curve is not None:
            axes.plot(each.curves.num_samples, np.maximum(curve, _LEAST_ERROR), color=look.colour)
        axes.errorbar(
            counts * look.shift, np.maximum(mean, _LEAST_ERROR), yerr=np.nan_to_num(stderr),
            color=look.colour, marker=look.marker, ls="none", capsize=2, elinewidth=0.8, label=name,
        )  # fmt: skip
    axes.axhline(found.chance, color=BLACK, ls=":", label="chance")
    log_scales(axes)
    axes.set_xlabel("number of samples $n$")
    where = "on unseen symbols" if kind == "unseen" else "in distribution"
    axes.set_ylabel(f"mean squared error {where}")
    return axes


def plot_eigenvalues(axes: Axes, found: Comparison) -> Axes:
    """Eigenvalues of K̂/n in order: those of the templates stand out of the bulk.

    Args:
        axes: Where to draw.
        found: From `compare`.

    Returns:
        The axes.
    """
    for _, each, look in _kernels(found):
        positive = each.eigenvalues[each.eigenvalues > _ROUNDING * each.eigenvalues.max()]
        axes.plot(np.arange(1, len(positive) + 1), positive, color=look.colour)
        few = positive[: len(each.certificate.templates)]
        axes.plot(
            np.arange(1, len(few) + 1), few, color=look.colour, marker=look.marker, ls="none", ms=3
        )
    log_scales(axes)
    axes.set_xlabel("index")
    axes.set_ylabel(r"eigenvalue of $\hat{K}/n$")
    return axes


def plot_template_eigenvalues(axes: Axes, found: Comparison) -> Axes:
    """Eigenvalues of N for each kernel, with n*; those within their error bound as arrows.

    Args:
        axes: Where to draw.
        found: From `compare`.

    Returns:
        The axes.
    """
    for row, (_, each, look) in enumerate(_kernels(found)):
        _plot_row(axes, row, each.certificate, look)
    names = list(found.kernels)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    log_scales(axes, "x")
    axes.set_xlabel("eigenvalues of $N$")
    return axes


def _plot_row(axes: Axes, row: int, certificate: Certificate, look: _Look) -> None:
    sizes = np.abs(certificate.eigenvalues)
    known = sizes > certificate.sigma_min_error
    axes.plot(
        sizes[known], np.full(known.sum(), row), look.marker, color=look.colour, clip_on=False
    )
    if not known.all():
        bound = certificate.sigma_min_error
        axes.plot(bound, row, marker=8, color=look.colour, ms=6, clip_on=False)
    axes.annotate(
        _scale(certificate), (1.0, row - 0.32), xycoords=("axes fraction", "data"), ha="right",
        va="center", fontsize=6.5, color=look.colour,
    )  # fmt: skip


def _scale(certificate: Certificate) -> str:
    """n*, or why there is none."""
    if certificate.nonsingular is None:
        return "undecided"
    if not math.isfinite(certificate.sample_scale):
        return "singular"
    if certificate.sample_scale < _WRITTEN_OUT:
        return f"$n^*$ = {certificate.sample_scale:.0f}"
    exponent = math.floor(math.log10(certificate.sample_scale))
    return rf"$n^*$ = {certificate.sample_scale / 10**exponent:.1f}$\cdot 10^{{{exponent}}}$"


def _kernels(found: Comparison) -> Iterator[tuple[str, KernelComparison, _Look]]:
    size = len(found.kernels)
    for i, (name, each) in enumerate(found.kernels.items()):
        shift = 1.02 ** (i - (size - 1) / 2)
        yield name, each, _Look(_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)], shift)
