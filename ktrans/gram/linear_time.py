"""The product of a Gram matrix with vectors in linear time (theory, section 5).

With the samples' matchings M(i, j), K_ij = Σ_{P ⊆ M(i,j)} c(P). Sorted by the size p of P,

    K = diag(d) + Σ_p U_p (I ⊗ C_p) U_pᵀ,

where U_p puts sample i in the table entry of each set of p tokens that it shares with another
sample, in the column that says which wildcards carry them, and d collects the sets it shares with
none.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ktrans.gram.base import LinearMap
from ktrans.gram.coefficients import Coefficients
from ktrans.gram.incidence import Incidence

Columns = tuple[tuple[int, tuple[int, ...]], ...]


class Level(eqx.Module):
    """U_p and C_p for the sets of one size p >= 1."""

    coefficients: Float[Array, "q q"]
    index: tuple[Int[Array, "_s"], ...]
    rows: tuple[Int[Array, "_s"] | None, ...]
    num_sets: int = eqx.field(static=True)
    columns: Columns = eqx.field(static=True)

    def scatter(self, vectors: Float[Array, "n c"]) -> Float[Array, "q m c"]:
        """U_pᵀ V: sums over the samples that hold a set in a column."""
        size = self.num_sets * len(self.columns)
        table = jnp.zeros((size, vectors.shape[1]), vectors.dtype)
        for index, rows in zip(self.index, self.rows, strict=True):
            part = vectors[: len(index)] if rows is None else vectors[rows]
            table = table.at[index].add(part, mode="promise_in_bounds")
        return table.reshape(len(self.columns), self.num_sets, -1)

    def gather_add(
        self, table: Float[Array, "q m c"], vectors: Float[Array, "n c"]
    ) -> Float[Array, "n c"]:
        """V + U_p T: each sample adds the entries of the sets it holds."""
        flat = table.reshape(-1, table.shape[2])
        for index, rows in zip(self.index, self.rows, strict=True):
            part = flat.at[index].get(mode="promise_in_bounds")
            if rows is not None:
                vectors = vectors.at[rows].add(part, mode="promise_in_bounds")
            elif len(index) == len(vectors):
                vectors = vectors + part
            else:
                vectors = vectors.at[: len(index)].add(part)
        return vectors


class LinearTimeGram(LinearMap):
    """K over strings sorted by refined template."""

    base: Float[Array, "g g"]
    levels: tuple[Level, ...]
    self_coefficients: Float[Array, "n"]
    group: Int[Array, "n"]
    bounds: tuple[int, ...] = eqx.field(static=True)

    def group_sums(self, vectors: Float[Array, "n c"]) -> Float[Array, "g c"]:
        """Z ᵀ V: sums over the samples of each refined template, pairwise for accuracy."""
        pieces = zip(self.bounds[:-1], self.bounds[1:], strict=True)
        return jnp.stack([vectors[start:stop].sum(0) for start, stop in pieces])

    def apply(self, vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
        """K V: one scatter and one gather for each set of tokens in each sample."""
        shared = self.base @ self.group_sums(vectors)
        product = self.self_coefficients[:, None] * vectors + shared[self.group]
        for level in self.levels:
            table = jnp.einsum("qp,pmc->qmc", level.coefficients, level.scatter(vectors))
            product = level.gather_add(table, product)
        return product


def build_linear_time_gram(
    group: Int[np.ndarray, "n"],
    coefficients: Coefficients,
    incidences: list[Incidence],
) -> LinearTimeGram:
    """Put the coefficients of a kernel on the incidences of sorted samples."""
    num_groups = len(coefficients.self_values)
    sizes = np.bincount(group, minlength=num_groups)
    base = coefficients.matrix([(g, ()) for g in range(num_groups)])
    return LinearTimeGram(
        base=jnp.asarray(base),
        levels=tuple(_level(incidence, coefficients) for incidence in incidences),
        self_coefficients=jnp.asarray(_self_coefficients(group, coefficients, incidences)),
        group=jnp.asarray(group, dtype=jnp.int32),
        bounds=tuple(np.cumsum([0, *sizes]).tolist()),
    )


def _level(incidence: Incidence, coefficients: Coefficients) -> Level:
    return Level(
        coefficients=jnp.asarray(coefficients.matrix(incidence.columns)),
        index=tuple(jnp.asarray(part.index) for part in incidence.parts),
        rows=tuple(
            None if part.rows is None else jnp.asarray(part.rows) for part in incidence.parts
        ),
        num_sets=incidence.num_sets,
        columns=tuple(incidence.columns),
    )


def _self_coefficients(
    group: Int[np.ndarray, "n"], coefficients: Coefficients, incidences: list[Incidence]
) -> Float[np.ndarray, "n"]:
    """d_i = K(x_i, x_i) − Σ c(identity on S) over the sets S of x_i that stand in the tables."""
    num_groups = len(coefficients.self_values)
    widths = np.zeros(num_groups, dtype=np.int64)
    for incidence in incidences[:1]:
        widths = np.bincount([g for g, _ in incidence.columns], minlength=num_groups)
    base = np.array([coefficients(g, g, ()) for g in range(num_groups)])
    remainder = (coefficients.self_values - base)[group]
    in_tables = np.ones(len(group), dtype=np.int64)
    for part in (part for incidence in incidences for part in incidence.parts):
        identity = tuple((a, a) for a in part.slot)
        known = _for_groups(widths > max(part.slot), lambda g, p=identity: coefficients(g, g, p))
        rows = slice(len(part.index)) if part.rows is None else part.rows
        remainder[rows] -= known[group[rows]]
        in_tables[rows] += 1
    # Nothing is left of a sample all of whose 2^w sets stand in the tables, not even rounding.
    remainder[in_tables == 2 ** widths[group]] = 0.0
    return remainder


def _for_groups(chosen: np.ndarray, value: Callable[[int], float]) -> Float[np.ndarray, "g"]:
    return np.array([value(g) if use else 0.0 for g, use in enumerate(chosen)])
