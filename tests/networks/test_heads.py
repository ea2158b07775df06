"""Identities in heads: every layout, against the formula; planted ones found, permuted ones not."""

import json
import re
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from ktrans.networks import TrainingConfig, TransformerConfig, draw_task_data, train
from ktrans.networks.heads import head_identities
from ktrans.networks.heads.layouts import LAYOUTS
from ktrans.networks.heads.statistics import center, identity_share
from ktrans.tasks import load
from tests.networks import weight_files as files
from tests.networks.weight_files import DIM, HEAD_DIM, HEADS, LAYERS
from tests.tolerances import ROUNDING

FEW = {"permutations": 9}
SAFETENSORS = {
    "BERT": (files.bert, {"num_attention_heads": HEADS}, HEADS),
    "DistilBERT": (files.distilbert, {"n_heads": HEADS}, HEADS),
    "ViT": (files.vit, {"num_attention_heads": HEADS}, HEADS),
    "GPT-2": (files.gpt2, {"n_head": HEADS}, HEADS),
    "Llama": (files.llama, {"num_attention_heads": HEADS, "num_key_value_heads": 2}, 2),
    "OPT": (files.opt, {"num_attention_heads": HEADS}, HEADS),
    "Phi-3": (files.phi3, {"num_attention_heads": HEADS, "num_key_value_heads": 3}, 3),
    "GPT-NeoX": (files.neox, {"num_attention_heads": HEADS, "rotary_pct": 0.5}, HEADS),
}


