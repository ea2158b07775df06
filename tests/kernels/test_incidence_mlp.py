import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import ktrans as kt
from ktrans.interop import neural_tangents
from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
from ktrans.networks import MLPConfig
from tests import reference_mlp as reference
from tests.interop.test_neural_tangents import EXACT, pairs
from tests.tolerances import DIFFERENCES

TOKENS = np.random.default_rng(0).integers(0, 4, (12, 4))
TOKENS[3] = TOKENS[2]


def build(kind="ntk", depth=2, activation=None, weight=1.7, bias=0.3, scale=0.7):
    return IncidenceMLPKernel(
        kind=kind,
        depth=depth,
        activation=kt.ReLU() if activation is None else activation,
        weight_variance=weight,
        bias_variance=bias,
        scale=scale,
    )


def explicit_inputs(tokens, vocab_size, scale):
    """One-hot strings with c·X Xᵀ appended."""
    one_hot = np.eye(vocab_size)[tokens]
    incidence = one_hot @ one_hot.swapaxes(1, 2)
    flat = [part.reshape(len(tokens), -1) for part in (one_hot, scale * incidence)]
    return np.hstack(flat)


@pytest.mark.parametrize(("kind", "name"), [("ntk", "relu"), ("nngp", "cosine")])
def test_at_scale_zero_it_is_the_mlp_kernel(kind, name):
    activation = pairs(neural_tangents.load().stax)[name][0]
    plain = kt.MLPKernel(
        kind=kind, depth=2, activation=activation, weight_variance=1.7, bias_variance=0.3
    )
    kernel = build(kind, activation=activation, scale=0.0)
    assert np.array_equal(kernel(TOKENS), plain(TOKENS))
    assert kernel.pair_keys(TOKENS[:5], TOKENS[:5]) == [kernel.pair_keys(TOKENS, TOKENS)[0]] * 5
    task = kt.tasks.load("aba_abb")
    assert kt.verify(kernel, task).nonsingular is kt.verify(plain, task).nonsingular is False


@pytest.mark.parametrize(
    ("name", "depth", "bias", "scale"),
    [("relu", 3, 0.3, 0.25), ("erf", 1, 0.0, 2.0), ("gelu", 2, 0.3, 1.0)],
)
def test_values_are_those_of_neural_tangents_on_the_explicit_input(name, depth, bias, scale):
    stax = neural_tangents.load().stax
    ours, theirs = pairs(stax)[name]
    inputs = explicit_inputs(TOKENS, 4, scale)
    # A dense layer divides by the number of inputs, our first layer by k.
    inputs *= np.sqrt(inputs.shape[1] / TOKENS.shape[1])

    def dense():
        return stax.Dense(1, W_std=np.sqrt(1.7), b_std=np.sqrt(bias) if bias else None)

    layers = [layer for _ in range(depth) for layer in (dense(), theirs)]
    _, _, kernel_fn = stax.serial(*layers, dense())
    with jax.enable_x64(True):
        wanted = kernel_fn(jnp.asarray(inputs), None, ("nngp", "ntk"))
    for kind in ("nngp", "ntk"):
        found = build(kind, depth, ours, bias=bias, scale=scale)(TOKENS)
        np.testing.assert_allclose(found, getattr(wanted, kind), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(("kind", "name"), [("ntk", "relu"), ("nngp", "erf")])
def test_values_agree_with_mpmath_within_their_bounds(kind, name):
    activation = {"relu": kt.ReLU(), "erf": kt.Erf()}[name]
    # Strings of different ⟨x, x⟩, nearly parallel inputs (a large c), equal strings.
    first, second = TOKENS[[0, 1, 2, 4]], TOKENS[[5, 6, 3, 7]]
    scale, length = 8.0, TOKENS.shape[1]
    found = build(kind, 3, activation, scale=scale).evaluate_pairs(first, second)
    inputs = [explicit_inputs(tokens, 4, scale) for tokens in (first, second)]
    for i, (x, y) in enumerate(zip(*inputs, strict=True)):
        products = [mpmath.mpf(float(p)) / length for p in (x @ x, y @ y, x @ y)]
        exact = reference.on_inputs(kind, name, 3, 1.7, 0.3, *products)
        assert abs(exact - float(found.value[i])) <= found.bound[i]
    assert found.bound.max() < 1e-12 * found.value.max()  # four layers, some hundred roundings


def test_it_is_differentiable_in_the_scale():
    def value(scale):
        return build(scale=scale)(TOKENS[:4])

    step = 1e-6
    with jax.enable_x64(True):
        slope = jax.jacobian(value)(0.7)
    difference = (value(0.7 + step) - value(0.7 - step)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=DIFFERENCES)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("nngp", "aba_abb"), ("ntk", "majority_4"), ("nngp", "relational_match_to_sample")],
)
def test_the_template_matrix_is_certified_nonsingular(kind, name):
    certificate = kt.verify(build(kind, weight=2.0, bias=0.0, scale=1.0), kt.tasks.load(name))
    assert certificate.nonsingular is certificate.follows_labels is True


def test_the_network_at_initialisation_is_this_kernel_at_scale_one():
    strings = np.array([[0, 1, 0], [2, 3, 3]])
    config = MLPConfig(num_tokens=5, context_length=3, depth=1, width=16, inputs="incidence")

    @jax.vmap
    def outputs(key):
        return jax.vmap(config.build(key))(strings)

    drawn = np.asarray(outputs(jax.random.split(jax.random.key(0), 5_000)), dtype=float)
    products = drawn[:, :, None] * drawn[:, None, :]
    mean, stderr = products.mean(0), products.std(0) / np.sqrt(len(drawn))
    # The first layer's variance is divided by k + k², the kernel's by k; ReLU is homogeneous.
    wanted = build("nngp", depth=1, weight=1.0, bias=0.0, scale=1.0)(strings) / 4
    assert np.max(stderr) < 0.05 * wanted.max()
    assert np.all(np.abs(mean - wanted) < 5 * stderr)


@pytest.mark.parametrize(
    ("scale", "error", "sentence"),
    [
        (-1.0, ValueError, r"`scale` must be non-negative; got -1\.0"),
        (np.nan, ValueError, "`scale` must be finite; got nan"),
        ("1", TypeError, "`scale` must be a real number; got '1'"),
    ],
)
def test_bad_scales_are_refused(scale, error, sentence):
    with pytest.raises(error, match=sentence):
        build(scale=scale)


def test_it_refuses_what_every_perceptron_kernel_refuses():
    with pytest.raises(ValueError, match="`depth` must be from 1 to 10000; got 0"):
        build(depth=0)
