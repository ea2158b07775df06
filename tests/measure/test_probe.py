"""The probe on features whose N is known: errors, coverage, the level and power of the test."""

import json

import jax
import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.probe import probe
from ktrans.measure.probing.moments import estimate
from ktrans.measure.probing.rank_test import least_statistic, nonsingular_p_value
from ktrans.measure.probing.ridge import RELATIVE_RIDGES, fit
from ktrans.measure.probing.strings import draw_rounds
from ktrans.networks import MLPConfig, TransformerConfig
from tests.tolerances import QUADRATURE, ROUNDING

SAME_DIFFERENT = kt.tasks.load("same_different", vocab_size=600)
ABA_ABB = kt.tasks.load("aba_abb", vocab_size=600)
EQUAL = np.array([0.5, 0.5])
QUICK = {"num_samples": (16, 64), "repeats": 2, "num_test": 64}
KERNEL = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))


def embeddings(task, seed, dim=16, spread=0.0):
    """A random vector a token, of unequal lengths on request, about a common mean."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((task.num_tokens, dim))
    return vectors * np.exp(spread * rng.standard_normal((task.num_tokens, 1))) + 1.0


def bag_of_words(task, seed, spread=0.0):
    table = embeddings(task, seed, spread=spread)
    return lambda tokens: table[tokens[:, :-1]].sum(axis=1)


def compares(task, seed, strength):
    """A bag of words that also knows a little of x_0 = x_1: ‖μ_1 − μ_2‖ is `strength`."""
    table = embeddings(task, seed)

    def features(tokens):
        bag = table[tokens[:, :-1]].sum(axis=1)
        bag[:, 0] += strength * (tokens[:, 0] == tokens[:, 1])
        return bag

    return features


def network(task, config_class, seed, **options):
    config = config_class(num_tokens=task.num_tokens, context_length=task.context_length, **options)
    return config.build(jax.random.key(seed))


# Known N.


def test_kernel_features_reproduce_the_template_matrix():
    found = probe(KERNEL, ABA_ABB, substitutions=64, **QUICK)
    np.testing.assert_allclose(
        found.template_matrix, kt.template_matrix(KERNEL, ABA_ABB), rtol=0, atol=QUADRATURE
    )
    assert found.stderr.max() < QUADRATURE
    assert found.nonsingular
    np.testing.assert_allclose(found.sigma_min, kt.verify(KERNEL, ABA_ABB).sigma_min, atol=1e-12)


def test_the_closed_form_is_that_of_learning_curve():
    found = probe(KERNEL, ABA_ABB, substitutions=64, ridge=0.1, **QUICK)
    curve = kt.learning_curve(KERNEL, ABA_ABB, num_samples=list(found.num_samples), ridge=0.1)
    np.testing.assert_allclose(found.closed_form, curve.mse, rtol=1e-9)
    noisy = kt.TemplateTask.from_templates({"αβα": 1.0, "αββ": -1.0}, vocab_size=600, noise_std=0.5)
    found = probe(KERNEL, noisy, substitutions=64, ridge=0.1, **QUICK)
    curve = kt.learning_curve(KERNEL, noisy, num_samples=list(found.num_samples), ridge=0.1)
    np.testing.assert_allclose(found.closed_form, curve.mse, rtol=1e-9)


def test_mlp_kernels_are_not_called_nonsingular():
    mlp = kt.MLPKernel(
        kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
    )
    found = probe(mlp, SAME_DIFFERENT, substitutions=64, **QUICK)
    assert not found.nonsingular
    assert found.p_value == 1
    assert found.closed_form[-1] > 0.99


@pytest.mark.parametrize("seed", range(4))
def test_estimates_are_within_four_standard_errors(seed):
    """Of N = (Σ of a string's means)², here 1 for each coordinate and position."""
    found = probe(compares(SAME_DIFFERENT, seed, 0.5), SAME_DIFFERENT, seed=seed, **QUICK)
    means = np.full((2, 16), 2.0)
    means[0, 0] += 0.5
    z = (found.template_matrix - means @ means.T) / found.stderr
    assert np.abs(z).max() < 4
    assert found.stderr.max() < 0.05 * (means @ means.T).max()
    # E‖φ‖² − N: 4·16 for αα, which has one token twice, and 2·16 for αβ; 8 % is 5 standard errors.
    np.testing.assert_allclose(found.self_kernel, [64, 32], rtol=0.08)


def additive(rng, count):
    tokens = rng.standard_normal((2 * count, 4))
    return np.stack([2 * tokens[::2], tokens[::2] + tokens[1::2]], axis=1)


def skewed(rng, count):
    tokens = rng.exponential(size=(2 * count, 4)) - 1
    return np.stack([2 * tokens[::2], tokens[::2] + tokens[1::2]], axis=1)


def of_pairs(rng, count):
    return rng.standard_normal((count, 2, 4))


@pytest.mark.parametrize("draw", [additive, skewed, of_pairs])
def test_intervals_cover_in_93_to_97_of_100(draw):
    """2000 sets of 128 substitutions; the standard error of a share is half a percent."""
    means = np.array([[2.0, 0, 0, 0], [1.0, 1, 0, 0]])
    wanted, covered = means @ means.T, np.zeros((2, 2))
    for seed in range(2000):
        features = draw(np.random.default_rng(seed), 128) + means
        interval = estimate(features[None], EQUAL).interval("template_matrix")
        covered += (interval[..., 0] <= wanted) & (wanted <= interval[..., 1])
    assert (covered / 2000 >= 0.93).all()
    assert (covered / 2000 <= 0.97).all()


def test_estimates_have_no_bias():
    """Over 4000 sets of 8 substitutions, of N and of E‖φ‖² − N."""
    means = np.array([[0.3, 0, 0, 0], [0.1, 0.2, 0, 0]])
    draws = [additive(np.random.default_rng(seed), 8) + means for seed in range(4000)]
    values = [estimate(features[None], EQUAL).value for features in draws]
    for name, wanted in (("template_matrix", means @ means.T), ("self_kernel", [16.0, 8.0])):
        each = np.array([getattr(value, name) for value in values])
        z = (each.mean(axis=0) - wanted) / (each.std(axis=0) / 4000**0.5)
        assert np.abs(z).max() < 5


def test_the_error_is_parted_into_tokens_and_ways():
    """Features of tokens alone have no error of ways for αα, those of pairs no other."""
    rng = np.random.default_rng(0)
    tokens, table = rng.standard_normal((256, 4)), rng.standard_normal((256, 256, 4))
    dealt = [rng.permutation(256).reshape(128, 2).T for _ in range(8)]
    both = np.stack([np.stack([2 * tokens[a] + 1, table[a, b] + 1], axis=1) for a, b in dealt])
    found = estimate(both, EQUAL)
    ratio = found.substitution.template_matrix / found.total.template_matrix
    assert ratio[1, 1] > 0.6
    one = estimate(np.concatenate([both[:1], both[:1]]), EQUAL)
    assert not one.substitution.template_matrix.any()
    np.testing.assert_array_equal(one.token.template_matrix, one.total.template_matrix)
    np.testing.assert_allclose(
        found.token.template_matrix**2 + found.substitution.template_matrix**2,
        found.total.template_matrix**2, rtol=ROUNDING,
    )  # fmt: skip


# The test.


def mlp_features(task, seed):
    """A random perceptron on the one-hot string, of ours: tokens have independent weights."""
    perceptron = network(task, MLPConfig, seed, depth=2, width=32)
    first = [np.asarray(x, np.float64) for x in (perceptron.first.table, perceptron.first.bias)]
    hidden = [np.asarray(layer.weight, np.float64) for layer in perceptron.hidden]

    def features(tokens):
        h = sum(first[0][i, tokens[:, i]] for i in range(tokens.shape[1])) + first[1]
        for weight in hidden:
            h = np.maximum(h, 0) @ weight
        return np.maximum(h, 0)

    return features


SINGULAR = {
    "bag of words": bag_of_words,
    "bag of words of unequal lengths": lambda task, seed: bag_of_words(task, seed, spread=1.0),
    "perceptron": mlp_features,
}


@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("substitutions", [32, 128])
def test_singular_features_are_called_nonsingular_at_most_at_the_level(name, substitutions):
    count = 200
    p = np.empty(count)
    for seed in range(count):
        (strings,) = draw_rounds(SAME_DIFFERENT, substitutions, 1, seed)
        features = SINGULAR[name](SAME_DIFFERENT, seed)(strings.reshape(-1, 3))
        p[seed] = nonsingular_p_value(features.reshape(*strings.shape[:2], -1))
    for level in (0.2, 0.05, 0.01):
        # Three standard errors of a share among 200.
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / count)


