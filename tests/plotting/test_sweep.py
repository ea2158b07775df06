"""The picture of a sweep shows its numbers where they belong."""

import numpy as np
import xarray as xr

from ktrans.plotting.sweep import sweep_figure


def dataset(tasks=2, sizes=5):
    dims = ("task", "kernel", "vocab_size", "num_samples", "ridge", "seed")
    lengths = (tasks, 2, sizes, 3, 2, 4)
    errors = np.random.default_rng(0).uniform(0.1, 1.0, lengths)
    m, rho = np.arange(1, sizes + 1) * 20, np.arange(1, sizes + 1) * 10.0
    return xr.Dataset(
        {
            "unseen_mse": (dims, errors),
            "closed_form_mse": (
                ("task", "kernel", "num_samples", "ridge"),
                errors[:, :, 0, ..., 0],
            ),
        },
        coords={
            "task": [f"task {i}" for i in range(tasks)],
            "kernel": ["transformer", "MLP"],
            "vocab_size": m,
            "num_samples": [10, 100, 1000],
            "ridge": [0.1, 0.001],
            "seed": range(4),
            "diversity": (("task", "vocab_size"), np.tile(rho, (tasks, 1))),
        },
    )


def test_a_panel_for_each_task_and_vocabulary_at_the_smallest_ridge():
    data = dataset()
    axes = sweep_figure(data).axes
    assert [each.get_title() for each in axes[:3]] == [
        r"$m = 20$, $\rho = 10$",
        r"$m = 60$, $\rho = 30$",
        r"$m = 100$, $\rho = 50$",
    ]
    assert len(axes) == 6
    points, line = axes[4].containers[1].lines[0], axes[4].lines[-1]
    expected = data.sel(task="task 1", kernel="MLP", vocab_size=60, ridge=0.001)
    np.testing.assert_allclose(points.get_ydata(), expected.unseen_mse.mean("seed"))
    np.testing.assert_allclose(line.get_ydata(), expected.closed_form_mse)


def test_many_tasks_and_single_seeds_are_drawn_too():
    assert len(sweep_figure(dataset(tasks=6, sizes=1)).axes) == 4
    one = dataset(tasks=1, sizes=2).isel(seed=slice(1))
    assert len(sweep_figure(one).axes) == 2
