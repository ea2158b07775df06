import io

import matplotlib
import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.blocks import ordered_gram
from ktrans.measure.spectrum_curves import DiversitySpectrum, diversity_spectrum
from ktrans.measure.unseen import Measurement
from ktrans.plotting import (
    error_figure,
    gram_figure,
    gram_norm,
    new_figure,
    paper_style,
    plot_gram,
    plot_spectrum,
    plot_template_matrix,
    spectrum_figure,
)
from ktrans.theory.statistics import template_statistics
from tests.coincidence_kernel import CoincidenceKernel

KERNEL = CoincidenceKernel()
TASK = kt.tasks.load("aba_abb", vocab_size=40)


def measurement():
    counts, diversity = np.array([10, 100, 10, 100]), np.array([5.0, 5.0, 50.0, 50.0])
    error = np.array([0.9, 0.5, 0.9, 0.4])
    return Measurement(counts, diversity, error, 0 * error, 0 * error, error, 0 * error)


def test_a_gram_matrix_is_shown_in_the_order_of_templates():
    gram = ordered_gram(template_statistics(KERNEL, TASK), 30)
    assert np.all(np.diff(gram.template_ids) >= 0)
    axes = new_figure(3.0, 3.0).subplots()
    image = plot_gram(axes, gram)
    np.testing.assert_array_equal(image.get_array(), gram.matrix)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["αβα", "αββ"]
    (boundary,) = {line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1}
    assert boundary == np.sum(gram.template_ids == 0) - 0.5


def test_gram_and_template_matrix_share_one_scale():
    gram = ordered_gram(template_statistics(KERNEL, TASK), 30)
    norm = gram_norm(gram.template_matrix)
    pair = new_figure(6.0, 3.0).subplots(1, 2)
    first = plot_gram(pair[0], gram, norm)
    second = plot_template_matrix(pair[1], gram.template_matrix, gram.templates, norm)
    assert first.norm is second.norm
    # Entries of N lie inside the scale, the self-kernel beyond it.
    assert np.all((norm(gram.template_matrix) > 0) & (norm(gram.template_matrix) < 1))
    assert np.all(norm(gram.matrix.diagonal()) > 1)


@pytest.mark.parametrize("matrix", [np.full((2, 2), 0.4), np.zeros((1, 1))])
def test_a_constant_template_matrix_has_a_scale(matrix):
    norm = gram_norm(matrix)
    assert norm.vmin < matrix[0, 0] < norm.vmax


def test_many_templates_are_named_by_number():
    gram = ordered_gram(template_statistics(KERNEL, kt.tasks.load("majority_4", vocab_size=40)), 60)
    axes = new_figure(3.0, 3.0).subplots()
    plot_template_matrix(axes, gram.template_matrix, gram.templates)
    assert axes.get_xticklabels()[0].get_text() == "$z_{1}$"


def test_a_spectrum_has_a_line_for_each_limit():
    spectrum = diversity_spectrum(
        template_statistics(KERNEL, TASK), num_samples=50, vocab_sizes=(10, 100)
    )
    assert isinstance(spectrum, DiversitySpectrum)
    axes = plot_spectrum(new_figure(3.0, 3.0).subplots(), spectrum)
    flat = {line.get_ydata()[0] for line in axes.lines if len(line.get_ydata()) == 2}
    assert set(spectrum.limit) | set(spectrum.limit_at_n) <= flat
    assert axes.get_xscale() == axes.get_yscale() == "log"


@pytest.mark.parametrize("several", [True, False])
def test_figures_are_drawn_and_saved(several):
    tasks = [TASK, kt.tasks.load("aba_abb", vocab_size=400)] if several else [TASK]
    grams = [ordered_gram(template_statistics(KERNEL, task), 20) for task in tasks]
    spectrum = diversity_spectrum(
        template_statistics(KERNEL, TASK), num_samples=30, vocab_sizes=(10, 40)
    )
    measured = measurement() if several else measurement().at_diversity(5.0)
    curves = {"kernel": (np.array([10.0, 100.0]), np.array([0.9, 0.5]))}
    with paper_style():
        for figure in (
            gram_figure(grams),
            spectrum_figure(spectrum),
            error_figure({"kernel": measured}, curves, chance=1.0),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            assert buffer.getvalue().startswith(b"\x89PNG")


def test_the_style_is_gone_afterwards():
    before = dict(matplotlib.rcParams)
    with paper_style():
        pass
    assert dict(matplotlib.rcParams) == before
