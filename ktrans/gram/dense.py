"""A Gram matrix held as a matrix, or looked up block by block."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from ktrans._checks import as_array
from ktrans._numerics import check_dense_size, in_float64
from ktrans.gram.base import (
    AbstractGram,
    AbstractSquareGram,
    DistinctStrings,
    LinearMap,
)
from ktrans.kernels.coefficients import PairValues

_BLOCK_ENTRIES = 1 << 24


class MatrixMap(LinearMap):
    """A matrix held on the device."""

    matrix: Float[Array, "n n"]

    def apply(self, vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
        """K V."""
        return self.matrix @ vectors


class BlockedMap(LinearMap):
    """A matrix whose products call the host, which looks it up in blocks of rows."""

    lookup: "BlockedLookup" = eqx.field(static=True)

    def apply(self, vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
        """K V."""
        result = jax.ShapeDtypeStruct(vectors.shape, vectors.dtype)
        return jax.pure_callback(self.lookup.multiply, result, vectors)


class PrecomputedGram(AbstractSquareGram):
    """A Gram matrix given as an (n, n) array.

    Args:
        matrix: Symmetric real array of shape (n, n).

    Raises:
        TypeError: if the entries are not real numbers.
        ValueError: if the matrix is not square, finite and symmetric.

    Example:
        >>> PrecomputedGram([[2.0, 1.0], [1.0, 2.0]]) @ [1.0, 1.0]
        array([3., 3.])
    """

    matrix: Float[np.ndarray, "n n"]

    def __init__(self, matrix: ArrayLike):
        self.matrix = _as_gram_matrix(matrix)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n)."""
        return len(self.matrix), len(self.matrix)

    @property
    @in_float64
    def core(self) -> LinearMap:
        """The matrix on the device: the samples of a matrix are all distinct."""
        return MatrixMap(jnp.asarray(self.matrix))

    @property
    def distinct(self) -> DistinctStrings:
        """Every sample by itself."""
        rows = np.arange(len(self.matrix))
        return DistinctStrings(rows, np.ones_like(rows), rows)

    def diagonal(self) -> np.ndarray:
        """The entries K_ii."""
        return self.matrix.diagonal().copy()

    def to_dense(self) -> np.ndarray:
        """A copy of the matrix."""
        return self.matrix.copy()

    def core_to_dense(self) -> np.ndarray:
        """A copy of the matrix."""
        return self.to_dense()


class HostMap(LinearMap):
    """Products made on the host by a foreign operator."""

    operator: Any = eqx.field(static=True)

    def apply(self, vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
        """K V."""
        result = jax.ShapeDtypeStruct(vectors.shape, vectors.dtype)
        return jax.pure_callback(self._multiply, result, vectors)

    def _multiply(self, vectors: Array) -> np.ndarray:
        return np.asarray(self.operator @ np.asarray(vectors), dtype=np.float64)


class ForeignGram(AbstractSquareGram):
    """A Gram matrix known by somebody else's `shape` and `@`, such as a SciPy LinearOperator.

    Args:
        operator: An object with `shape` (n, n) and products with arrays of shape (n, c).
    """

    operator: Any = eqx.field(static=True)

    def __init__(self, operator: Any):
        shape = getattr(operator, "shape", ())
        if len(shape) != 2 or shape[0] != shape[1] or not hasattr(operator, "__matmul__"):
            raise TypeError(
                "a precomputed kernel must be an (n, n) array or an operator with `shape` and "
                f"`@`; got {type(operator).__name__}."
            )
        self.operator = operator

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n)."""
        return self.operator.shape[0], self.operator.shape[0]

    @property
    def core(self) -> LinearMap:
        """The operator as calls to the host; nothing is known of copies."""
        return HostMap(self.operator)

    @property
    def distinct(self) -> DistinctStrings:
        """Every sample by itself."""
        rows = np.arange(self.shape[0])
        return DistinctStrings(rows, np.ones_like(rows), rows)

    def diagonal(self) -> np.ndarray:
        """The operator's own `diagonal()`, or else that of its matrix."""
        own = getattr(self.operator, "diagonal", None)
        return self.to_dense().diagonal().copy() if own is None else np.asarray(own())

    def to_dense(self) -> np.ndarray:
        """The products with the unit vectors."""
        check_dense_size(self.shape)
        return np.asarray(self.operator @ np.eye(self.shape[0]), dtype=np.float64)

    def core_to_dense(self) -> np.ndarray:
        """The products with the unit vectors."""
        return self.to_dense()


class BlockedGram(AbstractGram):
    """Gram matrix between two sets of strings, looked up afresh in blocks of rows.

    A product costs n1 n2 look-ups; the memory is that of one block.
    """

    lookup: "BlockedLookup" = eqx.field(static=True)

    def __init__(
        self,
        values: PairValues,
        tokens1: Int[np.ndarray, "n1 k"],
        tokens2: Int[np.ndarray, "n2 k"],
    ):
        self.lookup = BlockedLookup(values, tokens1, tokens2)

    @property
    def shape(self) -> tuple[int, int]:
        """(n1, n2)."""
        return self.lookup.shape

    def product(self, vectors: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n1 c"]:
        """K V, without a device."""
        return self.lookup.multiply(vectors)

    def to_dense(self) -> np.ndarray:
        """The matrix itself."""
        check_dense_size(self.shape)
        return self.lookup.values.matrix(self.lookup.tokens1, self.lookup.tokens2)


class BlockedLookup:
    """A kernel's values and two sets of strings, compared by identity (it is static under jit)."""

    def __init__(self, values: PairValues, tokens1: np.ndarray, tokens2: np.ndarray):
        self.values, self.tokens1, self.tokens2 = values, tokens1, tokens2

    @property
    def shape(self) -> tuple[int, int]:
        """(n1, n2)."""
        return len(self.tokens1), len(self.tokens2)

    def multiply(self, vectors: ArrayLike) -> np.ndarray:
        """K v, block by block."""
        array = np.asarray(vectors)
        step = max(1, _BLOCK_ENTRIES // max(1, self.shape[1]))
        starts = range(0, max(1, self.shape[0]), step)
        blocks = (self.tokens1[start : start + step] for start in starts)
        return np.concatenate([self.values.matrix(b, self.tokens2) @ array for b in blocks])


def _as_gram_matrix(matrix: ArrayLike) -> np.ndarray:
    array = as_array("matrix", matrix)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"`matrix` must hold real numbers; got dtype {array.dtype}.")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"`matrix` must have shape (n, n); got {array.shape}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError("`matrix` must be finite; it holds NaN or infinite entries.")
    gap = float(np.abs(array - array.T).max(initial=0.0))
    if gap > 1e-8 * float(np.abs(array).max(initial=0.0)):
        raise ValueError(
            f"`matrix` must be symmetric; entries differ from their transposes by {gap:.2g}. "
            "Symmetrise it, or pass the Gram matrix of the training strings with themselves."
        )
    return array
