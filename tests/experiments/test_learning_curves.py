import numpy as np
import pytest

from experiments.learning_curves import Config, compute
from ktrans.plotting import learning_curve_figure, paper_style
from ktrans.plotting.svg import write_figure


@pytest.mark.slow
def test_counting_collisions_brings_the_curve_to_the_measurement(tmp_path):
    panels = compute(Config.quick())
    (panel,) = panels.values()
    measured, stderr = (np.array(panel["ridge"][name]) for name in ("measured", "stderr"))
    assert (stderr < 0.02 * measured).all()
    corrected, plain, cavity = (
        np.array(panel["ridge"][name]) / measured for name in ("corrected", "plain", "cavity")
    )
    np.testing.assert_allclose(corrected, 1.0, atol=0.05)
    np.testing.assert_allclose(cavity, 1.0, atol=0.05)
    # The closed form without collisions is off by more, and by more the more samples there are.
    assert plain[-1] > plain[0] > corrected.max()
    assert plain[-1] > 1.15
    for part in ("in_distribution", "flow"):
        found = np.array(panel[part]["corrected"]) / panel[part]["measured"]
        np.testing.assert_allclose(found, 1.0, atol=0.05)
    with paper_style():
        path = write_figure(tmp_path / "curves.svg", learning_curve_figure(panels))
    assert b"<svg" in path.read_bytes()
