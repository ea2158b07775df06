import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ktrans.networks import MLPConfig, TransformerConfig

TOKENS = np.array([3, 1, 3, 6])
# Sums of a few hundred float32 products of order one.
SINGLE = 2e-5


def transformer(**options):
    config = TransformerConfig(**{
        **dict(num_tokens=7, context_length=4, depth=2, heads=2, dim=8), **options
    })  # fmt: skip
    return config.build(jax.random.key(1))


def with_scalars(network, seed=0):
    """The network with random a and b where it has them."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        return jnp.asarray(0.3 * rng.standard_normal(leaf.shape), jnp.float32)

    for name in "ab":
        if getattr(network.blocks[0].attention, name) is not None:

            def where(net, name=name):
                return [getattr(block.attention, name) for block in net.blocks]

            network = eqx.tree_at(where, network, replace_fn=draw)
    return network


# A slow transformer in NumPy, from the formulas.


def slow_norm(x, norm):
    centred = x - x.mean(-1, keepdims=True)
    std = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / std * np.asarray(norm.gain) + np.asarray(norm.bias)


def slow_linear(x, linear):
    return x @ np.asarray(linear.weight, np.float64) + np.asarray(linear.bias, np.float64)


def slow_gelu(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def slow_attention(x, attention, causal, multiplier, off_diagonal):
    k, heads = len(x), attention.heads
    q, key, v = (
        slow_linear(x, layer) for layer in (attention.query, attention.key, attention.value)
    )
    size, parts, added = q.shape[1] // heads, [], np.zeros_like(x)
    for h in range(heads):
        mine = slice(h * size, (h + 1) * size)
        weights = np.zeros((k, k))
        for i in range(k):
            seen = range(i + 1) if causal else range(k)
            logits = []
            for j in seen:
                logit = q[i, mine] @ key[j, mine] / np.sqrt(size)
                if attention.a is not None and not (off_diagonal and i == j):
                    logit += multiplier * float(attention.a[h]) * (x[i] @ x[j])
                logits.append(logit)
            powers = np.exp(np.array(logits) - max(logits))
            weights[i, list(seen)] = powers / powers.sum()
        parts.append(weights @ v[:, mine])
        if attention.b is not None:
            added += multiplier * float(attention.b[h]) * weights @ x
    return slow_linear(np.concatenate(parts, axis=1), attention.output) + added


def slow_transformer(network, tokens, causal=False, multiplier=1.0, off_diagonal=False):
    x = np.asarray(network.token_embedding, np.float64)[tokens]
    x = x + np.asarray(network.position_embedding, np.float64)[: len(tokens)]
    for block in network.blocks:
        normed = slow_norm(x, block.norm_attention)
        x = x + slow_attention(normed, block.attention, causal, multiplier, off_diagonal)
        hidden = slow_gelu(slow_linear(slow_norm(x, block.norm_mlp), block.widen))
        x = x + slow_linear(hidden, block.narrow)
    return slow_norm(x, network.norm)


@pytest.mark.parametrize("identities", ["none", "a", "b", "ab"])
@pytest.mark.parametrize(
    "options",
    [{}, {"multiplier": 2.0, "off_diagonal": True}, {"causal": True, "head_dim": 3}],
    ids=str,
)
def test_the_transformer_is_that_of_the_formulas(identities, options):
    network = with_scalars(transformer(identities=identities, **options))
    known = {key: value for key, value in options.items() if key != "head_dim"}
    wanted = slow_transformer(network, TOKENS, **known)
    np.testing.assert_allclose(network.hidden(TOKENS), wanted, atol=SINGLE)
    read_out = (wanted[-1] @ np.asarray(network.read_out.weight))[0]
    np.testing.assert_allclose(network(TOKENS), read_out, atol=SINGLE)


@pytest.mark.parametrize("identities", ["a", "b", "ab"])
def test_identities_change_nothing_at_initialisation_and_something_later(identities):
    plain, modified = transformer(), transformer(identities=identities)
    assert float(plain(TOKENS)) == float(modified(TOKENS))
    assert abs(float(with_scalars(modified)(TOKENS)) - float(plain(TOKENS))) > 1e-3


def test_there_is_one_scalar_of_each_kind_a_head_a_layer():
    def size(network):
        return sum(leaf.size for leaf in jax.tree.leaves(network))

    plain = size(transformer())
    assert [size(transformer(identities=i)) - plain for i in ("a", "b", "ab")] == [4, 4, 8]


def test_token_outputs_are_tied_to_the_embedding_or_not():
    tied, untied = transformer(read_out="tied"), transformer(read_out="untied")
    wanted = np.asarray(tied.token_embedding) @ tied.hidden(TOKENS)[-1]
    np.testing.assert_allclose(tied(TOKENS), wanted, atol=SINGLE)
    np.testing.assert_allclose(tied.logits(TOKENS)[-1], tied(TOKENS), atol=SINGLE)
    assert untied(TOKENS).shape == (7,)
    assert untied.read_out.weight.shape == (8, 7)


def test_the_initialisation_scale_multiplies_the_weight_matrices():
    one, three = transformer(), transformer(init_scale=3.0)
    np.testing.assert_allclose(
        three.blocks[1].widen.weight, 3 * one.blocks[1].widen.weight, rtol=SINGLE
    )
    np.testing.assert_array_equal(three.token_embedding, one.token_embedding)


def test_weights_are_single_precision_with_64_bit_types_on_too():
    with jax.enable_x64(True):
        leaves = jax.tree.leaves(transformer(identities="ab"))
    assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float32)}


def perceptron(**options):
    config = MLPConfig(**{**dict(num_tokens=7, context_length=4, depth=2, width=5), **options})
    return config.build(jax.random.key(0))


def slow_hidden(network, first):
    x = np.maximum(first, 0)
    for layer in network.hidden:
        x = np.maximum(slow_linear(x, layer), 0)
    return slow_linear(x, network.read_out)[0]


def test_the_one_hot_perceptron_multiplies_the_flattened_string():
    network = perceptron()
    one_hot = np.eye(7)[TOKENS].reshape(-1)
    first = one_hot @ np.asarray(network.first.table).reshape(28, 5)
    np.testing.assert_allclose(network(TOKENS), slow_hidden(network, first), atol=SINGLE)


def test_the_incidence_perceptron_also_sees_which_tokens_are_equal():
    network = perceptron(inputs="incidence")
    x = np.eye(7)[TOKENS]
    inputs = np.concatenate([x.reshape(-1), (x @ x.T).reshape(-1)])
    table, incidence = np.asarray(network.first.table), np.asarray(network.first.incidence)
    first = inputs @ np.concatenate([table.reshape(28, 5), incidence])
    np.testing.assert_allclose(network(TOKENS), slow_hidden(network, first), atol=SINGLE)


def test_the_embedding_perceptron_shares_its_embedding_between_positions():
    network = perceptron(inputs="embedding", embedding_dim=3)
    flat = np.asarray(network.first.embedding)[TOKENS].reshape(-1)
    first = slow_linear(flat, network.first.linear)
    np.testing.assert_allclose(network(TOKENS), slow_hidden(network, first), atol=SINGLE)


@pytest.mark.parametrize("inputs", ["one_hot", "incidence", "embedding"])
def test_hidden_layers_are_of_order_one_whatever_the_vocabulary(inputs):
    # The mean square of a first layer of 4000 units is 1 to within 0.1, four times its deviation.
    network = perceptron(inputs=inputs, num_tokens=1000, width=4000, depth=1)
    square = float(jnp.mean(network.first(np.array([0, 1, 2, 999])) ** 2))
    wanted = (4 + 4) / (4 + 16) if inputs == "incidence" else 1.0
    np.testing.assert_allclose(square, wanted, rtol=0.25 if inputs == "embedding" else 0.1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"depth": 0}, ValueError, "`depth` must be at least 1; got 0"),
        ({"dim": 9}, ValueError, "`dim` must be a multiple of `heads`"),
        ({"heads": 2.0}, TypeError, "`heads` must be an integer"),
        ({"identities": "c"}, ValueError, '`identities` must be one of "none", "a", "b", "ab"'),
        ({"read_out": "mean"}, ValueError, "`read_out` must be one of"),
        ({"multiplier": "2"}, TypeError, "`multiplier` must be a number"),
        ({"init_scale": -1.0}, ValueError, "`init_scale` must be non-negative; got -1.0"),
    ],
)
def test_impossible_transformers_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        transformer(**options)


def test_impossible_perceptrons_are_refused():
    with pytest.raises(ValueError, match='`inputs` must be one of "one_hot"'):
        perceptron(inputs="tokens")
    with pytest.raises(ValueError, match="`width` must be at least 1; got 0"):
        perceptron(width=0)
    with pytest.raises(ValueError, match=r"`init_scale` must be non-negative; got -2.0"):
        perceptron(init_scale=-2.0)
