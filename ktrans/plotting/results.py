"""`plot(result)`: the figure of any result, by its kind."""

import functools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktrans._results import Result
from ktrans.measure.blocks import OrderedGram
from ktrans.measure.comparison import Comparison
from ktrans.measure.probe import Probe
from ktrans.measure.spectrum_curves import DiversitySpectrum, SpectrumCurves
from ktrans.networks.heads import HeadIdentities
from ktrans.plotting.comparison import comparison_figure
from ktrans.plotting.figures import gram_figure, spectrum_figure
from ktrans.plotting.heads import heads_figure
from ktrans.plotting.population import population_figure
from ktrans.plotting.probe import probe_figure
from ktrans.plotting.regions import region_figure
from ktrans.plotting.style import new_figure, paper_style
from ktrans.theory.certificate import Certificate
from ktrans.theory.curves.plain import Curve
from ktrans.theory.regions import Region

_MOST_PANELS = 6
_PANEL = 2.6  # inches


@paper_style()
def plot(result: Result) -> Figure:
    """The figure of a result.

    Args:
        result: Whatever ktrans gives back; what has no figure of its own gets a panel for each of
            its arrays, and what has no arrays is shown as its table.

    Returns:
        A figure of Matplotlib.

    Raises:
        TypeError: if it is not a result.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> curve = kt.learning_curve(mlp, kt.tasks.load("aba_abb"), num_samples=[1, 10], ridge=1.0)
        >>> kt.plot(curve).axes[0].get_xlabel()
        'number of samples n'
    """
    if not isinstance(result, Result):
        raise TypeError(f"`result` must be a result of ktrans; got {type(result).__name__}.")
    return _draw(result)


@functools.singledispatch
def _draw(result: Any) -> Figure:
    arrays = {
        str(name): each
        for name, each in result.to_dataset().data_vars.items()
        if 1 <= each.ndim <= 2 and each.size > 1 and each.dtype.kind in "bifcu"
    }
    if not arrays:
        return _table_figure(str(result))
    shown = list(arrays.items())[:_MOST_PANELS]
    figure = new_figure(_PANEL * len(shown), _PANEL)
    for axes, (name, each) in zip(
        figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True
    ):
        _panel(axes, name, each)
    return figure


def _panel(axes: Axes, name: str, array: Any) -> None:
    values = np.abs(array.values) if array.dtype.kind == "c" else array.values.astype(float)
    if values.ndim == 1:
        axes.plot(values, ".-")
        axes.set_xlabel(str(array.dims[0]))
    else:
        axes.imshow(values, aspect="auto", interpolation="nearest")
        axes.set_ylabel(str(array.dims[0]))
        axes.set_xlabel(str(array.dims[1]))
    axes.set_title(name)


def _table_figure(text: str) -> Figure:
    lines = text.splitlines()
    figure = new_figure(0.08 * max(map(len, lines), default=1) + 0.5, 0.18 * len(lines) + 0.5)
    figure.text(0.02, 0.98, text, family="monospace", size=7, va="top")
    return figure


@_draw.register
def _(result: Curve) -> Figure:
    figure = new_figure(_PANEL * 1.3, _PANEL)
    axes = figure.subplots()
    axes.loglog(result.num_samples, result.mse, ".-")
    axes.set_xlabel("number of samples n")
    axes.set_ylabel("mean squared error on unseen symbols")
    return figure


@_draw.register
def _(result: Certificate) -> Figure:
    figure = new_figure(_PANEL * 1.4, _PANEL * 1.2)
    axes = figure.subplots()
    image = axes.imshow(result.template_matrix, interpolation="nearest")
    axes.set_xticks(range(len(result.templates)), result.templates, rotation=90)
    axes.set_yticks(range(len(result.templates)), result.templates)
    axes.set_title(f"template matrix N, {result.task_name}")
    figure.colorbar(image, ax=axes)
    return figure


@_draw.register
def _(result: OrderedGram) -> Figure:
    return gram_figure([result])


@_draw.register
def _(result: HeadIdentities) -> Figure:
    return heads_figure(result.to_dict())


@_draw.register
def _(result: Probe) -> Figure:
    return probe_figure(result.to_dict())


_draw.register(Comparison, comparison_figure)
_draw.register(Region, region_figure)
_draw.register(DiversitySpectrum, spectrum_figure)
_draw.register(SpectrumCurves, population_figure)
