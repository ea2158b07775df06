import numpy as np
import pytest

from experiments.theorem_rates import Config, compute
from ktrans.plotting import paper_style
from ktrans.plotting.rates import rates_figure
from ktrans.plotting.svg import write_figure


@pytest.mark.slow
def test_errors_fall_faster_than_the_theorem_says_and_stay_under_its_bound(tmp_path):
    result = compute(Config.quick())
    for name in ("in_num_samples", "in_diversity"):
        assert result["rates"][name]["high"] < -0.5
    looseness = np.array(result["rates"]["looseness"])
    # The fitted bound holds everywhere and touches somewhere, to rounding of the linear programme.
    assert looseness.min() > 1 - 1e-6
    np.testing.assert_allclose(looseness.min(), 1.0, rtol=1e-6)
    # Only a factor of four in n and in ρ: the gap opens like their square roots.
    assert looseness.max() > 1.25
    assert any("not sharp" in sentence for sentence in result["verdict"])
    for sweep in (*result["against_n"], result["against_rho"]):
        measured, stderr = np.array(sweep["rms"]), np.array(sweep["stderr"])
        corrected = np.interp(np.log(sweep["x"]), np.log(sweep["grid"]), sweep["corrected"])
        # Within a tenth where training sets pin the measurement down to that.
        np.testing.assert_array_less(np.abs(corrected - measured), 0.1 * measured + 4 * stderr)
    with paper_style():
        path = write_figure(tmp_path / "rates.svg", rates_figure(result))
    assert b"<svg" in path.read_bytes()