def expected(layers):
    """z of every head from the definition: M, centred on both sides."""
    centre = np.eye(layers[0].query.shape[2]) - 1 / layers[0].query.shape[2]
    z = np.empty((2, len(layers), len(layers[0].query)))
    for i, layer in enumerate(layers):
        fold = np.diag(layer.scale.astype(np.float64))
        group = len(layer.query) // len(layer.key)
        for h in range(len(layer.query)):
            key, value = layer.key[h // group], layer.value[h // group]
            products = (
                fold @ layer.query[h].T @ key @ fold,
                layer.output[h].T.astype(np.float64) @ value @ fold,
            )
            for j, product in enumerate(products):
                m = centre @ product @ centre
                z[j, i, h] = np.trace(m) * np.sqrt(len(m) - 1) / np.linalg.norm(m)
    return z


def check(found, layers, tolerance=1e-5):  # weights are float32
    query_key, value_output = expected(layers)
    np.testing.assert_allclose(found.query_key, query_key, atol=tolerance, rtol=0)
    np.testing.assert_allclose(found.value_output, value_output, atol=tolerance, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", SAFETENSORS)
def test_every_layout_has_the_identities_of_its_heads(name, dtype, tmp_path):
    write, config, groups = SAFETENSORS[name]
    layers = files.draw(groups=groups, dtype=dtype)
    path = files.save(tmp_path, write(layers), dtype, **config)
    found = head_identities(path, **FEW)
    assert found.layout == name
    assert (found.num_layers, found.num_heads) == (LAYERS, HEADS)
    assert (found.dim, found.head_dim) == (DIM, HEAD_DIM)
    check(found, layers)


def test_no_layout_is_without_a_test():
    assert {layout.name for layout in LAYOUTS if "GGUF" not in layout.name} == set(SAFETENSORS)


@pytest.mark.parametrize(
    ("arch", "name", "groups"),
    [
        ("llama", "GGUF", 2),
        ("qwen2", "GGUF", 3),
        ("gpt2", "GGUF, fused", 6),
        ("bert", "GGUF, BERT", 6),
    ],
)
def test_gguf_files_have_the_identities_of_their_heads(arch, name, groups, tmp_path):
    layers = files.draw(groups=groups)
    path = files.save_gguf(tmp_path / "model.gguf", layers, arch)
    found = head_identities(path, **FEW)
    assert found.layout == name
    assert found.rotary == (arch == "llama")
    check(found, layers)


def test_quantised_gguf_files_are_expanded(tmp_path):
    layers = files.draw(dim=64, heads=4, groups=4)  # rows of 32 numbers are quantised together
    path = files.save_gguf(tmp_path / "model.gguf", layers, quantised=True)
    # Eight bits a weight: relative errors of 1/254 in z of order one.
    check(head_identities(path, **FEW), layers, tolerance=0.05)


@pytest.mark.parametrize("give", ["index", "folder"])
def test_shards_are_one_network(give, tmp_path):
    layers = files.draw(groups=2)
    index = files.save_shards(tmp_path, files.llama(layers))
    path = index if give == "index" else tmp_path
    check(head_identities(path, heads=HEADS, **FEW), layers)


def test_scales_with_tensorflows_names_are_found(tmp_path):
    layers = files.draw()
    path = files.save(tmp_path, files.bert(layers, prefix="", names=("gamma", "beta")))
    check(head_identities(path, heads=HEADS, **FEW), layers)


def test_norms_inside_a_head_are_folded_in(tmp_path):
    (layer, *rest) = files.draw(groups=2)
    tensors = files.llama([layer, *rest])
    scale = np.linspace(0.5, 2, HEAD_DIM, dtype=np.float32)
    for i in range(LAYERS):
        tensors[f"model.layers.{i}.self_attn.q_norm.weight"] = scale
        tensors[f"model.layers.{i}.self_attn.k_norm.weight"] = scale[::-1]
    path = files.save(tmp_path, tensors, num_attention_heads=HEADS)
    scaled = [
        each._replace(query=each.query * scale[:, None], key=each.key * scale[::-1, None])
        for each in (layer, *rest)
    ]
    check(head_identities(path, **FEW), scaled)


def test_gemma_has_one_added_to_its_scales(tmp_path):
    layers = files.draw(groups=2)
    less = [layer._replace(scale=layer.scale - 1) for layer in layers]
    config = {"model_type": "gemma2", "num_attention_heads": HEADS}
    check(head_identities(files.save(tmp_path, files.llama(less), **config), **FEW), layers)


def test_names_of_ones_own_are_taken(tmp_path):
    layers = files.draw()
    renamed = {
        re.sub(r"model.layers.(\d+).self_attn.(.)_proj", r"blocks.\1.\2", name): array
        for name, array in files.llama(layers).items()
    }
    roles = {"query": "q", "key": "k", "value": "v", "output": "o"}
    names = {role: f"blocks.{{i}}.{letter}.weight" for role, letter in roles.items()}
    path = files.save(tmp_path, renamed)
    found = head_identities(path, heads=HEADS, names=names, **FEW)
    check(found, [layer._replace(scale=np.ones(DIM)) for layer in layers])


def test_one_of_several_networks_is_named_by_its_prefix(tmp_path):
    one, other = files.draw(0), files.draw(1)
    path = files.save(tmp_path, files.bert(one, "text.") | files.bert(other, "image."))
    check(head_identities(path, heads=HEADS, prefix="image.", **FEW), other)
    with pytest.raises(ValueError, match=r"several networks; give `prefix`: 'image.', 'text.'"):
        head_identities(path, heads=HEADS)


def test_a_head_of_a_network_of_ours_is_where_it_acts():
    """Against the network's own products of weights, computed by its matrices on unit vectors."""
    config = TransformerConfig(
        num_tokens=9, context_length=4, depth=2, heads=3, dim=24, identities="ab", multiplier=2.0
    )
    network = config.build(jax.random.key(1))
    found = head_identities(network, **FEW)
    attention, units = network.blocks[1].attention, jnp.eye(24, dtype=np.float32)
    queries, keys = attention.query(units)[:, 8:16], attention.key(units)[:, 8:16]
    product = np.asarray(queries @ keys.T, np.float64)
    centred = product - product.mean(0) - product.mean(1)[:, None] + product.mean()
    np.testing.assert_allclose(
        found.query_key[1, 1], np.trace(centred) * 23**0.5 / np.linalg.norm(centred), rtol=1e-5
    )
    np.testing.assert_allclose(found.a[1, 1], np.trace(centred) / 23 / 8**0.5, rtol=1e-5)
    assert found.added_a.shape == (2, 3)
    assert not found.added_a.any()


def test_a_checkpoint_has_the_best_network_of_each_member(tmp_path):
    task = load("aba_abb", vocab_size=16)
    data = draw_task_data(task, num_samples=16, seeds=[0, 1], num_unseen=8)
    config = TransformerConfig(
        num_tokens=data.num_tokens, context_length=4, depth=1, heads=2, dim=16, identities="a"
    )
    training = TrainingConfig(learning_rate=1e-2, steps=4, evaluate_every=2)
    result = train(config, data, training, checkpoint=tmp_path)
    second = jax.tree.map(lambda leaf: leaf[1], result.networks)
    found, wanted = head_identities(tmp_path, member=1, **FEW), head_identities(second, **FEW)
    np.testing.assert_array_equal(found.query_key, wanted.query_key)
    np.testing.assert_array_equal(found.added_a, wanted.added_a)
    assert found.added_a.any()
    with pytest.raises(ValueError, match="`member` must be from 0 to 1; got 2"):
        head_identities(tmp_path, member=2)


# Statistics.


def permuted(rng, dim, count=999):
    return rng.permuted(np.tile(np.arange(dim), (count, 1)), axis=1)


def test_mean_and_deviation_are_those_of_permutations():
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, 8, 64)) + 0.5
    drawn = np.array([np.sum(left * right[:, order]) for order in permuted(rng, 64, 20_000)])
    share = identity_share(center(left, right), permuted(rng, 64, 9))
    z = (np.sum(left * right) - drawn.mean()) / drawn.std()
    # 20,000 draws: the deviation has a standard error of 0.5 %, the mean of 0.007 deviations.
    np.testing.assert_allclose(share.z, z, rtol=0.025, atol=0.035)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("which", ["query_key", "value_output"])
