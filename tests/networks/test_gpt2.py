import json
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from ktrans.networks import draw_gpt2, gpt2_config, load_gpt2, num_parameters
from tests.data import gpt2_hugging_face as reference

HEADS = reference.SIZES["n_head"]


@pytest.fixture
def tensors():
    return reference.weights()


@pytest.fixture
def saved(tmp_path):
    def save(tensors):
        path = tmp_path / "model.safetensors"
        save_file(tensors, path)
        return path

    return save


def logits(network, tokens=reference.TOKENS):
    with jax.default_matmul_precision("float32"):
        return np.asarray(jax.vmap(network.logits)(np.array(tokens)))


def test_small_gpt2_has_124439808_parameters_and_288_scalars_more():
    assert num_parameters(gpt2_config()) == 124_439_808
    assert num_parameters(gpt2_config(identities="ab")) == 124_439_808 + 288


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_logits_are_those_of_hugging_face(tensors, saved, prefix):
    tensors = {prefix + name: array for name, array in tensors.items()}
    # Buffers that old files hold and no network needs.
    tensors[prefix + "h.0.attn.bias"] = np.ones((1, 1, 11, 11), np.float32)
    stored = json.loads(Path(reference.__file__).with_suffix(".json").read_text())["logits"]
    found = logits(load_gpt2(saved(tensors), heads=HEADS))
    assert np.abs(found).max() > 1
    # What the issue asks for.
    np.testing.assert_allclose(found, stored, rtol=0, atol=1e-4)


def test_new_scalars_change_nothing_until_they_are_trained(tensors, saved):
    path = saved(tensors)
    plain, modified = load_gpt2(path, heads=HEADS), load_gpt2(path, heads=HEADS, identities="ab")
    np.testing.assert_array_equal(logits(plain), logits(modified))
    count = sum(leaf.size for leaf in jax.tree.leaves(modified))
    assert count - sum(leaf.size for leaf in jax.tree.leaves(plain)) == 2 * HEADS * 3


def test_later_tokens_do_not_change_earlier_logits():
    network = draw_gpt2(gpt2_config(num_tokens=9, context_length=5, depth=2, heads=2, dim=8),
                        jax.random.key(0))  # fmt: skip
    one, other = logits(network, [[1, 2, 3, 4, 5], [1, 2, 3, 8, 0]])
    np.testing.assert_array_equal(one[:3], other[:3])
    assert np.abs(one[3] - other[3]).max() > 0


def test_initial_weights_have_the_deviations_of_gpt2():
    config = gpt2_config(num_tokens=500, context_length=100, depth=8, heads=4, dim=128)
    network = draw_gpt2(config, jax.random.key(0))
    # 16384 weights and more: 5 standard errors of a deviation are 3 %.
    np.testing.assert_allclose(np.std(network.token_embedding), 0.02, rtol=0.03)
    np.testing.assert_allclose(np.std(network.blocks[7].widen.weight), 0.02, rtol=0.03)
    np.testing.assert_allclose(np.std(network.blocks[7].narrow.weight), 0.005, rtol=0.03)
    np.testing.assert_allclose(np.std(network.blocks[0].attention.output.weight), 0.005, rtol=0.03)
    assert not np.array_equal(network.blocks[0].widen.weight, network.blocks[1].widen.weight)


@pytest.mark.parametrize("name", ["wte.weight", "h.1.attn.c_attn.bias", "ln_f.bias"])
def test_a_missing_tensor_is_named(tensors, saved, name):
    del tensors[name]
    with pytest.raises(ValueError, match=f"lacks the tensor '{name}'"):
        load_gpt2(saved(tensors), heads=HEADS)


def test_a_tensor_of_the_wrong_shape_is_named(tensors, saved):
    tensors["h.2.mlp.c_fc.weight"] = tensors["h.2.mlp.c_fc.weight"].T.copy()
    with pytest.raises(ValueError, match=r"'h.2.mlp.c_fc.weight' with shape \(24, 96\); got \(96"):
        load_gpt2(saved(tensors), heads=HEADS)


def test_an_unembedding_of_its_own_is_refused(tensors, saved):
    tensors["lm_head.weight"] = tensors["wte.weight"] + 1
    with pytest.raises(ValueError, match=r"'lm_head.weight' that differs"):
        load_gpt2(saved(tensors), heads=HEADS)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "weights"
    path.write_text("no weights at all")
    with pytest.raises(ValueError, match="is no safetensors file"):
        load_gpt2(path)
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_gpt2(tmp_path / "nothing")
