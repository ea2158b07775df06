"""K_attn against computations that share no code with it: nothing of the race, no elimination.

With two positions softmax is a logistic function of one difference of logits, so that a value is an
integral of tanh·tanh over two Gaussians. With three, softmax itself is summed over a dense grid of
all Gaussians. With more, a rule with a hundredth of the error, which has a bound of its own.
"""

import itertools
import math

import mpmath
import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.attention.engine import Parameters, _Tables, model_values
from ktrans.kernels.attention.exact import (
    Attended,
    attended_values,
    class_cost,
    exact_values,
    query_cost,
    query_values,
)
from ktrans.kernels.attention.grids import Target, rule_for
from ktrans.kernels.attention.models import class_model, is_symmetric
from ktrans.kernels.attention.modified_pairs import QueryPair, Setting, logit_means
from ktrans.kernels.attention.multigraph import pair_graph
from tests import reference

# Of the oracles: sums of at most 10⁷ terms of size 1, added pairwise, of exact weights to 1e-15.
ORACLE = 1e-14
REACH = 9.0  # a normal variable is beyond it once in 10¹⁸ times
PAIRS = list(reference.joint_strings(2))
CLASSES = list({pair_graph(x, y): (x, y) for x, y in PAIRS}.values())


def nodes(pole):
    """The trapezoid rule for a normal; poles at ±i·`pole` cost e^{−2π·pole/h} ≤ e^{−42}."""
    step = min(0.4, 2 * math.pi * pole / 42)
    grid = step * np.arange(-math.ceil(REACH / step), math.ceil(REACH / step) + 1)
    return grid, step * np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)


