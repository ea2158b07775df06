"""K_attn by sum-product quadrature."""

import jax
import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.attention.exact import exact_values
from ktrans.kernels.attention.multigraph import pair_graph
from tests import reference
from tests.tolerances import DIFFERENCES, QUADRATURE, ROUNDING

PAIRS = [
    ("ab", "ba"), ("aab", "aba"), ("abC", "baC"), ("abc", "bca"), ("abcd", "bcda"),
    ("abac", "cbba"), ("aaaa", "abcd"), ("abcd", "efgh"), ("abaD", "bccD"), ("a", "b"),
]  # fmt: skip


def graphs(pairs):
    return [pair_graph(x, y) for x, y in pairs]


def finer(pairs, beta, gamma, rtol):
    """The values by a rule with a thousandth of the error, or as little as can be asked for."""
    return exact_values(graphs(pairs), beta, gamma, max(rtol * 1e-3, 1e-13)).value


@pytest.mark.parametrize(("x", "y"), [("ab", "ba"), ("ab", "ab"), ("aab", "aba"), ("aaa", "bbb")])
@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 0.7), (0.5, 1.0)])
def test_it_agrees_with_a_slow_grid_over_every_variable(x, y, beta, gamma):
    value = exact_values(graphs([(x, y)]), beta, gamma, 1e-10).value[0]
    assert value == pytest.approx(reference.attention_by_grid(x, y, beta, gamma), abs=QUADRATURE)


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_it_agrees_with_monte_carlo(x, y):
    mean, stderr = reference.attention_by_sampling(x, y, 1.5, 0.8, 400_000, seed=1)
    assert stderr < 1.5e-3
    values = exact_values(graphs([(x, y)]), 1.5, 0.8, 1e-6)
    assert abs(values.value[0] - mean) <= 5 * stderr + values.bound[0]  # at k = 1 stderr is 0


@pytest.mark.parametrize(
    ("beta", "gamma", "rtol"),
    [
        (0.4, 0.3, 1e-9),
        (1.0, 1.0, 1e-6),
        (2.0, 0.5, 1e-4),
        (0.5, 2.0, 1e-11),
        pytest.param(0.05, 3.0, 1e-6, marks=pytest.mark.slow),
        pytest.param(0.25, 4.0, 1e-11, marks=pytest.mark.slow),
        pytest.param(1.0, 1.0, 1e-11, marks=pytest.mark.slow),
        pytest.param(2.0, 0.5, 1e-9, marks=pytest.mark.slow),
        pytest.param(4.0, 1.0, 1e-7, marks=pytest.mark.slow),
    ],
)
def test_stated_bounds_hold_and_meet_the_target(beta, gamma, rtol):
    values = exact_values(graphs(PAIRS), beta, gamma, rtol)
    assert np.all(np.abs(values.value - finer(PAIRS, beta, gamma, rtol)) <= values.bound)
    assert np.all(values.bound <= (rtol + 1e-12) * (1 + gamma**2))


def test_all_ones_matrix_gives_one():
    kernel = kt.AttentionKernel(beta=1.0, gamma=1.0)
    assert kernel([[0, 1]], [[1, 0]])[0, 0] == pytest.approx(1.0, abs=QUADRATURE)


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_zero_beta_is_the_average_of_the_matrix(x, y):
    kernel = kt.AttentionKernel(beta=0.0, gamma=0.6)
    rows = [[ord(c) for c in string] for string in (x, y)]
    k = len(x)
    s11 = sum(a == b for a in x for b in y)
    expected = s11 / k**2 + 0.6**2 / k
    assert kernel(rows[:1], rows[1:])[0, 0] == pytest.approx(expected, abs=ROUNDING)
    near = kt.AttentionKernel(beta=1e-6, gamma=0.6)(rows[:1], rows[1:])[0, 0]
    assert near == pytest.approx(expected, abs=QUADRATURE)


@pytest.mark.parametrize("beta", [0.5, pytest.param(1.5, marks=pytest.mark.slow)])
def test_zero_gamma_is_continuous(beta):
    at_zero = exact_values(graphs(PAIRS), beta, 0.0, 1e-8)
    near = exact_values(graphs(PAIRS), beta, 1e-5, 1e-8)
    assert np.all(np.abs(at_zero.value - near.value) <= at_zero.bound + near.bound + 1e-9)


