"""Modified attention: direct simulation, limits, laws, and the sentences about bad input."""

import itertools

import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.attention.modified import (
    ATTENTION_READOUTS,
    READOUTS,
    ModifiedAttentionKernel,
    ModifiedTransformerKernel,
)
from ktrans.kernels.attention.modified_pairs import QueryPair, Setting, query_key
from ktrans.kernels.attention.tied import TiedAttentionKernel
from ktrans.theory import bounded_template_matrix
from tests.reference import softmax
from tests.tolerances import QUADRATURE, ROUNDING

COSINE = kt.Cosine(b1=1.5, b2=0.4)
COARSE = 1e-4  # of the order of what sampling resolves here, and fast
TOKENS = np.array([[0, 1, 0, 9], [2, 3, 3, 9], [1, 1, 1, 9]])
OTHERS = np.array([[5, 0, 5, 9], [1, 0, 2, 7]])

every_readout = pytest.mark.parametrize("readout", READOUTS)
every_a = pytest.mark.parametrize("a", [-1.0, 0.0, 0.8])


def attention(readout="cls", a=1.0, beta=0.4, gamma=0.8, **options):
    return ModifiedAttentionKernel(beta, gamma, a, readout, **options)


def transformer(readout="per-position", a=1.0, beta=0.4, gamma=0.8, **options):
    options = {"activation": COSINE} | options
    return ModifiedTransformerKernel(beta, gamma, a, readout=readout, **options)


def similarity(x, y, gamma):
    return np.equal.outer(x, y) + gamma**2 * np.eye(len(x))


def network_kernel(strings, readout, beta, gamma, a, width, seed):
    """The architecture itself: one-hot embeddings, `width` heads, head dimension, hidden units."""
    rng = np.random.default_rng(seed)
    tokens = np.unique(strings)
    k, size = strings.shape[1], len(tokens) + strings.shape[1]
    # Hidden units are shared by the positions; each has a read-out of its own.
    outputs = [np.zeros((k, width)) for _ in strings]
    embedded = [np.hstack([np.equal.outer(x, tokens), gamma * np.eye(k)]) for x in strings]
    for _ in range(width):
        keys, queries, values = rng.standard_normal((3, size, width))
        last = rng.standard_normal((width, width))
        for output, rows in zip(outputs, embedded, strict=True):
            logits = beta * (rows @ keys) @ (rows @ queries).T / width**0.5 + a * rows @ rows.T
            output += softmax(logits).T @ rows @ values @ last / width
    hidden = np.array(outputs)  # strings, queries, hidden units
    if readout == "cls":
        hidden = hidden[:, -1:]
    elif readout == "pooled":
        hidden = hidden.mean(axis=1, keepdims=True)
    features = np.cos(1.5 * hidden + 0.4).reshape(len(strings), -1)
    return features @ features.T / (width * hidden.shape[1])


@every_readout
def test_wide_random_networks_tend_to_the_kernel(readout):
    exact = transformer(readout, a=0.8, rtol=COARSE)(TOKENS)
    distances = [
        np.sqrt(
            np.mean(
                [
                    (network_kernel(TOKENS, readout, 0.4, 0.8, 0.8, width, seed) - exact) ** 2
                    for seed in range(8)
                ]
            )
        )
        for width in (16, 128)
    ]
    # √8 = 2.8 times closer at eight times the width; the root mean square of some 8 independent
    # networks is known to a quarter.
    assert distances[0] / distances[1] > 1.6
    assert distances[1] < 0.08


@every_readout
@every_a
def test_values_agree_with_draws_of_the_random_matrix(readout, a):
    kernel = transformer(readout, a, rtol=COARSE)
    estimate = kernel.estimate(TOKENS, OTHERS, seed=1, num_samples=4000)
    matrix = kernel.bounded(TOKENS, OTHERS)
    assert matrix.certified and estimate.stderr.max() < 0.02
    assert np.all(np.abs(estimate.mean - matrix.value) <= 5 * estimate.stderr + matrix.bound)


@pytest.mark.parametrize("readout", ATTENTION_READOUTS)
@pytest.mark.parametrize(("beta", "a"), [(1.0, 2.0), (0.3, -2.0)])
def test_attention_agrees_with_draws_of_the_random_matrix(readout, beta, a):
    kernel = attention(readout, a, beta, rtol=COARSE)
    estimate = kernel.estimate(TOKENS, OTHERS, seed=2, num_samples=4000)
    matrix = kernel.bounded(TOKENS, OTHERS)
    assert matrix.certified and estimate.stderr.max() < 0.02
    assert np.all(np.abs(estimate.mean - matrix.value) <= 5 * estimate.stderr + matrix.bound)


