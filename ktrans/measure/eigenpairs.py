"""Leading eigenvalues of Gram matrices with eigenvectors and residuals: dense, or Lanczos."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from ktrans._checks import Whole, as_int
from ktrans.gram.operator import GramOperator

_DENSE_SAMPLES = 800  # up to here a dense eigensolver is faster than Lanczos
_BASIS = 40  # vectors that Lanczos keeps: eigenvalues of the bulk lie close together
_TOLERANCE = 1e-6  # of eigenvalues; the residual says what was reached

Product = Callable[[Float[np.ndarray, "n c"]], Float[np.ndarray, "n c"]]


class Eigenpairs(NamedTuple):
    """Leading eigenvalues θ with unit eigenvectors v.

    Attributes:
        values: Descending (by size where the largest in size were asked for), shape (e,).
        vectors: Orthonormal columns, shape (n, e).
        residuals: ‖K̂v − θv‖: an eigenvalue lies that close to θ, shape (e,).
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray


def top_eigenpairs(operator: GramOperator, count: Whole) -> Eigenpairs:
    """The largest eigenvalues of a Gram matrix: dense for small n, else Lanczos to 1e-6 relative.

    Args:
        operator: The Gram operator, n × n.
        count: How many, 1 ≤ count ≤ n.

    Returns:
        The pairs, with residuals recomputed from products.

    Raises:
        ValueError: if `count` is out of range.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> operator = kt.GramOperator(mlp, kt.tasks.load("aba_abb", vocab_size=9).sample(50))
        >>> bool((top_eigenpairs(operator, 2).residuals < 1e-10).all())
        True
    """
    size = operator.shape[0]
    return leading_eigenpairs(operator.__matmul__, size, as_int("count", count, 1, size))


def leading_eigenpairs(
    product: Product, n: int, count: int, which: Literal["LA", "LM"] = "LA"
) -> Eigenpairs:
    """The leading eigenpairs of a symmetric matrix known by its products with columns.

    The largest ones ("LA"), or the largest in size ("LM").
    """
    dense = n <= max(_DENSE_SAMPLES, 2 * count)
    values, vectors = _dense(product, n) if dense else _lanczos(product, n, count, which)
    order = np.argsort(-(np.abs(values) if which == "LM" else values))[:count]
    values, vectors = values[order], vectors[:, order]
    left = product(vectors) - vectors * values
    return Eigenpairs(values, vectors, np.linalg.norm(left, axis=0))


def _dense(product: Product, n: int) -> tuple[np.ndarray, np.ndarray]:
    matrix = product(np.eye(n))
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return values, vectors


def _lanczos(product: Product, n: int, count: int, which: str) -> tuple[np.ndarray, np.ndarray]:
    start = np.random.default_rng(0).standard_normal(n)
    basis = min(max(_BASIS, 2 * count + 1), n)
    # SciPy's annotation of `tol` as an integer is wrong.
    options: Any = {"which": which, "tol": _TOLERANCE, "v0": start, "ncv": basis}
    values, vectors = eigsh(_Columns(product, n), count, **options)
    return values, vectors


class _Columns(LinearOperator):
    """A product of columns as SciPy wants it."""

    def __init__(self, product: Product, n: int):
        super().__init__(np.dtype(np.float64), (n, n))
        self._product = product

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._product(x.reshape(-1, 1))[:, 0]
