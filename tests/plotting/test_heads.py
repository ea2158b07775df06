"""The pictures of heads and of the probe show the numbers that they are given."""

import numpy as np

from ktrans.plotting.heads import distances_figure, heads_figure
from ktrans.plotting.heads_in_training import heads_in_training_figure
from ktrans.plotting.probe import probe_figure, relations_figure


def heads(shape=(2, 3)):
    z = np.linspace(-30, 20, 6).reshape(shape)
    return {
        "num_layers": shape[0],
        "num_heads": shape[1],
        "dim": 8,
        "query_key": z.tolist(),
        "value_output": (-z).tolist(),
        "query_key_found": (abs(z) > 5).tolist(),
        "value_output_found": (abs(z) > 5).tolist(),
        "distances": [0, 1, 4],
        "distance_a": np.ones((*shape, 3)).tolist(),
    }


def one(sigma, nonsingular):
    return {
        "sigma_min": sigma, "sigma_min_stderr": 0.1, "self_kernel": [2.0, 4.0],
        "nonsingular": nonsingular, "num_samples": [16, 64], "seen": [1.0, 0.5],
        "seen_stderr": [0.1, None], "unseen": [1.0, 0.7], "unseen_stderr": [0.1, 0.1],
        "closed_form": [1.0, 0.6],
    }  # fmt: skip


LAYERS = {"bag of words": one(0.0, False), "layer 1": one(0.3, True), "layer 2": one(0.6, True)}


def test_heat_maps_share_a_scale_that_is_symmetric_about_zero():
    left, right, *_ = heads_figure(heads()).axes
    images = [axes.images[0] for axes in (left, right)]
    np.testing.assert_array_equal(images[0].get_array(), heads()["query_key"])
    assert images[0].norm is images[1].norm
    assert (images[0].norm.vmin, images[0].norm.vmax) == (-30, 30)
    blue, white, orange = (images[0].cmap(images[0].norm(z)) for z in (30, 0, -30))
    assert min(white) > 0.99
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


def test_heads_that_are_not_found_have_a_dot():
    found = heads()
    axes = heads_figure(found).axes[0]
    (dots,) = axes.lines
    wanted = np.argwhere(~np.array(found["query_key_found"]))
    np.testing.assert_array_equal(np.stack([dots.get_ydata(), dots.get_xdata()], 1), wanted)


def test_a_curve_over_distances_is_drawn_for_each_head():
    (axes,) = distances_figure(heads()).axes
    assert len(axes.lines) == 6 + 1
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [8, 8, 8])


def test_filled_points_are_layers_with_nonsingular_n():
    left, middle, right = probe_figure({"layers": LAYERS}).axes
    filled, hollow = (
        line for line in left.lines if line.get_marker() == "o" and len(line.get_xdata())
    )
    np.testing.assert_allclose(filled.get_ydata(), [0.1, 0.2])
    np.testing.assert_allclose(hollow.get_ydata(), [0.0])
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["bag", "1", "2"]
    assert len(right.lines) == 3 + 1
    np.testing.assert_allclose(middle.lines[-2].get_ydata(), [0.6] * 3)


def test_features_without_layers_are_one_point():
    left, *_ = probe_figure(one(0.3, True) | {"layers": {}}).axes
    assert len(left.get_xticks()) == 1


def test_each_relation_has_a_row():
    figure = relations_figure({"one": {"layers": LAYERS}, "other": {"layers": LAYERS}})
    assert [axes.get_title("left") for axes in figure.axes] == ["one", "", "other", ""]


def test_training_is_four_panels_with_a_line_a_seed():
    path = {"step": [0, 1], "nonsingular": [False, True]}
    path |= {name: [1.0, 2.0] for name in ("unseen", "a", "query_key", "sigma_min")}
    figure = heads_in_training_figure({"chance": 1.0, "models": {"one": [path, path], "b": [path]}})
    assert len(figure.axes) == 4
    assert len(figure.axes[1].lines) == 3
