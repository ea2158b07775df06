"""What every kernel obeys, and the sentences about bad input that all kernels share."""

import dataclasses

import jax
import numpy as np
import pytest

import ktrans as kt
from ktrans.interop.kernel_functions import from_neural_tangents
from ktrans.kernels.activations import Activation
from ktrans.kernels.memo import forget as forget_values
from ktrans.kernels.quick import QuickKernel
from tests.laws.public import activation_classes, kernel_classes
from tests.tolerances import ROUNDING

RTOL = 1e-3  # coarse, to be fast: the laws hold within the stated bounds
TOKENS = np.array([[0, 1, 0], [1, 0, 0], [2, 3, 2], [4, 4, 4]])
OTHERS = np.array([[5, 0, 5], [1, 0, 2]])
COSINE = kt.Cosine(b1=1.0, b2=0.5)
ACTIVATIONS = {
    "cosine": COSINE,
    "sine": kt.Sine(),
    "relu": kt.ReLU(),
    "erf": kt.Erf(),
    "gelu": kt.GELU(),
    "tanh": kt.Tanh(),
    "identity": kt.Identity(),
    "custom": kt.Custom(jax.numpy.sin, num_nodes=24),
}
ATTENTION = {
    "attention": kt.AttentionKernel(0.5, 0.7, RTOL),
    "attention without positions": kt.AttentionKernel(0.5, 0.0, RTOL),
    "uniform attention": kt.AttentionKernel(0.0, 0.7, RTOL),
    "sampled attention": kt.AttentionKernel(0.5, 0.7, 1e-3, "quasi-monte-carlo"),
}
TRANSFORMERS = {
    f"transformer, {name}": kt.TransformerKernel(0.5, 0.7, activation, RTOL)
    for name, activation in ACTIVATIONS.items()
}
PERCEPTRONS = {
    f"{kind}, {name}": kt.MLPKernel(
        kind=kind, depth=2, activation=ACTIVATIONS[name], weight_variance=1.5, bias_variance=0.2
    )
    for kind, name in [
        ("nngp", "relu"),
        ("nngp", "cosine"),
        ("nngp", "identity"),
        ("ntk", "relu"),
        ("ntk", "erf"),
        ("ntk", "tanh"),
        ("ntk", "custom"),
    ]
}
PERCEPTRONS |= {
    f"{kind} with incidence, {name}": kt.IncidenceMLPKernel(
        kind=kind, depth=2, activation=ACTIVATIONS[name], weight_variance=1.5, bias_variance=0.2,
        scale=0.7,
    )
    for kind, name in [("nngp", "erf"), ("ntk", "relu"), ("ntk", "sine")]
}  # fmt: skip
MODIFIED = {
    "modified attention": kt.ModifiedAttentionKernel(0.5, 0.7, 1.0, "cls", RTOL),
    "pooled attention": kt.ModifiedAttentionKernel(0.5, 0.7, 1.0, "pooled", RTOL),
    "modified transformer": kt.ModifiedTransformerKernel(
        0.5, 0.7, 1.0, kt.GELU(), "per-position", RTOL
    ),
}
# Not symmetric in the positions: the last one is read out, or holds a candidate.
LAST = {"modified attention", "next token", "next token with an MLP"}
OTHER = {
    "tied attention": kt.kernels.TiedAttentionKernel(1.0, 0.7, kt.Tanh(), "pooled"),
    "next token": kt.NextTokenKernel(TRANSFORMERS["transformer, cosine"], 0.5),
    "next token with an MLP": kt.NextTokenKernel(
        PERCEPTRONS["ntk, relu"], 0.5, ATTENTION["attention"]
    ),
    "quick": QuickKernel(TRANSFORMERS["transformer, cosine"]),
    "foreign": from_neural_tangents(
        lambda x1, x2, get: x1 @ x2.T, get="nngp", context_length=3, vocab_size=6
    ),
}
KERNELS = ATTENTION | TRANSFORMERS | PERCEPTRONS | MODIFIED | OTHER
ESTIMATED = {"sampled attention", "transformer, custom", "ntk, custom", "quick", "foreign"}

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
every_symmetric_kernel = pytest.mark.parametrize(
    "kernel",
    [kernel for name, kernel in KERNELS.items() if name not in LAST],
    ids=[name for name in KERNELS if name not in LAST],
)
SAMPLED = ATTENTION | TRANSFORMERS | MODIFIED
every_sampled_kernel = pytest.mark.parametrize("kernel", SAMPLED.values(), ids=SAMPLED)


