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

from ktrans.gram.linear_time import Columns, LinearTimeGram, Tables
from ktrans.solvers.conjugate_gradients import Iterate, conjugate_gradients

_LARGEST_BLOCK = 6  # modes of a set of tokens that are inverted together
_NEGLIGIBLE = 1e-14
_REDUCTION = 1e-8


class TableSystem(NamedTuple):
    """A = diag(noise) + V Vᵀ; the first factor is that of the refined templates.

    Samples filled in have infinite noise, so nothing ever comes of them.
    """

    gram: LinearTimeGram
    noise: Float[Array, "n"]
    factors: tuple[Float[Array, "_q _s"], ...]

    def expand(self, tables: Tables) -> Float[Array, "n c"]:
        """V θ."""
        pairs = zip(self.factors, tables, strict=True)
        return self.gram.spread(tuple(jnp.einsum("qs,smc->qmc", *pair) for pair in pairs))

    def collapse(self, vectors: Float[Array, "n c"]) -> Tables:
        """Vᵀ u."""
        pairs = zip(self.factors, self.gram.collect(vectors), strict=True)
        return tuple(jnp.einsum("qs,qmc->smc", *pair) for pair in pairs)

    def apply(self, tables: Tables) -> Tables:
        """(I + Vᵀ D⁻¹ V) θ."""
        images = self.collapse(self.expand(tables) / self.noise[:, None])
        return jax.tree.map(jnp.add, tables, images)


class Preconditioner(NamedTuple):
    """Exact blocks for each set of tokens, and the functions of refined templates projected out.

    `weights` are the sums of D⁻¹ that the blocks are made of; `held` is 1 for the sets of the first
    two tables that are held, 0 for those filled in; `amplitude` the value of V on the coarse
    functions, which are constant on each refined template; `coarse` their matrix, inverted.
    """

    factors: tuple[Float[Array, "_q _s"], ...]
    weights: Tables
    blocks: tuple[Array, ...]
    scalings: tuple[Float[Array, "s m"], ...]
    members: tuple[Float[Array, "g q"], ...]
    held: tuple[Float[Array, "m"], ...]
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
        pairs = zip(self.held, tables[: len(self.held)], strict=True)
        # A sum of products, which XLA adds in trees; its contractions add one by one.
        return jnp.concatenate([jnp.sum(held[:, None] * table, axis=1) for held, table in pairs])

    def _restrict_image(self, tables: Tables) -> Float[Array, "e c"]:
        """Wᵀ (I + Vᵀ D⁻¹ V) θ without touching a sample: V W is constant on each template."""
        parts = zip(self.members, self.factors, self.weights, tables, strict=True)
        by_group = sum(
            member @ (jnp.einsum("qs,smc->qmc", factor, table) * weight).sum(1)
            for member, factor, weight, table in parts
        )
        return self._restrict(tables) + self.amplitude.T @ by_group

    def _add_coarse(self, tables: Tables, values: Float[Array, "e c"]) -> Tables:
        count = len(self.held)
        split = jnp.split(values, np.cumsum([len(table) for table in tables[:count]])[:-1])
        parts = zip(tables[:count], split, self.held, strict=True)
        coarse = tuple(table + part[:, None] * held[:, None] for table, part, held in parts)
        return coarse + tables[count:]


class Prepared(NamedTuple):
    """A system ready to be solved; ‖V ρ‖ <= `reach` ‖ρ‖, by a bound on the rows' blocks."""

    system: TableSystem
    preconditioner: Preconditioner
    reach: Float[Array, ""]


def table_system(
    gram: LinearTimeGram, ridge: float, multiplicity: Int[np.ndarray, "n"]
) -> TableSystem | None:
    """A for the ridge λ / multiplicity, or None where D would be singular."""
    base, *rest = (np.asarray(each) for each in gram.coefficients)
    factors, moved = [_factor(base, 0.0, np.zeros(len(base)))], [0.0]
    widths = _widths(gram)
    for size, coefficients in enumerate(rest, start=1):
        own = np.array([widths[g] == size for g, _ in gram.columns[size]], dtype=float)
        moved.append(_movable(coefficients, own))
        factors.append(_factor(coefficients, moved[-1], own))
    shift = gram.put((ridge / multiplicity)[:, None], fill=np.inf)
    noise, least = _noise(gram, shift, gram.replicate(np.array(moved)))
    if float(least) <= 1e-14 * base.max():
        return None
    return TableSystem(gram, noise, tuple(gram.replicate(each) for each in factors))


