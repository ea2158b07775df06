import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import ktrans as kt
from ktrans.networks import (
    MLPConfig,
    TrainingConfig,
    TransformerConfig,
    checkpoint,
    draw_task_data,
    train,
)

TRAINING = TrainingConfig(learning_rate=1e-2, steps=40, evaluate_every=10, checkpoint_every=1)


@pytest.fixture(scope="module")
def data():
    task = kt.tasks.load("aba_abb", vocab_size=32)
    return draw_task_data(task, num_samples=32, seeds=[0, 1], num_unseen=64)


def perceptron(data, **options):
    sizes = dict(num_tokens=data.num_tokens, context_length=4, depth=1, width=32)
    return MLPConfig(**sizes, **options)


def same(one, other):
    leaves = zip(jax.tree.leaves(one.networks), jax.tree.leaves(other.networks), strict=True)
    return np.array_equal(one.test_losses, other.test_losses) and all(
        np.array_equal(a, b) for a, b in leaves
    )


def test_a_perceptron_generalises_to_unseen_symbols_only_with_the_incidence_matrix(data):
    long = dataclasses.replace(TRAINING, steps=300, evaluate_every=50)
    plain = train(perceptron(data), data, long)
    incidence = train(perceptron(data, inputs="incidence"), data, long)
    assert (plain.train_losses[:, -1] < 0.05).all()
    # A perceptron without it predicts the same distribution for both templates: loss 1 is chance.
    assert (plain.test_losses > 0.9).all()
    assert (incidence.test_loss < 0.25).all()


def test_losses_are_those_of_the_networks_returned(data):
    result = train(perceptron(data), data, TRAINING)
    network = jax.tree.map(lambda leaf: leaf[1], result.networks)
    outputs = np.array([network(tokens) for tokens in data.test.tokens[1]])
    wanted = np.mean((outputs - data.test.labels[1]) ** 2)
    np.testing.assert_allclose(result.test_loss[1], wanted, rtol=1e-5)  # float32
    rows = np.arange(2)
    assert (result.validation_losses[rows, result.best] == result.validation_losses.min(1)).all()


@pytest.mark.slow
def test_cross_entropy_of_symbolic_labels_falls_from_that_of_guessing():
    task = kt.TemplateTask.from_templates({"α": "α"}, vocab_size=8)
    data = draw_task_data(task, num_samples=32, seeds=[0], num_unseen=16)
    network = TransformerConfig(
        num_tokens=data.num_tokens, context_length=task.context_length, depth=1, heads=2, dim=16,
        read_out="untied", identities="b", init_scale=0.1,
    )  # fmt: skip
    result = train(network, data, TRAINING)
    np.testing.assert_allclose(result.train_losses[0, 0], np.log(data.num_tokens), rtol=0.02)
    assert result.train_losses[0, -1] < 0.5


@pytest.mark.slow
def test_seeds_do_not_know_of_each_other(data):
    task = kt.tasks.load("aba_abb", vocab_size=32)
    alone = draw_task_data(task, num_samples=32, seeds=[1], num_unseen=64)
    both, one = train(perceptron(data), data, TRAINING), train(perceptron(data), alone, TRAINING)
    # Other shapes, other order of float32 sums, over 40 steps.
    np.testing.assert_allclose(both.test_losses[1], one.test_losses[0], rtol=1e-3)
    assert np.abs(both.test_losses[0] - both.test_losses[1]).max() > 0.01


def test_a_resumed_run_ends_with_the_same_numbers(data, tmp_path):
    whole = train(perceptron(data), data, TRAINING)
    short = dataclasses.replace(TRAINING, steps=20)
    train(perceptron(data), data, short, checkpoint=tmp_path)
    resumed = train(perceptron(data), data, TRAINING, checkpoint=tmp_path)
    assert resumed.steps.tolist() == [0, 10, 20, 30, 40]
    assert same(whole, resumed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configuration.json", "state.npz"]


def test_a_finished_run_is_read_and_not_trained_again(data, tmp_path, monkeypatch):
    first = train(perceptron(data), data, TRAINING, checkpoint=tmp_path)
    monkeypatch.setattr("ktrans.networks.training.take_steps", None)
    assert same(first, train(perceptron(data), data, TRAINING, checkpoint=tmp_path))


def test_dying_while_a_checkpoint_is_written_loses_that_interval_only(data, tmp_path, monkeypatch):
    whole = train(perceptron(data), data, TRAINING)
    savez, calls = np.savez, []

    def dies_the_third_time(stream, **arrays):
        calls.append(stream)
        if len(calls) == 3:
            stream.write(b"half a file")
            raise KeyboardInterrupt("killed")
        savez(stream, **arrays)

    monkeypatch.setattr(np, "savez", dies_the_third_time)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        train(perceptron(data), data, TRAINING, checkpoint=tmp_path)
    monkeypatch.setattr(np, "savez", savez)
    with np.load(tmp_path / "state.npz") as arrays:
        assert arrays[".losses"].shape == (2, 3, 3)
    assert same(whole, train(perceptron(data), data, TRAINING, checkpoint=tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.5}, r"training.learning_rate = 0.01, not 0.5; give another folder"),
        ({"batch_size": 8}, r"training.batch_size = 64, not 8"),
    ],
)
def test_the_folder_of_a_run_trained_otherwise_is_refused(data, tmp_path, change, message):
    train(perceptron(data), data, TRAINING, checkpoint=tmp_path)
    other = dataclasses.replace(TRAINING, **change)
    with pytest.raises(ValueError, match=message):
        train(perceptron(data), data, other, checkpoint=tmp_path)


