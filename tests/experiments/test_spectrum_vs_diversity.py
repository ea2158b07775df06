import json

import numpy as np
import pytest

from experiments.spectrum_vs_diversity import Config, compute
from ktrans.cli.output import write_json
from ktrans.plotting import paper_style, population_figure
from ktrans.plotting.svg import write_figure


@pytest.fixture(scope="module")
def curves():
    return compute(Config.quick())


def slope(rho, values):
    return np.polyfit(np.log(rho), np.log(values), 1)[0]


def test_the_trivial_representation_tends_to_the_template_matrix_over_decades(curves):
    gaps = np.abs(curves.eigenvalues("trivial") - curves.limit).max(axis=1)
    large = curves.diversity > 30
    assert curves.diversity[large][-1] / curves.diversity[large][0] > 10**3
    np.testing.assert_allclose(slope(curves.diversity[large], gaps[large]), -1.0, atol=0.05)


def test_eigenvalues_fall_with_the_power_of_the_diversity_that_is_their_order(curves):
    large = curves.diversity > 30
    for label, order in {"(m-1,1)": 1, "(m-2,2)": 2, "(m-2,1,1)": 2}.items():
        for column in curves.eigenvalues(label)[large].T:
            np.testing.assert_allclose(slope(curves.diversity[large], column), -order, atol=0.05)


def test_shares_of_the_trace_sum_to_one(curves):
    total = sum(curves.power(label) for label in curves.labels)
    np.testing.assert_allclose(total, 1.0, rtol=1e-10)


def test_the_largest_eigenvalue_of_samples_is_that_of_the_population(curves):
    wanted = np.interp(
        np.log(curves.sampled_diversity),
        np.log(curves.diversity),
        curves.eigenvalues("trivial")[:, 0],
    )
    # Interpolation between 13 points, and the fluctuation of 2000 samples.
    np.testing.assert_allclose(curves.sampled[:, 0], wanted, rtol=0.01)


def test_it_is_written_and_drawn(curves, tmp_path):
    write_json(tmp_path / "results.json", curves.to_dict())
    assert json.loads((tmp_path / "results.json").read_text())["multiplicities"][-1][0] == 1
    with paper_style():
        path = write_figure(tmp_path / "spectrum.pdf", population_figure(curves))
    assert path.read_bytes().startswith(b"%PDF")
