import math

import numpy as np
import pytest

from experiments.mlp_incidence import Config, compute
from ktrans.plotting import paper_style
from ktrans.plotting.mlp_incidence import mlp_incidence_figure
from ktrans.plotting.svg import write_figure

# d of n* ∝ c^(−2d): labels linear in X Xᵀ, and labels that compare two of its entries.
DEGREES = {"aba_abb": 1, "marked_aba_abb": 1, "relational_match_to_sample": 2}


@pytest.mark.slow
def test_the_incidence_matrix_makes_a_perceptron_solve_the_task(tmp_path):
    config = Config.quick()
    results = compute(config)
    for row in results["against_scale"]:
        counts, degree = np.array(row["n_star"]), DEGREES[row["task"]]
        # The next term is c² smaller: 0.0016 at c = 0.04, times constants of order ten.
        assert row["power"] == pytest.approx(-2 * degree, abs=0.1)
        assert row["n_star_without"] == math.inf
        assert (np.diff(counts) < 0).all()
        # Between c = 4 and 8 nothing more is gained where regular tokens are needed too.
        assert (counts[-1] > 0.75 * counts[-2]) == (row["task"] == "marked_aba_abb")
    without, with_ = results["curves"]
    assert min(without["unseen"]["measured"]) > 0.98  # chance is 1
    assert without["seen"]["measured"][-1] < 0.1 < 1 < without["seen"]["measured"][0]
    assert with_["unseen"]["measured"][-1] < 0.001
    for part in ("unseen", "seen"):
        assert with_[part]["measured"][-1] < 0.1 * with_[part]["measured"][0]
    found = np.array(with_["unseen"]["measured"]) / with_["unseen"]["predicted"]
    # The closed form neglects fluctuations between training sets.
    np.testing.assert_allclose(found, 1.0, atol=0.35)
    with paper_style():
        path = write_figure(tmp_path / "incidence.svg", mlp_incidence_figure(results))
    assert b"<svg" in path.read_bytes()