@pytest.mark.parametrize("kernel", [attention("pooled"), transformer()], ids=type)
def test_estimates_of_one_seed_are_equal_and_positive_semidefinite(kernel):
    first, second, other = (
        kernel.estimate(TOKENS, seed=seed, num_samples=300).mean for seed in (3, 3, 4)
    )
    assert np.array_equal(first, second) and not np.allclose(first, other, atol=1e-6)
    assert np.linalg.eigvalsh(first).min() > -ROUNDING
    with pytest.raises(ValueError, match="`num_samples` must be at least 2; got 1"):
        kernel.estimate(TOKENS, num_samples=1)


@every_readout
def test_quasi_monte_carlo_agrees_and_says_that_it_is_an_estimate(readout):
    sampled = transformer(readout, method="quasi-monte-carlo", rtol=1e-3).bounded(TOKENS, OTHERS)
    exact = transformer(readout, rtol=COARSE).bounded(TOKENS, OTHERS)
    assert not sampled.certified and exact.certified
    assert sampled.bound.max() < 0.02
    assert np.all(np.abs(sampled.value - exact.value) <= sampled.bound + exact.bound)


def test_one_query_without_identity_is_the_attention_kernel():
    one_query = attention("cls", a=0.0, rtol=1e-10)(TOKENS)
    known = kt.AttentionKernel(0.4 * np.sqrt(1 + 0.8**2), 0.8)(TOKENS)
    np.testing.assert_allclose(one_query, known, rtol=0, atol=QUADRATURE)


@every_readout
def test_strings_of_one_position_leave_attention_no_choice(readout):
    values = transformer(readout)([[3]], [[3], [4]])
    equal, different = 1 + 0.8**2, 0.8**2
    expected = COSINE.dual(equal, equal, np.array([equal, different]))
    np.testing.assert_allclose(values[0], expected, atol=1e-8)


@every_readout
def test_identity_alone_is_deterministic_tied_attention(readout):
    tied = TiedAttentionKernel(0.9, 0.8, COSINE, readout)(TOKENS, OTHERS)
    np.testing.assert_allclose(tied, transformer(readout, 0.9, 0.0)(TOKENS, OTHERS), atol=ROUNDING)
    nearly = transformer(readout, 0.9, 1e-6)(TOKENS, OTHERS)
    np.testing.assert_allclose(tied, nearly, rtol=0, atol=1e-8)  # the default rtol
    np.testing.assert_allclose(tied, slow_tied(readout, 0.9, 0.8), atol=ROUNDING)


def slow_tied(readout, beta, gamma):
    """The formula with matrices."""

    def outputs(x, y):
        zeta1, zeta2 = (softmax(beta * similarity(z, z, gamma)).T for z in (x, y))
        return zeta1 @ similarity(x, y, gamma) @ zeta2.T

    def read(x, y):
        matrix = outputs(x, y)
        return {
            "cls": np.array([matrix[-1, -1]]),
            "pooled": np.array([matrix.mean()]),
            "per-position": np.diag(matrix),
        }[readout]

    return [
        [np.mean(COSINE.dual(read(x, x), read(y, y), read(x, y))) for y in OTHERS] for x in TOKENS
    ]


def test_without_identity_and_temperature_attention_is_uniform():
    k = TOKENS.shape[1]
    agreements = (TOKENS[:, None, :, None] == OTHERS[None, :, None, :]).sum(axis=(2, 3))
    for readout in ATTENTION_READOUTS:
        values = attention(readout, a=0.0, beta=0.0)(TOKENS, OTHERS)
        np.testing.assert_allclose(values, agreements / k**2 + 0.8**2 / k, atol=ROUNDING)


@every_readout
@every_a
def test_gram_matrices_are_symmetric_and_positive_semidefinite(readout, a):
    matrix = transformer(readout, a, rtol=COARSE).bounded(np.vstack([TOKENS, OTHERS]))
    np.testing.assert_allclose(matrix.value, matrix.value.T, atol=ROUNDING)
    perturbation = matrix.bound.sum(axis=1).max()
    assert perturbation < 0.02
    eigenvalues = np.linalg.eigvalsh(matrix.value)
    assert eigenvalues.min() >= -perturbation and eigenvalues.max() > 0.1


