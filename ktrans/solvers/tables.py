"""Ridge systems solved on the tables of tokens instead of on the samples.

The coefficients C_p of a linear-time product are positive semi-definite for a kernel that is so on
every vocabulary: C_p is what the p-token part of the population operator tends to as m → ∞. With
C_p = L_p L_pᵀ and V = [U_0 L_0, U_1 L_1, …], the ridge system is A = D + V Vᵀ, D diagonal, and

    α = D⁻¹ (y − V θ),    (I + Vᵀ D⁻¹ V) θ = Vᵀ D⁻¹ y.

The second system is definite whatever the approximations of its preconditioner, which a Woodbury
preconditioner of A itself is not. Its blocks for single sets of tokens are inverted exactly, and
the functions constant on a refined template, which hold the large eigenvalues, are projected out
(adapted deflation, Tang, Nabben, Vuik, Erlangga 2009).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ktrans.gram.linear_time import Level, LinearTimeGram
from ktrans.solvers.conjugate_gradients import Iterate, conjugate_gradients

Tables = tuple[Float[Array, "_s _m c"], ...]

_LARGEST_BLOCK = 6  # modes of a set of tokens that are inverted together
_NEGLIGIBLE = 1e-14
_REDUCTION = 1e-8


class TableSystem(NamedTuple):
    """A = diag(noise) + V Vᵀ; the first factor is that of the refined templates."""

    gram: LinearTimeGram
    noise: Float[Array, "n"]
    factors: tuple[Float[Array, "_q _s"], ...]

    def expand(self, tables: Tables) -> Float[Array, "n c"]:
        """V θ."""
        base, *rest = (
            jnp.einsum("qs,smc->qmc", factor, table)
            for factor, table in zip(self.factors, tables, strict=True)
        )
        vectors = base[:, 0].at[self.gram.group].get(mode="promise_in_bounds")
        for level, table in zip(self.gram.levels, rest, strict=True):
            vectors = level.gather_add(table, vectors)
        return vectors

    def collapse(self, vectors: Float[Array, "n c"]) -> Tables:
        """Vᵀ u."""
        return tuple(
            jnp.einsum("qs,qmc->smc", factor, sums)
            for factor, sums in zip(self.factors, self.sums(vectors), strict=True)
        )

    def sums(self, vectors: Float[Array, "n c"]) -> Tables:
        """Uᵀ u."""
        base = self.gram.group_sums(vectors)[:, None]
        return (base, *(level.scatter(vectors) for level in self.gram.levels))

    def apply(self, tables: Tables) -> Tables:
        """(I + Vᵀ D⁻¹ V) θ."""
        images = self.collapse(self.expand(tables) / self.noise[:, None])
        return jax.tree.map(jnp.add, tables, images)


class Preconditioner(NamedTuple):
    """Exact blocks for each set of tokens, and the functions of refined templates projected out.

    `weights` are the sums of D⁻¹ that the blocks are made of; `amplitude` the value of V on the
    coarse functions, which are constant on each refined template; `coarse` their matrix, inverted.
    """

    factors: tuple[Float[Array, "_q _s"], ...]
    weights: Tables
    blocks: tuple[Array, ...]
    scalings: tuple[Float[Array, "s m"], ...]
    members: tuple[Float[Array, "g q"], ...]
    amplitude: Float[Array, "g e"]
    coarse: Float[Array, "e e"]

    def start(self, rhs: Tables) -> Tables:
        """The starting point whose residual has no coarse part."""
        zero = jax.tree.map(jnp.zeros_like, rhs)
        return self._add_coarse(zero, self.coarse @ self._restrict(rhs))

    def apply(self, residual: Tables) -> Tables:
        """Blocks first, then the coarse part put right."""
        smoothed = self._smooth(residual)
        excess = self._restrict(residual) - self._restrict_image(smoothed)
        return self._add_coarse(smoothed, self.coarse @ excess)

    def _smooth(self, residual: Tables) -> Tables:
        base, *rest = residual
        blocks = zip(rest, self.blocks, self.scalings, strict=True)
        return (base, *(_apply_blocks(*parts) for parts in blocks))

    def _restrict(self, tables: Tables) -> Float[Array, "e c"]:
        """Wᵀ θ, with W the indicators of a column of the first two tables."""
        return jnp.concatenate([table.sum(1) for table in tables[:2]])

    def _restrict_image(self, tables: Tables) -> Float[Array, "e c"]:
        """Wᵀ (I + Vᵀ D⁻¹ V) θ without touching a sample: V W is constant on each template."""
        parts = zip(self.members, self.factors, self.weights, tables, strict=True)
        by_group = sum(
            member @ (jnp.einsum("qs,smc->qmc", factor, table) * weight).sum(1)
            for member, factor, weight, table in parts
        )
        return self._restrict(tables) + self.amplitude.T @ by_group

    def _add_coarse(self, tables: Tables, values: Float[Array, "e c"]) -> Tables:
        split = jnp.split(values, np.cumsum([len(table) for table in tables[:2]])[:-1])
        coarse = tuple(table + part[:, None] for table, part in zip(tables[:2], split, strict=True))
        return coarse + tables[2:]


class Prepared(NamedTuple):
    """A system ready to be solved; ‖V ρ‖ <= `reach` ‖ρ‖, by a bound on the rows' blocks."""

    system: TableSystem
    preconditioner: Preconditioner
    reach: Float[Array, ""]