def test_the_level_holds_where_several_directions_are_lost():
    """Three templates with one mean, of features with one direction that varies much more."""
    p = []
    for seed in range(300):
        features = np.random.default_rng(seed).standard_normal((64, 3, 6))
        features[..., 0] *= 30
        p.append(nonsingular_p_value(features + np.arange(6.0)))
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_one_hot_bags_of_words_are_not_nonsingular():
    one_hot = np.eye(SAME_DIFFERENT.num_tokens)
    with_bias = np.concatenate([one_hot, np.ones((len(one_hot), 1))], axis=1)
    for table in (one_hot, with_bias):
        found = probe(lambda x, table=table: table[x].sum(axis=1), SAME_DIFFERENT, **QUICK)
        assert not found.nonsingular
        assert found.unseen_error > 0.9


@pytest.mark.parametrize(("strength", "least"), [(1.0, 1.0), (0.7, 0.6)])
def test_a_difference_of_means_is_found(strength, least):
    """Of noise one a coordinate, of 16, on which the mean differs in one: 256 substitutions."""
    found = []
    for seed in range(20):
        (strings,) = draw_rounds(SAME_DIFFERENT, 256, 1, seed)
        features = compares(SAME_DIFFERENT, seed, strength)(strings.reshape(-1, 3))
        found.append(nonsingular_p_value(features.reshape(256, 2, -1)) <= 0.01)
    assert np.mean(found) >= least


