import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ktrans.interop import neural_tangents
from ktrans.kernels.activations import GELU, Cosine, Erf, Identity, ReLU, Sine
from ktrans.kernels.mlp import MLPKernel

EXACT = 1e-9  # promised; equal strings included

VOCABULARY, LENGTH = 5, 4
TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (10, LENGTH))
TOKENS[3] = TOKENS[2]


def pairs(stax):
    return {
        "relu": (ReLU(), stax.Relu()),
        "erf": (Erf(), stax.Erf()),
        "gelu": (GELU(), stax.Gelu()),
        "sine": (Sine(), stax.Sin()),
        "cosine": (Cosine(b1=1.3, b2=0.4), stax.Sin(a=1.0, b=1.3, c=0.4 + np.pi / 2)),
        "identity": (Identity(), stax.Identity()),
    }


def one_hot(tokens):
    """Scaled so that the fan-in is the number of non-zeros, as in our definition."""
    return np.sqrt(VOCABULARY) * np.eye(VOCABULARY)[tokens].reshape(len(tokens), -1)


def stax_grams(stax, hidden, depth, weight_variance, bias_variance):
    def dense():
        bias = np.sqrt(bias_variance) if bias_variance else None
        return stax.Dense(1, W_std=np.sqrt(weight_variance), b_std=bias)

    layers = [layer for _ in range(depth) for layer in (dense(), hidden)]
    _, _, kernel_fn = stax.serial(*layers, dense())
    with jax.enable_x64(True):
        grams = kernel_fn(jnp.asarray(one_hot(TOKENS)), None, ("nngp", "ntk"))
        return {"nngp": np.asarray(grams.nngp), "ntk": np.asarray(grams.ntk)}


OTHERS = ("sine", "cosine", "identity")


@pytest.mark.parametrize(
    ("name", "bias_variance", "depths"),
    [(name, 0.3, (1, 2)) for name in ("relu", "erf", "gelu", "sine", "cosine", "identity")]
    + [
        pytest.param(name, bias, depths, marks=pytest.mark.slow)
        for names, depths in ((("relu", "erf", "gelu"), (1, 2, 3, 4)), (OTHERS, (1, 4)))
        for name in names
        for bias in (0.0, 0.3)
    ],
)
def test_mlp_kernels_equal_those_of_neural_tangents(name, bias_variance, depths):
    stax = neural_tangents.load().stax
    ours, theirs = pairs(stax)[name]
    for depth in depths:
        wanted = stax_grams(stax, theirs, depth, 1.7, bias_variance)
        for kind in ("nngp", "ntk"):
            kernel = MLPKernel(
                kind=kind,
                depth=depth,
                activation=ours,
                weight_variance=1.7,
                bias_variance=bias_variance,
            )
            np.testing.assert_allclose(kernel(TOKENS), wanted[kind], rtol=EXACT, atol=EXACT)


def test_predict_gives_the_kernel_ridge_predictor():
    predict = neural_tangents.load().predict
    kernel = MLPKernel(
        kind="ntk", depth=2, activation=Erf(), weight_variance=1.5, bias_variance=0.1
    )
    seen = np.unique(TOKENS, axis=0)
    gram, labels = kernel(seen), np.arange(len(seen), dtype=float)
    with jax.enable_x64(True):
        flow = predict.gradient_descent_mse(jnp.asarray(gram), jnp.asarray(labels)[:, None])
        fitted, there = flow(None, 0.0, 0.0, jnp.asarray(kernel(seen[:2], seen)))
    np.testing.assert_allclose(np.ravel(there), labels[:2], rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(np.ravel(fitted), labels, rtol=EXACT, atol=EXACT)


def test_neither_tensorflow_nor_the_package_itself_is_imported():
    neural_tangents.load()
    assert "tensorflow" not in sys.modules
    assert "neural_tangents" not in sys.modules


def test_a_missing_package_is_reported_with_its_remedy(monkeypatch):
    monkeypatch.setattr(neural_tangents.importlib.util, "find_spec", lambda name: None)
    neural_tangents.load.cache_clear()
    with pytest.raises(ImportError, match="neural-tangents is not installed; install it with"):
        neural_tangents.load()
