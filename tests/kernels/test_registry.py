"""Kernels as tables: what is written is read back, what is wrong is said."""

import json
import math

import equinox as eqx
import pytest

import ktrans as kt
from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
from ktrans.kernels.registry import (
    ACTIVATIONS,
    KERNELS,
    kernel_from_dict,
    kernel_to_dict,
    register_kernel,
)
from tests.gram.small_kernel import SmallKernel

COS = kt.Cosine(b1=1.5, b2=-0.25)
EXAMPLES = {
    "attention": kt.AttentionKernel(beta=math.inf, gamma=0.5),
    "transformer": kt.TransformerKernel(beta=0.5, gamma=1.0, activation=COS, rtol=1e-8),
    "mlp": kt.MLPKernel(
        kind="ntk", depth=3, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.1
    ),
    "incidence_mlp": IncidenceMLPKernel(
        kind="nngp",
        depth=1,
        activation=kt.ReLU(),
        weight_variance=1.0,
        bias_variance=0.0,
        scale=0.5,
    ),
    "modified_attention": kt.ModifiedAttentionKernel(0.2, 1.0, 1.5, "pooled"),
    "modified_transformer": kt.ModifiedTransformerKernel(0.2, 1.0, -1.0, kt.Erf(), "cls"),
    "tied_attention": kt.kernels.TiedAttentionKernel(1.0, 1.0, kt.GELU(), "per-position"),
}


def test_every_registered_kernel_has_an_example():
    ours = {name for name, each in KERNELS.items() if each.__module__.startswith("ktrans.")}
    assert set(EXAMPLES) == ours


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_kernel_comes_back_from_json_as_it_was(name):
    kernel = EXAMPLES[name]
    table = json.loads(json.dumps(kernel_to_dict(kernel), allow_nan=False))
    assert table["type"] == name
    assert eqx.tree_equal(kernel_from_dict(table), kernel)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "cos"])
def test_an_activation_without_parameters_may_be_named(name):
    table = {"type": "transformer", "beta": 1.0, "gamma": 1.0, "activation": name}
    assert isinstance(kernel_from_dict(table).activation, ACTIVATIONS[name])


GOOD = {"type": "transformer", "beta": 1.0, "gamma": 1.0, "activation": "relu"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "`kernel` must be a table with a `type`; got 3"),
        ({}, "`kernel` must be a table with a `type`; got {}"),
        ({"type": 1}, "`kernel` must be a table with a `type`"),
        ({"type": "tranformer"}, "no kernel of type 'tranformer'; did you mean 'transformer'"),
        (GOOD | {"beat": 1.0}, "the kernel 'transformer' has no `beat`; did you mean 'beta'"),
        ({"type": "transformer", "beta": 1.0}, "'transformer' needs a value for `gamma`; add it"),
        (GOOD | {"activation": "rule"}, "no activation of type 'rule'; known: cos, sin, relu"),
        (GOOD | {"activation": "cos"}, "the activation 'cos' needs a value for `b1`"),
        (GOOD | {"activation": 3}, "`activation` must be a table with a `type`; got 3"),
        (GOOD | {"beta": -1.0}, "`beta` must be a non-negative number"),
        (GOOD | {"gamma": "__import__('os')"}, "`gamma` must be a finite non-negative number"),
    ],
)
def test_tables_that_are_no_kernel_are_refused(table, message):
    with pytest.raises((TypeError, ValueError), match=message):
        kernel_from_dict(table)


def test_what_holds_a_function_has_no_table():
    kernel = kt.TransformerKernel(beta=1.0, gamma=1.0, activation=kt.Custom(abs))
    with pytest.raises(TypeError, match=r"`activation` must be of a class .* got Custom"):
        kernel_to_dict(kernel)


def test_a_kernel_of_ones_own_is_known_once_registered(monkeypatch):
    ours = {name: each for name, each in KERNELS.items() if each is not SmallKernel}
    monkeypatch.setattr("ktrans.kernels.registry.KERNELS", ours)
    with pytest.raises(TypeError, match=r"got SmallKernel: .*register_kernel"):
        kernel_to_dict(SmallKernel())
    register_kernel("small", SmallKernel)
    register_kernel("small", SmallKernel)
    assert isinstance(kernel_from_dict({"type": "small"}), SmallKernel)
    with pytest.raises(ValueError, match="'mlp' is taken by MLPKernel"):
        register_kernel("mlp", SmallKernel)
