import numpy as np
import pytest

from experiments.random_features import Config, compute
from ktrans.plotting import paper_style
from ktrans.plotting.random_features import random_features_figure
from ktrans.plotting.svg import write_figure


@pytest.mark.slow
def test_networks_converge_to_the_exact_kernel_at_one_over_root_width(tmp_path):
    results = compute(Config.quick())
    sources, ridge = results["sources"], results["ridge"]
    for name in ("heads", "head_dim", "mlp_width"):
        np.testing.assert_allclose(sources[name]["slope"], -0.5, atol=0.1)
        assert sources[name]["slope_stderr"] < 0.03
    # Over a factor of four only, the slope of all together is known less well.
    together = sources["all"]
    assert abs(together["slope"] + 0.5) < 5 * together["slope_stderr"] < 0.3
    for source in sources.values():
        assert source["largest_z"][-1] < 5
    # More features than samples are not enough at once, and enough are found.
    errors = np.array(ridge["features"])
    assert errors[0] > 1.5 * ridge["kernel"]
    assert ridge["wide_enough"] in ridge["widths"][1:]
    with paper_style():
        path = write_figure(tmp_path / "figure.svg", random_features_figure(results))
    assert b"<svg" in path.read_bytes()
