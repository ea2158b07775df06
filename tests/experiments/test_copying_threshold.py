from dataclasses import replace

import numpy as np
import pytest

from experiments import copying_threshold
from experiments.copying_threshold import PAPER_SLOPE, Config, compute
from ktrans._store import kept_in
from ktrans.plotting.copying import threshold_figure
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import write_figure

TINY = Config((24, 48), (0.2, 1.5), (8, 16), seeds=2, num_unseen=8, steps=150)


def thresholds(found, with_b):
    rows = [each for each in found["thresholds"] if each["with_b"] == with_b]
    dims = np.array([row["embedding_dim"] for row in rows])
    return dims, np.array([row["threshold"] or np.inf for row in rows])


@pytest.mark.slow
def test_b_spares_tokens(tmp_path):
    found = compute(TINY)
    (_, without), (_, with_b) = thresholds(found, False), thresholds(found, True)
    assert without[1] > without[0] > 8
    np.testing.assert_array_equal(with_b, 8)
    with paper_style():
        path = write_figure(tmp_path / "threshold.svg", threshold_figure(found))
    assert b"<svg" in path.read_bytes()


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch):
    config = Config((16,), (), (4, 8, 16), seeds=2, num_unseen=2, steps=10)
    measured, trained = [], copying_threshold._measured

    def interrupt(config, **point):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(point)
        return trained(config, **point)

    monkeypatch.setattr(copying_threshold, "_measured", interrupt)
    with pytest.raises(KeyboardInterrupt):
        compute(config, kept_in(tmp_path, config))
    measured.pop(0)
    found = compute(config, kept_in(tmp_path, config))
    assert [point["num_seen"] for point in measured] == [8, 16]
    assert len(found["points"]) == 3


def test_results_of_another_configuration_are_not_continued(tmp_path, monkeypatch):
    config = Config((16,), (), (4,), seeds=2, num_unseen=2, steps=10)
    compute(config, kept_in(tmp_path, config))
    monkeypatch.setattr(copying_threshold, "_measured", None)
    compute(config, kept_in(tmp_path, config))
    with pytest.raises(TypeError, match="not callable"):
        compute(replace(config, steps=20), kept_in(tmp_path, replace(config, steps=20)))


@pytest.mark.slow
def test_the_threshold_is_linear_without_b_and_flat_with_b():
    found = compute(Config.quick())
    dims, without = thresholds(found, False)
    ratios = without / (PAPER_SLOPE * dims)
    assert len(dims) == 3
    assert ((ratios > 0.5) & (ratios < 2)).all()
    # Linear growth: from the least dimension to the largest, four times it.
    assert 2.5 < without[-1] / without[0] < 6
    np.testing.assert_array_less(thresholds(found, True)[1], 16.001)
