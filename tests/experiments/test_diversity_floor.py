import numpy as np
import pytest

from experiments.diversity_floor import Config, compute, worst_cells
from ktrans.plotting import paper_style
from ktrans.plotting.floor import floor_figure
from ktrans.plotting.svg import write_figure


@pytest.mark.slow
def test_the_floor_falls_like_the_square_of_the_diversity_and_is_what_is_measured(tmp_path):
    result = compute(Config.quick())
    for each in result["floors"].values():
        assert each["certified"]
        # The last decade still has a next order of about 20/ρ.
        assert abs(each["slope"] + 2) < 1e-3
        measured, stderr = (np.array(each["measured"][k]) for k in ("mean", "stderr"))
        floor = np.interp(
            np.log(each["measured"]["diversity"]), np.log(each["diversity"]), np.log(each["mse"])
        )
        # n = 10,000 is not infinite yet: a tenth.
        np.testing.assert_array_less(np.abs(np.exp(floor) - measured), 0.1 * measured + 4 * stderr)
    for _, _, _, off, stderr in worst_cells(result):
        assert abs(off) < 0.05 + 2 * stderr
    with paper_style():
        path = write_figure(tmp_path / "floor.svg", floor_figure(result))
    assert b"<svg" in path.read_bytes()
