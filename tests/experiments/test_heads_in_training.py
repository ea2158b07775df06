"""a, z, N and the error on unseen symbols move together, and only where there is an a."""

import numpy as np
import pytest

from experiments.data_efficiency import PLAIN, WITH_A
from experiments.heads_in_training import Config, _first, compute
from ktrans.plotting import paper_style
from ktrans.plotting.heads_in_training import heads_in_training_figure
from ktrans.plotting.svg import write_figure


@pytest.mark.slow
def test_identity_template_matrix_and_unseen_symbols_are_learned_together(tmp_path):
    found = compute(Config.quick())
    (plain,), (with_a,) = found["models"][PLAIN], found["models"][WITH_A]
    assert plain["learned_at"] is None
    assert with_a["learned_at"] is not None
    # N is nonsingular as soon as there is an a, and large when unseen symbols are learned.
    assert with_a["nonsingular_at"] <= with_a["learned_at"]
    learned = with_a["step"].index(with_a["learned_at"])
    assert with_a["sigma_min"][learned] > 100 * with_a["sigma_min"][learned - 2]
    assert with_a["a"][learned] > 0.5 * max(with_a["a"])
    assert with_a["query_key"][-1] > with_a["query_key"][0] + 1
    assert with_a["sigma_min"][-1] > 20 * plain["sigma_min"][-1]
    assert np.argmax(np.array(with_a["unseen"]) < 0.5) == learned
    with paper_style():
        path = write_figure(tmp_path / "figure.svg", heads_in_training_figure(found))
    assert b"<svg" in path.read_bytes()


def test_the_first_step_is_the_one_from_which_on_it_holds():
    steps = [0, 10, 20, 30]
    assert _first([1, 0.1, 0.9, 0.2], lambda x: x < 0.5, steps) == 30
    assert _first([0.1, 0.1, 0.1, 0.2], lambda x: x < 0.5, steps) == 0
    assert _first([0.1, 0.1, 0.1, 0.9], lambda x: x < 0.5, steps) is None