def test_a_planted_identity_of_a_tenth_of_the_noise_is_found_with_its_sign(which, sign, tmp_path):
    rng = np.random.default_rng(7)
    dim, p = 256, 32
    layers = []
    for _ in range(2):
        parts = [rng.standard_normal((4, p, dim)) for _ in range(4)]
        pair = (0, 1) if which == "query_key" else (3, 2)
        left, noise = parts[pair[0]][2], parts[pair[1]][2]
        # M = Lᵀ(R + cL): the part cLᵀL is the identity on the head's coordinates.
        c = 0.1 * np.linalg.norm(left.T @ noise) / np.linalg.norm(left.T @ left)
        parts[pair[1]][2] = noise + sign * c * left
        layers.append(files.Heads(*(x.astype(np.float32) for x in parts), np.ones(dim, "f4")))
    found = head_identities(files.save(tmp_path, files.llama(layers)), heads=4)
    z = getattr(found, which)
    assert (sign * z[:, 2] > 5).all()
    row = 0 if which == "query_key" else 1
    assert found.found[row, :, 2].all()
    assert found.found.sum() == 2


def test_permuted_weights_are_found_in_at_most_one_percent():
    """Heads with identities, the columns of one side permuted: 4000 z, none found nor beyond 5."""
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((8, 64))
    orders = permuted(rng, 64, 2000)
    drawn = permuted(rng, 64, 99)
    shares = [identity_share(center(shared, shared[:, order]), drawn) for order in orders]
    z, p = (np.array([getattr(share, name) for share in shares]) for name in ("z", "p"))
    assert np.mean(np.abs(z) > 3) <= 0.01
    assert np.mean(p <= 0.01) <= 0.01
    assert identity_share(center(shared, shared), drawn).z > 20


def test_a_single_large_entry_is_not_called_an_identity():
    """Its z is √(d − 1) with probability 1/d under permutations, which the p-value knows."""
    left, right = np.zeros((2, 2, 128))
    left[0, 5] = right[0, 5] = 100.0
    noise = np.random.default_rng(0).standard_normal((2, 2, 128))
    drawn = permuted(np.random.default_rng(1), 128)
    share = identity_share(center(left + noise[0], right + noise[1]), drawn)
    assert share.z > 10
    assert share.p > 1 / 512  # a normal distribution would say 1e-23


