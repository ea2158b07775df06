"""How much of the identity is in a product of two weights, against permuted coordinates.

For a head with M = W_Qᵀ W_K (or W_O W_V), d × d, and H = I − 11ᵀ/d, the multiple of the identity
that is nearest to H M H is t/(d − 1) with t = tr(H M H). Under permutations π of the columns of W_K
the statistic Σ_j M_{jπ(j)} has mean tr M − t and variance ‖H M H‖²_F/(d − 1), both exactly
(Hoeffding 1951). So z = t √(d − 1)/‖H M H‖_F needs no sampling.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

TINY = 1e-30  # weights whose product is smaller are zero


class Product(NamedTuple):
    """H Lᵀ R H for the weights of a head, both (p, d), by its factors.

    Attributes:
        left: L H in float64.
        right: R H.
    """

    left: Float[np.ndarray, "p d"]
    right: Float[np.ndarray, "p d"]

    @property
    def dim(self) -> int:
        """d."""
        return self.left.shape[1]

    @property
    def trace(self) -> float:
        """t = tr(H Lᵀ R H)."""
        return float(np.sum(self.left * self.right))

    @property
    def squares(self) -> Float[np.ndarray, "p p"]:
        """A p × p matrix with the squared singular values of the product as its eigenvalues."""
        return (self.left @ self.left.T) @ (self.right @ self.right.T)

    @property
    def norm(self) -> float:
        """‖H Lᵀ R H‖_F."""
        return float(np.sqrt(max(np.trace(self.squares), 0.0)))

    def matrix(self) -> Float[np.ndarray, "d d"]:
        """The product itself."""
        return self.left.T @ self.right


class Share(NamedTuple):
    """The identity in one head.

    Attributes:
        z: Standard deviations by which the trace is away from the mean over permutations, exact.
        coefficient: The multiple of the identity nearest to the product.
        p: An upper bound on the probability of such a z among permutations, two-sided.
        rank: (Σ σ²)²/Σ σ⁴ of the singular values, from 1 to the width of the head.
        null: z of the permutations drawn.
    """

    z: float
    coefficient: float
    p: float
    rank: float
    null: Float[np.ndarray, "b"]


def center(left: Float[np.ndarray, "p d"], right: Float[np.ndarray, "p d"]) -> Product:
    """The product with the mean over coordinates taken off on both sides."""
    wide = (np.asarray(each, np.float64) for each in (left, right))
    return Product(*(each - each.mean(axis=1, keepdims=True) for each in wide))


def identity_share(product: Product, permutations: Int[np.ndarray, "b d"]) -> Share:
    """z, a bound on its p-value, the coefficient and the rank.

    Two bounds on the p-value hold for any weights: that of the permutations drawn,
    (1 + #{|z_π| ≥ |z|})/(B + 1), and Markov's inequality for the fourth power, E z_π⁴/z⁴. The first
    cannot be small, the second can, and knows of weights whose norm is in few entries. Twice the
    smaller one is valid.

    Args:
        product: Of a head.
        permutations: B permutations of the d coordinates.

    Returns:
        The share; zeros and p = 1 for weights that are zero.

    Example:
        >>> weights = np.random.default_rng(0).standard_normal((8, 64))
        >>> product = center(weights, weights)
        >>> share = identity_share(product, np.array([np.roll(np.arange(64), 1)]))
        >>> share.z > 20, share.coefficient > 0, 1 < share.rank < 8
        (True, True, True)
    """
    if product.norm <= TINY:
        return Share(0.0, 0.0, 1.0, 0.0, np.zeros(len(permutations)))
    matrix = product.matrix()
    deviation = product.norm / np.sqrt(product.dim - 1)
    z = float(product.trace / deviation)
    # The mean over permutations of tr(H M H P) is zero: what is drawn needs no shift.
    null = matrix[np.arange(product.dim), permutations].sum(axis=1) / deviation
    return Share(
        z=z,
        coefficient=product.trace / (product.dim - 1),
        p=_p_value(z, null, fourth_moment(product)),
        rank=effective_rank(product),
        null=null,
    )


def _p_value(z: float, null: Float[np.ndarray, "b"], fourth: float) -> float:
    drawn = (1 + np.count_nonzero(np.abs(null) >= abs(z))) / (len(null) + 1)
    markov = fourth / max(z**4, TINY)
    return float(min(1.0, 2 * drawn, 2 * markov))


def fourth_moment(product: Product) -> float:
    """E z_π⁴ over all permutations; near 3 where no entry of the product stands out.

    Exact: E (Σ_j M_{jπ(j)})⁴ splits by which of the four indices agree. As rows and columns sum to
    zero, sums over distinct indices are polynomials in Σ M⁴, Σ M², the squares of the sums of M²
    over rows and over columns, and Σ σ⁴.

    Args:
        product: Of a head, d ≥ 4.

    Returns:
        The fourth moment over the squared variance, exact to rounding.

    Example:
        >>> import itertools
        >>> product = center(*np.random.default_rng(0).standard_normal((2, 3, 5)))
        >>> matrix = product.matrix()
        >>> sums = np.array([matrix[range(5), p].sum() for p in itertools.permutations(range(5))])
        >>> bool(np.isclose(fourth_moment(product), (sums**4).mean() / (sums**2).mean() ** 2))
        True
    """
    d, entries = product.dim, product.matrix() ** 2
    second, fourth = entries.sum(), np.sum(entries**2)
    lines = np.sum(entries.sum(axis=0) ** 2) + np.sum(entries.sum(axis=1) ** 2)
    two_two = second**2 - lines + fourth
    two_one_one = second**2 - 2 * lines + 4 * fourth
    cycles = np.sum(product.squares * product.squares.T) - 2 * lines + 4 * fourth
    total = (
        fourth / d
        + (4 * fourth + 3 * two_two) / (d * (d - 1))
        + 6 * two_one_one / (d * (d - 1) * (d - 2))
        + (3 * two_one_one + 6 * cycles) / (d * (d - 1) * (d - 2) * (d - 3))
    )
    return float(total / (second / (d - 1)) ** 2)


def effective_rank(product: Product) -> float:
    """(Σ σ²)²/Σ σ⁴ of the singular values σ of the product."""
    squares = product.squares
    return float(np.trace(squares) ** 2 / max(np.sum(squares * squares.T), TINY))


def false_discoveries(p: Float[np.ndarray, "..."], level: float) -> Bool[np.ndarray, "..."]:
    """Which tests are found, of them at most a share `level` falsely in expectation.

    Benjamini and Hochberg's procedure, which needs tests that are independent or positively
    dependent: with p sorted, the largest i with p_(i) ≤ i·level/n, and all before it.

    Args:
        p: p-values, each valid for its own test.
        level: The bound on the false-discovery rate, between 0 and 1.

    Returns:
        A truth value for each test.

    References:
        Benjamini and Hochberg (1995), Controlling the false discovery rate.

    Example:
        >>> false_discoveries(np.array([0.001, 0.04, 0.03, 0.9]), 0.05)
        array([ True, False, False, False])
    """
    n = p.size
    ordered = np.sort(p, axis=None)
    passed = np.flatnonzero(ordered <= level * np.arange(1, n + 1) / n)
    return p <= (ordered[passed[-1]] if passed.size else -1.0)