def tanh_means(mean, covariance):
    """E tanh(A/2), E tanh(B/2) and E of their product; poles lie at A = ±iπ."""
    (first, both), (_, second) = covariance
    one = math.sqrt(first)
    shared = both / one if one else 0.0
    rest = math.sqrt(max(second - shared**2, 0.0))
    if rest < 1e-7 * math.sqrt(second):  # the same Gaussian; cancellation in `second` − …
        rest = 0.0
    z, weight_z = nodes(math.pi / max(one, abs(shared), 1e-300))
    w, weight_w = nodes(math.pi / max(rest, 1e-300)) if rest else (np.zeros(1), np.ones(1))
    a = np.tanh((mean[0] + one * z) / 2)
    b = np.empty_like(z)
    for rows in np.array_split(np.arange(len(z)), 1 + len(z) * len(w) // 10**6):
        b[rows] = np.tanh((mean[1] + shared * z[rows, None] + rest * w) / 2) @ weight_w
    return np.sum(weight_z * a), np.sum(weight_z * b), np.sum(weight_z * a * b)


def equal(x, y):
    return np.array(list(x))[:, None] == np.array(list(y))


def logistic_moments(x, y, beta, gamma, correlation=None, means=((0, 0), (0, 0))):
    """E[s_i t_j] for two positions, shape (2, 2).

    Cov(u, v) = (X Yᵀ + γ² I)·`correlation`; the means are those of the logits.
    """
    difference, position = np.array([1.0, -1.0]), gamma**2 * np.eye(2)
    covariance = beta**2 * np.array(
        [
            [difference @ (equal(one, other) + position) @ difference for other in (x, y)]
            for one in (x, y)
        ]
    )
    if correlation is not None:
        covariance *= [[1, correlation], [correlation, 1]]
    a, b, both = tanh_means([difference @ np.array(some) for some in means], covariance)
    signs = np.array([1, -1])
    return (1 + a * signs[:, None] + b * signs + both * np.outer(signs, signs)) / 4


def coupling(x, y, gamma):
    return equal(x, y) + gamma**2 * np.eye(len(x))


def two_positions(x, y, beta, gamma):
    return float(np.sum(coupling(x, y, gamma) * logistic_moments(x, y, beta, gamma)))


def complement(size):
    """An orthonormal basis of the vectors whose entries add up to 0: no softmax sees the mean."""
    return np.linalg.svd(np.ones((1, size)))[2][1:].T


def dense(x, y, beta, gamma):
    """Softmax itself on a grid of all Gaussians but for the means; a few dimensions only."""
    names = sorted({*x, *y})
    tokens, places = complement(len(names)), complement(len(x))
    rows = [np.array([names.index(token) for token in some]) for some in (x, y)]
    axes = [beta * np.hstack([tokens[some], gamma * places]) for some in rows]
    grids = [
        nodes(math.pi / max(np.ptp(some[:, i]) for some in axes)) for i in range(axes[0].shape[1])
    ]
    total = 0.0
    for head in itertools.product(*(zip(*grid, strict=True) for grid in grids[:-2])):
        weight = math.prod(w for _, w in head)
        z = [value for value, _ in head]
        logits = [
            (some[:, : len(z)] @ z)[:, None, None]
            + some[:, -2][:, None, None] * grids[-2][0][:, None]
            + some[:, -1][:, None, None] * grids[-1][0]
            for some in axes
        ]
        s, t = (np.exp(some) / np.exp(some).sum(0) for some in logits)
        inner = np.einsum("iab,ij,jab->ab", s, coupling(x, y, gamma), t)
        total += weight * (grids[-2][1] @ inner @ grids[-1][1])
    return float(total)


def within(values, oracle, gamma):
    """Certified, and within the bound and what the oracle itself loses."""
    allowed = values.bound + ORACLE * (1 + gamma**2)
    return bool(np.all(values.certified)) and bool(np.all(np.abs(values.value - oracle) <= allowed))


def test_the_oracle_is_right_where_two_rules_were_once_wrong_together():
    """ab/ba at β = .04, γ = 100: two rules gave 8655.32776529, and a coarse sum 8653.91498934."""
    with mpmath.workdps(20):
        beta, gamma = mpmath.mpf("0.04"), mpmath.mpf(100)
        angle = beta * mpmath.sqrt(2) / 2
        # Poles at Im p = π/(√2βγ) = .56: a step of 1/16 errs by e^{−56}. Even in (d, p): p ≥ 0.
        total = mpmath.mpf(0)
        for d in (mpmath.mpf(i) / 2 for i in range(-18, 19)):
            for p in (mpmath.mpf(j) / 16 for j in range(145)):
                weight = mpmath.exp(-(d * d + p * p) / 2) * (2 if p else 1)
                one, other = mpmath.tanh(angle * (d + gamma * p)), angle * (gamma * p - d)
                total += weight * one * mpmath.tanh(other)
        total /= 32 * 2 * mpmath.pi
        truth = (1 + gamma**2) / 2 + (gamma**2 - 1) / 2 * total
        assert float(abs(truth - mpmath.mpf("8653.97615712219095"))) < 1e-12
    assert two_positions("ab", "ba", 0.04, 100.0) == pytest.approx(float(truth), rel=ORACLE)
    values = exact_values([pair_graph("ab", "ba")], 0.04, 100.0, 1e-12)
    assert within(values, float(truth), 100.0)
    assert values.bound[0] < 3e-12 * (1 + 100.0**2)


POINTS = [
    (1e-12, 200.0, 1e-10), (0.04, 100.0, 1e-12), (1.0, 0.7, 1e-10),
    *(pytest.param(*point, marks=pytest.mark.slow) for point in (
        (1e-12, 0.0, 1e-12), (1e-5, 1e-3, 1e-8), (1e-3, 200.0, 1e-9), (0.3, 7.0, 1e-6),
        (1.0, 0.0, 1e-12), (1.0, 1e-8, 1e-9), (4.0, 1.0, 1e-10), (2.0, 10.0, 1e-3),
        (16.0, 0.0, 1e-4), (16.0, 0.2, 1e-4), (16.0, 3.0, 1e-3),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("beta", "gamma", "rtol"), POINTS)
def test_all_classes_with_two_positions_agree_with_an_integral_of_tanh(beta, gamma, rtol):
    assert len(CLASSES) == 9
    values = exact_values([pair_graph(x, y) for x, y in CLASSES], beta, gamma, rtol)
    truth = [two_positions(x, y, beta, gamma) for x, y in CLASSES]
    assert within(values, truth, gamma)
    assert np.all(values.bound <= 30 * rtol * (1 + gamma**2))


@pytest.mark.parametrize(
    ("x", "y"), [("aab", "aba"), ("abc", "bca"), ("abb", "aac"), ("aaa", "bcb")]
)
@pytest.mark.parametrize(
    ("beta", "gamma"), [(0.5, 0.7), pytest.param(0.3, 2.0, marks=pytest.mark.slow)]
)
def test_three_positions_agree_with_softmax_on_a_dense_grid(x, y, beta, gamma):
    values = exact_values([pair_graph(x, y)], beta, gamma, 1e-11)
    assert within(values, dense(x, y, beta, gamma), gamma)


@pytest.mark.parametrize("gamma", [0.0, 0.4])
def test_fresh_strings_without_shared_positions_factorise(gamma):
    """At γ = 0 the two softmaxes are independent, and no marks meet: 0; with γ only i = j do."""
    (value,), (bound,), _ = exact_values([pair_graph("abc", "def")], 0.6, gamma, 1e-10)
    places, tokens = complement(3), 0.6 * complement(3)
    grid, weight = nodes(math.pi / 0.6 / math.sqrt(2))
    omega = np.stack(np.meshgrid(grid, grid, indexing="ij")).reshape(2, -1)
    weights = np.outer(weight, weight).ravel()
    growth = np.exp(tokens @ omega)
    mean_squares = 0.0
    for p, w in zip(omega.T, weights, strict=True):
        shifted = growth * np.exp(0.6 * gamma * places @ p)[:, None]
        mean_squares += w * np.sum((shifted / shifted.sum(0) @ weights) ** 2)
    assert abs(value - gamma**2 * mean_squares) <= bound + ORACLE


@pytest.mark.parametrize("gamma", [1e-162, 1e-308, 5e-324])
@pytest.mark.parametrize("beta", [1e-12, 1.0])
def test_underflow_of_gamma_is_the_limit_of_no_positions(beta, gamma):
    strings = [pair_graph(x, y) for x, y in (("ab", "ba"), ("aab", "abc"))]
    values, limit = (exact_values(strings, beta, some, 1e-5) for some in (gamma, 0.0))
    assert values.certified and np.all(np.isfinite(values.value))
    assert np.all(np.abs(values.value - limit.value) <= values.bound + limit.bound)
    kernel = kt.AttentionKernel(beta, gamma, rtol=1e-5)
    assert np.all(np.isfinite(kernel.bounded([[0, 1]], [[1, 0]]).value))


def test_a_beta_without_normal_nodes_is_refused():
    with pytest.raises(ValueError, match="too large grids"):
        exact_values([pair_graph("ab", "ba")], 1e-310, 1.0, 1e-6)


QUERIES = [(0, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("beta", "gamma", "a", "rtol"),
    [
        (0.4, 1.5, 1.0, 1e-6),
        *(pytest.param(*point, marks=pytest.mark.slow) for point in (
            (1.0, 0.7, 0.0, 1e-9), (1.5, 0.5, -2.0, 1e-5), (1e-6, 0.3, 4.0, 1e-9),
            (1.0, 0.05, 3.0, 1e-5), (1.0, 1e-9, 1e3, 1e-6),
        )),
    ],
)  # fmt: skip
def test_modified_attention_with_two_positions_agrees_with_an_integral(beta, gamma, a, rtol):
    setting, checked = Setting(beta, gamma, a), 0
    for (x, y), queries in itertools.product(CLASSES, QUERIES):
        pair = QueryPair(x, y, *queries)
        if query_cost(pair, setting, rtol) > 1e9:
            continue
        values = query_values([pair], setting, rtol)
        matrix = coupling(x, y, gamma)
        means = [
            a * (equal(one, one) + gamma**2 * np.eye(2))[query]
            for one, query in zip((x, y), queries, strict=True)
        ]
        r = matrix[queries] / (1 + gamma**2)
        temperature = beta * math.sqrt(1 + gamma**2)
        moments = logistic_moments(x, y, temperature, gamma, r, means)
        assert within(values, np.sum(matrix * moments), gamma)
        assert values.bound[0] <= 30 * rtol * (1 + gamma**2)
        checked += 1
    assert checked >= 12


def test_means_of_logits_do_not_cancel():
    """All symbols equal: a(1 + γ²) less a is aγ², which loses all digits if it is computed so."""
    means, _ = logit_means(QueryPair((0, 0), (0, 0), 0, 0), Setting(1.0, 1e-6, 1e9))
    assert means.tolist() == [0.0, pytest.approx(-1e-3, rel=1e-15)]


@pytest.mark.parametrize(("beta", "gamma"), [(1e-9, 1.0), (1.0, 0.7), (0.1, 40.0)])
def test_attended_sums_with_two_positions_agree_with_an_integral(beta, gamma):
    some = [frozenset(places) for places in ((0,), (1,), (0, 1))]
    for x, y in CLASSES[::2]:
        moments = logistic_moments(x, y, beta, gamma)
        asked = [Attended(x, y, i, j) for i in some for j in some]
        values = attended_values(asked, beta, gamma, 1e-9)
        truth = [sum(moments[i, j] for i in a.places1 for j in a.places2) for a in asked]
        assert within(values, truth, 0.0)
        assert np.all(values.bound <= 1e-8)


class Case:
    """Random pairs of strings at one random (β, γ, rtol), by a rule and by a much finer one."""

    def __init__(self, rng, length, most_cost):
        lowest = -12 if rng.random() < 0.3 else -2
        self.beta = float(10 ** rng.uniform(lowest, math.log10(16)))
        self.gamma = float(rng.choice([0.0, rng.uniform(0, 3), 10 ** rng.uniform(-3, 2.3)]))
        self.rtol = float(10 ** rng.uniform(-12, -3))
        self.length, self.most_cost = length, most_cost

    def cost(self, graph, rtol):
        return class_cost(graph, self.beta, self.gamma, rtol)

    def run(self, rng, count):
        """Errors less the finer bound, bounds, both relative to 1 + γ²."""
        symbols = int(rng.integers(1, 2 * self.length + 1))
        rows = rng.integers(0, symbols, (count, 2, self.length)).tolist()
        finer = max(self.rtol / 100, 1e-14)
        graphs = [pair_graph(x, y) for x, y in rows]
        graphs = [graph for graph in graphs if self.cost(graph, finer) <= self.most_cost]
        if not graphs:
            return []
        values, better = (
            exact_values(graphs, self.beta, self.gamma, rtol) for rtol in (self.rtol, finer)
        )
        assert values.certified and better.certified
        error = np.abs(values.value - better.value) - better.bound
        scale = 1 + self.gamma**2
        return list(zip(error / scale, values.bound / scale, strict=True))


def check_cases(seed, wanted, lengths, most_cost, count):
    """No value outside of its bound, and nineteen of twenty bounds as small as they should be."""
    rng = np.random.default_rng(seed)
    outside = tight = total = 0
    while total < wanted:
        case = Case(rng, int(rng.choice(lengths)), most_cost)
        found = case.run(rng, count)
        total += len(found)
        outside += sum(error > bound for error, bound in found)
        tight += sum(bound <= 30 * case.rtol for _, bound in found)
    assert outside == 0
    assert tight >= 0.95 * total


def test_bounds_hold_in_random_cases():
    check_cases(seed=0, wanted=40, lengths=[1, 2, 3, 4, 6], most_cost=3e6, count=6)


def mirrored_difference(graphs, beta, gamma, rtol):
    """What changes if twice the pairs τ ≤ τ′ are summed instead of all."""
    length = sum(len(part.edges) for part in graphs[0])
    rule = rule_for(Target(beta, gamma, 1.0, length, rtol))
    models = [class_model(graph) for graph in graphs]
    halves, whole = (
        model_values(models, [half] * len(models), Parameters(beta, gamma), rule)
        for half in (True, False)
    )
    return np.abs(halves - whole)


def test_half_of_the_pairs_is_summed_only_where_the_other_half_is_its_mirror_image():
    """Not for each class that equals its reverse: on a cycle kinds of grid may change places."""
    classes = sorted({pair_graph(x, y) for x, y in reference.joint_strings(3)})
    symmetric = [graph for graph in classes if is_symmetric(graph)]
    assert len(symmetric) == 21
    assert np.max(mirrored_difference(symmetric, 2.0, 0.7, 1e-3)) < 1e-13
    exchanged = pair_graph("abb", "baa")
    assert sorted(part.flipped for part in exchanged) == sorted(exchanged)
    assert not is_symmetric(exchanged)
    assert mirrored_difference([exchanged], 4.0, 2.0, 1e-6) > 1e-11


def test_threads_see_complete_tables_only(monkeypatch):
    """Blocks share the known tables: one with tokens still to be summed was once among them."""
    summed, calls = _Tables._summed, []

    def watched(self, table, axis):
        bundles = [known for key, known in self._known.items() if len(key) == 4]
        calls.append(any(table is known for known in bundles))
        return summed(self, table, axis)

    monkeypatch.setattr(_Tables, "_summed", watched)
    exact_values([pair_graph("aaab", "ccbd")], 1.0, 0.7, 1e-6)
    assert len(calls) > 2 and not any(calls)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lengths", "wanted"), [([1, 2, 3, 4, 5], 2000), ([6, 7, 8], 200)], ids=["to five", "to eight"]
)
def test_bounds_hold_in_2200_random_cases(lengths, wanted):
    check_cases(seed=1, wanted=wanted, lengths=lengths, most_cost=2e8, count=10)


@pytest.mark.slow
def test_two_positions_agree_with_an_integral_of_tanh_at_random():
    rng, checked = np.random.default_rng(2), 0
    while checked < 300:
        case = Case(rng, 2, 1e9)
        if case.beta * math.sqrt(1 + case.gamma**2) > 100:  # nodes of the oracle
            continue
        x, y = PAIRS[rng.integers(len(PAIRS))]
        graph = pair_graph(x, y)
        if case.cost(graph, case.rtol) > case.most_cost:
            continue
        values = exact_values([graph], case.beta, case.gamma, case.rtol)
        assert within(values, two_positions(x, y, case.beta, case.gamma), case.gamma)
        checked += 1


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "gamma"), [(0.7, 1.0), (0.2, 6.0), (3.0, 0.4)])
def test_six_positions_agree_with_monte_carlo(beta, gamma):
    for x, y in (("abacbd", "bcabda"), ("aabbcc", "bbccaa"), ("abcdef", "ghiabc")):
        mean, stderr = reference.attention_by_sampling(x, y, beta, gamma, 400_000, seed=3)
        values = exact_values([pair_graph(x, y)], beta, gamma, 1e-5)
        assert stderr < 2e-3 * (1 + gamma**2)
        assert abs(values.value[0] - mean) <= 5 * stderr + values.bound[0]
