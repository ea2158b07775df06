import itertools
from collections import Counter

import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.collisions.graph import collision_graph
from ktrans.measure.collisions.pair_counts import pair_table
from tests.gram.small_kernel import SmallKernel
from tests.tolerances import ROUNDING

KERNEL = SmallKernel()

# 1 to 3 wildcards, unequal ones, regular tokens, some of which are substitution tokens.
TASKS = [
    ("αβα αββ", {"vocab_size": 12}),
    ("αβγα αβAA Aααα", {"vocab_size": 15}),
    ("α A", {"vocab_size": 3}),
    ("αβγ ααβ ABA", {"substitution_tokens": list("ABCDEFGH")}),
    ("αβα αββ", {"vocab_size": 9, "substitution": "zipf"}),
]


def build(specs, options):
    return kt.TemplateTask.from_templates(
        {spec: float(i) for i, spec in enumerate(specs.split())}, **options
    )


def shared_wildcards(data, i, j):
    """Pairs of wildcard numbers of two samples that carry one token: the slow way."""
    first, second = data.substitutions[i], data.substitutions[j]
    return tuple(
        (a, b)
        for a, b in itertools.product(range(len(first)), range(len(second)))
        if first[a] == second[b] >= 0
    )


@pytest.mark.parametrize(("specs", "options"), TASKS)
def test_edges_degrees_and_components_are_those_of_all_pairs(specs, options):
    data = build(specs, options).sample(60, seed=3)
    regular = set(data.task.regular_token_ids.values())
    graph = collision_graph(KERNEL, data)
    reach = np.eye(len(data), dtype=bool)
    for i, j in itertools.permutations(range(len(data)), 2):
        # A wildcard that takes the value of a regular token counts as regular.
        tokens = set(data.substitutions[i][data.substitutions[i] >= 0].tolist()) - regular
        reach[i, j] = bool(tokens & set(data.substitutions[j].tolist()))
    np.testing.assert_array_equal(graph.degrees, reach.sum(axis=1) - 1)
    assert graph.num_edges * 2 == graph.degrees.sum()
    for _ in range(6):  # 2⁶ steps reach all of 60 samples
        reach = reach @ reach
    assert graph.num_components == len(np.unique(reach, axis=0))
    assert graph.largest_component == reach.sum(axis=1).max()


def test_classes_are_counted_by_templates_and_matching():
    data = build(*TASKS[0]).sample(80, seed=1)
    names = [str(template) for template in data.task.templates]
    wanted: Counter = Counter()
    for i, j in itertools.combinations(range(len(data)), 2):
        i, j = sorted((i, j), key=lambda row: names[data.template_ids[row]])
        matching = tuple(("αβ"[a], "αβ"[b]) for a, b in shared_wildcards(data, i, j))
        pair = names[data.template_ids[i]], names[data.template_ids[j]]
        if matching:
            wanted[_canonical(pair, matching)] += 1
    found = {
        _canonical(each.templates, each.matching): each.edges
        for each in collision_graph(KERNEL, data).classes
    }
    assert found == dict(wanted)


def _canonical(pair, matching):
    """The class with the lesser template first, and of a matching and its inverse the lesser."""
    inverse = tuple(sorted((b, a) for a, b in matching))
    if pair[0] > pair[1]:
        return pair[::-1], inverse
    return pair, min(tuple(sorted(matching)), inverse) if pair[0] == pair[1] else matching


@pytest.mark.parametrize(("specs", "options"), TASKS)
def test_classes_and_the_diagonal_carry_all_of_the_excess(specs, options):
    data = build(specs, options).sample(60, seed=3)
    graph, matrix = collision_graph(KERNEL, data), kt.template_matrix(KERNEL, data.task)
    excess = np.asarray(KERNEL(data.tokens)) - matrix[np.ix_(data.template_ids, data.template_ids)]
    square = np.sum(excess**2)
    np.testing.assert_allclose(graph.frobenius * len(data), np.sqrt(square), rtol=ROUNDING)
    diagonal = np.sum(excess.diagonal() ** 2) / square
    np.testing.assert_allclose(graph.diagonal_share, diagonal, rtol=1e-12)
    shares = sum(each.share for each in graph.classes)
    np.testing.assert_allclose(shares + graph.diagonal_share, 1.0, rtol=ROUNDING)
    for each in graph.classes:
        wanted = 2 * each.edges * (each.value - each.limit) ** 2 / square
        np.testing.assert_allclose(each.share, wanted, rtol=1e-12, atol=1e-18)


def test_pairs_by_class_are_all_pairs_with_their_kernel_values():
    data = kt.tasks.load("same_different", vocab_size=12).sample(150)
    table = pair_table(kt.GramOperator(KERNEL, data))
    assert table.counts.sum() == 150 * 149 // 2
    cubes = table.total(table.values**3, table.self_values**3)
    np.testing.assert_allclose(cubes, np.sum(np.asarray(KERNEL(data.tokens)) ** 3), rtol=ROUNDING)


def test_strings_without_wildcards_have_no_collisions():
    data = kt.TemplateTask.from_templates({"AB": 1.0, "BA": -1.0}, vocab_size=5).sample(20)
    graph = collision_graph(KERNEL, data)
    assert (graph.num_edges, graph.num_components, graph.classes) == (0, 20, ())
    assert (graph.max_degree, graph.frobenius) == (0, 0.0)


def test_many_samples_are_counted_without_their_pairs():
    data = kt.tasks.load("aba_abb", vocab_size=10**5).sample(10**5)
    graph = collision_graph(KERNEL, data)
    holders = np.bincount(data.substitutions.reshape(-1))
    twice = Counter(map(tuple, np.sort(data.substitutions, axis=1).tolist())).values()
    edges = sum(int(c) * (int(c) - 1) // 2 for c in holders) - sum(c * (c - 1) // 2 for c in twice)
    assert graph.num_edges == edges


def test_the_kernel_must_be_token_symmetric():
    with pytest.raises(TypeError, match="`kernel` must be a token-symmetric kernel"):
        collision_graph(len, kt.tasks.load("aba_abb", vocab_size=9).sample(5))