def prepare(system: TableSystem) -> Prepared:
    """The preconditioner of a system: one pass over the samples, one small inverse a set."""
    prepared = _assemble(system)
    forward = prepared.preconditioner
    replicate = system.gram.replicate
    # Inverted on the host: several batches of factorisations in one compiled function can leave
    # XLA's thread pool waiting for itself on two cores.
    preconditioner = forward._replace(
        blocks=tuple(replicate(_inverse(block)) for block in forward.blocks),
        coarse=replicate(np.linalg.inv(np.asarray(forward.coarse))),
    )
    return prepared._replace(preconditioner=preconditioner)


@eqx.filter_jit
def _assemble(system: TableSystem) -> Prepared:
    """Everything of a preconditioner but the inverses of its blocks and coarse matrix."""
    gram, factors = system.gram, system.factors
    both = jnp.stack([1 / system.noise, jnp.isfinite(system.noise).astype(float)], axis=1)
    tables = gram.collect(both)
    weights, counts = tuple(t[..., :1] for t in tables), tuple(t[..., 1:] for t in tables)
    held = tuple((count[..., 0].sum(0) > 0).astype(float) for count in counts[:2])
    members = tuple(_members(columns, len(factors[0])) for columns in gram.columns)
    reduced = [m @ f for m, f in zip(members[:2], factors[:2], strict=True)]
    amplitude = jnp.concatenate(reduced, axis=1)
    sizes = [jnp.full(f.shape[1], h.sum()) for f, h in zip(factors[:2], held, strict=True)]
    energy = (amplitude.T * weights[0][:, 0, 0]) @ amplitude
    coarse = jnp.diag(jnp.concatenate(sizes)) + energy
    pairs = list(zip(factors[1:], weights[1:], strict=True))
    blocks = tuple(_blocks(factor, weight[..., 0]) for factor, weight in pairs)
    scalings = tuple(1 / (1 + (f**2).T @ weight[..., 0]) for f, weight in pairs)
    preconditioner = Preconditioner(
        factors, weights, blocks, scalings, members, held, amplitude, coarse
    )
    return Prepared(system, preconditioner, _reach(factors, counts))


@eqx.filter_jit
def _noise(
    gram: LinearTimeGram, shift: Float[Array, "n 1"], moved: Float[Array, "_p"]
) -> tuple[Float[Array, "n"], Float[Array, ""]]:
    """D, and its least entry."""
    noise = jnp.maximum(gram.self_coefficients, 0.0) + shift[:, 0] + moved[gram.owner]
    return noise, jnp.min(noise)


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
    base, *rest = gram.columns
    return np.bincount([g for g, _ in (rest[0] if rest else ())], minlength=len(base))


def _members(columns: Columns, num_groups: int) -> Float[Array, "g q"]:
    groups = np.array([g for g, _ in columns])
    return jnp.asarray(np.arange(num_groups)[:, None] == groups, dtype=float)


def _blocks(factor: Float[Array, "q s"], weight: Float[Array, "q m"]) -> Float[Array, "m b b"]:
    """I + Lᵀ diag(weight) L of the leading modes, set by set."""
    leading = factor[:, :_LARGEST_BLOCK]
    products = (leading[:, :, None] * leading[:, None, :]).reshape(len(factor), -1)
    size = leading.shape[1]
    return (weight.T @ products).reshape(-1, size, size) + jnp.eye(size)


def _inverse(blocks: Float[Array, "m b b"]) -> Float[np.ndarray, "b b m"]:
    inverse = np.linalg.inv(np.asarray(blocks))
    return np.ascontiguousarray(inverse.transpose(1, 2, 0))


def _apply_blocks(
    residual: Float[Array, "s m c"], block: Float[Array, "b b m"], scaling: Float[Array, "s m"]
) -> Float[Array, "s m c"]:
    # Written out: XLA's contraction over a leading axis is twenty times slower on a CPU.
    size = len(block)
    terms = (block[:, j, :, None] * residual[j] for j in range(size))
    rest = residual[size:] * scaling[size:, :, None]
    return jnp.concatenate([sum(terms, start=jnp.zeros(())), rest])


def _reach(factors: tuple[Float[Array, "_q _s"], ...], counts: Tables) -> Float[Array, ""]:
    squares = [
        jnp.max(jnp.einsum("qs,qmc->mc", factor**2, count))
        for factor, count in zip(factors[1:], counts[1:], strict=True)
    ]
    return jnp.sqrt(1.0 + sum(squares, start=jnp.zeros(())))
