import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.collisions.geometry import GEOMETRIES, collision_design, geometry_margins
from ktrans.measure.collisions.graph import collision_graph
from tests.gram.small_kernel import SmallKernel

KERNEL = SmallKernel()
TASK = kt.tasks.load("aba_abb", vocab_size=10)
N, HOLDERS = 120, 6


def design(geometry, **options):
    return collision_design(TASK, N, diversity=N / HOLDERS, geometry=geometry, **options)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_most_frequent_token_is_held_as_the_diversity_says(geometry):
    data = design(geometry)
    holders = np.bincount(data.substitutions.reshape(-1))
    assert holders.max() == HOLDERS
    assert all(len(set(row)) == len(row) for row in data.substitutions.tolist())
    for row, z in zip(data.tokens.tolist(), data.template_ids, strict=True):
        assert TASK.templates[z].matches(tuple(map(str, row[:-1])))


def test_the_geometries_have_the_edges_and_components_they_are_named_for():
    clique, graphs = HOLDERS * (HOLDERS - 1) // 2, {}
    for geometry in GEOMETRIES:
        graphs[geometry] = collision_graph(KERNEL, design(geometry))
    assert graphs["star"].num_edges == clique
    assert graphs["star"].num_components == N - HOLDERS + 1
    assert graphs["matching"].num_edges == N // HOLDERS * clique
    assert graphs["matching"].num_components == N // HOLDERS
    assert graphs["matching"].max_degree == HOLDERS - 1
    within = graphs["matching within a template"]
    assert within.max_degree == HOLDERS - 1
    assert all(first == second for first, second in (c.templates for c in within.classes))


def test_two_holders_of_each_token_are_a_perfect_matching():
    data = collision_design(TASK, 100, diversity=50, geometry="matching")
    assert set(collision_graph(KERNEL, data).degrees.tolist()) == {1}


def test_templates_without_wildcards_collide_in_nothing():
    task = kt.TemplateTask.from_templates({"αβA": 1.0, "AAA": -1.0, "αAA": 2.0}, vocab_size=5)
    data = collision_design(task, 90, diversity=15, geometry="matching", seed=2)
    graph = collision_graph(KERNEL, data)
    assert (graph.degrees[data.template_ids == 1] == 0).all()
    assert (data.substitutions[data.template_ids == 1] == -1).all()
    assert (data.substitutions[data.template_ids == 2, 1] == -1).all()


def test_the_same_diversity_has_the_margin_of_its_geometry():
    found = geometry_margins(
        KERNEL, TASK, num_samples=200, diversities=[20.0], ridge=0.01, seeds=range(4)
    )
    star, matching, within = (found[geometry] for geometry in GEOMETRIES)
    assert star.diversity == matching.diversity == within.diversity == 20.0
    spread = 5 * (star.stderr + within.stderr)
    assert abs(star.margin - within.margin) > spread
    closed = kt.learning_curve(KERNEL, TASK, num_samples=[200], ridge=0.01).predictions[0]
    limit = (closed * TASK.labels).min()
    # A star concerns one sample in ρ: the margin stays at what no collisions give, but for the
    # unequal numbers of samples of the templates.
    assert abs(star.margin - limit) < abs(within.margin - limit)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"geometry": "ring"}, '`geometry` must be one of "star", "matching", "matching within'),
        ({"diversity": 0.5}, r"`diversity` must be from 1 to n = 10; got 0\.5"),
    ],
)
def test_impossible_designs_are_refused(changes, sentence):
    options = {"diversity": 5.0, "geometry": "star"} | changes
    with pytest.raises(ValueError, match=sentence):
        collision_design(TASK, 10, **options)


def test_a_task_without_wildcards_is_refused():
    task = kt.TemplateTask.from_templates({"AB": 1.0}, vocab_size=5)
    with pytest.raises(ValueError, match="`task` must have a template with a wildcard"):
        collision_design(task, 10, diversity=2.0, geometry="star")


def test_one_seed_has_no_standard_error():
    with pytest.raises(ValueError, match=r"`seeds` must be at least two .* got seeds \[0\]"):
        geometry_margins(KERNEL, TASK, num_samples=20, diversities=[4.0], ridge=0.1, seeds=[0])
