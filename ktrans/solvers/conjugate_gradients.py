"""Preconditioned conjugate gradients on pytrees, several right-hand sides at once.

lineax.CG is not used: it stops on its own recurrence for one vector at a time, and the deflated
preconditioner of `tables` needs its own starting point and its own measure of the residual.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

Vectors = PyTree[Float[Array, "... c"]]
Map = Callable[[Vectors], Vectors]


class Iterate(NamedTuple):
    """Where the iteration stands; one entry for each column where it is not a vector."""

    solution: Vectors
    residual: Vectors
    direction: Vectors
    energy: Float[Array, "c"]
    count: Int[Array, ""]
    active: Array


def conjugate_gradients(
    operator: Map,
    precondition: Map,
    rhs: Vectors,
    initial: Vectors,
    threshold: Float[Array, "c"],
    max_iterations: Int[Array, ""],
    reduction: float,
) -> Iterate:
    """Iterate until each column's residual norm is below its threshold or has fallen enough.

    `reduction` is as far as one run brings a residual before rounding holds it up; the caller
    starts again from the residual recomputed.

    A column also stops where rounding has cost the operator its definiteness; the caller
    recomputes the residual, so that is never taken for convergence.
    """
    residual = _combine(rhs, operator(initial), -jnp.ones_like(threshold))
    direction = precondition(residual)
    energy = inner(residual, direction)
    threshold = jnp.maximum(threshold, reduction * _norm(residual))
    active = _norm(residual) > threshold
    start = Iterate(initial, residual, direction, energy, jnp.zeros((), jnp.int32), active)

    def unfinished(now: Iterate) -> Array:
        return jnp.any(now.active) & (now.count < max_iterations)

    def step(now: Iterate) -> Iterate:
        image = operator(now.direction)
        curvature = inner(now.direction, image)
        healthy = now.active & (curvature > 0) & (now.energy > 0)
        length = jnp.where(healthy, now.energy / jnp.where(healthy, curvature, 1.0), 0.0)
        solution = _combine(now.solution, now.direction, length)
        residual = _combine(now.residual, image, -length)
        corrected = precondition(residual)
        energy = inner(residual, corrected)
        ratio = jnp.where(healthy, energy / jnp.where(healthy, now.energy, 1.0), 0.0)
        direction = _combine(corrected, now.direction, ratio)
        active = healthy & (_norm(residual) > threshold)
        return Iterate(solution, residual, direction, energy, now.count + 1, active)

    return jax.lax.while_loop(unfinished, step, start)


def inner(first: Vectors, second: Vectors) -> Float[Array, "c"]:
    """Inner products column by column."""
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    products = [(a * b).reshape(-1, a.shape[-1]).sum(0) for a, b in pairs]
    return jnp.sum(jnp.stack(products), axis=0)


def _norm(vectors: Vectors) -> Float[Array, "c"]:
    return jnp.sqrt(inner(vectors, vectors))


def _combine(first: Vectors, second: Vectors, factor: Float[Array, "c"]) -> Vectors:
    return jax.tree.map(lambda a, b: a + factor * b, first, second)
