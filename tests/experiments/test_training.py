"""The driver of all trainings: what is kept, what is shared, what an interruption loses."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from experiments import _training
from experiments._training import Cell, Model, curve, find_kept, samples_needed, train_grid
from ktrans.networks import TrainingConfig, checkpoint

PERCEPTRON = Model("mlp", {"depth": 1, "width": 16, "inputs": "incidence"})
TRAINING = TrainingConfig(learning_rate=1e-2, steps=20, evaluate_every=10, checkpoint_every=1)
CELL = Cell(PERCEPTRON, 8, TRAINING, (0, 1))


def test_a_cell_holds_the_losses_at_the_best_validation(tmp_path):
    cell, _ = CELL.split()
    ((record,),) = train_grid({"only": [cell]}, tmp_path).values()
    data = cell.draw()
    result = _training.train(cell.model.configuration(data), data, TRAINING)
    assert record["seed"] == 0
    assert record["test"] == result.test_loss[0]
    assert record["validation"] == result.validation_losses.min()


def test_what_is_trained_is_kept_and_shared_by_grids(tmp_path, monkeypatch):
    first = train_grid({"a": CELL.split()}, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(_training, "train", None)
    assert train_grid({"b": CELL.split()}, tmp_path)["b"] == first["a"]
    other = dataclasses.replace(TRAINING, learning_rate=0.1)
    with pytest.raises(TypeError, match="not callable"):
        train_grid({"b": [dataclasses.replace(CELL, training=other)]}, tmp_path)


def test_what_is_kept_is_found_without_training(tmp_path, monkeypatch):
    monkeypatch.setattr(_training, "train", None)
    assert find_kept({"a": [CELL]}, tmp_path) == {"a": []}
    monkeypatch.undo()
    first, second = train_grid({"a": [CELL]}, tmp_path)["a"]
    monkeypatch.setattr(_training, "train", None)
    assert find_kept({"a": [CELL]}, tmp_path) == {"a": [first, second]}
    more = dataclasses.replace(CELL, seeds=(1, 2))
    assert find_kept({"a": [more]}, tmp_path) == {"a": [second]}


def test_an_interrupted_grid_loses_no_cell_and_goes_on_within_the_one_that_ran(
    tmp_path, monkeypatch
):
    wanted = train_grid({"all": CELL.split()}, None)["all"]
    savez, calls = np.savez, []

    def dies_in_the_second_cell(stream, **arrays):
        calls.append(stream)
        if len(calls) == 4:
            raise KeyboardInterrupt("killed")
        savez(stream, **arrays)

    monkeypatch.setattr(np, "savez", dies_in_the_second_cell)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        train_grid({"all": CELL.split()}, tmp_path)
    monkeypatch.setattr(np, "savez", savez)
    (done,) = tmp_path.glob("*.json")
    (begun,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert json.loads(done.read_text())["values"]["cell"]["seeds"] == [0]
    assert (begun / "state.npz").exists()
    found = train_grid({"all": CELL.split()}, tmp_path)["all"]
    assert [each["test"] for each in found] == [each["test"] for each in wanted]
    assert not begun.exists()


def test_losses_of_symbols_are_relative_to_guessing(tmp_path):
    perceptron = Model("mlp", {"depth": 1, "width": 16})
    still = dataclasses.replace(TRAINING, learning_rate=0.0)
    cell = Cell(perceptron, 8, still, (0,), "copy")
    (record,) = train_grid({"only": [cell]}, tmp_path)["only"]
    # Logits of variance about one, not zero, add about half a nat to log 25.
    assert 1.0 < record["test"] < 1.5


def test_samples_needed_are_interpolated_and_bounded_by_the_standard_error():
    found = curve([16, 64, 256], [[0.9, 1.1], [0.7, 0.8], [0.2, 0.3]])
    np.testing.assert_allclose(found["loss"], [1.0, 0.75, 0.25])
    # Halfway from 0.75 at n = 64 to 0.25 at n = 256 in log n.
    np.testing.assert_allclose(found["samples"]["estimate"], 128.0)
    assert found["samples"]["low"] < 128 < found["samples"]["high"]
    never = samples_needed([16, 64], np.array([1.0, 0.6]), np.array([0.0, 0.2]))
    assert never["estimate"] is None
    assert never["high"] is None
    assert 16 < never["low"] < 64


def test_two_processes_that_train_the_same_do_not_stop_each_other(tmp_path, monkeypatch):
    """The other one finishes, and tidies up, whenever this one is about to keep its state."""
    wanted = train_grid({"all": [CELL]}, None)["all"]
    save = checkpoint.save

    def save_after_the_other(folder, state):
        shutil.rmtree(folder)
        save(folder, state)

    monkeypatch.setattr(checkpoint, "save", save_after_the_other)
    found = train_grid({"all": [CELL]}, tmp_path)["all"]
    assert [each["test"] for each in found] == [each["test"] for each in wanted]
    assert len(list(tmp_path.iterdir())) == 2