def test_p_values_hold_where_weights_have_outlying_coordinates():
    rng = np.random.default_rng(5)
    spread = np.exp(2 * rng.standard_normal(64))
    left, right = rng.standard_normal((2, 8, 64)) * spread
    drawn = permuted(rng, 64, 99)
    orders = permuted(rng, 64, 1000)
    p = np.array([identity_share(center(left, right[:, order]), drawn).p for order in orders])
    for level in (0.2, 0.05):
        # Three standard errors of a share among 1000.
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / 1000)


def test_ranks_are_those_of_the_product():
    orthogonal = np.linalg.qr(np.random.default_rng(0).standard_normal((64, 9)))[0].T[:8]
    centred = orthogonal - orthogonal.mean(axis=1, keepdims=True)
    share = identity_share(center(orthogonal, orthogonal), np.arange(64)[None])
    sigma = np.linalg.svd(centred.T @ centred, compute_uv=False)
    np.testing.assert_allclose(share.rank, (sigma**2).sum() ** 2 / (sigma**4).sum(), rtol=ROUNDING)


def test_heads_of_zero_weights_have_no_identity(tmp_path):
    layers = [layer._replace(value=0 * layer.value) for layer in files.draw()]
    found = head_identities(files.save(tmp_path, files.llama(layers)), heads=HEADS, **FEW)
    assert not found.value_output.any()
    assert (found.value_output_p == 1).all()
    json.dumps(found.to_dict(), allow_nan=False)


# Rotary positions.


def turned(weight, position, base):
    """Hugging Face's rotary embedding of the rows of a head, (p, d), at a position."""
    half = len(weight) // 2
    angle = position * base ** (-np.arange(half) / half)
    cos, sin = np.cos(np.tile(angle, 2))[:, None], np.sin(np.tile(angle, 2))[:, None]
    rotated = np.concatenate([-weight[half:], weight[:half]])
    return weight * cos + rotated * sin


def test_rotary_heads_have_a_at_each_distance(tmp_path):
    layers = files.draw(groups=2)
    config = {"num_attention_heads": HEADS, "rope_theta": 500.0}
    found = head_identities(files.save(tmp_path, files.llama(layers), **config), **FEW)
    assert found.rotary
    assert found.distances[:3] == (0, 1, 4)
    np.testing.assert_allclose(found.distance_a[..., 0], found.a, rtol=ROUNDING)
    scale, query, key = layers[1].scale, layers[1].query[4], layers[1].key[1]
    centre = np.eye(DIM) - 1 / DIM
    product = turned(query * scale, 9, 500.0).T @ turned(key * scale, 5, 500.0)
    wanted = np.trace(centre @ product @ centre) / (DIM - 1) / HEAD_DIM**0.5
    np.testing.assert_allclose(found.distance_a[1, 4, 2], wanted, rtol=1e-5)


def test_part_of_a_head_may_turn(tmp_path):
    layers = files.draw()
    config = {"num_attention_heads": HEADS, "rotary_pct": 0.5}
    found = head_identities(files.save(tmp_path, files.neox(layers), **config), **FEW)
    layer, half = layers[0], HEAD_DIM // 2
    query, key = (part[2] * layer.scale for part in (layer.query, layer.key))
    both = [
        np.concatenate([turned(each[:half], at, 10_000.0), each[half:]])
        for each, at in ((query, 16), (key, 0))
    ]
    centre = np.eye(DIM) - 1 / DIM
    wanted = np.trace(centre @ both[0].T @ both[1] @ centre) / (DIM - 1) / HEAD_DIM**0.5
    np.testing.assert_allclose(found.distance_a[0, 2, 3], wanted, rtol=1e-5)


def test_networks_with_added_positions_have_no_distances(tmp_path):
    found = head_identities(files.save(tmp_path, files.bert(files.draw())), heads=HEADS, **FEW)
    assert not found.rotary
    assert found.distance_a.shape == (LAYERS, HEADS, 0)


# Memory.


def test_one_layer_is_in_memory_at_a_time(tmp_path):
    rng = np.random.default_rng(0)
    shape = (4, 64, 256)
    tensors = {}
    for i in range(12):
        parts = [rng.standard_normal(shape, np.float32) for _ in range(4)]
        layer = files.llama([files.Heads(*parts, np.ones(256, np.float32))])
        tensors |= {name.replace("layers.0", f"layers.{i}"): x for name, x in layer.items()}
    path = files.save(tmp_path, tensors)
    layer_bytes = 4 * 4 * np.prod(shape)
    del tensors
    tracemalloc.start()
    head_identities(path, heads=4, permutations=9)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A layer, its folded copies, and one product in float64; all twelve would be 12 layers.
    assert peak < 5 * layer_bytes


