import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ktrans.copying import CopyingNetwork, alignment, closed_form_ratios, limiting_ratios
from ktrans.copying.alignment import _products_of_draw
from ktrans.copying.decay import fit_decay
from ktrans.copying.network import logits
from tests.copying.reference import gradients
from tests.tolerances import ROUNDING

SETTING = {"vocab_size": 12, "num_seen": 8, "num_heads": 2, "head_dim": 8}


def network(dim=16, **changes):
    return CopyingNetwork(embedding_dim=dim, **(SETTING | changes))


@pytest.mark.parametrize("b", [0.0, 0.7])
def test_products_of_gradients_are_those_of_gradients_by_hand(b):
    with jax.enable_x64(True):
        key = jax.random.key(3)
        net = network(initial_b=b)
        drawn = net.initialise(key)
        arrays = [np.asarray(leaf) for leaf in drawn[:3]]
        train, test = (gradients(*arrays, b, rows) for rows in (np.arange(8), np.arange(8, 12)))
        cross, square = _products_of_draw(net, key)
    expected = [[np.sum(train[g] * other[g]) for g in train] for other in (test, train)]
    # ⟨·,·⟩ of thousands of terms of either sign: rounding relative to the norms.
    scale = np.array(expected[1])
    away = np.asarray(cross) - expected[0]
    np.testing.assert_allclose(away / scale, 0.0, atol=10 * ROUNDING)
    np.testing.assert_allclose(np.asarray(square) / scale, 1.0, atol=10 * ROUNDING)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("num_seen", "dim"),
    [
        (8, 16),
        pytest.param(1, 40, marks=pytest.mark.slow),
        pytest.param(11, 24, marks=pytest.mark.slow),
    ],
)
def test_ratios_agree_with_the_closed_form_where_logits_are_small(tied, num_seen, dim):
    settings = SETTING | {"num_seen": num_seen}
    found = alignment([dim], num_draws=384, init_scale=1e-3, tied=tied, **settings)
    away = np.abs(found.ratio - found.closed_form)
    assert (away <= 5 * found.stderr + 1e-12).all()  # W_E untied is zero to rounding
    assert found.stderr.max() < 0.2  # that of b where untied; all others are below 0.06


def test_closed_forms_tend_to_their_limits():
    far, limits = closed_form_ratios(network(10**9)), limiting_ratios(network())
    assert limits == {"W_E": 0.0, "W_V": 0.0, "W_O": 0.0, "b": 1.0}
    np.testing.assert_allclose([far[g] for g in limits], list(limits.values()), atol=1e-7)
    assert set(limiting_ratios(network(tied=False)).values()) == {0.0}


def test_no_matrix_of_d_by_d_is_formed():
    dim = 16384
    net = network(dim)
    shapes = jax.make_jaxpr(lambda key: _products_of_draw(net, key))(jax.random.key(0))
    sizes = [v.aval.size for eqn in shapes.eqns for v in eqn.outvars if hasattr(v.aval, "size")]
    # Two cotangents for each of m + p numbers in every embedding dimension.
    assert max(sizes) <= 2 * dim * (12 + 16)


def test_results_are_float64_and_independent_of_the_users_setting():
    found = []
    for enabled in (False, True):
        with jax.enable_x64(enabled):
            found.append(alignment([16], num_draws=3, **SETTING).ratio)
    assert found[0].dtype == np.float64
    np.testing.assert_array_equal(*found)


def test_the_supremum_is_the_largest_ratio_without_b():
    found = alignment([16, 64], num_draws=3, **SETTING)
    np.testing.assert_array_equal(found.supremum, found.ratio[:, :3].max(axis=1))
    assert (found.supremum_interval[:, 0] <= found.supremum).all()
    assert (found.supremum_per_draw > found.supremum).all()  # Jensen, and noise in each draw
    assert found.to_dict()["network"]["embedding_dim"] == 64


def test_a_power_is_recovered_with_an_interval_that_holds_it():
    rng = np.random.default_rng(0)
    dims, inside = np.array([100, 200, 400, 800]), 0
    for _ in range(200):
        noisy = 30 / dims + 0.01 * rng.normal(size=4)
        decay = fit_decay(dims, noisy, np.full(4, 0.01))
        inside += decay.lower <= 1 <= decay.upper
    assert 180 <= inside <= 199  # 95 % of 200, four standard deviations of a binomial


def test_what_is_zero_within_its_error_has_no_decay():
    assert fit_decay(np.array([10, 20]), np.array([0.01, 0.0]), np.array([0.01, 0.01])) is None
    assert fit_decay(np.array([10]), np.array([1.0]), np.array([0.01])) is None


def test_logits_are_those_of_the_formula():
    drawn = network(initial_b=0.3).initialise(jax.random.key(0))
    matrix = drawn.value @ drawn.output.T + 0.3 * jnp.eye(16)
    expected = drawn.embedding @ matrix @ drawn.embedding.T
    np.testing.assert_allclose(logits(drawn), expected, atol=1e-5)  # float32


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vocab_size": 1}, "`vocab_size` must be at least 2; got 1."),
        ({"num_seen": 12}, "`num_seen` must be below `vocab_size` = 12, so that a token is left"),
        ({"num_seen": 0}, "`num_seen` must be at least 1; got 0."),
        ({"num_heads": 0}, "`num_heads` must be at least 1; got 0."),
        ({"head_dim": 17}, "`head_dim` must be at most `embedding_dim` = 16 unless"),
        ({"init_scale": 0.0}, "`init_scale` must be positive; got 0.0."),
        ({"num_draws": 1}, "`num_draws` must be at least 2; got 1."),
    ],
)
def test_bad_settings_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        alignment([16], **(SETTING | changes))


def test_wide_heads_are_allowed_where_asked_for():
    settings = SETTING | {"head_dim": 17, "allow_wide_heads": True, "num_draws": 2}
    assert np.isfinite(alignment([16], **settings).ratio).all()


@pytest.mark.parametrize("dims", [[], [16, 16]])
def test_dimensions_are_distinct_and_at_least_one(dims):
    with pytest.raises(ValueError, match="`embedding_dims` must be one or more distinct"):
        alignment(dims, **SETTING)


@pytest.mark.parametrize("dims", [16, "16"])
def test_dimensions_are_a_sequence(dims):
    with pytest.raises(TypeError, match="`embedding_dims` must be a sequence of integers"):
        alignment(dims, **SETTING)
