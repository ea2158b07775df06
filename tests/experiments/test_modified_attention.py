import numpy as np
import pytest

from experiments.modified_attention import Config, compute
from ktrans.kernels.attention.modified import READOUTS
from ktrans.plotting import paper_style
from ktrans.plotting.modified_attention import modified_attention_figure
from ktrans.plotting.svg import write_figure
from tests.tolerances import ROUNDING


def row_of(results, readout):
    return next(row for row in results["against_a"] if row["readout"] == readout)


@pytest.mark.slow
def test_the_identity_saves_a_hundredfold_per_position_and_nothing_at_cls(tmp_path):
    config = Config.quick()
    results = compute(config)
    gain = {row["readout"]: row["best"]["gain"] for row in results["against_a"]}
    assert gain["per-position"] > 100 > gain["pooled"] > 1 == gain["cls"]
    without, with_ = (np.array(curve["measured"]) for curve in results["curves"])
    assert config.num_samples[-1] == 2000
    assert without[-1] > 0.8 and with_[-1] < 0.05  # chance is 1
    for curve in results["curves"]:
        measured, stderr = np.array(curve["measured"]), np.array(curve["stderr"])
        # The closed form neglects fluctuations between training sets, some per cent here.
        assert (np.abs(measured / curve["predicted"] - 1) < 0.15 + 5 * stderr / measured).all()
        assert (stderr < 0.1 * measured).all()
    # A read-out sees of the templates what its mean weights differ by.
    distance = {name: row_of(results, name)["weight_distance"][1] for name in READOUTS}
    assert distance["cls"] < ROUNDING
    assert ROUNDING < 10 * distance["pooled"] < distance["per-position"]
    # Only where a tells of the pattern by itself does N stay regular without randomness.
    limit = {
        row["readout"]: row["deterministic"]["sigma_min"]
        for row in results["against_beta"]
        if row["a"] == 1
    }
    assert limit["cls"] is None and limit["per-position"] > 10 * limit["pooled"] > 0
    (reason,) = (some for some in results["verdict"] if some.startswith("Why, per-position"))
    assert f"{row_of(results, 'per-position')['weight_distance'][1]:.2g} at a = 1" in reason
    with paper_style():
        path = write_figure(tmp_path / "modified.svg", modified_attention_figure(results))
    assert b"<svg" in path.read_bytes()
