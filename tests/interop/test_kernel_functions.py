import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ktrans as kt
from ktrans.interop import neural_tangents
from ktrans.interop.kernel_functions import from_neural_tangents, to_neural_tangents
from tests.interop.test_neural_tangents import EXACT, pairs

K, M = 4, 8
TOKENS = np.random.default_rng(0).integers(0, 5, (10, K))
TOKENS[3] = TOKENS[2]
TASK = kt.tasks.load("aba_abb", vocab_size=6)


def mlp(kind="ntk", depth=2, activation=None, bias=0.1):
    return kt.MLPKernel(
        kind=kind,
        depth=depth,
        activation=kt.Erf() if activation is None else activation,
        weight_variance=1.5,
        bias_variance=bias,
    )


def fully_connected(hidden, depth=2, bias=0.1):
    stax = neural_tangents.load().stax

    def dense():
        return stax.Dense(1, W_std=np.sqrt(1.5), b_std=np.sqrt(bias) if bias else None)

    layers = [layer for _ in range(depth) for layer in (dense(), hidden)]
    return stax.serial(*layers, dense())[2]


def convolutional(*rest):
    stax = neural_tangents.load().stax
    return stax.serial(stax.Conv(1, (2,), padding="SAME"), stax.Relu(), *rest, stax.Dense(1))[2]


def adopt(kernel_fn, get="ntk", **options):
    sizes = {"context_length": K, "vocab_size": M}
    return from_neural_tangents(kernel_fn, get=get, **(sizes | options))


def agreements(x1, x2, get):
    return x1 @ x2.T


def one_hot(tokens, size=M):
    return np.eye(size)[tokens]


@pytest.mark.parametrize("get", ["nngp", "ntk"])
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_a_fully_connected_kernel_function_is_the_mlp_kernel(get, name):
    ours, theirs = pairs(neural_tangents.load().stax)[name]
    kernel = adopt(fully_connected(theirs), get, input_scale=np.sqrt(M))
    wanted = mlp(get, activation=ours)(TOKENS)
    np.testing.assert_allclose(kernel(TOKENS), wanted, rtol=EXACT, atol=EXACT)
    # Token ids beyond the vocabulary are names like any other.
    np.testing.assert_allclose(kernel(TOKENS + 1000), wanted, rtol=EXACT, atol=EXACT)


def test_it_serves_as_any_kernel_does():
    ours, theirs = pairs(neural_tangents.load().stax)["erf"]
    kernel, data = adopt(fully_connected(theirs), input_scale=np.sqrt(M)), TASK.sample(40)
    both = (kernel, mlp("ntk", activation=ours))
    adopted, own = (kt.KernelRidge(each, ridge=0.1).fit(data) for each in both)
    np.testing.assert_allclose(adopted.dual_coef_, own.dual_coef_, rtol=0, atol=EXACT)
    np.testing.assert_allclose(adopted.predict_unseen(), own.predict_unseen(), rtol=0, atol=EXACT)
    certificate = kt.verify(kernel, TASK)
    assert certificate.nonsingular is None and not certificate.certified


@pytest.mark.slow
def test_a_convolution_over_positions_is_token_symmetric():
    kernel = adopt(convolutional(neural_tangents.load().stax.GlobalAvgPool()), encoding="positions")
    # Pooling sees a string again that stands one position further.
    string, further, fresh = [[0, 1, 2, 3]], [[4, 0, 1, 2]], [[4, 5, 6, 7]]
    assert kernel(string, further)[0, 0] > 1.1 * kernel(string, fresh)[0, 0]


def test_values_are_float64_whatever_the_setting_of_jax():
    with jax.enable_x64(False):
        found = adopt(fully_connected(neural_tangents.load().stax.Relu()))(TOKENS)
    with jax.enable_x64(True):
        wanted = adopt(fully_connected(neural_tangents.load().stax.Relu()))(TOKENS)
    assert found.dtype == np.float64
    assert np.array_equal(found, wanted)


def test_weights_that_know_tokens_apart_are_refused():
    weights = jnp.tile(jnp.linspace(1.0, 2.0, M), K)

    def weighted(x1, x2, get):
        return (x1 * weights) @ x2.T

    with pytest.raises(ValueError, match="`kernel_fn` is not token-symmetric: renaming the tokens"):
        adopt(weighted)


def test_a_function_that_is_not_symmetric_is_refused():
    def one_sided(x1, x2, get):
        return x1[:, : 2 * M] @ x2[:, M : 3 * M].T

    with pytest.raises(ValueError, match="is not symmetric: exchanging its inputs"):
        adopt(one_sided)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"get": "cov1"}, ValueError, "`get` must be 'ntk' or 'nngp'; got 'cov1'"),
        ({"encoding": "pairs"}, ValueError, "`encoding` must be 'flat' or 'positions'; got"),
        ({"vocab_size": 1}, ValueError, "`vocab_size` must be at least 2; got 1"),
        ({"context_length": 2.0}, TypeError, r"`context_length` must be an integer; got 2\.0"),
        ({"input_scale": "1"}, TypeError, "`input_scale` must be a number; got '1'"),
        ({"encoding": "positions"}, ValueError, 'with encoding "positions"; it raised ValueError'),
    ],
)
def test_bad_options_are_refused(options, error, sentence):
    with pytest.raises(error, match=sentence):
        adopt(agreements, **options)


