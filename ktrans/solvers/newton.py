"""Newton's method for the ridge-regularised logistic loss in a kernel's space.

With F = K β the logits of d distinct samples, W their multiplicities and Y the counts of their
labels, minimise Σ_i −log softmax(F)_{i, y_i} + (λ/2) tr βᵀ K β. The gradient is K G with
G = λ β − (Y − W P), and Newton's step solves (λ + H K) δ = −G with H = W (diag P − P Pᵀ) sample by
sample. That operator is symmetric and definite in the inner product of K, where conjugate gradients
need one product with K for each iteration. They do not see the null space of K; few samples are
solved by elimination, which does.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ktrans.gram.base import LinearMap


class LogisticProblem(NamedTuple):
    """The problem; two classes have one column of logits, that of the second class."""

    core: LinearMap
    counts: Float[Array, "d c"]
    multiplicity: Float[Array, "d 1"]
    ridge: Float[Array, ""]

    def probabilities(self, logits: Float[Array, "d c"]) -> Float[Array, "d c"]:
        """P, for the classes that have a column."""
        return jnp.exp(logits - _log_normaliser(logits)[:, None])

    def gradient(
        self, duals: Float[Array, "d c"], logits: Float[Array, "d c"]
    ) -> Float[Array, "d c"]:
        """G = λ β − (Y − W P)."""
        fitted = self.multiplicity * self.probabilities(logits)
        return self.ridge * duals - (self.counts - fitted)

    def objective(self, duals: Float[Array, "d c"], logits: Float[Array, "d c"]) -> Array:
        """The loss, summed over samples, and the regulariser."""
        loss = self.multiplicity[:, 0] @ _log_normaliser(logits) - jnp.sum(self.counts * logits)
        return loss + 0.5 * self.ridge * jnp.sum(duals * logits)

    def curvature(
        self, chances: Float[Array, "d c"], change: Float[Array, "d c"]
    ) -> Float[Array, "d c"]:
        """H applied to a change of the logits."""
        mean = jnp.sum(chances * change, axis=1, keepdims=True)
        return self.multiplicity * chances * (change - mean)


class Step(NamedTuple):
    """A Newton direction, what it does to the logits, and the iterations it took."""

    duals: Float[Array, "d c"]
    logits: Float[Array, "d c"]
    count: Int[Array, ""]


class _State(NamedTuple):
    step: Step
    residual: Float[Array, "d c"]
    direction: Float[Array, "d c"]
    image: Float[Array, "d c"]
    energy: Float[Array, ""]


@eqx.filter_jit
def newton_direction(
    problem: LogisticProblem,
    duals: Float[Array, "d c"],
    logits: Float[Array, "d c"],
    tolerance: Float[Array, ""],
    max_iterations: Int[Array, ""],
) -> Step:
    """Solve (λ + H K) δ = −G to a relative residual, in the inner product of K."""
    chances = problem.probabilities(logits)
    residual = -problem.gradient(duals, logits)
    image = problem.core.apply(residual)
    energy = jnp.sum(residual * image)
    zero = jnp.zeros_like(duals)
    start = _State(Step(zero, zero, jnp.zeros((), jnp.int32)), residual, residual, image, energy)

    def unfinished(now: _State) -> Array:
        large = now.energy > tolerance**2 * energy
        return large & (now.energy > 0) & (now.step.count < max_iterations)

    def iterate(now: _State) -> _State:
        moved = problem.ridge * now.direction + problem.curvature(chances, now.image)
        length = now.energy / jnp.sum(now.image * moved)
        step = Step(
            now.step.duals + length * now.direction,
            now.step.logits + length * now.image,
            now.step.count + 1,
        )
        residual = now.residual - length * moved
        product = problem.core.apply(residual)
        energy = jnp.sum(residual * product)
        ratio = energy / now.energy
        direction = residual + ratio * now.direction
        return _State(step, residual, direction, product + ratio * now.image, energy)

    return jax.lax.while_loop(unfinished, iterate, start).step


@eqx.filter_jit
def dense_newton_direction(
    problem: LogisticProblem,
    matrix: Float[Array, "d d"],
    duals: Float[Array, "d c"],
    logits: Float[Array, "d c"],
) -> Step:
    """Solve (λ + H K) δ = −G by elimination."""
    chances = problem.probabilities(logits)
    size = duals.size
    each = jnp.eye(duals.shape[1]) - chances[:, None, :]
    blocks = (problem.multiplicity * chances)[:, :, None] * each
    system = jnp.einsum("iab,ij->iajb", blocks, matrix).reshape(size, size)
    right = -problem.gradient(duals, logits).reshape(size)
    change = jnp.linalg.solve(system + problem.ridge * jnp.eye(size), right).reshape(duals.shape)
    return Step(change, matrix @ change, jnp.zeros((), jnp.int32))


@eqx.filter_jit
def damped(
    problem: LogisticProblem, duals: Float[Array, "d c"], logits: Float[Array, "d c"], step: Step
) -> tuple[Float[Array, "d c"], Float[Array, "d c"]]:
    """Halve the step until the objective falls, or the step is of rounding size."""
    before = problem.objective(duals, logits)
    slack = 1e-14 * jnp.abs(before)

    def worse(length: Array) -> Array:
        after = problem.objective(duals + length * step.duals, logits + length * step.logits)
        return (after > before + slack) & (length > 1e-8)

    length = jax.lax.while_loop(worse, lambda size: size / 2, jnp.ones(()))
    return duals + length * step.duals, logits + length * step.logits


def _log_normaliser(logits: Float[Array, "d c"]) -> Float[Array, "d"]:
    if logits.shape[1] == 1:
        return jnp.logaddexp(0.0, logits[:, 0])
    return jax.nn.logsumexp(logits, axis=1)
