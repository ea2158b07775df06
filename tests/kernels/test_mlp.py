import jax
import mpmath
import numpy as np
import pytest

from ktrans.kernels.activations import GELU, Cosine, Custom, Erf, Identity, ReLU, Sine
from ktrans.kernels.mlp import MLPKernel
from tests import reference_mlp as reference

EXACT = 1e-12  # relative to the largest value
SMOOTH = 1e-7  # central differences

ACTIVATIONS = {
    "cosine": Cosine(b1=reference.FREQUENCY, b2=reference.PHASE),
    "sine": Sine(),
    "relu": ReLU(),
    "erf": Erf(),
    "gelu": GELU(),
    "identity": Identity(),
}
TOKENS = np.random.default_rng(0).integers(0, 4, (20, 4))

each_kind = pytest.mark.parametrize("kind", ["nngp", "ntk"])


def build(kind="ntk", depth=3, activation=None, weight_variance=1.7, bias_variance=0.3):
    return MLPKernel(
        kind=kind,
        depth=depth,
        activation=ReLU() if activation is None else activation,
        weight_variance=weight_variance,
        bias_variance=bias_variance,
    )


@each_kind
@pytest.mark.parametrize("name", list(ACTIVATIONS))
@pytest.mark.parametrize(("weight", "bias"), [(2.0, 0.0), (0.7, 0.5), (1.5, 1e4)])
def test_values_agree_with_mpmath_within_their_bounds(kind, name, weight, bias):
    length, depth = 5, 3
    table = build(kind, depth, ACTIVATIONS[name], weight, bias).by_agreement(length)
    exact = [
        reference.perceptron(kind, name, depth, weight, bias, agreements, length)
        for agreements in range(length + 1)
    ]
    errors = [
        float(abs(mpmath.mpf(float(value)) - wanted))
        for value, wanted in zip(table.value, exact, strict=True)
    ]
    assert np.all(errors <= table.bound)
    if bias < 1:  # a large bias makes the strings nearly coincident, and the NTK ill-conditioned
        assert np.max(table.bound) < EXACT * np.max(np.abs(table.value))


@each_kind
def test_values_agree_with_mpmath_in_deep_networks(kind):
    table = build(kind, 30, ReLU(), 2.0, 0.0).by_agreement(3)
    for agreements in range(4):
        exact = reference.perceptron(kind, "relu", 30, 2.0, 0.0, agreements, 3)
        assert abs(exact - float(table.value[agreements])) <= table.bound[agreements]


@each_kind
def test_rows_are_looked_up_by_their_agreements(kind):
    kernel = build(kind)
    first, second = TOKENS[:10], TOKENS[10:]
    pairs = kernel.evaluate_pairs(first, second)
    table = kernel.by_agreement(4)
    agreements = np.sum(first == second, axis=1)
    assert len(set(agreements.tolist())) > 1
    np.testing.assert_array_equal(pairs.value, table.value[agreements])
    np.testing.assert_array_equal(pairs.bound, table.bound[agreements])


@each_kind
@pytest.mark.parametrize("activation", [ReLU(), Erf(), GELU()])
def test_gram_matrix_is_a_kernel(kind, activation):
    kernel = build(kind, activation=activation)
    gram = kernel(TOKENS)
    np.testing.assert_array_equal(gram, gram.T)
    np.testing.assert_array_equal(np.diag(gram), kernel.diagonal(TOKENS))
    assert np.linalg.eigvalsh(gram)[0] > -EXACT * np.max(gram)
    renamed = np.array([7, 3, 100, -2])[TOKENS]
    np.testing.assert_array_equal(kernel(renamed), gram)


@each_kind
def test_fresh_strings_of_all_templates_look_alike(kind):
    aba, abb = np.array([[0, 1, 0]]), np.array([[2, 3, 3]])
    kernel = build(kind)
    fresh = np.array([[7, 8, 7], [7, 8, 8]])
    assert len(set(kernel(fresh, np.concatenate([aba, abb])).ravel().tolist())) == 1


def test_identity_without_bias_is_linear_in_the_agreements():
    shares = np.arange(5) / 4
    nngp = build("nngp", 2, Identity(), 1.5, 0.0).by_agreement(4).value
    ntk = build("ntk", 2, Identity(), 1.5, 0.0).by_agreement(4).value
    np.testing.assert_allclose(nngp, 1.5**3 * shares, rtol=EXACT)
    np.testing.assert_allclose(ntk, 3 * 1.5**3 * shares, rtol=EXACT)


def test_he_variance_keeps_the_diagonal_of_relu():
    for depth in (1, 3):
        np.testing.assert_allclose(
            build("nngp", depth, ReLU(), 2.0, 0.0).by_agreement(3).value[-1], 2.0
        )
        ntk = build("ntk", depth, ReLU(), 2.0, 0.0).by_agreement(3).value[-1]
        np.testing.assert_allclose(ntk, 2.0 * (depth + 1), rtol=EXACT)


def test_quadrature_takes_the_place_of_a_closed_form():
    exact, custom = (
        build(depth=1, activation=Sine()),
        build(depth=1, activation=Custom(jax.numpy.sin, num_nodes=48)),
    )
    ours, theirs = custom.by_agreement(3), exact.by_agreement(3)
    assert np.all(np.abs(ours.value - theirs.value) <= ours.bound)
    assert np.max(ours.bound) < EXACT * 100  # the sine is entire, the rule converges


@each_kind
def test_results_do_not_depend_on_the_global_precision(kind):
    with jax.enable_x64(True):
        wanted = build(kind)(TOKENS)
    with jax.enable_x64(False):
        got = build(kind)(TOKENS)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", ["ntk", pytest.param("nngp", marks=pytest.mark.slow)])
def test_gradients_in_the_variances_match_differences(kind):
    def value(weight, bias):
        return build(kind, 2, ReLU(), weight, bias).by_agreement(3).value

    step = 1e-6
    with jax.enable_x64(True):
        by_weight, by_bias = jax.jacobian(value, argnums=(0, 1))(1.3, 0.2)
    weight_difference = (value(1.3 + step, 0.2) - value(1.3 - step, 0.2)) / (2 * step)
    bias_difference = (value(1.3, 0.2 + step) - value(1.3, 0.2 - step)) / (2 * step)
    np.testing.assert_allclose(by_weight, weight_difference, rtol=SMOOTH)
    np.testing.assert_allclose(by_bias, bias_difference, rtol=SMOOTH)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"kind": "gp"}, ValueError, '`kind` must be one of "ntk", "nngp"; got \'gp\''),
        ({"depth": 0}, ValueError, "`depth` must be from 1 to 10000; got 0"),
        ({"depth": 2.0}, TypeError, r"`depth` must be an integer; got 2\.0"),
        ({"activation": "relu"}, TypeError, "`activation` must be an activation such as ReLU"),
        ({"weight_variance": 0.0}, ValueError, r"`weight_variance` must be positive; got 0\.0"),
        ({"weight_variance": np.nan}, ValueError, "`weight_variance` must be finite; got nan"),
        ({"weight_variance": "2"}, TypeError, "`weight_variance` must be a real number; got '2'"),
        ({"bias_variance": -1.0}, ValueError, r"`bias_variance` must be non-negative; got -1\.0"),
        ({"bias_variance": np.inf}, ValueError, "`bias_variance` must be finite; got inf"),
    ],
)
def test_bad_hyperparameters_are_refused(changes, error, sentence):
    with pytest.raises(error, match=sentence):
        build(**changes)
