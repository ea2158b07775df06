"""The sum-product quadrature of modified attention, against finer rules and slow grids."""

import itertools

import numpy as np
import pytest

from ktrans.kernels.attention.exact import query_cost, query_values
from ktrans.kernels.attention.modified_pairs import QueryPair, Setting, correlation
from tests.reference import softmax
from tests.tolerances import QUADRATURE

# Equal and different strings, cycles, queries of correlation 0, 1, and between.
PAIRS = [
    ("abaD", "effD", 0, 0), ("abaD", "effD", 3, 3), ("abaD", "abaD", 1, 1), ("abaD", "babD", 1, 1),
    ("abaD", "babD", 0, 1), ("abaD", "babD", 0, 2), ("ab", "ba", 0, 0), ("aaa", "bbb", 2, 2),
    ("abc", "bca", 1, 0), ("abcD", "bcaD", 2, 2),
]  # fmt: skip


def query_pair(x, y, query1, query2):
    return QueryPair(tuple(map(ord, x)), tuple(map(ord, y)), query1, query2)


def slow_grid(pair, setting, step=0.4, radius=6.4):
    """All Gaussians of two positions by the trapezoid rule, in coordinates that are independent."""
    gamma, eye = setting.gamma, np.eye(2)
    own = [np.equal.outer(s, s) + gamma**2 * eye for s in (pair.x, pair.y)]
    cross = np.equal.outer(pair.x, pair.y) + gamma**2 * eye
    factor = cross[pair.query1, pair.query2]
    square = setting.beta**2 * np.block(
        [[(1 + gamma**2) * own[0], factor * cross], [factor * cross.T, (1 + gamma**2) * own[1]]]
    )
    # Softmax over two positions sees the differences of the logits only.
    contrast = np.kron(eye, np.array([1.0, -1.0]))
    values, vectors = np.linalg.eigh(contrast @ square @ contrast.T)
    grid = np.arange(-radius, radius + step / 2, step)
    weight = np.exp(-(grid**2) / 2) / np.exp(-(grid**2) / 2).sum()
    normal = np.array(list(itertools.product(grid, repeat=2)))
    differences = normal @ (vectors * np.sqrt(np.maximum(values, 0))).T
    s, t = (
        softmax(np.array([difference, 0 * difference]) + mean[:, None])
        for difference, mean in zip(
            differences.T,
            [setting.a * own[0][:, pair.query1], setting.a * own[1][:, pair.query2]],
            strict=True,
        )
    )
    return np.outer(weight, weight).reshape(-1) @ np.einsum("in,ij,jn->n", s, cross, t)


@pytest.mark.parametrize(
    ("x", "y", "query1", "query2"),
    [
        ("ab", "ba", 0, 0),
        ("ab", "cd", 1, 1),
        ("ab", "ba", 0, 1),
        ("aa", "ab", 1, 0),
        ("ab",) * 2 + (0, 1),
    ],
)
@pytest.mark.parametrize(("beta", "gamma", "a"), [(0.8, 0.7, 1.0), (0.5, 1.0, -1.5)])
def test_it_agrees_with_a_slow_grid(x, y, query1, query2, beta, gamma, a):
    pair, setting = query_pair(x, y, query1, query2), Setting(beta, gamma, a)
    value = query_values([pair], setting, 1e-10).value[0]
    assert value == pytest.approx(slow_grid(pair, setting), abs=QUADRATURE)


@pytest.mark.parametrize(
    ("beta", "gamma", "a", "rtol"),
    [
        (0.05, 1.0, 1.0, 1e-6),
        (0.3, 0.0, 2.0, 1e-8),
        pytest.param(0.4, 0.3, -2.0, 1e-6, marks=pytest.mark.slow),
        (0.2, 2.0, 1.0, 1e-4),
        pytest.param(0.2, 1.0, 1.0, 1e-12, marks=pytest.mark.slow),
        pytest.param(0.7, 0.5, 4.0, 1e-8, marks=pytest.mark.slow),
        pytest.param(1.0, 1.0, -3.0, 1e-6, marks=pytest.mark.slow),
        pytest.param(1.0, 1.0, 6.0, 1e-8, marks=pytest.mark.slow),
        pytest.param(2.0, 0.7, 1.0, 1e-5, marks=pytest.mark.slow),
        pytest.param(0.3, 3.0, 1.0, 1e-3, marks=pytest.mark.slow),
    ],
)
def test_stated_bounds_hold_and_meet_the_target(beta, gamma, a, rtol):
    setting, pairs = Setting(beta, gamma, a), [query_pair(*some) for some in PAIRS]
    for pair in pairs:
        found = query_values([pair], setting, rtol)
        finer = query_values([pair], setting, max(rtol * 1e-3, 1e-13))
        assert abs(found.value - finer.value) <= found.bound
        assert found.bound <= (rtol + 1e-12) * (1 + gamma**2)


def test_correlations_cover_their_range():
    found = [correlation(query_pair(*pair), 0.7) for pair in PAIRS]
    assert {0.0, 1.0} < set(found) and len(set(found)) == 4


def test_cost_grows_with_cycles_and_temperature():
    tree, cycle = query_pair("abaD", "effD", 0, 0), query_pair("abcD", "bcaD", 0, 0)
    cool, warm = Setting(0.2, 1.0, 1.0), Setting(2.0, 1.0, 1.0)
    assert query_cost(cycle, cool, 1e-8) > 10 * query_cost(tree, cool, 1e-8)
    assert query_cost(tree, warm, 1e-8) > 10 * query_cost(tree, cool, 1e-8)