def test_the_statistic_is_the_least_over_all_combinations():
    features = np.random.default_rng(0).standard_normal((40, 2, 3)) + np.eye(2, 3)
    features = features / np.sqrt(np.mean((features - features.mean(0)) ** 2, axis=(0, 1)))
    angles = np.linspace(0, np.pi, 20_001)
    combined = np.einsum("brq,ra->bqa", features, [np.cos(angles), np.sin(angles)])
    spread = np.sum(combined.var(axis=0, ddof=1), axis=0)
    every = 40 * np.sum(combined.mean(axis=0) ** 2, axis=0) / spread
    np.testing.assert_allclose(least_statistic(features), every.min(), rtol=1e-6)


def test_features_without_any_difference_are_no_evidence():
    assert least_statistic(np.zeros((20, 2, 3))) == 0
    assert least_statistic(np.ones((20, 2, 3))) < 0.1  # t² of rounding
    assert nonsingular_p_value(np.ones((20, 2, 3))) == 1


# The linear probe.


def test_a_probe_that_compares_solves_unseen_symbols_and_a_bag_of_words_does_not():
    exact = probe(
        lambda x: np.stack([x[:, 0] == x[:, 1], x[:, 0] != x[:, 1]], 1).astype(float),
        SAME_DIFFERENT,
        **QUICK,
    )
    assert exact.unseen_error < 1e-3
    assert exact.share > 1 - 1e-9
    bag = probe(bag_of_words(SAME_DIFFERENT, 0), SAME_DIFFERENT, **QUICK)
    assert bag.unseen_error > 0.9
    assert not bag.nonsingular


def test_symbols_learned_by_heart_are_told_from_unseen_ones():
    """One-hot pairs over 8 tokens: all pairs are seen, none of the unseen ones."""
    task = kt.tasks.load("same_different", vocab_size=16)
    size = task.num_tokens
    one_hot = np.eye(size * size)
    found = probe(lambda x: one_hot[size * x[:, 0] + x[:, 1]], task, num_samples=(2000,), repeats=2)
    assert found.seen_error < 0.05
    assert found.unseen_error > 0.99
    assert not found.nonsingular


@pytest.mark.parametrize("shape", [(12, 30), (30, 12)])
def test_the_fit_is_ridge_regression(shape):
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal(shape), rng.standard_normal(shape[0])
    weights, _ = fit(features, labels, 0.3)
    system = features.T @ features + 0.3 * np.eye(shape[1])
    np.testing.assert_allclose(weights, np.linalg.solve(system, features.T @ labels), rtol=1e-9)


