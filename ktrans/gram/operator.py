"""The Gram matrix of n strings without the matrix: exact products in O(n)."""

from functools import cached_property
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from ktrans._checks import as_array, check_kind, shown
from ktrans._numerics import check_dense_size, in_float64
from ktrans.gram._ranking import fold
from ktrans.gram.base import (
    AbstractGram,
    AbstractSquareGram,
    DistinctStrings,
    LinearMap,
)
from ktrans.gram.dense import BlockedGram, BlockedLookup, BlockedMap
from ktrans.gram.incidence import Incidence, find_incidences
from ktrans.gram.linear_time import build_linear_time_gram
from ktrans.gram.refinement import Refinement, infer_regular_tokens, refine
from ktrans.gram.sharded import flat_mesh
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.coefficients import Coefficients, PairValues, meetings
from ktrans.patterns.classes import as_tokens
from ktrans.tasks import Dataset, TemplateTask

MAX_GROUPS = 256
_TILE = 1 << 15  # tokens whose table entries fill a quarter of a megabyte
_SMALL_CROSS = 1 << 22  # this many entries are looked up faster than tables are built


class GramOperator(AbstractSquareGram):
    """The Gram matrix K(x_i, x_j) of n strings, known by exact products in O(n).

    K_ij = Σ_{P ⊆ M(i,j)} c(P), with M(i, j) the matching of the wildcards of the two strings and c
    the Möbius transform of the kernel's values on matchings. Tokens that are not regular are
    wildcards; which ones are regular changes the cost, never the result.

    Args:
        kernel: A token-symmetric kernel.
        dataset: A `Dataset`, or an integer array of strings of shape (n, k).
        regular_tokens: Tokens to be taken as regular. Left out, they are those of the dataset's
            task, or for an array the tokens that never change in strings of one equality pattern.
        values: Kernel values known from an earlier operator of the same kernel.
        mesh: Devices to share the samples, such as `jax.make_mesh((8,), ("samples",))`; with many
            processes each of them passes the same dataset. Left out, the default device.

    Attributes:
        method: "linear", or "blocked" where the strings have too many refined templates or
            wildcards: then every product looks all n² entries up.
        templates: "declared" or "inferred" from equality patterns.
        description: One sentence about what was done.

    Raises:
        TypeError: if the tokens are not integers.
        ValueError: if there are no strings.

    Example:
        >>> import ktrans as kt
        >>> data = kt.tasks.load("aba_abb", vocab_size=50).sample(100)
        >>> operator = kt.GramOperator(kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(),
        ...     weight_variance=2.0, bias_variance=0.0), data)
        >>> operator.shape, operator.method, (operator @ data.labels).shape
        ((100, 100), 'linear', (100,))
    """

    kernel: TokenSymmetricKernel
    tokens: Int[np.ndarray, "n k"]
    regular_tokens: Int[np.ndarray, "m"]
    templates: Literal["declared", "inferred"] = eqx.field(static=True)
    values: PairValues = eqx.field(static=True)
    task: TemplateTask | None = eqx.field(static=True)
    mesh: Mesh | None = eqx.field(static=True)
    refinement: Refinement
    _distinct: DistinctStrings

    @in_float64
    def __init__(
        self,
        kernel: TokenSymmetricKernel | str,
        dataset: Dataset | ArrayLike,
        *,
        regular_tokens: ArrayLike | None = None,
        values: Any = None,
        mesh: Any = None,
    ):
        if not isinstance(kernel, TokenSymmetricKernel):
            raise TypeError(
                f"`kernel` must be a token-symmetric kernel; got {type(kernel).__name__}."
            )
        if values is not None:
            check_kind("values", values, PairValues)
        self.kernel = kernel
        self.values = PairValues(kernel) if values is None else values
        self.mesh = flat_mesh(mesh)
        self.task = dataset.task if isinstance(dataset, Dataset) else None
        self.tokens = _read_tokens(dataset)
        declared = _declared_tokens(dataset) if regular_tokens is None else regular_tokens
        self.regular_tokens, self.refinement, self.templates = _refined(self.tokens, declared)
        self._distinct = _distinct_strings(self.refinement)

    @classmethod
    def restored(
        cls,
        kernel: TokenSymmetricKernel,
        tokens: Int[np.ndarray, "n k"],
        regular_tokens: Int[np.ndarray, "m"],
        task: TemplateTask | None,
    ) -> "GramOperator":
        """An operator as it was, from what it was made of."""
        operator = cls(kernel, tokens, regular_tokens=regular_tokens)
        object.__setattr__(operator, "task", task)
        return operator

    @property
    def method(self) -> Literal["linear", "blocked"]:
        """How products are made."""
        return "blocked" if self._incidences is None else "linear"

    @property
    def description(self) -> str:
        """What was done, in one sentence."""
        how = "exact products in linear time" if self.method == "linear" else "blocked look-up"
        return (
            f"{len(self.tokens)} strings, {len(self.distinct.first)} of them distinct, in "
            f"{len(self.refinement.codes)} refined templates ({self.templates}): {how}."
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n)."""
        return len(self.tokens), len(self.tokens)

    @cached_property
    def core(self) -> LinearMap:
        """The Gram matrix of the distinct strings, on the device; tables are built here."""
        if self._incidences is None:
            strings = self.tokens[self.distinct.first]
            return BlockedMap(BlockedLookup(self.values, strings, strings))
        with jax.enable_x64(True):
            group = self.refinement.group[self.distinct.first]
            shown = {
                m
                for each in self._incidences
                for m in meetings(each.columns, each.meetings(len(self.tokens)))
            }
            size = len(self._incidences)
            coefficients = Coefficients(self.values, self.refinement.codes, size, shown)
            return build_linear_time_gram(group, coefficients, self._incidences, self.mesh)

    @cached_property
    def _incidences(self) -> list[Incidence] | None:
        """Which sets of tokens stand in which strings; None where they are too many."""
        if len(self.refinement.codes) > MAX_GROUPS:
            return None
        first, known = self.distinct.first, self.refinement
        wildcards = known.wildcards[first]
        return find_incidences(known.group[first], known.widths, wildcards, known.num_tokens)

    @property
    def distinct(self) -> DistinctStrings:
        """Which strings are copies of which."""
        return self._distinct

    def diagonal(self) -> np.ndarray:
        """The entries K(x_i, x_i), float64 of shape (n,)."""
        samples = self._samples(int(self.tokens.max()) + 1)
        return self.values(samples, samples)[self.refinement.group]

    def to_dense(self) -> np.ndarray:
        """The matrix itself, float64 of shape (n, n).

        Raises:
            ValueError: if it would take more than 8 GiB; the sentence says how much it takes.
        """
        check_dense_size(self.shape)
        return self.values.matrix(self.tokens, self.tokens)

    def core_to_dense(self) -> np.ndarray:
        """The Gram matrix of the distinct strings, float64."""
        strings = self.tokens[self.distinct.first]
        check_dense_size((len(strings), len(strings)))
        return self.values.matrix(strings, strings)

    def cross(self, tokens: ArrayLike) -> AbstractGram:
        """The matrix K(z_i, x_j) between other strings z (rows) and these (columns).

        Args:
            tokens: Strings z, integers of shape (n1, k).

        Returns:
            An operator of shape (n1, n) whose products are exact to rounding.

        Raises:
            ValueError: if the strings have another length.
        """
        return self._cross(tokens, self.tokens)

    def core_cross(self, tokens: ArrayLike) -> AbstractGram:
        """The matrix between other strings (rows) and the distinct strings among these."""
        return self._cross(tokens, self.tokens[self.distinct.first])

    def _cross(self, tokens: ArrayLike, columns: Int[np.ndarray, "d k"]) -> AbstractGram:
        strings = as_tokens(tokens)
        if strings.shape[1] != columns.shape[1]:
            raise ValueError(
                f"`tokens` must have {columns.shape[1]} positions, as the training strings have; "
                f"got {strings.shape[1]}."
            )
        if len(strings) * len(columns) <= _SMALL_CROSS or self.method == "blocked":
            return BlockedGram(self.values, strings, columns)
        both = np.concatenate([columns, strings])
        regular, values, mesh = self.regular_tokens, self.values, self.mesh
        union = GramOperator(self.kernel, both, regular_tokens=regular, values=values, mesh=mesh)
        return CrossGram(union, len(columns))

    def unseen(self, strings: Int[np.ndarray, "r k"]) -> Float[np.ndarray, "r g"]:
        """K of strings whose wildcards take unseen tokens with each refined template."""
        samples = self._samples(int(max(self.tokens.max(), strings.max())) + 1)
        first = np.repeat(strings, len(samples), axis=0)
        second = np.tile(samples, (len(strings), 1))
        return self.values(first, second).reshape(len(strings), len(samples))

    def _samples(self, fresh: int) -> Int[np.ndarray, "g k"]:
        """A string of each refined template whose wildcards take the tokens from `fresh` on."""
        codes, group = self.refinement.codes, self.refinement.group
        first = np.array([np.argmax(group == g) for g in range(len(codes))])
        return np.where(codes < 0, fresh - 1 - codes, self.tokens[first])


class CrossGram(AbstractGram):
    """The last rows and first columns of the Gram matrix of a union of two sets of strings."""

    union: GramOperator
    num_columns: int = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int]:
        """(n1, n)."""
        return len(self.union.tokens) - self.num_columns, self.num_columns

    def product(self, vectors: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n1 c"]:
        """K V."""
        padded = np.pad(vectors, ((0, self.shape[0]), (0, 0)))
        return self.union.product(padded)[len(vectors) :]

    def to_dense(self) -> np.ndarray:
        """The matrix itself, float64 of shape (n1, n)."""
        check_dense_size(self.shape)
        strings = self.union.tokens
        values = self.union.values
        return values.matrix(strings[self.num_columns :], strings[: self.num_columns])


def _read_tokens(dataset: Dataset | ArrayLike) -> Int[np.ndarray, "n k"]:
    tokens = dataset.tokens if isinstance(dataset, Dataset) else as_tokens(dataset, "dataset")
    if len(tokens) == 0:
        raise ValueError("`dataset` must hold at least one string; got none.")
    return tokens


def _declared_tokens(dataset: Dataset | ArrayLike) -> list[int] | None:
    if not isinstance(dataset, Dataset):
        return None
    return [*dataset.task.regular_token_ids.values(), dataset.task.cls_id]


def _refined(
    tokens: Int[np.ndarray, "n k"], declared: ArrayLike | None
) -> tuple[np.ndarray, Refinement, Literal["declared", "inferred"]]:
    """Refined templates; those inferred where the declared tokens give too many of them."""
    if declared is not None:
        regular = as_array("regular_tokens", declared).reshape(-1)
        if regular.size and regular.dtype.kind not in "iu":
            raise TypeError(f"`regular_tokens` must be token ids; got {shown(declared)}.")
        regular = regular.astype(np.int64)
        refinement = refine(tokens, regular)
        if len(refinement.codes) <= MAX_GROUPS:
            return regular, refinement, "declared"
    regular = infer_regular_tokens(tokens)
    return regular, refine(tokens, regular), "inferred"


def _distinct_strings(refinement: Refinement) -> DistinctStrings:
    """Copies found by sorting, in an order that keeps the tables of tokens in cache."""
    keys = fold((column.astype(np.int64), bound) for column, bound in _sort_columns(refinement))
    order = np.argsort(keys.values)
    ordered = keys.values[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    index = np.empty(len(order), dtype=np.int32)
    index[order] = np.cumsum(new, dtype=np.int32) - 1
    return DistinctStrings(index, np.diff(np.flatnonzero(np.append(new, True))), order[new])


def _sort_columns(refinement: Refinement) -> list[tuple[Int[np.ndarray, "n"], int]]:
    """Template, then tiles of the first wildcard's tokens, each with the second's in order.

    A tile's part of a table stays in cache while the second wildcard runs through its own once.
    """
    columns = [(refinement.group, len(refinement.codes))]
    columns += [(column, refinement.num_tokens) for column in refinement.wildcards.T]
    if refinement.wildcards.shape[1] < 2:
        return columns
    template, (first, bound), second, *rest = columns
    tile = (first // _TILE, bound // _TILE + 1)
    return [template, tile, second, (first % _TILE, _TILE), *rest]
