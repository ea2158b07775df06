"""The figures of `ktrans verify`: what stands on which axes."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ktrans.measure.blocks import OrderedGram
from ktrans.measure.spectrum_curves import DiversitySpectrum
from ktrans.measure.unseen import Measurement
from ktrans.plotting.curves import plot_error_against_diversity, plot_error_against_samples
from ktrans.plotting.gram import gram_norm, plot_gram, plot_template_matrix
from ktrans.plotting.spectra import plot_spectrum
from ktrans.plotting.style import TEXT_WIDTH, new_figure


def gram_figure(grams: Sequence[OrderedGram]) -> Figure:
    """K̂ ordered by template for one or several ρ, N at the right, on one colour scale.

    Args:
        grams: From `ordered_gram`, one kernel and one task at several vocabularies.

    Returns:
        The figure.
    """
    panels = len(grams) + 1
    figure = new_figure(TEXT_WIDTH, (TEXT_WIDTH - 0.9) / panels + 0.45)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    matrix, templates = grams[0].template_matrix, grams[0].templates
    norm = gram_norm(matrix)
    for ax, gram in zip(axes, grams, strict=False):
        plot_gram(ax, gram, norm)
    image = plot_template_matrix(axes[-1], matrix, templates, norm)
    below = any(norm(gram.matrix.min()) < 0 for gram in grams)
    extend = "both" if below else "max"
    bar = figure.colorbar(image, ax=axes, extend=extend, shrink=0.9, aspect=25, pad=0.015)
    bar.set_label("kernel (orange: above)")
    bar.formatter.set_useOffset(False)  # type: ignore[union-attr]
    return figure


def error_figure(
    measured: Mapping[str, Measurement], curves: Mapping[str, tuple], chance: float
) -> Figure:
    """Error on unseen symbols against n, and against ρ where there are several.

    Args:
        measured: A measurement for each kernel, by name.
        curves: Numbers of samples and closed-form errors for each kernel.
        chance: Error of the best constant.

    Returns:
        The figure.
    """
    several = any(len(set(m.diversity.tolist())) > 1 for m in measured.values())
    figure = new_figure(TEXT_WIDTH if several else TEXT_WIDTH * 0.6, 2.9)
    axes = figure.subplots(1, 2 if several else 1, squeeze=False, sharey=True)[0]
    plot_error_against_samples(axes[0], measured, curves, chance)
    if several:
        plot_error_against_diversity(axes[1], measured, chance)
    return figure


def spectrum_figure(spectrum: DiversitySpectrum) -> Figure:
    """Leading eigenvalues of K̂/n against ρ with those of N.

    Args:
        spectrum: From `diversity_spectrum`.

    Returns:
        The figure.
    """
    figure = new_figure(TEXT_WIDTH * 0.75, 2.9)
    plot_spectrum(figure.subplots(), spectrum)
    return figure
