import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.next_token import NextTokenKernel
from tests.gram.small_kernel import SmallKernel
from tests.tolerances import ROUNDING

BASE = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-4)
WITH_B = NextTokenKernel(BASE, b_variance=1.3)
WITHOUT_B = NextTokenKernel(BASE, b_variance=0.0)

# Strings of three tokens with a candidate: attended, of the other string, or of neither.
TOKENS = np.array([[0, 1, 0, 0], [0, 1, 0, 1], [2, 3, 3, 2], [2, 3, 3, 0], [4, 0, 1, 7]])


def finite_network(tokens, beta, gamma, b_variance, dim, heads, seed):
    """The kernel of a network of finite embedding dimension, from its features head by head.

    f(x, c) = w_cᵀ (A + b I) X̃ᵀ s, with A and b integrated out: w_cᵀ A X̃ᵀ s has the covariance
    ⟨w_c, w_c′⟩ ⟨X̃ᵀ s, X̃′ᵀ s′⟩.
    """
    rng = np.random.default_rng(seed)
    k = tokens.shape[1] - 1
    embedding = rng.standard_normal((tokens.max() + 1, dim)) / np.sqrt(dim)
    position = rng.standard_normal((k, dim)) / np.sqrt(dim)
    inputs = embedding[tokens[:, :-1]] + gamma * position
    candidates = embedding[tokens[:, -1]]
    logits = beta * np.einsum("nkd,hd->hnk", inputs, rng.standard_normal((heads, dim)))
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    attended = np.einsum("hnk,nkd->hnd", weights, inputs)
    through_a = np.einsum("hnd,hmd->nm", attended, attended) / heads * (candidates @ candidates.T)
    copied = np.einsum("hnd,nd->hn", attended, candidates)
    return through_a + b_variance * copied.T @ copied / heads


@pytest.mark.parametrize("kernel", [WITHOUT_B, WITH_B], ids=["without b", "with b"])
def test_it_is_the_limit_of_networks_with_tied_embeddings(kernel):
    dim, heads, seeds = 512, 800, 24
    runs = np.array(
        [
            finite_network(TOKENS, 1.0, 0.7, kernel.b_variance, dim, heads, seed)
            for seed in range(seeds)
        ]
    )
    stderr = runs.std(axis=0, ddof=1) / np.sqrt(seeds)
    assert stderr.max() < 0.05  # of values up to 2
    # Inner products of embeddings fluctuate by 1/√d; their squares leave a bias of order 1/d.
    allowed = 5 * stderr + 10 / dim
    assert np.all(np.abs(runs.mean(axis=0) - kernel(TOKENS)) <= allowed)


def test_without_b_candidates_matter_by_their_identity_only():
    same = TOKENS[:, None, -1] == TOKENS[None, :, -1]
    np.testing.assert_array_equal(WITHOUT_B(TOKENS), np.where(same, BASE(TOKENS[:, :-1]), 0.0))


def test_attention_to_all_tokens_of_a_string_adds_up_to_one():
    x, y = (0, 1, 0, 9), (2, 1, 3, 9)
    copied = NextTokenKernel(BASE, 1.0)
    pairs = [([*x, c], [*y, d]) for c in {*x} for d in {*y}]
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    found = copied.evaluate_pairs(first, second)
    base = float(BASE([x], [y])[0, 0])
    shared = len({*x} & {*y})
    assert abs(found.value.sum() - 1 - shared * base) <= found.bound.sum()


@pytest.mark.parametrize("kernel", [WITHOUT_B, WITH_B], ids=["without b", "with b"])
def test_it_obeys_the_laws_of_kernels(kernel):
    matrix = kernel.bounded(TOKENS)
    np.testing.assert_allclose(matrix.value, matrix.value.T, rtol=0, atol=ROUNDING)
    assert np.linalg.eigvalsh(matrix.value).min() >= -matrix.bound.sum(axis=1).max() - ROUNDING
    names = np.random.default_rng(0).permutation(8) * 10**9 - 7
    np.testing.assert_allclose(kernel(names[TOKENS]), matrix.value, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(kernel.diagonal(TOKENS), np.diag(matrix.value), atol=ROUNDING)
    order = [2, 0, 1, 3]  # positions of the string change places, the candidate stays
    np.testing.assert_allclose(kernel(TOKENS[:, order]), matrix.value, rtol=0, atol=ROUNDING)


def test_equal_keys_have_equal_values():
    for gamma in (0.0, 0.7):
        attention = kt.AttentionKernel(beta=1.0, gamma=gamma, rtol=1e-3)
        kernel = NextTokenKernel(SmallKernel(), b_variance=1.0, attention=attention)
        pairs = np.random.default_rng(1).integers(0, 3, (60, 6))
        first, second = pairs[:, :3], pairs[:, 3:]
        keys, found = kernel.pair_keys(first, second), kernel.evaluate_pairs(first, second)
        by_key: dict = {}
        for key, value in zip(keys, found.value, strict=True):
            by_key.setdefault(key, []).append(value)
        assert 1 < len(by_key) < len(pairs)
        assert max(np.ptp(values) for values in by_key.values()) <= ROUNDING


def test_heads_of_the_b_term_may_be_given():
    kernel = NextTokenKernel(SmallKernel(), b_variance=2.0, attention=BASE)
    difference = kernel(TOKENS) - NextTokenKernel(SmallKernel(), b_variance=0.0)(TOKENS)
    expected = 2.0 / 1.3 * (WITH_B(TOKENS) - WITHOUT_B(TOKENS))
    np.testing.assert_allclose(difference, expected, rtol=0, atol=ROUNDING)


def test_wrong_inputs_are_named():
    with pytest.raises(TypeError, match="`base` must be a token-symmetric kernel; got 'attn'"):
        NextTokenKernel("attn", b_variance=0.0)
    with pytest.raises(
        ValueError, match=r"`b_variance` must be a finite non-negative number; got -1\."
    ):
        NextTokenKernel(BASE, b_variance=-1.0)
    with pytest.raises(ValueError, match="`attention` must be given, an AttentionKernel"):
        NextTokenKernel(SmallKernel(), b_variance=1.0)
    with pytest.raises(TypeError, match="`attention` must be an AttentionKernel"):
        NextTokenKernel(SmallKernel(), b_variance=1.0, attention=SmallKernel())
    with pytest.raises(ValueError, match="`attention` must have a finite `beta`"):
        NextTokenKernel(kt.AttentionKernel(np.inf, 0.7), b_variance=1.0)
