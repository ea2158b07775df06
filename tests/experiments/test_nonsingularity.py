"""Maps of σ_min(N)."""

import numpy as np

from experiments.nonsingularity import Config, compute, summary
from ktrans.plotting.conditioning import conditioning_figure


def test_the_exceptional_set_is_small_and_contains_the_singular_activations(tmp_path):
    result = compute(Config.quick(), tmp_path)
    attention, cosine = (result[0][name] for name in ("attention", "cosine"))
    assert np.all(np.array(attention["sigma_min"]) > attention["bound"])
    decided = np.array(cosine["sigma_min"]) > cosine["bound"]
    assert decided.mean() > 0.8  # nonsingular for almost every (b₁, b₂)
    assert np.all(attention["certified"])
    assert "9 of 9 points" in summary(result)
    assert len(conditioning_figure(result).axes) == 3


def test_a_finished_map_is_read_and_not_computed(tmp_path, monkeypatch):
    first = compute(Config.quick(), tmp_path)
    monkeypatch.setattr("ktrans.theory.conditioning._smallest", None)
    monkeypatch.setattr(
        "experiments.nonsingularity.kt.theory.cosine_sigma_map", lambda *_, **__: None
    )
    monkeypatch.setattr("experiments.nonsingularity._record", lambda found: found)
    again = compute(Config.quick(), tmp_path)
    assert np.array_equal(again[0]["attention"].sigma_min, first[0]["attention"]["sigma_min"])