def table_system(
    gram: LinearTimeGram, ridge: float, multiplicity: Int[np.ndarray, "n"]
) -> TableSystem | None:
    """A for the ridge λ / multiplicity, or None where D would be singular."""
    noise = np.maximum(np.asarray(gram.self_coefficients), 0.0) + ridge / multiplicity
    factors = [_factor(np.asarray(gram.base), 0.0, np.zeros(len(gram.base)))]
    group = np.asarray(gram.group)
    widths = _widths(gram)
    for size, level in enumerate(gram.levels, start=1):
        coefficients = np.asarray(level.coefficients)
        own = np.array([widths[g] == size for g, _ in level.columns], dtype=float)
        moved = _movable(coefficients, own)
        factors.append(_factor(coefficients, moved, own))
        noise[_rows_in(level, group, widths == size)] += moved
    if noise.min() <= 1e-14 * np.asarray(gram.base).max():
        return None
    return TableSystem(gram, jnp.asarray(noise), tuple(jnp.asarray(each) for each in factors))


def prepare(system: TableSystem) -> Prepared:
    """The preconditioner of a system: one pass over the samples, one small inverse a set."""
    prepared = _assemble(system)
    forward = prepared.preconditioner
    # Inverted on the host: several batches of factorisations in one compiled function can leave
    # XLA's thread pool waiting for itself on two cores.
    preconditioner = forward._replace(
        blocks=tuple(_inverse(block) for block in forward.blocks),
        coarse=jnp.asarray(np.linalg.inv(np.asarray(forward.coarse))),
    )
    return prepared._replace(preconditioner=preconditioner)


@eqx.filter_jit
def _assemble(system: TableSystem) -> Prepared:
    """Everything of a preconditioner but the inverses of its blocks and coarse matrix."""
    gram, factors = system.gram, system.factors
    weights = system.sums(1 / system.noise[:, None])
    members = (jnp.eye(len(gram.base)), *(_members(gram, level) for level in gram.levels))
    reduced = [m @ f for m, f in zip(members[:2], factors[:2], strict=True)]
    amplitude = jnp.concatenate(reduced, axis=1)
    sizes = [
        jnp.full(f.shape[1], w.shape[1], float)
        for f, w in zip(factors[:2], weights[:2], strict=True)
    ]
    energy = (amplitude.T * weights[0][:, 0, 0]) @ amplitude
    coarse = jnp.diag(jnp.concatenate(sizes)) + energy
    pairs = list(zip(factors[1:], weights[1:], strict=True))
    blocks = tuple(_blocks(factor, weight[..., 0]) for factor, weight in pairs)
    scalings = tuple(1 / (1 + (f**2).T @ weight[..., 0]) for f, weight in pairs)
    preconditioner = Preconditioner(factors, weights, blocks, scalings, members, amplitude, coarse)
    return Prepared(system, preconditioner, _reach(system))


