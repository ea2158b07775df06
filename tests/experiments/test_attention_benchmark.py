import numpy as np
import pytest

from experiments.benchmarks.attention import (
    ACCURACIES,
    EXACT,
    OURS,
    PLAIN,
    QMC,
    REFERENCE_RTOL,
    Config,
    Point,
    compute,
    picture,
    seconds_to_reach,
    table,
    table_strings,
    template_pairs,
)
from ktrans.tasks import TemplateTask
from tests import reference

CONFIG = Config.quick()
SIZE = 1 + CONFIG.gamma**2  # what relative errors are relative to
DEVIATION = 0.5  # of one draw of K_attn, which lies between 0 and 1 + γ²


@pytest.fixture(scope="module")
def result():
    return compute(CONFIG)


def points(result, method):
    return [point for point in result.points if point.method == method]


@pytest.mark.slow
def test_the_exact_engine_is_as_accurate_as_it_is_asked_to_be(result):
    found = points(result, EXACT)
    assert [point.setting for point in found] == [1e-4, 1e-8]
    for point in found:
        assert point.error <= (point.setting + REFERENCE_RTOL) * SIZE


@pytest.mark.slow
def test_sampling_is_as_accurate_as_its_draws_allow(result):
    assert all(point.error <= 5 * point.setting for point in points(result, QMC))
    for point in points(result, OURS) + points(result, PLAIN):
        # The root mean square over four seeds exceeds 3 standard errors once in 10⁶ times.
        assert 0 < point.error <= 3 * DEVIATION / np.sqrt(point.setting)


@pytest.mark.slow
def test_no_number_of_draws_tried_reaches_what_the_exact_engine_does(result):
    exact = points(result, EXACT)[0].error
    assert all(point.error > 10 * exact for point in points(result, OURS) + points(result, PLAIN))


@pytest.mark.slow
def test_the_seconds_of_plain_monte_carlo_grow_with_the_square_of_the_accuracy(result):
    seconds = result.plain_seconds
    assert tuple(seconds) == ACCURACIES
    assert seconds[1e-8] == pytest.approx(1e8 * seconds[1e-4])
    halves = [Point(PLAIN, draws, draws**-0.5, draws / 1000, 0.0) for draws in (100.0, 400.0)]
    assert seconds_to_reach(halves, 0.01) == pytest.approx(10.0)


def test_the_reference_values_are_those_of_the_definition():
    pairs = template_pairs(CONFIG)
    assert len(pairs.value) == 3
    for x, y, value in zip(*pairs, strict=True):
        mean, stderr = reference.attention_by_sampling(x, y, 1.0, 0.7, 200_000, seed=0)
        assert stderr < 2e-3
        assert abs(value - mean) <= 5 * stderr


@pytest.mark.slow
def test_the_table_and_the_picture_show_every_method(result):
    text = table(result)
    (ax,) = picture(result).axes
    names = [label.get_text() for label in ax.get_legend().get_texts()]
    for method in (EXACT, QMC, OURS, PLAIN):
        assert text.count(f"| {method} |") == len(points(result, method)) > 0
        assert method in names


def test_a_table_holds_every_pair_and_matching():
    task = TemplateTask.from_templates({"αβα": 1.0, "ααβ": -1.0, "Aαα": 0.0}, vocab_size=10)
    x, y = table_strings(task)
    # Matchings of 2 and 2, 2 and 1, 1 and 1 wildcards: 7, 3 and 2.
    assert len(x) == len(y) == 3 * 7 + 2 * 3 + 2
    rows = [tuple(row) for row in np.hstack([x, y])]
    assert len(set(rows)) == len(rows)
    assert set(x[0]) & set(y[0]) == {task.cls_id}
    assert sum(bool(np.all(a == b)) for a, b in zip(x, y, strict=True)) == 3
