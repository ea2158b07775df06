"""What a Gram matrix offers to solvers, however it is held."""

import abc
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from ktrans._checks import as_array
from ktrans._numerics import in_float64


class LinearMap(eqx.Module):
    """A square matrix as the device sees it: a pytree of arrays and its product, traceable.

    On the device vectors may be longer than the d samples, filled in with zeros; products leave
    the zeros.
    """

    @abc.abstractmethod
    def apply(self, vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
        """The product with c vectors at once, float64."""

    def put(self, vectors: Float[np.ndarray, "d c"], fill: float = 0.0) -> Array:
        """Vectors over samples on the device; `fill` is what is filled in."""
        return jnp.asarray(vectors)

    def take(self, array: Array, num_samples: int) -> np.ndarray:
        """Vectors over samples back on the host."""
        return np.asarray(array)


class DistinctStrings(NamedTuple):
    """Samples without repetition: sample i is `index[i]`; `first` holds one sample for each."""

    index: Int[np.ndarray, "n"]
    multiplicity: Int[np.ndarray, "d"]
    first: Int[np.ndarray, "d"]


class AbstractGram(eqx.Module):
    """A matrix K of shape (n1, n2) known by its products."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""

    @abc.abstractmethod
    def to_dense(self) -> np.ndarray:
        """The matrix itself, float64."""

    @abc.abstractmethod
    def product(self, vectors: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n1 c"]:
        """K V."""

    def __matmul__(self, vectors: ArrayLike) -> np.ndarray:
        """K v for v of shape (n,) or (n, c), exact to rounding; NumPy float64."""
        array = as_vectors(vectors, self.shape[1])
        product = self.product(array.reshape(len(array), -1))
        return product.reshape(self.shape[0], *array.shape[1:])


class AbstractSquareGram(AbstractGram):
    """The Gram matrix K of n samples with themselves: what solvers take."""

    @property
    @abc.abstractmethod
    def core(self) -> LinearMap:
        """The Gram matrix of the distinct samples, on the device."""

    @property
    @abc.abstractmethod
    def distinct(self) -> DistinctStrings:
        """Which samples are copies of which."""

    @abc.abstractmethod
    def diagonal(self) -> np.ndarray:
        """The entries K_ii, float64 of shape (n,)."""

    @abc.abstractmethod
    def core_to_dense(self) -> np.ndarray:
        """The Gram matrix of the distinct samples, float64."""

    def product(self, vectors: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """K V: sum the copies, multiply, hand out."""
        sums = sum_copies(self.distinct, vectors)
        return multiply(self.core, sums)[self.distinct.index]


@in_float64
def multiply(linear_map: LinearMap, vectors: Float[np.ndarray, "n c"]) -> np.ndarray:
    """The product on the device, back on the host."""
    return linear_map.take(apply(linear_map, linear_map.put(vectors)), len(vectors))


@eqx.filter_jit
def apply(linear_map: LinearMap, vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
    """The product on the device, compiled."""
    return linear_map.apply(vectors)


def sum_copies(
    distinct: DistinctStrings, values: Float[np.ndarray, "n c"]
) -> Float[np.ndarray, "d c"]:
    """Sums over the copies of each distinct sample."""
    if len(distinct.first) == len(values):
        return values[distinct.first]
    columns = [np.bincount(distinct.index, column) for column in values.T]
    return np.stack(columns, axis=1)


def as_vectors(vectors: ArrayLike, length: int) -> np.ndarray:
    """The right factor of a product as float64, or one sentence about what is wrong."""
    array = as_array("vectors", vectors)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"`vectors` must hold real numbers; got dtype {array.dtype}.")
    if array.ndim not in (1, 2) or len(array) != length:
        raise ValueError(
            f"`vectors` must have shape ({length},) or ({length}, c) in `operator @ vectors`; got "
            f"{array.shape}."
        )
    return array.astype(np.float64, copy=False)
