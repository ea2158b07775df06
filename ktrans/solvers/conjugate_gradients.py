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
    threshold: Float[Array, "c"]
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
    # The starting point is the first step, so that the operator and the preconditioner are compiled
    # once: iteration -1, of length 1 along `initial`.
    zero = jax.tree.map(jnp.zeros_like, rhs)
    ones = jnp.ones_like(threshold)
    start = Iterate(zero, rhs, initial, ones, threshold, jnp.asarray(-1, jnp.int32), ones > 0)

    def unfinished(now: Iterate) -> Array:
        return jnp.any(now.active) & (now.count < max_iterations)

    def step(now: Iterate) -> Iterate:
        first = now.count < 0
        image = operator(now.direction)
        curvature = inner(now.direction, image)
        healthy = first | (now.active & (curvature > 0) & (now.energy > 0))
        length = jnp.where(healthy, now.energy / jnp.where(healthy, curvature, 1.0), 0.0)
        length = jnp.where(first, 1.0, length)
        solution = _combine(now.solution, now.direction, length)
        residual = _combine(now.residual, image, -length)
        norm = _norm(residual)
        threshold = jnp.where(first, jnp.maximum(now.threshold, reduction * norm), now.threshold)
        corrected = precondition(residual)
        energy = inner(residual, corrected)
        ratio = jnp.where(healthy, energy / jnp.where(healthy, now.energy, 1.0), 0.0)
        direction = _combine(corrected, now.direction, jnp.where(first, 0.0, ratio))
        active = healthy & (norm > threshold)
        return Iterate(solution, residual, direction, energy, threshold, now.count + 1, active)

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