def forget(kernel):
    """Makes K_attn compute anew; the kernels built on it read the same table."""
    if isinstance(kernel, kt.AttentionKernel):
        forget_values()


def parts(kernel):
    """All activations and kernels that a kernel is made of."""
    for field in dataclasses.fields(kernel):
        value = getattr(kernel, field.name)
        if isinstance(value, Activation | kt.TokenSymmetricKernel):
            yield value
        if isinstance(value, kt.TokenSymmetricKernel):
            yield from parts(value)


def same(found, wanted):
    return np.allclose(found, wanted, rtol=0, atol=ROUNDING)


def test_no_public_kernel_or_activation_is_missing_from_the_laws():
    kernels = {type(kernel) for kernel in KERNELS.values()}
    used = {type(part) for kernel in KERNELS.values() for part in parts(kernel)}
    assert len(kernel_classes()) > 8 and len(activation_classes()) > 7
    assert kernel_classes() <= kernels
    assert activation_classes() <= used


@every_kernel
def test_gram_matrices_are_symmetric(kernel):
    assert same(kernel(TOKENS), kernel(TOKENS).T)
    assert same(kernel(TOKENS, OTHERS), kernel(OTHERS, TOKENS).T)


@every_kernel
def test_gram_matrices_are_positive_semidefinite_within_the_bound(kernel):
    matrix = kernel.bounded(TOKENS)
    perturbation = matrix.bound.sum(axis=1).max() + ROUNDING
    assert perturbation < 0.02
    assert np.linalg.eigvalsh(matrix.value).min() >= -perturbation
    assert np.linalg.eigvalsh(matrix.value).max() > 0.1


@every_kernel
def test_renaming_the_tokens_changes_nothing(kernel):
    matrix = kernel(TOKENS, OTHERS)
    forget(kernel)
    names = np.random.default_rng(0).permutation(6) * 10**9 - 7
    assert same(kernel(names[TOKENS], names[OTHERS]), matrix)


@every_symmetric_kernel
def test_permuting_the_positions_of_both_strings_changes_nothing(kernel):
    matrix = kernel(TOKENS, OTHERS)
    forget(kernel)
    assert same(kernel(TOKENS[:, [2, 0, 1]], OTHERS[:, [2, 0, 1]]), matrix)


@every_kernel
def test_values_depend_on_the_strings(kernel):
    assert np.ptp(kernel(TOKENS)) > 0.01


@every_kernel
def test_the_diagonal_is_that_of_the_gram_matrix(kernel):
    assert same(kernel.diagonal(TOKENS), np.diag(kernel(TOKENS)))


@every_kernel
def test_one_argument_means_both(kernel):
    assert np.array_equal(kernel(TOKENS), kernel(TOKENS, TOKENS))


@every_kernel
def test_bounds_come_with_the_values(kernel):
    matrix = kernel.bounded(TOKENS, OTHERS)
    assert np.array_equal(matrix.value, kernel(TOKENS, OTHERS))
    assert matrix.bound.shape == matrix.value.shape and np.all(matrix.bound >= 0)
    estimated = any(kernel is KERNELS[name] for name in ESTIMATED)
    assert matrix.certified is not estimated


@every_kernel
def test_values_are_float64_whatever_the_setting_of_jax(kernel):
    found = {}
    for setting in (False, True):
        forget(kernel)
        with jax.enable_x64(setting):
            found[setting] = [kernel(TOKENS, OTHERS), kernel.diagonal(OTHERS)]
            assert jax.config.jax_enable_x64 is setting
    for one, other in zip(found[False], found[True], strict=True):
        assert type(one) is type(other) is np.ndarray
        assert one.dtype == other.dtype == np.float64
        assert np.array_equal(one, other)


