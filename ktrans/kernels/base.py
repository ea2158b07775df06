"""A kernel is a value for each kind of pair of strings."""

import abc
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from ktrans._checks import LARGEST_SEED, as_int
from ktrans._numerics import check_dense_size, is_traced
from ktrans._results import Result
from ktrans.patterns.classes import as_tokens, equality_pattern, pair_classes

STANDARD_ERRORS = 5  # what an estimate states as its bound


class _Bounded(NamedTuple):
    value: Any
    bound: Any
    certified: bool


class Bounded(_Bounded):
    """Numbers with a bound on their errors, and whether that bound is proved.

    Certified: the truth is within `bound` of `value` (arrays of equal shape). Otherwise some values
    are estimates, and the bound is five standard errors or a guess. **Nothing is certified by
    default**: whoever makes the value says so where a theorem gives the bound. A value or bound
    that is not finite, or is being traced, certifies nothing, whatever is said.

    Args:
        value: Numbers, any shape.
        bound: Bounds on their errors, not negative, of the same shape.
        certified: Whether |truth − value| ≤ bound is proved, rounding included.

    Example:
        >>> Bounded(1.0, 1e-12).certified, Bounded(1.0, 1e-12, certified=True).certified
        (False, True)
        >>> Bounded(np.nan, 1e-12, certified=True).certified
        False
    """

    __slots__ = ()

    def __new__(cls, value: Any, bound: Any, certified: Any = False) -> "Bounded":
        """The triple; the flag stands only where value and bound are numbers."""
        return super().__new__(cls, value, bound, _is_bounded(value, bound) and bool(certified))

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> "Bounded":
        """What `_replace` makes; without it the flag would not be looked at."""
        return cls(*iterable)


def _is_bounded(value: Any, bound: Any) -> bool:
    """Whether all values are finite numbers and all bounds finite and not negative."""
    if is_traced(value, bound):
        return False
    try:
        values, bounds = np.asarray(value, dtype=float), np.asarray(bound, dtype=float)
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(values).all() and np.isfinite(bounds).all() and (bounds >= 0).all())


class Estimate(NamedTuple):
    """An estimated number: the mean over draws and the standard error of that mean."""

    mean: Float[np.ndarray, "..."]
    stderr: Float[np.ndarray, "..."]