@eqx.filter_jit
def correct(
    prepared: Prepared,
    residual: Float[Array, "n c"],
    threshold: Float[Array, "c"],
    max_iterations: Int[Array, ""],
) -> tuple[Float[Array, "n c"], Int[Array, ""]]:
    """A⁻¹ r to about `threshold` in the residual norm, and the iterations it took."""
    system, preconditioner, reach = prepared
    rhs = system.collapse(residual / system.noise[:, None])
    found: Iterate = conjugate_gradients(
        system.apply,
        preconditioner.apply,
        rhs,
        preconditioner.start(rhs),
        threshold / reach,
        max_iterations,
        _REDUCTION,
    )
    return (residual - system.expand(found.solution)) / system.noise[:, None], found.count


def _factor(coefficients: np.ndarray, moved: float, own: np.ndarray) -> np.ndarray:
    """L with L Lᵀ = C − moved·diag(own), largest modes first; modes of rounding size left out."""
    values, modes = np.linalg.eigh(coefficients - moved * np.diag(own))
    kept = np.flatnonzero(values > _NEGLIGIBLE * max(values.max(initial=0.0), 0.0))[::-1]
    kept = kept if len(kept) else np.array([len(values) - 1])
    return modes[:, kept] * np.sqrt(np.maximum(values[kept], 0.0))


def _movable(coefficients: np.ndarray, own: np.ndarray) -> float:
    """The largest ε for which C − ε·diag(own) stays positive semi-definite.

    A sample with p wildcards stands alone in its entry of the table of p-sets, so there
    U ε Uᵀ = ε I belongs to the diagonal D, which is then bounded below whatever the ridge.
    """
    values, modes = np.linalg.eigh(coefficients)
    if not own.any() or values.min() <= 1e-10 * values.max():
        return 0.0
    inverse = (modes / values) @ modes.T
    return float(1 / np.linalg.eigvalsh(inverse[np.ix_(own > 0, own > 0)])[-1])


def _widths(gram: LinearTimeGram) -> Int[np.ndarray, "g"]:
    columns = gram.levels[0].columns if gram.levels else ()
    return np.bincount([g for g, _ in columns], minlength=len(gram.base))


def _rows_in(level: Level, group: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Samples of the chosen refined templates that stand in the table."""
    inside = np.zeros(len(group), dtype=bool)
    for index, rows in zip(level.index, level.rows, strict=True):
        inside[slice(len(index)) if rows is None else np.asarray(rows)] = True
    return inside & chosen[group]


def _members(gram: LinearTimeGram, level: Level) -> Float[Array, "g q"]:
    groups = np.array([g for g, _ in level.columns])
    return jnp.asarray(np.arange(len(gram.base))[:, None] == groups, dtype=float)


def _blocks(factor: Float[Array, "q s"], weight: Float[Array, "q m"]) -> Float[Array, "m b b"]:
    """I + Lᵀ diag(weight) L of the leading modes, set by set."""
    leading = factor[:, :_LARGEST_BLOCK]
    products = (leading[:, :, None] * leading[:, None, :]).reshape(len(factor), -1)
    size = leading.shape[1]
    return (weight.T @ products).reshape(-1, size, size) + jnp.eye(size)


def _inverse(blocks: Float[Array, "m b b"]) -> Float[Array, "b b m"]:
    inverse = np.linalg.inv(np.asarray(blocks))
    return jnp.asarray(np.ascontiguousarray(inverse.transpose(1, 2, 0)))


def _apply_blocks(
    residual: Float[Array, "s m c"], block: Float[Array, "b b m"], scaling: Float[Array, "s m"]
) -> Float[Array, "s m c"]:
    # Written out: XLA's contraction over a leading axis is twenty times slower on a CPU.
    size = len(block)
    leading = [sum(block[i, j][:, None] * residual[j] for j in range(size)) for i in range(size)]
    rest = residual[size:] * scaling[size:, :, None]
    return jnp.concatenate([jnp.stack(leading), rest])


def _reach(system: TableSystem) -> Float[Array, ""]:
    counts = system.sums(jnp.ones((len(system.noise), 1)))[1:]
    squares = [
        jnp.max(jnp.einsum("qs,qmc->mc", factor**2, count))
        for factor, count in zip(system.factors[1:], counts, strict=True)
    ]
    return jnp.sqrt(1.0 + sum(squares, start=jnp.zeros(())))