@every_readout
def test_the_diagonal_is_that_of_the_gram_matrix(readout):
    kernel = transformer(readout, rtol=COARSE)
    np.testing.assert_allclose(kernel.diagonal(TOKENS), np.diag(kernel(TOKENS)), atol=ROUNDING)


@every_readout
def test_equal_keys_have_equal_values(readout):
    pairs = list(itertools.product([*TOKENS, *OTHERS], repeat=2))
    first, second = (np.array(some) for some in zip(*pairs, strict=True))
    names = np.random.default_rng(0).permutation(10) * 10**9 - 7
    for kernel in (transformer(readout, rtol=COARSE), attention("cls", rtol=COARSE)):
        keys = kernel.pair_keys(first, second)
        assert keys == kernel.pair_keys(names[second], names[first])
        values = kernel.evaluate_pairs(first, second).value
        found = {}
        for key, value in zip(keys, values, strict=True):
            assert found.setdefault(key, value) == pytest.approx(value, abs=ROUNDING)
        assert 5 < len(found) < len(pairs)


@pytest.mark.parametrize("readout", ["pooled", "per-position"])
def test_permuting_the_positions_of_both_strings_changes_no_key(readout):
    order = [2, 3, 1, 0]
    keys = transformer(readout).pair_keys(TOKENS[:2], OTHERS)
    assert transformer(readout).pair_keys(TOKENS[:2, order], OTHERS[:, order]) == keys
    assert transformer(readout).pair_keys(TOKENS[:2, order], OTHERS) != keys


def test_queries_matter_without_identity_by_their_correlation_only():
    pairs = [QueryPair((0, 1, 0), (2, 3, 3), q, q) for q in range(3)]
    assert len({query_key(pair, Setting(0.4, 0.8, 0.0)) for pair in pairs}) == 1
    # Swapping the strings and renaming takes the first position to the second.
    assert len({query_key(pair, Setting(0.4, 0.8, 1.0)) for pair in pairs}) == 2


def test_no_strings_have_an_empty_gram_matrix():
    none = np.zeros((0, 4), dtype=int)
    assert transformer()(none).shape == (0, 0) and transformer()(TOKENS, none).shape == (3, 0)


@pytest.mark.slow
def test_the_identity_pays_per_position_and_not_at_cls():
    """The figures of theory.md, section 2, at β = 0.2, γ = 1; that of a = 0 certified here."""
    task = kt.tasks.load("aba_abb", vocab_size=10)

    def sample_scale(readout, a):
        kernel = transformer(readout, a, beta=0.2, gamma=1.0, rtol=1e-10)
        matrix = bounded_template_matrix(kernel, task)
        own = kernel.diagonal(task.fresh_strings()[0]) - np.diag(matrix.value)
        least = np.linalg.eigvalsh(matrix.value).min()
        assert matrix.certified and 2 * matrix.bound.max() < 0.01 * least
        return 2 * own.mean() / least

    found = [sample_scale("per-position", a) for a in (0.0, 0.5, 1.0, 2.0)]
    np.testing.assert_allclose(found, [53_600, 223, 171, 557], rtol=5e-3)  # three digits are given
    assert sample_scale("cls", 1.0) > sample_scale("cls", 0.0) > 10_000


@pytest.mark.parametrize("build", [attention, transformer])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "1", None, True])
def test_beta_and_gamma_must_be_finite_and_non_negative(build, value):
    for name in ("beta", "gamma"):
        with pytest.raises(
            ValueError, match=f"`{name}` must be a finite non-negative number; got {value!r}"
        ):
            build(**{name: value})


@pytest.mark.parametrize("build", [attention, transformer])
def test_other_parameters_are_checked(build):
    with pytest.raises(ValueError, match="`a` must be a finite number; got nan"):
        build(a=np.nan)
    with pytest.raises(ValueError, match=r"`readout` must be one of .*pooled.*; got 'mean'"):
        build(readout="mean")
    with pytest.raises(ValueError, match=r"`rtol` must be between 1e-12 and 0.001; got 0.1"):
        build(rtol=0.1)
    with pytest.raises(ValueError, match=r"`method` must be one of .*; got 'guess'"):
        build(method="guess")


def test_activations_must_be_activations():
    with pytest.raises(TypeError, match="`activation` must be an activation such as"):
        transformer(activation=np.cos)
    with pytest.raises(TypeError, match="`activation` must be an activation such as"):
        TiedAttentionKernel(1.0, 1.0, np.cos, "cls")
    with pytest.raises(ValueError, match=r"`beta` must be a finite non-negative number; got -1\.0"):
        TiedAttentionKernel(-1.0, 1.0, COSINE, "cls")