class TokenSymmetricKernel(eqx.Module, Result):
    """A kernel with K(πx, πy) = K(x, y) for every permutation π of the vocabulary.

    Its value depends only on which positions of the two strings carry equal tokens, so a Gram
    matrix of n² entries holds a handful of distinct values: each is evaluated once.
    """

    @abc.abstractmethod
    def evaluate_pairs(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> Bounded:
        """K(x_c, y_c) for each row c, with a bound on its error.

        Args:
            tokens1: Strings x, shape (c, k), any integers.
            tokens2: Strings y, shape (c, k).

        Returns:
            Values and bounds, each of shape (c,). An estimate, unless it says `certified=True`: the
            bounds are then proved, and so is whatever the values are made of.
        """

    def pair_keys(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> list[Hashable]:
        """A key for each row: equal keys have exactly equal values, for a structural reason.

        Here the joint equality pattern of the two strings. A kernel that knows less of two strings
        says so with coarser keys, and thereby lets N be certified singular.

        Args:
            tokens1: Strings x, shape (c, k), any integers.
            tokens2: Strings y, shape (c, k).

        Returns:
            c keys, exact.
        """
        return list(map(tuple, equality_pattern(np.hstack([tokens1, tokens2])).tolist()))

    def __call__(
        self, tokens1: ArrayLike, tokens2: ArrayLike | None = None
    ) -> np.ndarray | jax.Array:
        """The Gram matrix K(x_i, y_j).

        Args:
            tokens1: Strings x, integers of shape (n1, k).
            tokens2: Strings y, integers of shape (n2, k); the strings x where it is left out.

        Returns:
            Float64 array of shape (n1, n2), as exact as `evaluate_pairs`; a traced JAX array under
            a transformation such as `jax.grad`.

        Raises:
            TypeError: if the tokens are not integers.
            ValueError: if the strings have different lengths, or the matrix would take more than
                8 GiB.
        """
        return self._matrix(tokens1, tokens2).value

    def bounded(self, tokens1: ArrayLike, tokens2: ArrayLike | None = None) -> Bounded:
        """The Gram matrix with a bound on the error of each entry, both of shape (n1, n2)."""
        return self._matrix(tokens1, tokens2)

    def diagonal(self, tokens: ArrayLike) -> np.ndarray | jax.Array:
        """The values K(x_i, x_i), float64 of shape (n,)."""
        strings = as_tokens(tokens)
        if len(strings) == 0:
            return np.zeros(0)
        kinds = _self_classes(strings)
        values = self.evaluate_pairs(strings[kinds.first], strings[kinds.first]).value
        return values[kinds.inverse]

    def _matrix(self, tokens1: ArrayLike, tokens2: ArrayLike | None) -> Bounded:
        first, second = as_token_pair(tokens1, tokens2)
        if first.size == 0 or second.size == 0:
            empty = np.zeros((len(first), len(second)))
            return Bounded(empty, empty, certified=True)
        check_dense_size((len(first), len(second)))
        classes = pair_classes(first, second)
        values = self.evaluate_pairs(classes.tokens1, classes.tokens2)
        index = classes.index
        return Bounded(values.value[index], values.bound[index], values.certified)


class SampledKernel(TokenSymmetricKernel):
    """A kernel that can be estimated by Monte Carlo too, one draw serving all strings."""

    def estimate(
        self,
        tokens1: ArrayLike,
        tokens2: ArrayLike | None = None,
        *,
        seed: int = 0,
        num_samples: int = 10_000,
    ) -> Estimate:
        """The Gram matrix by Monte Carlo.

        Draws of the attention features serve all strings at once, so that the mean of K_attn is
        positive semi-definite by construction; a kernel with an activation is its dual.

        Args:
            tokens1: Strings x, integers of shape (n1, k).
            tokens2: Strings y, shape (n2, k); the strings x where it is left out.
            seed: The same seed gives the same draws: of K_attn and K_trans for whatever strings, of
                modified attention for the same ones.
            num_samples: Number of draws, at least 2.

        Returns:
            Estimated mean and standard error (delta method), each of shape (n1, n2).
        """
        first, second = as_token_pair(tokens1, tokens2)
        draws, start = as_int("num_samples", num_samples, 2), as_int("seed", seed, 0, LARGEST_SEED)
        return self._estimate(first, second, start, draws)

    @abc.abstractmethod
    def _estimate(
        self,
        tokens1: Int[np.ndarray, "n1 k"],
        tokens2: Int[np.ndarray, "n2 k"],
        seed: int,
        num_samples: int,
    ) -> Estimate:
        """The same for checked strings and a checked number of draws."""


def as_token_pair(
    tokens1: ArrayLike, tokens2: ArrayLike | None
) -> tuple[Int[np.ndarray, "n1 k"], Int[np.ndarray, "n2 k"]]:
    """Both sets of strings, checked; the first one twice where the second is left out."""
    first = as_tokens(tokens1, "tokens1")
    second = first if tokens2 is None else as_tokens(tokens2, "tokens2")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"`tokens1` and `tokens2` must have strings of equal length; got {first.shape[1]} "
            f"and {second.shape[1]}."
        )
    return first, second


class _SelfClasses(NamedTuple):
    first: np.ndarray
    inverse: np.ndarray


def _self_classes(strings: Int[np.ndarray, "n k"]) -> _SelfClasses:
    _, first, inverse = np.unique(
        equality_pattern(strings), axis=0, return_index=True, return_inverse=True
    )
    return _SelfClasses(first, inverse.reshape(-1))
