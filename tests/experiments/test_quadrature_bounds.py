"""Stated bounds of K_attn, counted."""

import numpy as np
import pytest

from experiments import quadrature_bounds
from experiments.quadrature_bounds import Config, Point, all_classes, compute, summary
from ktrans._store import kept_in
from ktrans.plotting.quadrature_bounds import quadrature_bounds_figure


def test_the_classes_are_those_of_the_theory():
    counts = [len(all_classes(k)) for k in (1, 2, 3, 4)]
    assert np.diff([0, *counts]).tolist() == [2, 9, 37, 186]


SMALL = Config((Point(0.5, 0.5, 1e-6),), longest=2, batch=6, groups=2, group_size=5, max_cost=1e8)


def test_every_bound_holds_and_finished_batches_are_not_computed_again(tmp_path, monkeypatch):
    first = compute(SMALL, kept_in(tmp_path, SMALL))
    assert first["points"][0]["checks"] == first["points"][0]["held"] == 2 + 9
    assert first["points"][0]["largest_bound"] <= 1e-6
    assert first["random"]["checks"] == first["random"]["held"] == 10

    def refuse(*arguments):
        raise AssertionError("computed again")

    for work in ("check_batch", "check_group"):
        monkeypatch.setattr(quadrature_bounds, work, refuse)
    assert compute(SMALL, kept_in(tmp_path, SMALL)) == first
    next((tmp_path / "parts").iterdir()).unlink()
    with pytest.raises(AssertionError, match="computed again"):
        compute(SMALL, kept_in(tmp_path, SMALL))


@pytest.mark.slow
def test_quick():
    result = compute(Config.quick())
    for at in result["points"]:
        assert at["held"] == at["checks"] == 2 + 9 + 37
        assert at["largest_bound"] <= at["wanted"]
    assert result["random"]["held"] == result["random"]["checks"] == 30
    assert 0 < result["random"]["exact"] < 30
    assert len(list(summary(result))) == 3
    assert len(quadrature_bounds_figure(result).axes) == 2
