import jax
import numpy as np
import pytest

import ktrans as kt
from ktrans.networks import RandomFeatures
from tests.tolerances import ROUNDING

ACTIVATION = kt.Cosine(b1=1.5, b2=0.4)
PARAMETERS = dict(beta=1.0, gamma=0.7, activation=ACTIVATION)
# Strings that share tokens and strings that do not, [CLS] = 9 last.
STRINGS = np.array([[0, 1, 0, 9], [0, 1, 1, 9], [1, 0, 1, 9], [2, 3, 2, 9], [2, 2, 1, 9]])


def network(**options):
    sizes = dict(heads=8, head_dim=4, mlp_width=16)
    return RandomFeatures(**{**PARAMETERS, **sizes, **options})


def within_standard_errors(draws, wanted, bound, count=5):
    """The mean over the first axis is the wanted one, and the error is known to be small."""
    mean = np.mean(draws, axis=0)
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    assert (error < bound).all()
    assert (np.abs(mean - wanted) < count * error).all()


def test_attention_kernels_average_to_the_exact_one():
    exact = kt.AttentionKernel(beta=1.0, gamma=0.7)(STRINGS)
    draws = [network(heads=64, head_dim=None, seed=s).attention_kernel(STRINGS) for s in range(60)]
    within_standard_errors(np.array(draws), exact, bound=0.01)


def test_heads_kept_at_infinite_head_dimension_average_to_the_exact_kernel_too():
    exact = kt.AttentionKernel(beta=1.0, gamma=0.7)(STRINGS)
    draws = [
        network(heads=64, head_dim=8, seed=s).attention_kernel(STRINGS, infinite_head_dim=True)
        for s in range(60)
    ]
    within_standard_errors(np.array(draws), exact, bound=0.01)


@pytest.mark.slow
def test_wide_networks_average_to_the_exact_transformer_kernel():
    exact = kt.TransformerKernel(**PARAMETERS)(STRINGS)
    # Their bias, of order 1/heads + 1/head_dim, is below the standard errors.
    draws = [network(heads=64, head_dim=64, mlp_width=256, seed=s).kernel(STRINGS)
             for s in range(60)]  # fmt: skip
    within_standard_errors(np.array(draws), exact, bound=0.01)


@pytest.mark.slow
def test_finite_embeddings_average_to_the_exact_kernel_as_they_grow():
    exact = kt.AttentionKernel(beta=1.0, gamma=0.7)(STRINGS)
    draws = [
        network(heads=64, head_dim=64, embedding_dim=256, seed=s).attention_kernel(STRINGS)
        for s in range(40)
    ]
    within_standard_errors(np.array(draws), exact, bound=0.03)
    off = np.abs(network(embedding_dim=2).attention_kernel(STRINGS) - exact).max()
    assert off > 0.3


@pytest.mark.slow
def test_features_with_finite_embeddings_have_the_kernel_of_their_attention():
    options = dict(heads=4, embedding_dim=64, mlp_width=4096)
    draws = []
    for seed in range(20):
        net = network(**options, seed=seed)
        attention = net.attention_kernel(STRINGS)
        own = np.diag(attention)
        draws.append(net.kernel(STRINGS) - ACTIVATION.dual(own[:, None], own, attention))
    # W_O of 64 columns adds fluctuations of 1/√64, the MLP of 1/√4096, over 20 networks.
    assert np.abs(np.mean(draws, axis=0)).max() < 0.1


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"head_dim": None}, marks=pytest.mark.slow),
        pytest.param({"embedding_dim": 5}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_network_does_not_depend_on_the_strings_it_is_shown_with(options):
    net = network(**options)
    together, alone = net.features(STRINGS), net.features(STRINGS[3:])
    np.testing.assert_allclose(together[3:], alone, atol=ROUNDING)


def test_tokens_are_told_apart_by_all_of_their_bits():
    # Two tokens that agree in their last 32 bits.
    strings = np.array([[0, 1, 9], [2**33, 1, 9]])
    one, other = network().features(strings)
    assert np.abs(one - other).max() > 0.01


def test_seeds_name_networks():
    one, same, other = (network(seed=s).features(STRINGS) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


def test_the_kernel_is_that_of_the_features():
    net = network()
    features = net.features(STRINGS)
    assert features.shape == (5, 16)
    assert features.dtype == np.float64
    np.testing.assert_allclose(net.kernel(STRINGS), features @ features.T, atol=ROUNDING)
    cross = net.kernel(STRINGS[:2], STRINGS)
    np.testing.assert_allclose(cross, net.kernel(STRINGS)[:2], atol=ROUNDING)


def test_results_are_double_precision_whatever_the_setting():
    plain = network().features(STRINGS)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(network().features(STRINGS), plain)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"heads": 0}, ValueError, "`heads` must be at least 1; got 0"),
        ({"heads": None}, TypeError, "`heads` must be an integer; got None"),
        ({"head_dim": 1.5}, TypeError, "`head_dim` must be an integer"),
        ({"beta": -1.0}, ValueError, r"`beta` must be non-negative; got -1.0"),
        ({"activation": "relu"}, TypeError, "`activation` must be a function; got 'relu'"),
    ],
)
def test_impossible_networks_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        network(**options)


def test_impossible_strings_are_refused():
    with pytest.raises(ValueError, match="must all end with the same token"):
        network().features([[0, 1], [0, 2]])
    with pytest.raises(TypeError, match="`tokens` must be integers; got dtype float64"):
        network().features([[0.0, 1.0]])
    with pytest.raises(ValueError, match=r"shape \(n, k\), n and k >= 1; got \(2,\)"):
        network().features([0, 1])
