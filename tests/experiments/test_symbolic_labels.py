import numpy as np
import pytest

from experiments.symbolic_labels import Config, compute
from ktrans.plotting import paper_style
from ktrans.plotting.next_token import next_token_figure
from ktrans.plotting.svg import write_figure


@pytest.mark.slow
def test_unseen_symbols_are_learned_with_b_and_never_without(tmp_path):
    panels = compute(Config.quick())
    assert len(panels) == 2
    for panel in panels:
        without, with_b = panel["without b"], panel["with b"]
        assert without["generalises"] is False
        assert with_b["generalises"] is True
        assert set(without["accuracy"]) == {0.0}
        assert min(without["error"]) >= 1.0
        assert set(with_b["accuracy"]) == {1.0}
        assert with_b["error"][1] < with_b["error"][0] / 4
        # Few tokens collide among 1000; what is left is the closed form for ρ → ∞.
        np.testing.assert_allclose(with_b["error"], with_b["closed_form"], rtol=0.1)
    with paper_style():
        path = write_figure(tmp_path / "labels.svg", next_token_figure(panels))
    assert b"<svg" in path.read_bytes()