def test_the_ridge_chosen_has_the_least_leave_one_out_error():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20, 15))
    labels = features[:, 0] + rng.standard_normal(20)
    _, chosen = fit(features, labels, None)
    scale = np.mean(np.sum(features**2, axis=1))
    errors = {}
    for ridge in (scale * share for share in RELATIVE_RIDGES):
        each = []
        for i in range(20):
            rest = np.arange(20) != i
            weights, _ = fit(features[rest], labels[rest], ridge)
            each.append((features[i] @ weights - labels[i]) ** 2)
        errors[ridge] = np.mean(each)
    assert chosen == min(errors, key=errors.get)


# Layers, networks, records.


def test_each_layer_has_a_probe_of_its_own():
    layers = {"bag": bag_of_words(ABA_ABB, 0), "compares": compares(ABA_ABB, 0, 3.0)}
    found = probe(layers, ABA_ABB, **QUICK)
    assert list(found.layers) == ["bag", "compares"]
    np.testing.assert_array_equal(found.template_matrix, found.layers["compares"].template_matrix)
    alone = probe(layers["bag"], ABA_ABB, **QUICK)
    np.testing.assert_array_equal(found.layers["bag"].template_matrix, alone.template_matrix)
    assert alone.layers == {}
    together = probe(lambda x: {n: f(x) for n, f in layers.items()}, ABA_ABB, **QUICK)
    np.testing.assert_array_equal(together.template_matrix, found.template_matrix)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_transformer_of_ours_is_probed():
    built = network(SAME_DIFFERENT, TransformerConfig, 0, depth=2, heads=4, dim=64)
    hidden = jax.jit(jax.vmap(lambda x: built.hidden(x)[-1]))
    found = probe(lambda x: np.asarray(hidden(x)), SAME_DIFFERENT, **QUICK)
    assert found.nonsingular
    assert found.num_features == 64
    assert "N is nonsingular" in str(found)


def test_one_seed_gives_the_same_numbers():
    one, other, third = (
        probe(bag_of_words(ABA_ABB, 0), ABA_ABB, seed=seed, **QUICK) for seed in (1, 1, 2)
    )
    assert one.to_dict() == other.to_dict()
    assert one.unseen_error != third.unseen_error


def test_regular_tokens_are_kept():
    task = kt.TemplateTask.from_templates({"αA": 1.0, "αB": -1.0}, vocab_size=64)
    table = embeddings(task, 0)
    found = probe(lambda x: table[x[:, 1]], task, **QUICK)
    ids = [task.regular_token_ids[name] for name in "AB"]
    np.testing.assert_allclose(found.template_matrix, table[ids] @ table[ids].T, rtol=ROUNDING)
    assert found.num_substitutions == 64
    assert found.nonsingular


BAG = bag_of_words(ABA_ABB, 0)
SYMBOLIC = kt.TemplateTask.from_templates({"αβ": "α", "ββ": "β"}, vocab_size=64)
SMALL = kt.tasks.load("aba_abb", vocab_size=15)
WRONG = {
    "features": ((3, ABA_ABB), {}, TypeError, "`features` must be a callable"),
    "no layers": (({}, ABA_ABB), {}, TypeError, "`features` must be a callable"),
    "symbols": ((BAG, SYMBOLIC), {}, ValueError, "`task` must have numbers as labels"),
    "too few tokens": ((BAG, SMALL), {}, ValueError, "at least 16 tokens, 2 for each of 8"),
    "level": ((BAG, ABA_ABB), {"level": 0.3}, ValueError, "`level` must be at most 0.2"),
    "samples": ((BAG, ABA_ABB), {"num_samples": (9, 3)}, ValueError, "ascending integers"),
    "ridge": ((BAG, ABA_ABB), {"ridge": -1.0}, ValueError, "`ridge` must be non-negative"),
    "shape": ((lambda x: x[:, 0], ABA_ABB), {}, ValueError, r"shape \(256, d\) for 256 strings"),
    "words": ((lambda x: x.astype(str), ABA_ABB), {}, ValueError, "must return real numbers"),
    "not finite": (
        (lambda x: np.full((len(x), 2), np.nan), ABA_ABB), {}, ValueError, "has NaN or infinity"
    ),
    "changing layers": (
        (lambda x: {str(x[0, 0]): BAG(x)}, ABA_ABB), {}, ValueError, "the same layers at each call"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_bad_arguments_are_refused_in_one_sentence(case):
    arguments, options, error, sentence = WRONG[case]
    with pytest.raises(error, match=sentence):
        probe(*arguments, **options)
