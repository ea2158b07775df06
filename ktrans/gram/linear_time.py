"""The product of a Gram matrix with vectors in linear time (theory, section 5).

With the samples' matchings M(i, j), K_ij = Σ_{P ⊆ M(i,j)} c(P). Sorted by the size p of P,

    K = diag(d) + Σ_p U_p (I ⊗ C_p) U_pᵀ,

where U_p puts sample i in the table entry of each set of p tokens that it shares with another
sample, in the column that says which wildcards carry them, and d collects the sets it shares with
none. U_0 puts a sample in its refined template.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from ktrans.gram.base import LinearMap
from ktrans.gram.incidence import Incidence, Part
from ktrans.gram.sharded import (
    BLOCK,
    bucket,
    deal,
    fetch,
    num_shards,
    on_shards,
    place,
    sum_over_shards,
    undeal,
)
from ktrans.kernels.coefficients import Coefficients

Anywhere = Array | np.ndarray
Columns = tuple[tuple[int, tuple[int, ...]], ...]
Tables = tuple[Float[Array, "_q _m c"], ...]


class Slot(eqx.Module):
    """Samples of a shard and their places in a table.

    They are `rows`, or the first ones where that is None; of these the first `count` where that is
    given. The others, filled in, hold zeros and stand in the last set, which nobody else holds.
    """

    index: Int[Anywhere, "_s"]
    rows: Int[Anywhere, "_s"] | None
    count: Int[Anywhere, "_shards"] | None

    def take(self, vectors: Float[Array, "n c"]) -> Float[Array, "s c"]:
        """The samples' part of vectors."""
        if self.rows is not None:
            return vectors[self.rows]
        part = vectors[: len(self.index)]
        if self.count is None:
            return part
        return jnp.where(jnp.arange(len(part))[:, None] < self.count, part, 0.0)

    def add(self, part: Float[Array, "s c"], vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
        """Vectors with the samples' part added."""
        if self.rows is not None:
            return vectors.at[self.rows].add(part, mode="promise_in_bounds")
        if len(part) == len(vectors):
            return vectors + part
        return vectors.at[: len(part)].add(part)


class Level(eqx.Module):
    """U_p on a shard, for the sets of one size p >= 1."""

    slots: tuple[Slot, ...]
    num_sets: int = eqx.field(static=True)
    num_columns: int = eqx.field(static=True)

    def scatter(self, vectors: Float[Array, "n c"]) -> Float[Array, "q m c"]:
        """U_pᵀ V: sums over the samples that hold a set in a column."""
        table = jnp.zeros((self.num_sets * self.num_columns, vectors.shape[1]), vectors.dtype)
        for slot in self.slots:
            table = table.at[slot.index].add(slot.take(vectors), mode="promise_in_bounds")
        return table.reshape(self.num_columns, self.num_sets, -1)

    def gather_add(
        self, table: Float[Array, "q m c"], vectors: Float[Array, "n c"]
    ) -> Float[Array, "n c"]:
        """V + U_p T: each sample adds the entries of the sets it holds."""
        flat = table.reshape(-1, table.shape[2])
        for slot in self.slots:
            vectors = slot.add(flat.at[slot.index].get(mode="promise_in_bounds"), vectors)
        return vectors


class Shard(eqx.Module):
    """U_0, U_1, … of the samples of a shard, sorted by refined template.

    `block_group` is the template of each block of rows, that of `mixed` blocks one too many; so is
    the template of rows filled in.
    """

    group: Int[Anywhere, "_n"]
    block_group: Int[Anywhere, "_b"]
    mixed: Int[Anywhere, "_g"]
    levels: tuple[Level, ...]
    num_groups: int = eqx.field(static=True)

    def collect(self, vectors: Float[Array, "n c"]) -> Tables:
        """The tables Uᵀ V."""
        base = self._group_sums(vectors)[:, None]
        return (base, *(level.scatter(vectors) for level in self.levels))

    def spread(self, tables: Tables) -> Float[Array, "n c"]:
        """U T."""
        base, *rest = tables
        none = jnp.zeros((1, base.shape[2]), base.dtype)
        by_group = jnp.concatenate([base[:, 0], none])
        vectors = by_group.at[self.group].get(mode="promise_in_bounds")
        for level, table in zip(self.levels, rest, strict=True):
            vectors = level.gather_add(table, vectors)
        return vectors

    def _group_sums(self, vectors: Float[Array, "n c"]) -> Float[Array, "g c"]:
        """Sums of whole blocks, for speed and accuracy, and row by row of the mixed ones."""
        blocks = vectors.reshape(len(self.block_group), -1, vectors.shape[1])
        sums = jnp.zeros((self.num_groups + 1, vectors.shape[1]), vectors.dtype)
        sums = sums.at[self.block_group].add(blocks.sum(1), mode="promise_in_bounds")
        groups = jnp.reshape(self.group, (len(self.block_group), -1))
        at_mixed = groups.at[self.mixed].get(mode="fill", fill_value=self.num_groups)
        sums = sums.at[at_mixed].add(blocks.at[self.mixed].get(mode="fill", fill_value=0.0))
        return sums[: self.num_groups]


class LinearTimeGram(LinearMap):
    """K over strings sorted by refined template, on one device or on the shards of a mesh.

    `coefficients` are C_0, C_1, …; `owner` is the number p of a sample's wildcards where the set of
    all of them stands in the table of p-sets, else 0.
    """

    coefficients: tuple[Float[Array, "_q _q"], ...]
    self_coefficients: Float[Array, "n"]
    owner: Int[Array, "n"]
    shard: Shard
    columns: tuple[Columns, ...] = eqx.field(static=True)
    mesh: Mesh | None = eqx.field(static=True)

    def collect(self, vectors: Float[Array, "n c"]) -> Tables:
        """The tables Uᵀ V: the only step in which shards speak to each other."""
        return sum_over_shards(Shard.collect, self.mesh, self.shard, vectors)

    def spread(self, tables: Tables) -> Float[Array, "n c"]:
        """U T."""
        return on_shards(Shard.spread, self.mesh, self.shard, tables)

    def apply(self, vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
        """K V: one scatter and one gather for each set of tokens in each sample."""
        sums = zip(self.coefficients, self.collect(vectors), strict=True)
        images = tuple(jnp.einsum("qp,pmc->qmc", *pair) for pair in sums)
        return self.self_coefficients[:, None] * vectors + self.spread(images)

    def put(self, vectors: Float[np.ndarray, "d c"], fill: float = 0.0) -> Array:
        """Vectors over samples dealt out to the shards."""
        shards = num_shards(self.mesh)
        dealt = deal(vectors, shards, len(self.owner) // shards, fill)
        return place(dealt, self.mesh, dealt=True)

    def take(self, array: Array, num_samples: int) -> np.ndarray:
        """Vectors over samples back on the host, in every process."""
        return undeal(fetch(array, self.mesh), num_shards(self.mesh), num_samples)

    def replicate(self, array: np.ndarray) -> Array:
        """A small array, whole on each device."""
        return place(array, self.mesh, dealt=False)


def build_linear_time_gram(
    group: Int[np.ndarray, "n"],
    coefficients: Coefficients,
    incidences: list[Incidence],
    mesh: Mesh | None = None,
) -> LinearTimeGram:
    """Put the coefficients of a kernel on the incidences of sorted samples."""
    num_groups = len(coefficients.self_values)
    shards = num_shards(mesh)
    rows = bucket(-(-len(group) // shards) + 1)  # at least one row is filled in
    base = tuple((g, ()) for g in range(num_groups))
    columns = (base, *(tuple(incidence.columns) for incidence in incidences))
    diagonal = _self_coefficients(group, coefficients, incidences)

    def dealt(values: np.ndarray, fill: int | float) -> Array:
        return place(deal(values, shards, rows, fill), mesh, dealt=True)

    return LinearTimeGram(
        coefficients=tuple(place(coefficients.matrix(each), mesh, dealt=False) for each in columns),
        self_coefficients=dealt(diagonal, 0.0),
        owner=dealt(_owner(group, num_groups, incidences), 0),
        shard=_shard(group, num_groups, incidences, rows, mesh),
        columns=columns,
        mesh=mesh,
    )


def _shard(
    group: Int[np.ndarray, "n"],
    num_groups: int,
    incidences: list[Incidence],
    rows: int,
    mesh: Mesh | None,
) -> Shard:
    dealt = deal(group.astype(np.int32), num_shards(mesh), rows, num_groups)
    blocks = dealt.reshape(num_shards(mesh), -1, BLOCK)
    is_mixed = blocks[..., 0] != blocks[..., -1]
    block_group = np.where(is_mixed, num_groups, blocks[..., 0])
    mixed = np.full((len(blocks), num_groups), blocks.shape[1], dtype=np.int32)
    for place_of, found in zip(mixed, is_mixed, strict=True):
        places = np.flatnonzero(found)
        place_of[: len(places)] = places
    host = Shard(
        group=dealt,
        block_group=block_group.reshape(-1),
        mixed=mixed.reshape(-1),
        levels=tuple(_level(incidence, len(group), rows, len(blocks)) for incidence in incidences),
        num_groups=num_groups,
    )
    return jax.tree.map(lambda array: place(array, mesh, dealt=True), host)


def _level(incidence: Incidence, num_samples: int, rows: int, shards: int) -> Level:
    num_sets = bucket(incidence.num_sets + 1)
    return Level(
        slots=tuple(_slot(part, num_sets, num_samples, rows, shards) for part in incidence.parts),
        num_sets=num_sets,
        num_columns=len(incidence.columns),
    )


def _slot(part: Part, num_sets: int, num_samples: int, rows: int, shards: int) -> Slot:
    """The samples of a slot dealt out: those of sample j go to shard j mod s, in row j // s."""
    wide = num_sets * (int(part.column.max(initial=0)) + 1) >= 2**31
    index = part.column.astype(np.int64 if wide else np.int32) * num_sets + part.set_number
    nobody = num_sets - 1
    if part.rows is None:
        whole = len(index) == num_samples
        length = rows if whole else bucket(-(-len(index) // shards))
        counts = -(-(len(index) - np.arange(shards, dtype=np.int32)) // shards)
        return Slot(deal(index, shards, length, nobody), None, None if whole else counts)
    by_shard = [part.rows % shards == shard for shard in range(shards)]
    length = bucket(max(int(np.count_nonzero(mine)) for mine in by_shard))
    return Slot(
        np.concatenate([deal(index[mine], 1, length, nobody) for mine in by_shard]),
        np.concatenate([deal(part.rows[mine] // shards, 1, length, rows - 1) for mine in by_shard]),
        None,
    )


def _owner(
    group: Int[np.ndarray, "n"], num_groups: int, incidences: list[Incidence]
) -> Int[np.ndarray, "n"]:
    widths = _widths(num_groups, incidences)[group]
    owner = np.zeros(len(group), dtype=np.int8)
    for incidence in incidences:
        for part in incidence.parts:
            rows = _rows(part)
            owner[rows] = np.where(widths[rows] == incidence.size, incidence.size, owner[rows])
    return owner


def _self_coefficients(
    group: Int[np.ndarray, "n"], coefficients: Coefficients, incidences: list[Incidence]
) -> Float[np.ndarray, "n"]:
    """d_i = K(x_i, x_i) − Σ c(identity on S) over the sets S of x_i that stand in the tables."""
    num_groups = len(coefficients.self_values)
    widths = _widths(num_groups, incidences)
    base = np.array([coefficients(g, g, ()) for g in range(num_groups)])
    remainder = (coefficients.self_values - base)[group]
    in_tables = np.ones(len(group), dtype=np.int64)
    for part in (part for incidence in incidences for part in incidence.parts):
        identity = tuple((a, a) for a in part.slot)
        known = _for_groups(widths > max(part.slot), lambda g, p=identity: coefficients(g, g, p))
        rows = _rows(part)
        remainder[rows] -= known[group[rows]]
        in_tables[rows] += 1
    # Nothing is left of a sample all of whose 2^w sets stand in the tables, not even rounding.
    remainder[in_tables == 2 ** widths[group]] = 0.0
    return remainder


def _widths(num_groups: int, incidences: list[Incidence]) -> Int[np.ndarray, "g"]:
    columns = incidences[0].columns if incidences else []
    return np.bincount([g for g, _ in columns], minlength=num_groups)


def _rows(part: Part) -> slice | np.ndarray:
    return slice(len(part.set_number)) if part.rows is None else part.rows


def _for_groups(chosen: np.ndarray, value: Callable[[int], float]) -> Float[np.ndarray, "g"]:
    return np.array([value(g) if use else 0.0 for g, use in enumerate(chosen)])
