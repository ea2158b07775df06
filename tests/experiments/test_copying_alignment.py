import numpy as np
import pytest

from experiments.copying_alignment import MAIN, UNTIED, Config, compute, panels
from ktrans.plotting.copying import alignment_figure
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import write_figure


def check(found, tmp_path):
    main = next(iter(found.values()))
    assert main["holds"]
    assert not found[UNTIED]["copies_with_b"]
    ratio = np.array(main["alignment"]["ratio"])
    b = main["alignment"]["groups"].index("b")
    np.testing.assert_allclose(ratio[:, b], 1.0, atol=0.1)
    assert main["alignment"]["supremum"][-1] < 0.05
    with paper_style():
        path = write_figure(tmp_path / "alignment.svg", alignment_figure(panels(found)))
    assert b"<svg" in path.read_bytes()


def test_b_alone_aligns_the_gradients_in_large_dimensions(tmp_path):
    settings = {"main": MAIN, UNTIED: MAIN | {"tied": False}}
    check(compute(Config((2048,), num_draws=8, settings=settings)), tmp_path)


@pytest.mark.slow
def test_the_quick_configuration_shows_the_claim(tmp_path):
    check(compute(Config.quick()), tmp_path)
