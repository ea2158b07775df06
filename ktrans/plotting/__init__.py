"""Axes in, axes out: pictures of results, which compute nothing."""

from ktrans.plotting.copying import alignment_figure, threshold_figure
from ktrans.plotting.curves import plot_error_against_diversity, plot_error_against_samples
from ktrans.plotting.figures import error_figure, gram_figure, spectrum_figure
from ktrans.plotting.gram import gram_norm, plot_gram, plot_template_matrix
from ktrans.plotting.modified_attention import modified_attention_figure
from ktrans.plotting.population import learning_curve_figure, population_figure
from ktrans.plotting.random_features import random_features_figure
from ktrans.plotting.rates import rates_figure
from ktrans.plotting.spectra import plot_spectrum
from ktrans.plotting.style import new_figure, paper_style

__all__ = [
    "alignment_figure",
    "error_figure",
    "gram_figure",
    "gram_norm",
    "learning_curve_figure",
    "modified_attention_figure",
    "new_figure",
    "paper_style",
    "plot_error_against_diversity",
    "plot_error_against_samples",
    "plot_gram",
    "plot_spectrum",
    "plot_template_matrix",
    "population_figure",
    "random_features_figure",
    "rates_figure",
    "spectrum_figure",
    "threshold_figure",
]
