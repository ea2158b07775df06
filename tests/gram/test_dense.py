import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from ktrans.gram.base import multiply
from ktrans.gram.dense import ForeignGram, PrecomputedGram

MATRIX = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 4.0]])


@pytest.mark.parametrize("gram", [PrecomputedGram(MATRIX), ForeignGram(aslinearoperator(MATRIX))])
def test_a_given_matrix_keeps_its_products_diagonal_and_entries(gram):
    vectors = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(gram @ vectors, MATRIX @ vectors, rtol=1e-15)
    np.testing.assert_allclose(multiply(gram.core, vectors), MATRIX @ vectors, rtol=1e-15)
    np.testing.assert_array_equal(gram.diagonal(), [2.0, 3.0, 4.0])
    np.testing.assert_array_equal(gram.to_dense(), MATRIX)
    assert gram.distinct.multiplicity.tolist() == [1, 1, 1]


def test_wrong_matrices_are_named():
    with pytest.raises(ValueError, match=r"shape \(n, n\); got \(2, 3\)"):
        PrecomputedGram(MATRIX[:2])
    with pytest.raises(ValueError, match="symmetric"):
        PrecomputedGram(np.triu(MATRIX))
    with pytest.raises(ValueError, match="NaN"):
        PrecomputedGram(MATRIX * np.nan)
    with pytest.raises(TypeError, match="real numbers"):
        PrecomputedGram(MATRIX.astype(complex))
    with pytest.raises(TypeError, match="operator with `shape` and `@`"):
        ForeignGram("matrix")
