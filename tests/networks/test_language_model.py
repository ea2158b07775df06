import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import equinox as eqx
import jax
import numpy as np
import pytest

from ktrans.networks import gpt2_config, num_parameters
from ktrans.networks.language_model import train_language_model
from ktrans.networks.language_optimisation import (
    LanguageTraining,
    adamw,
    draw,
    draw_batch,
    take_step,
)
from ktrans.networks.perplexity import perplexity, token_losses
from ktrans.networks.tokens import TextData

M, K = 11, 8
CONFIG = gpt2_config(num_tokens=M, context_length=K, depth=1, heads=2, dim=8, identities="ab")
TRAINING = LanguageTraining(
    steps=80, batch_size=16, warmup=1, learning_rate=3e-2, evaluate_every=20, max_windows=32
)


@pytest.fixture(scope="module")
def data():
    """Each token is the one before it plus 1, 2 or 3."""
    jumps = np.random.default_rng(0).integers(1, 4, size=3000)
    ids = (np.cumsum(jumps) % M).astype(np.uint16)
    return TextData(ids[:2000], ids[2000:2500], ids[2500:], num_tokens=M)


@pytest.fixture(scope="module")
def whole(data):
    return train_language_model(CONFIG, data, TRAINING)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def same(one, other):
    leaves = [jax.tree.leaves((each.history, each.network)) for each in (one, other)]
    return all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))


def test_two_scalars_a_head_are_all_that_is_added():
    plain = dataclasses.replace(CONFIG, identities="none")
    assert num_parameters(CONFIG) - num_parameters(plain) == 2 * 2
    one, other = jax.tree.leaves(draw(plain, 5)), jax.tree.leaves(draw(CONFIG, 5))
    scalars = [leaf for leaf in other if leaf.shape == (2,)]
    assert len(scalars) == 2 and not np.any(scalars)
    shared = [leaf for leaf in other if leaf.shape != (2,)]
    assert all(np.array_equal(a, b) for a, b in zip(one, shared, strict=True))
    assert not np.array_equal(one[0], draw(plain, 6).token_embedding)


def test_perplexity_of_equal_probabilities_is_the_size_of_the_vocabulary(data):
    uniform = jax.tree.map(np.zeros_like, draw(CONFIG, 0))
    found = perplexity(uniform, data.test)
    np.testing.assert_allclose(found.value, M, rtol=1e-6)  # float32
    np.testing.assert_allclose(found.stderr, 0, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 3, K])
def test_each_token_is_predicted_once_from_the_window_it_ends_in(data, stride):
    network = jax.tree.map(lambda leaf: 10 * leaf, draw(CONFIG, 1))
    text, logits_of = data.test[:40], eqx.filter_jit(network.logits)
    losses, last = [], K
    while last < len(text):
        begin = last - K
        logits = np.asarray(logits_of(text[begin:last].astype(np.int32)), np.float64)
        for place in range(K - stride, K):
            row = logits[place]
            losses.append(np.log(np.exp(row).sum()) - row[text[begin + place + 1]])
        last += stride
    found = perplexity(network, text, stride=stride, batch_size=5)
    np.testing.assert_allclose(found.value, np.exp(np.mean(losses)), rtol=1e-5)  # float32
    windows = np.reshape(losses, (-1, stride)).mean(axis=1)
    spread = np.exp(np.mean(losses)) * windows.std(ddof=1) / len(windows) ** 0.5
    np.testing.assert_allclose(found.stderr, spread, rtol=1e-4)
    np.testing.assert_allclose(found.block_losses, windows, rtol=1e-5, atol=1e-5)


def test_fewer_windows_are_spread_over_the_text(data):
    network = draw(CONFIG, 0)
    few = perplexity(network, data.train, stride=K, max_windows=3)
    ends = [perplexity(network, part, stride=K) for part in (data.train[:9], data.train[-9:])]
    # 1999 is 7 more than a multiple of 8.
    ends[1] = perplexity(network, data.train[1984:1993], stride=K)
    np.testing.assert_allclose(few.block_losses[0], np.log(ends[0].value), rtol=1e-6)
    np.testing.assert_allclose(few.block_losses[2], np.log(ends[1].value), rtol=1e-6)
    assert few.block_losses.shape == (3,)


