import io

import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.comparison import compare
from ktrans.plotting.comparison import (
    comparison_figure,
    plot_eigenvalues,
    plot_errors,
    plot_template_eigenvalues,
)
from ktrans.plotting.style import new_figure, paper_style
from tests.coincidence_kernel import CoincidenceKernel

MLP = kt.MLPKernel(
    kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)


@pytest.fixture(scope="module")
def found():
    kernels = {"coincidences": CoincidenceKernel(weight=1e-6), "MLP": MLP}
    options = {"num_samples": [10, 40], "num_seeds": 2, "ridge": 0.1, "num_test": 20}
    return compare(kernels, kt.tasks.load("aba_abb", vocab_size=30), **options)


def test_points_are_means_and_lines_are_closed_forms(found):
    axes = plot_errors(new_figure(3.0, 3.0).subplots(), found, "in_distribution")
    drawn = [line.get_ydata() for line in axes.lines]
    for each in found.kernels.values():
        for values in (each.summary["in_distribution"].mean, each.curves.in_distribution):
            assert any(len(y) == len(values) and np.allclose(y, values) for y in drawn)
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_singular_matrices_are_marked_at_their_bound(found):
    axes = plot_template_eigenvalues(new_figure(3.0, 3.0).subplots(), found)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["coincidences", "MLP"]
    texts = [text.get_text() for text in axes.texts]
    assert texts[1] == "singular"
    assert r"\cdot 10^" in texts[0]
    bound = found.kernels["MLP"].certificate.sigma_min_error
    assert any(list(line.get_xdata()) == [bound] for line in axes.lines)


def test_eigenvalues_descend(found):
    axes = plot_eigenvalues(new_figure(3.0, 3.0).subplots(), found)
    assert all((np.diff(line.get_ydata()) <= 0).all() for line in axes.lines)


def test_the_figure_is_saved(found):
    buffer = io.BytesIO()
    with paper_style():
        comparison_figure(found).savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
