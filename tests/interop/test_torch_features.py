"""The adaptor for torch models, on a stand-in with the part of torch that it uses."""

import contextlib
import sys
import types

import numpy as np
import pytest

from ktrans.interop.torch_features import torch_features


class Tensor:
    """What the adaptor does with a tensor."""

    def __init__(self, array):
        self.array = array

    def to(self, device):
        assert device == "here"
        return self

    float = cpu = lambda self: self

    def numpy(self):
        return self.array


class Model:
    """Two layers: the ids, and twice the ids, one feature a position."""

    device = "here"

    def __call__(self, ids, output_hidden_states):
        assert output_hidden_states
        assert ids.array.dtype == np.int64
        states = [Tensor(scale * ids.array[..., None].astype(float)) for scale in (1, 2)]
        return types.SimpleNamespace(hidden_states=states)


@pytest.fixture
def torch(monkeypatch):
    module = types.ModuleType("torch")
    module.no_grad, module.as_tensor = contextlib.nullcontext, Tensor
    monkeypatch.setitem(sys.modules, "torch", module)


@pytest.mark.parametrize(("read_out", "wanted"), [("mean", 2), ("first", 1), ("last", 3)])
def test_states_are_read_layer_by_layer(torch, read_out, wanted):
    found = torch_features(Model(), read_out=read_out)(np.array([[1, 2, 3]]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "layer 0": [[wanted]],
        "layer 1": [[2 * wanted]],
    }


def test_tokens_are_encoded_first(torch):
    features = torch_features(Model(), lambda tokens: tokens[:, :1] + 10)
    assert features(np.array([[1, 2, 3]]))["layer 0"].tolist() == [[11]]


def test_torch_is_imported_only_when_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    features = torch_features(Model())
    with pytest.raises(ImportError, match="need the package `torch`"):
        features(np.array([[1]]))