def test_a_model_learns_what_the_text_can_teach(whole):
    history = whole.history
    assert history.steps.tolist() == [0, 20, 40, 60, 80]
    # Three continuations are equally likely; 128 tokens leave a spread of some per cent.
    assert history.validation_perplexity[0] > 10 > 4 > history.validation_perplexity[-1] > 2.7
    assert history.a.shape == history.b.shape == (5, 1, 2)
    assert np.all(history.a[0] == 0) and np.all(history.b[0] == 0)
    assert np.abs(history.a[-1]).min() > 0 and np.abs(history.b[-1]).min() > 0


@pytest.mark.slow
def test_parts_of_a_step_add_up_to_the_step(data):
    network = draw(CONFIG, 0)

    def after(parts):
        training = dataclasses.replace(TRAINING, accumulation=parts)
        batch = draw_batch(data.train, K, training, 0, 0)
        assert batch.shape == (parts, 16 // parts, K + 1)
        return take_step(network, adamw(training).init(network), batch, training)[1]

    for one, other in zip(*(jax.tree.leaves(after(parts)) for parts in (1, 4)), strict=True):
        # Moments of the gradients, in float32, of which some are nearly zero.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-8)


def test_a_step_is_adam_on_the_clipped_gradient_and_matrices_alone_decay(data):
    network = jax.tree.map(lambda leaf: leaf + 0.1, draw(CONFIG, 0))
    batch = draw_batch(data.train, K, TRAINING, 0, 0)
    loss = lambda net: jax.vmap(lambda row: token_losses(net, row))(batch[0]).mean()  # noqa: E731
    gradient = flat(jax.jit(jax.grad(loss))(network))
    training = dataclasses.replace(TRAINING, clipping=1e-7, weight_decay=0.5)
    stepped, _ = take_step(network, adamw(training).init(network), batch, training)
    clipped = 1e-7 * gradient / np.linalg.norm(gradient)
    decayed = flat(jax.tree.map(lambda leaf: leaf if leaf.ndim == 2 else 0 * leaf, network))
    # Adam's first step is g/(|g| + ε), and this gradient is as small as ε: clipping shows.
    wanted = clipped / (np.abs(clipped) + 1e-8) + 0.5 * decayed
    # The first of two steps of warm-up has half the rate.
    np.testing.assert_allclose(flat(stepped) - flat(network), -1.5e-2 * wanted, atol=1e-6)
    assert 0.1 < np.abs(wanted - 0.5 * decayed).max() < 0.9


@pytest.mark.slow
def test_half_precision_is_near_and_keeps_parameters_in_float32(data, whole):
    half = train_language_model(CONFIG, data, dataclasses.replace(TRAINING, precision="bfloat16"))
    # bfloat16 has 8 bits.
    np.testing.assert_allclose(
        half.history.validation_loss, whole.history.validation_loss, rtol=2e-2
    )
    assert not np.array_equal(half.history.validation_loss, whole.history.validation_loss)
    assert {leaf.dtype for leaf in jax.tree.leaves(half.network)} == {np.dtype(np.float32)}


def test_results_do_not_depend_on_64_bit_types(data, whole):
    with jax.enable_x64(True):
        assert same(whole, train_language_model(CONFIG, data, TRAINING))


def test_training_goes_on_from_a_network(data, whole):
    further = train_language_model(whole.network, data, TRAINING)
    np.testing.assert_array_equal(further.history.validation_loss[0],
                                  whole.history.validation_loss[-1])  # fmt: skip
    assert not same(further, whole)


class Killed(BaseException):
    pass


def test_a_resumed_run_ends_with_the_same_numbers(data, whole, tmp_path, monkeypatch):
    savez, calls = np.savez, []

    def dies_the_third_time(stream, **arrays):
        calls.append(stream)
        if len(calls) == 3:
            stream.write(b"half a file")
            raise Killed("third time")
        savez(stream, **arrays)

    monkeypatch.setattr(np, "savez", dies_the_third_time)
    with pytest.raises(Killed, match="third"):
        train_language_model(CONFIG, data, TRAINING, checkpoint=tmp_path)
    monkeypatch.setattr(np, "savez", savez)
    with np.load(tmp_path / "state.npz") as arrays:
        assert arrays[".history.steps"].tolist() == [0, 20, 40]
    assert same(whole, train_language_model(CONFIG, data, TRAINING, checkpoint=tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["configuration.json", "log.jsonl", "state.npz"]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [0, 20, 40, 60, 80]
    np.testing.assert_array_equal([line["a"] for line in lines], whole.history.a)
    np.testing.assert_array_equal([line["validation_perplexity"] for line in lines],
                                  whole.history.validation_perplexity)  # fmt: skip


def test_a_finished_run_is_read_and_not_trained_again(data, whole, tmp_path, monkeypatch):
    train_language_model(CONFIG, data, TRAINING, checkpoint=tmp_path)
    monkeypatch.setattr("ktrans.networks.language_model.take_step", None)
    assert same(whole, train_language_model(CONFIG, data, TRAINING, checkpoint=tmp_path))
    with pytest.raises(ValueError, match=r"holds a run with seed = 0, not 1; give another"):
        train_language_model(CONFIG, data, TRAINING, seed=1, checkpoint=tmp_path)
    other = TextData(data.train, data.validation, data.train, num_tokens=M)
    with pytest.raises(ValueError, match=r"holds a run with data.sha256"):
        train_language_model(CONFIG, other, TRAINING, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"holds a run with training.clipping = 1.0, not 2.0"):
        train_language_model(CONFIG, data, dataclasses.replace(TRAINING, clipping=2.0),
                             checkpoint=tmp_path)  # fmt: skip


def test_networks_that_do_not_fit_are_refused(data):
    def refuses(message, network=CONFIG, text=data, kind=ValueError):
        with pytest.raises(kind, match=message):
            train_language_model(network, text, TRAINING)

    refuses(r"must have num_tokens = 11, .* got 12", dataclasses.replace(CONFIG, num_tokens=12))
    refuses("must be causal and have token logits", dataclasses.replace(CONFIG, causal=False))
    refuses("must be causal and have token", dataclasses.replace(CONFIG, read_out="scalar"))
    refuses("must be a TransformerConfig or a Transformer; got 'gpt2'", "gpt2", kind=TypeError)
    refuses("`data` must be a TextData", text=data.train, kind=TypeError)
    short = TextData(data.train, data.validation[:K], data.test, num_tokens=M)
    refuses(r"`data.validation` must hold at least 9 tokens, .* got 8", text=short)


def test_a_loss_that_is_not_finite_is_told(data):
    broken = jax.tree.map(lambda leaf: np.inf * leaf, draw(CONFIG, 0))
    with pytest.raises(FloatingPointError, match="not finite after step 0; lower `learning_rate`"):
        train_language_model(broken, data, TRAINING)


def test_impossible_numbers_are_refused(data):
    with pytest.raises(ValueError, match="`accumulation` must divide `batch_size` = 16; got 3"):
        dataclasses.replace(TRAINING, accumulation=3)
    with pytest.raises(ValueError, match="`warmup` must be below `steps` = 80; got 80"):
        dataclasses.replace(TRAINING, warmup=80)
    with pytest.raises(ValueError, match=r"`clipping` must be non-negative; got -1.0"):
        dataclasses.replace(TRAINING, clipping=-1.0)
    with pytest.raises(ValueError, match="`stride` must be at most the context length 8; got 9"):
        perplexity(draw(CONFIG, 0), data.test, stride=9)
    with pytest.raises(ValueError, match=r"`tokens` must hold at least 9 tokens, .* got 8"):
        perplexity(draw(CONFIG, 0), data.test[:8])


SCRIPT = """
import sys
import numpy as np
from ktrans.networks import gpt2_config
from ktrans.networks.language_model import train_language_model
from ktrans.networks.language_optimisation import LanguageTraining
from ktrans.networks.tokens import TextData
ids = np.random.default_rng(0).integers(0, 11, size=500)
network = gpt2_config(num_tokens=11, context_length=8, depth=1, heads=2, dim=8, identities="ab")
training = LanguageTraining(steps=300, batch_size=4, warmup=1, evaluate_every=1, max_windows=4)
result = train_language_model(network, TextData(ids, ids, ids, 11), training,
    checkpoint=sys.argv[1] or None)
print(result.history.validation_loss.tolist(), result.history.a.tolist())
"""


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_goes_on(tmp_path):
    def command(folder):
        return [sys.executable, "-c", SCRIPT, str(folder)]

    wanted = subprocess.run(command(""), capture_output=True, check=True, text=True).stdout
    for pause in (0.03, 0.2):
        process = subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL)
        seen = steps_on_disk(tmp_path)
        deadline = time.monotonic() + 120
        while steps_on_disk(tmp_path) == seen and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert seen < steps_on_disk(tmp_path) < 300
    found = subprocess.run(command(tmp_path), capture_output=True, check=True, text=True).stdout
    assert found == wanted


def steps_on_disk(folder):
    path = folder / "state.npz"
    if not path.exists():
        return 0
    with np.load(path) as arrays:
        return int(arrays[".history.steps"][-1])
