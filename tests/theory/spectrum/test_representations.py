import itertools
import math

import numpy as np
import pytest

from ktrans.theory.spectrum.representations import (
    dimension,
    exists,
    name,
    partitions,
    representation,
)
from tests.tolerances import ROUNDING


@pytest.mark.parametrize("m", [1, 2, 3, 4, 7])
def test_squares_of_dimensions_sum_to_the_order_of_the_group(m):
    below = [mu for size in range(m) for mu in partitions(size) if exists(mu, m)]
    assert len(below) == len(list(partitions(m)))
    assert sum(dimension(mu, m) ** 2 for mu in below) == math.factorial(m)


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 1), (2, 1), (3, 1), (2, 2), (2, 1, 1)])
def test_young_orthogonal_form_is_a_representation(shape):
    group = list(itertools.permutations(range(sum(shape))))
    for sigma, tau in itertools.product(group, repeat=2):
        product = tuple(sigma[i] for i in tau)
        wanted = representation(shape, sigma) @ representation(shape, tau)
        np.testing.assert_allclose(representation(shape, product), wanted, atol=ROUNDING)
    characters = [np.trace(representation(shape, tau)) for tau in group]
    # Irreducible: the character has norm one.
    np.testing.assert_allclose(np.square(characters).mean(), 1.0, rtol=ROUNDING)


def test_dimensions_stay_exact_where_floating_point_is_not():
    m = 10**6
    assert dimension((2,), m) == m * (m - 3) // 2
    assert dimension((1, 1), m) == (m - 1) * (m - 2) // 2
    assert dimension((3,), m) == m * (m - 1) * (m - 5) // 6


def test_names_write_the_first_row_in_m():
    assert [name(mu) for mu in partitions(2)] == ["(m-2,2)", "(m-2,1,1)"]