def test_what_is_no_kernel_function_is_refused():
    with pytest.raises(TypeError, match="`kernel_fn` must be a function; got 3"):
        adopt(3)
    with pytest.raises(ValueError, match=r"an array of real numbers of shape \(30, 30\); got str"):
        adopt(lambda x1, x2, get: "matrix")
    with pytest.raises(ValueError, match="`kernel_fn` must return finite numbers"):
        adopt(lambda x1, x2, get: jnp.nan * (x1 @ x2.T))


def test_strings_that_the_kernel_was_not_made_for_are_refused():
    kernel = adopt(agreements, vocab_size=5)
    with pytest.raises(ValueError, match=r"the `context_length` 4 that .*; got length 3"):
        kernel(TOKENS[:, :3])
    with pytest.raises(ValueError, match=r"at least the number of different tokens.*got 5 for 8"):
        kernel([[0, 1, 2, 3]], [[4, 5, 6, 7]])


def test_predict_trains_our_kernels_as_our_solvers_do():
    predict, kernel = neural_tangents.load().predict, mlp()
    data = TASK.sample(30, seed=1)
    seen = np.unique(data.tokens, axis=0)
    labels = np.where(seen[:, 0] == seen[:, 2], 1.0, -1.0)
    size = TASK.num_tokens
    train, test = one_hot(seen, size), one_hot(TASK.sample_unseen(4).tokens, size)
    times = np.array([0.5, 5.0])
    kernel_fn = to_neural_tangents(kernel)
    with jax.enable_x64(True):
        flow = predict.gradient_descent_mse_ensemble(kernel_fn, train, jnp.asarray(labels)[:, None])
        # Their loss is the mean over samples, ours the sum.
        at_times = flow(times * len(seen), test, "ntk")[..., 0]
        at_end, spread = flow(None, test, "ntk", compute_cov=True)
        posterior = predict.gp_inference(
            kernel_fn(train, None, ("nngp", "ntk")), jnp.asarray(labels)[:, None],
            diag_reg=0.1, diag_reg_absolute_scale=True,
        )  # fmt: skip
        regressed = posterior("ntk", kernel_fn(test, train, ("nngp", "ntk")))[:, 0]
    ours = kt.KernelGradientFlow(kernel).fit(seen, labels)
    fresh = test.argmax(2)
    np.testing.assert_allclose(at_times, ours.predict(fresh, times), rtol=0, atol=EXACT)
    np.testing.assert_allclose(at_end[:, 0], ours.predict(fresh, [np.inf])[0], rtol=0, atol=EXACT)
    assert np.all(np.diag(spread) > 0)
    ridge = kt.KernelRidge(kernel, ridge=0.1).fit(seen, labels)
    np.testing.assert_allclose(regressed, ridge.predict(fresh), rtol=0, atol=EXACT)


def test_a_kernel_function_answers_as_asked():
    kernel = kt.AttentionKernel(0.0, 0.7)
    alone, both = to_neural_tangents(kernel), to_neural_tangents(kernel, ntk=mlp())
    inputs = one_hot(TOKENS)
    assert np.array_equal(alone(inputs, None, "nngp"), kernel(TOKENS))
    assert np.array_equal(alone(inputs, inputs[:2]).nngp, kernel(TOKENS, TOKENS[:2]))
    assert both(inputs)._fields == ("nngp", "ntk")
    assert np.array_equal(both(inputs, get=("ntk",)).ntk, mlp()(TOKENS))
    flat = to_neural_tangents(kernel, context_length=K)
    assert np.array_equal(flat(inputs.reshape(10, -1), None, "nngp"), kernel(TOKENS))
    with pytest.raises(ValueError, match="`get` must be 'nngp'; got 'ntk'"):
        alone(inputs, None, "ntk")


def test_there_and_back_again_is_the_same_kernel():
    kernel = mlp("nngp", activation=kt.ReLU())
    back = adopt(to_neural_tangents(kernel, context_length=K), "nngp")
    assert np.array_equal(back(TOKENS), kernel(TOKENS))


def test_inputs_that_are_not_one_hot_are_refused():
    kernel_fn = to_neural_tangents(mlp(), context_length=3)
    with pytest.raises(ValueError, match="`x1` must be one-hot: a single 1 in each position"):
        kernel_fn(2 * one_hot(TOKENS))
    with pytest.raises(ValueError, match=r"`x2` must have shape .* got shape \(10, 32\)"):
        kernel_fn(one_hot(TOKENS), one_hot(TOKENS).reshape(10, -1))
    with pytest.raises(TypeError, match="`kernel` must be a token-symmetric kernel; got"):
        to_neural_tangents(agreements)
