"""The claims of the figures about training, by their quick configurations."""

import numpy as np
import pytest

from experiments import (
    last_layer,
    network_sweeps,
    random_templates,
    relational_tasks,
    symbolic_training,
)
from experiments.data_efficiency import MLP, PLAIN, WITH_A, WITH_B
from ktrans.plotting import paper_style
from ktrans.plotting.data_efficiency import data_efficiency_figure, loss_sweep_figure
from ktrans.plotting.svg import write_figure

pytestmark = pytest.mark.slow


def draw(path, figure):
    with paper_style():
        assert b"<svg" in write_figure(path, figure()).read_bytes()


def test_same_or_different_takes_fewer_samples_with_a_and_an_mlp_fails(tmp_path):
    panels = relational_tasks.compute(relational_tasks.Config.quick(), tmp_path)
    same = panels[0]
    assert same["models"][WITH_A]["samples"]["estimate"] is not None
    assert same["times_fewer"]["ratio"] > 2
    assert min(same["models"][MLP]["loss"]) > 0.7
    pairs = panels[1]["models"]
    assert pairs[WITH_A]["loss"][-1] < 0.5 < pairs[PLAIN]["loss"][-1]
    draw(tmp_path / "tasks.svg", lambda: data_efficiency_figure(panels))


def test_unseen_symbols_are_copied_from_few_samples_with_b_and_not_without():
    (found,) = symbolic_training.compute(symbolic_training.Config.quick())
    # Relative to guessing among all tokens. Without b it takes some 0.27 d_emb samples and more.
    assert min(found["models"][PLAIN]["loss"]) > 0.6
    assert max(found["models"][WITH_B]["loss"]) < 0.05


def test_more_templates_take_more_samples(tmp_path):
    panels = random_templates.compute(random_templates.Config.quick())
    few, many = (curve["loss"][-1] for curve in panels[0]["curves"].values())
    assert few < 0.7 * many
    draw(tmp_path / "templates.svg", lambda: loss_sweep_figure(panels))


def test_training_the_read_out_is_kernel_regression_about_the_initial_function():
    curves = last_layer.compute(last_layer.Config.quick())["curves"]
    trained, about_start, about_zero = (
        np.array(curves[name]["loss"])
        for name in (last_layer.READ_OUT, last_layer.ABOUT_START, last_layer.ABOUT_ZERO)
    )
    # Adam, stopped early, is not ridge regression; what it starts from makes a larger difference.
    np.testing.assert_allclose(trained, about_start, rtol=0.1)
    assert about_start[-1] > 1.2 * about_zero[-1]


def test_one_layer_is_not_enough_for_a():
    (panel,) = network_sweeps.compute(network_sweeps.Config.quick())
    one, two = panel["curves"][WITH_A]["loss"]
    assert two < 0.25
    assert one > 0.7
