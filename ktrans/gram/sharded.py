"""Samples dealt out to devices, by one process or by many.

Sample j lives on shard j mod s, so the shards of sorted samples are sorted and alike. Every shard
is filled up to a size that few different numbers of samples have: nearby numbers share compiled
code. What is filled in is inert. Tables of tokens are added up over shards and held by all.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, PyTree

AXIS = "samples"
BLOCK = 128  # rows; sizes of shards are multiples of it
_FINE_FROM = 1 << 16

Index = TypeVar("Index")


def bucket(size: int) -> int:
    """The size that `size` is filled up to: a power of two, or above 2^16 an eighth between two."""
    if size <= _FINE_FROM:
        return max(BLOCK, 1 << (size - 1).bit_length())
    step = 1 << (size.bit_length() - 4)
    return -(-size // step) * step


def flat_mesh(mesh: object) -> Mesh | None:
    """All devices of a mesh along one axis of samples.

    Raises:
        TypeError: if `mesh` is neither a mesh nor None.
    """
    if mesh is None:
        return None
    if not isinstance(mesh, Mesh):
        raise TypeError(
            "`mesh` must be a jax.sharding.Mesh, such as jax.make_mesh((8,), ('samples',)); got "
            f"{type(mesh).__name__}."
        )
    return Mesh(mesh.devices.reshape(-1), (AXIS,))


def num_shards(mesh: Mesh | None) -> int:
    """Number of devices that share the samples."""
    return 1 if mesh is None else mesh.size


def deal(values: np.ndarray, shards: int, rows: int, fill: int | float) -> np.ndarray:
    """Values of samples shard by shard, each filled up to `rows`."""
    padded = np.full((shards * rows, *values.shape[1:]), fill, dtype=values.dtype)
    padded[: len(values)] = values
    by_shard = padded.reshape(rows, shards, *values.shape[1:]).swapaxes(0, 1)
    return np.ascontiguousarray(by_shard).reshape(padded.shape)


def undeal(array: np.ndarray, shards: int, num_samples: int) -> np.ndarray:
    """Values of the samples in their order."""
    by_row = array.reshape(shards, -1, *array.shape[1:]).swapaxes(0, 1)
    return by_row.reshape(array.shape)[:num_samples]


def place(array: np.ndarray, mesh: Mesh | None, *, dealt: bool) -> Array:
    """An array on the device, or over a mesh: its first axis dealt to shards, or whole on each.

    With many processes each one gives the whole array and keeps the parts of its own devices.
    """
    if mesh is None:
        return jnp.asarray(array)
    sharding = NamedSharding(mesh, P(AXIS) if dealt else P())
    return jax.make_array_from_callback(array.shape, sharding, lambda part: array[part])


def fetch(array: Array, mesh: Mesh | None) -> np.ndarray:
    """An array on the host, whole in every process."""
    if mesh is None or array.is_fully_addressable:
        return np.asarray(array)
    return np.asarray(jax.jit(lambda x: x, out_shardings=NamedSharding(mesh, P()))(array))


def sum_over_shards(
    function: Callable[[Index, Array], PyTree[Array]],
    mesh: Mesh | None,
    index: Index,
    vectors: Array,
) -> PyTree[Array]:
    """Σ over shards of function(index, vectors), known to all."""
    if mesh is None:
        return function(index, vectors)

    def local(index: Index, vectors: Array) -> PyTree[Array]:
        return jax.lax.psum(function(index, vectors), AXIS)

    both = (P(AXIS), P(AXIS))
    return jax.shard_map(local, mesh=mesh, in_specs=both, out_specs=P())(index, vectors)


def on_shards(
    function: Callable[[Index, PyTree[Array]], Array],
    mesh: Mesh | None,
    index: Index,
    tables: PyTree[Array],
) -> Array:
    """function(index, tables) shard by shard, without a word between them."""
    if mesh is None:
        return function(index, tables)
    specs = (P(AXIS), P())
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=P(AXIS))(index, tables)