# Wrong files.


def wrong_dtype(layers):
    tensors = files.bert(layers)
    tensors["bert.encoder.layer.1.attention.self.key.weight"] = np.ones((DIM, DIM), np.int8)
    return tensors


def without(name):
    return lambda layers: {k: v for k, v in files.bert(layers).items() if not k.endswith(name)}


def with_nan(layers):
    tensors = files.bert(layers)
    tensors["bert.encoder.layer.1.attention.self.key.weight"][3, 4] = np.nan
    return tensors


WRONG = {
    "no q": (without("2.attention.self.query.weight"), {}, "lacks the tensor .*layer.2.*query"),
    "no k": (without("0.attention.self.key.weight"), {}, "lacks the tensor .*layer.0.*key"),
    "no norm": (without("embeddings.LayerNorm.weight"), {}, "lacks the tensor .*LayerNorm"),
    "NaN": (with_nan, {}, "must hold finite numbers; .*layer.1.*key.weight' has NaN"),
    "integers": (wrong_dtype, {}, "as float16, bfloat16, float32 or float64; got I8"),
    "one head too many": (files.bert, {"heads": HEADS + 1}, "a multiple of 7 rows"),
    "heads unknown": (files.bert, {"heads": None}, "give `heads`, or put its config.json"),
    "heads of keys do not fit": (
        lambda layers: files.llama([x._replace(key=x.key[:4]) for x in layers]),
        {},
        "a divisor of 6, over 48 columns; got shape",
    ),
    "other names": (
        lambda layers: {"tower.0.w": layers[0].scale},
        {},
        r"no heads of a known layout .*it holds tower.\{i\}.w tensors: give `names`",
    ),
    "role unknown": (files.bert, {"names": {"question": "{i}"}}, "`names` must be one of"),
    "no layer in a name": (files.bert, {"names": {"query": "q"}}, r"`names` must have \{i\}"),
    "names missing": (files.bert, {"names": {"query": "q{i}"}}, "names of key, value, output too"),
    "level": (files.bert, {"level": 1.5}, "`level` must be between 0 and 1; got 1.5"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_refused_in_one_sentence(case, tmp_path):
    write, options, sentence = WRONG[case]
    path = tmp_path / "model.safetensors"
    tensors = {k: np.ascontiguousarray(v) for k, v in write(files.draw()).items()}
    save_file(tensors, path)
    with pytest.raises(ValueError, match=sentence) as caught:
        head_identities(path, **({"heads": HEADS} | options))
    assert "\n" not in str(caught.value)


DAMAGES = {
    "empty": lambda whole: b"",
    "truncated": lambda whole: whole[: len(whole) // 2],
    "header only": lambda whole: whole[:100],
    "text": lambda whole: b"no weights at all",
    "a pickle": lambda whole: b"\x80\x04\x95" + bytes(300),
}


@pytest.mark.parametrize("case", DAMAGES)
@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
def test_damaged_files_are_refused(kind, case, tmp_path):
    if kind == "gguf":
        path = files.save_gguf(tmp_path / "model.gguf", files.draw())
    else:
        path = files.save(tmp_path, files.bert(files.draw()))
    path.write_bytes(DAMAGES[case](path.read_bytes()))
    with pytest.raises(ValueError, match=r"is not a safetensors file|is damaged") as caught:
        head_identities(path, heads=HEADS)
    assert "\n" not in str(caught.value)


def test_a_missing_shard_is_named(tmp_path):
    index = files.save_shards(tmp_path, files.llama(files.draw()))
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model-00002-of-00003\.safetensors"):
        head_identities(index, heads=HEADS)


def test_shards_outside_the_folder_are_refused(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../a.safetensors"}}))
    with pytest.raises(ValueError, match="files of its own folder"):
        head_identities(index)


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no '.*nothing'"):
        head_identities(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors"):
        head_identities(tmp_path)
