import os
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

import ktrans as kt
from ktrans.gram.sharded import BLOCK, bucket, deal, undeal
from tests.gram.sharded_worker import answers
from tests.gram.small_kernel import SmallKernel

SAME = 1e-12  # sums in another order, and solutions at residual 1e-13


def start(devices, *arguments):
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-m", "tests.gram.sharded_worker", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(*processes):
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def assert_same(found, expected):
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(found[name], value, atol=SAME * scale, rtol=0, err_msg=name)


@pytest.mark.parametrize("shards", [1, 3])
def test_dealing_out_keeps_the_order_of_the_samples(shards):
    values = np.arange(10.0)[:, None]
    dealt = deal(values, shards, 12, fill=-1.0)
    assert dealt.shape == (12 * shards, 1)
    assert (dealt[: 10 // shards, 0] == values[::shards, 0][: 10 // shards]).all()
    np.testing.assert_array_equal(undeal(dealt, shards, 10), values)
    assert np.sum(dealt == -1.0) == 12 * shards - 10


@pytest.mark.parametrize("size", [1, 128, 129, 65_536, 65_537, 1_000_000])
def test_few_sizes_are_compiled_and_each_holds_its_samples(size):
    filled = bucket(size)
    assert filled >= size
    assert filled % BLOCK == 0
    assert filled <= 1.125 * size or size <= 65_536
    assert bucket(filled) == filled


def test_a_mesh_of_one_device_gives_the_same_products():
    data = kt.tasks.load("aba_abb", vocab_size=12).sample(100)
    mesh = jax.make_mesh((1,), ("anything",))
    sharded = kt.GramOperator(SmallKernel(), data, mesh=mesh)
    alone = kt.GramOperator(SmallKernel(), data)
    np.testing.assert_allclose(sharded @ data.labels, alone @ data.labels, rtol=SAME)


def test_something_else_than_a_mesh_is_refused():
    with pytest.raises(TypeError, match=r"`mesh` must be a jax\.sharding\.Mesh"):
        kt.GramOperator(SmallKernel(), np.arange(12).reshape(4, 3), mesh=8)


@pytest.mark.slow
def test_eight_devices_give_the_answer_of_one(tmp_path):
    out = tmp_path / "eight.npz"
    finish(start(8, out))
    found = np.load(out)
    assert found["devices"] == 8
    assert_same(found, answers(None))


@pytest.mark.slow
def test_two_processes_give_the_answer_of_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    outs = [tmp_path / f"{identity}.npz" for identity in range(2)]
    finish(*[start(2, out, address, 2, identity) for identity, out in enumerate(outs)])
    expected = answers(None)
    for out in outs:
        found = np.load(out)
        assert found["devices"] == 4
        assert found["processes"] == 2
        assert_same(found, expected)