@every_kernel
def test_no_strings_have_an_empty_gram_matrix(kernel):
    none = np.zeros((0, 3), dtype=int)
    assert kernel(none).shape == (0, 0)
    assert kernel(TOKENS, none).shape == (4, 0)
    assert kernel(none, OTHERS).shape == (0, 2)
    assert kernel.diagonal(none).shape == (0,)


@every_sampled_kernel
def test_estimates_agree_with_the_values(kernel):
    estimate = kernel.estimate(TOKENS, OTHERS, seed=1, num_samples=4000)
    matrix = kernel.bounded(TOKENS, OTHERS)
    # A draw of K_attn lies in [0, 1 + γ²] and the duals' slopes are below 1.3.
    assert estimate.stderr.max() < 1.5 * 1.3 / np.sqrt(4000)
    error = np.abs(estimate.mean - matrix.value)
    assert np.all(error <= 5 * estimate.stderr + matrix.bound + ROUNDING)


@every_sampled_kernel
def test_estimates_of_one_seed_are_equal(kernel):
    first, second = (kernel.estimate(TOKENS, OTHERS, seed=3, num_samples=64) for _ in range(2))
    other = kernel.estimate(TOKENS, OTHERS, seed=4, num_samples=64)
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.stderr, second.stderr)
    assert kernel.beta == 0 or not same(first.mean, other.mean)


@every_kernel
@pytest.mark.parametrize("call", ["__call__", "diagonal", "bounded"])
def test_tokens_must_be_integers(kernel, call):
    with pytest.raises(TypeError, match="must be an integer array of token ids; got dtype float64"):
        getattr(kernel, call)(TOKENS.astype(float))


@every_kernel
def test_tokens_must_be_rows_of_equal_length(kernel):
    with pytest.raises(ValueError, match="`tokens1` must have rows of equal length"):
        kernel([[0, 1], [0]])
    with pytest.raises(ValueError, match=r"`tokens1` must have shape .* got \(3,\)"):
        kernel([0, 1, 0])
    with pytest.raises(ValueError, match="must have strings of equal length; got 3 and 2"):
        kernel(TOKENS, OTHERS[:, :2])


@every_sampled_kernel
def test_estimates_refuse_what_values_refuse(kernel):
    with pytest.raises(TypeError, match="`tokens1` must be an integer array"):
        kernel.estimate(TOKENS.astype(float))
    with pytest.raises(ValueError, match="`num_samples` must be at least 2; got 1"):
        kernel.estimate(TOKENS, num_samples=1)


def attention(beta=1.0, gamma=0.7, **options):
    return kt.AttentionKernel(beta, gamma, **options)


def transformer(beta=1.0, gamma=0.7, **options):
    return kt.TransformerKernel(beta, gamma, **({"activation": COSINE} | options))


@pytest.mark.parametrize("build", [attention, transformer])
@pytest.mark.parametrize("value", [-1.0, np.nan, "1", None, True])
def test_beta_must_be_non_negative(build, value):
    with pytest.raises(ValueError, match=f"`beta` must be a non-negative number.*; got {value!r}"):
        build(beta=value)


@pytest.mark.parametrize("build", [attention, transformer])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "1", None, True])
def test_gamma_must_be_finite_and_non_negative(build, value):
    with pytest.raises(
        ValueError, match=f"`gamma` must be a finite non-negative number; got {value!r}"
    ):
        build(gamma=value)


@pytest.mark.parametrize("build", [attention, transformer])
@pytest.mark.parametrize("rtol", [0.0, 1e-13, 0.1, np.nan])
def test_rtol_must_be_in_its_range(build, rtol):
    with pytest.raises(ValueError, match=r"`rtol` must be between 1e-12 and 0.001; got"):
        build(rtol=rtol)


@pytest.mark.parametrize("build", [attention, transformer])
def test_methods_must_be_known(build):
    with pytest.raises(ValueError, match=r"`method` must be one of .*got 'guess'"):
        build(method="guess")


@pytest.mark.parametrize("activation", ["cosine", np.cos, None])
def test_activations_must_be_activations(activation):
    with pytest.raises(TypeError, match="`activation` must be an activation such as"):
        transformer(activation=activation)