def test_values_lie_between_zero_and_one_plus_gamma_squared():
    values = exact_values(graphs(PAIRS), 2.0, 1.5, 1e-4).value
    assert np.all(values >= 0)
    assert np.all(values <= 1 + 1.5**2)


@pytest.mark.slow
def test_published_value_at_high_inverse_temperature():
    value = exact_values(graphs([("abC", "baC")]), 4.0, 0.7, 1e-8)
    assert abs(value.value[0] - 0.850766445038) <= value.bound[0] + 1e-12  # digits published
    assert value.bound[0] < 2e-8


@pytest.mark.parametrize("x64", [False, True])
def test_precision_does_not_depend_on_the_global_setting(x64):
    with jax.enable_x64(x64):
        value = exact_values(graphs([("ab", "ba")]), 1.0, 1.0, 1e-10)
    assert value.value.dtype == np.float64
    assert value.value[0] == pytest.approx(1.0, abs=QUADRATURE)


@pytest.mark.parametrize("argument", range(4))
def test_gradients_agree_with_differences(argument):
    point = [0.9, 0.7, 1.1, 0.5]
    x, y = np.array([[0, 1, 0, 9]]), np.array([[2, 3, 3, 9]])

    def value(*parameters):
        beta, gamma, b1, b2 = parameters
        cosine = kt.Cosine(b1=b1, b2=b2)
        return kt.TransformerKernel(beta, gamma, cosine, rtol=1e-9)(x, y)[0, 0]

    with jax.enable_x64(True):
        gradient = jax.grad(value, argnums=argument)(*point)
    step = 1e-4
    ends = [[p + sign * step * (i == argument) for i, p in enumerate(point)] for sign in (1, -1)]
    difference = (value(*ends[0]) - value(*ends[1])) / (2 * step)
    assert float(gradient) == pytest.approx(difference, abs=DIFFERENCES)


def test_treewidth_three_is_handled():
    complete = ("aaabbc", "bcdcdd")  # the complete graph on four tokens
    values = exact_values(graphs([complete]), 0.6, 0.8, 1e-6)
    mean, stderr = reference.attention_by_sampling(*complete, 0.6, 0.8, 400_000, seed=2)
    assert values.bound[0] < 3e-6
    assert abs(values.value[0] - mean) < 5 * stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beta", "gamma", "bound"),
    [(1.0, 0.5, 1e-10), (1.0, 1.0, 1e-10), (2.0, 1.0, 1e-10), (4.0, 1.0, 1e-9)],
)
def test_all_classes_up_to_five_positions(beta, gamma, bound):
    """985 classes at k = 5; a spread of them at β = 4, and a spread against a finer rule."""
    classes = sorted(
        {pair_graph(x, y) for k in (2, 3, 4, 5) for x, y in reference.joint_strings(k)}
    )
    assert len(classes) == 9 + 37 + 186 + 985
    rtol = bound / 4 / (1 + gamma**2)
    values = exact_values(classes, beta, gamma, rtol)
    assert np.all(values.bound <= bound)
    spread = slice(None, None, 1 if beta <= 1 else 10)
    finer_values = exact_values(classes[spread], beta, gamma, max(rtol * 1e-3, 1e-13)).value
    assert np.all(np.abs(values.value[spread] - finer_values) <= values.bound[spread])


@pytest.mark.slow
def test_stated_bounds_hold_in_1000_of_1000_random_checks():
    rng = np.random.default_rng(0)
    held = total = 0
    for _ in range(50):
        beta, gamma = rng.uniform(0.05, 4.0), rng.uniform(0, 2.0)
        k, rtol = int(rng.integers(1, 5)), 10 ** rng.uniform(-6, -3)
        rows = rng.integers(0, 4, size=(20, 2, k))
        pairs = [(tuple(x), tuple(y)) for x, y in rows.tolist()]
        values = exact_values(graphs(pairs), beta, gamma, rtol)
        truth = finer(pairs, beta, gamma, rtol * 10)
        held += int(np.sum(np.abs(values.value - truth) <= values.bound))
        total += len(pairs)
    assert held == total == 1000