def test_the_folder_of_another_network_or_of_other_data_is_refused(data, tmp_path):
    train(perceptron(data), data, TRAINING, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"network.inputs = 'one_hot', not 'incidence'"):
        train(perceptron(data, inputs="incidence"), data, TRAINING, checkpoint=tmp_path)
    task = kt.tasks.load("aba_abb", vocab_size=32)
    other = draw_task_data(task, num_samples=32, seeds=[0, 2], num_unseen=64)
    with pytest.raises(ValueError, match=r"holds a run with data.sha256"):
        train(perceptron(data), other, TRAINING, checkpoint=tmp_path)
    assert json.loads((tmp_path / "configuration.json").read_text())["network"]["width"] == 32


@pytest.mark.slow
def test_seeds_stop_when_validation_no_longer_improves_or_is_good_enough(data):
    long = dataclasses.replace(TRAINING, steps=10_000)
    impatient = train(perceptron(data), data, dataclasses.replace(long, patience=2))
    assert impatient.steps[-1] < 10_000
    assert (len(impatient.steps) - 1 - impatient.best >= 2).all()
    reached = dataclasses.replace(long, target=0.5)
    content = train(perceptron(data, inputs="incidence"), data, reached)
    at_best = content.validation_losses[np.arange(2), content.best]
    assert (at_best <= 0.5).all()
    # The first evaluation that was good enough, not the best of those after it.
    assert (content.best == (content.validation_losses <= 0.5).argmax(axis=1)).all()


@pytest.mark.slow
def test_the_read_out_can_be_trained_alone(data):
    frozen = dataclasses.replace(TRAINING, trainable="read_out")
    start = train(
        perceptron(data), data, dataclasses.replace(TRAINING, steps=10, learning_rate=0.0)
    )
    trained = train(perceptron(data, inputs="incidence"), data, frozen)
    untouched = train(
        perceptron(data, inputs="incidence"), data,
        dataclasses.replace(TRAINING, steps=10, learning_rate=0.0),
    )  # fmt: skip
    assert start.best.tolist() == [0, 0]
    np.testing.assert_array_equal(trained.networks.first.table, untouched.networks.first.table)
    moved = trained.networks.read_out.weight - untouched.networks.read_out.weight
    assert np.abs(moved).max() > 0.01


@pytest.mark.slow
def test_results_do_not_depend_on_64_bit_types(data):
    plain = train(perceptron(data), data, TRAINING)
    with jax.enable_x64(True):
        assert same(plain, train(perceptron(data), data, TRAINING))


def test_impossible_training_is_refused(data):
    with pytest.raises(ValueError, match=r"`learning_rate` must be non-negative; got -1.0"):
        TrainingConfig(learning_rate=-1.0, steps=10)
    with pytest.raises(ValueError, match="`steps` must be at least 1; got 0"):
        TrainingConfig(learning_rate=1.0, steps=0)
    with pytest.raises(ValueError, match='`precision` must be one of "float32"'):
        TrainingConfig(learning_rate=1.0, steps=10, precision="float64")
    with pytest.raises(TypeError, match="`network` must be a NetworkConfig; got 'mlp'"):
        train("mlp", data, TRAINING)
    with pytest.raises(ValueError, match="num_tokens >= 97 and context_length = 4"):
        train(dataclasses.replace(perceptron(data), num_tokens=96), data, TRAINING)
    with pytest.raises(
        ValueError, match=r"outputs of shape \(\) .*; got \(97,\): set its read-out"
    ):
        train(perceptron(data, outputs=97), data, TRAINING)
    copying = kt.TemplateTask.from_templates({"α": "α"}, vocab_size=32)
    symbolic = draw_task_data(copying, num_samples=4, seeds=[0], num_unseen=4)
    tied = TransformerConfig(
        num_tokens=97, context_length=2, depth=1, heads=1, dim=4, read_out="tied"
    )
    with pytest.raises(ValueError, match="needs a network whose read-out is no embedding"):
        train(tied, symbolic, dataclasses.replace(TRAINING, trainable="read_out"))


SCRIPT = """
import sys
import ktrans as kt
from ktrans.networks import MLPConfig, TrainingConfig, draw_task_data, train
data = draw_task_data(kt.tasks.load("aba_abb", vocab_size=32), num_samples=32, seeds=[0, 1])
network = MLPConfig(num_tokens=data.num_tokens, context_length=4, depth=1, width=512)
training = TrainingConfig(learning_rate=1e-2, steps=int(sys.argv[2]), evaluate_every=1,
    checkpoint_every=1, patience=10**6)
print(train(network, data, training, checkpoint=sys.argv[1] or None).test_losses.tolist()[1][-1])
"""


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_goes_on(tmp_path):
    def command(folder):
        return [sys.executable, "-c", SCRIPT, str(folder), "60"]

    wanted = subprocess.run(command(""), capture_output=True, check=True, text=True).stdout
    for pause in (0.05, 0.4, 0.9):
        process = subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (tmp_path / "state.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with np.load(tmp_path / "state.npz") as arrays:
            assert arrays[".losses"].shape[1] >= 2
    found = subprocess.run(command(tmp_path), capture_output=True, check=True, text=True).stdout
    assert found == wanted
    assert checkpoint.ARRAYS in [path.name for path in tmp_path.iterdir()]
