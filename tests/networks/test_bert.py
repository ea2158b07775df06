import json
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from ktrans.networks.bert import load_bert
from tests.data import bert_hugging_face as reference
from tests.networks import weight_files as files


@pytest.fixture
def tensors():
    return reference.weights()


@pytest.fixture
def saved(tmp_path):
    def save(tensors, **config):
        save_file(tensors, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps(reference.SIZES | config))
        return tmp_path

    return save


def states(encoder):
    with jax.default_matmul_precision("float32"):
        return np.asarray(jax.vmap(encoder.states)(np.array(reference.TOKENS)))


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_states_are_those_of_hugging_face(tensors, saved, prefix):
    tensors = {prefix + name: array for name, array in tensors.items()}
    stored = json.loads(Path(reference.__file__).with_suffix(".json").read_text())["states"]
    found = states(load_bert(saved(tensors)))
    assert np.abs(found).max() > 1
    # Sums of some hundred float32 of order one, over three layers.
    np.testing.assert_allclose(found, stored, rtol=0, atol=1e-5)


def test_every_layer_has_its_states(tensors, saved):
    found = states(load_bert(saved(tensors)))
    assert found.shape == (2, 1 + reference.SIZES["num_hidden_layers"], 7, 24)
    assert all(np.abs(a - b).max() > 0.1 for a, b in zip(found[0], found[0, 1:], strict=False))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("embeddings.position_embeddings.weight", "lacks the tensor '.*position_embeddings"),
        ("encoder.layer.1.intermediate.dense.bias", "lacks the tensor '.*layer.1.intermediate"),
        ("encoder.layer.2.attention.output.dense.weight", "lacks the tensor '.*layer.2"),
    ],
)
def test_a_missing_tensor_is_named(tensors, saved, name, sentence):
    del tensors[name]
    with pytest.raises(ValueError, match=sentence):
        load_bert(saved(tensors))


def test_a_tensor_of_the_wrong_shape_is_named(tensors, saved):
    name = "encoder.layer.1.output.dense.weight"
    tensors[name] = np.ascontiguousarray(tensors[name].T)
    with pytest.raises(ValueError, match=r"layer.1.output.dense.weight' with shape \(24, 40\)"):
        load_bert(saved(tensors))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model_type": "roberta"}, "must have model_type = 'bert' .* got 'roberta'"),
        ({"hidden_act": "relu"}, "must have hidden_act = 'gelu' .* got 'relu'"),
        ({"num_attention_heads": 5}, "`heads` must divide the width 24; got 5"),
        ({"num_attention_heads": "many"}, "num_attention_heads of config.json"),
    ],
)
def test_other_encoders_are_refused(tensors, saved, config, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        load_bert(saved(tensors, **config))


def test_other_networks_are_refused(tmp_path):
    path = files.save(tmp_path, files.gpt2(files.draw()))
    with pytest.raises(ValueError, match=r"must hold a BERT encoder; got GPT-2"):
        load_bert(path)
