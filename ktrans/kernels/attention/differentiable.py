"""K_attn under jax.jit, vmap and grad: the engine runs on the host, derivatives included."""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ktrans.kernels.attention.exact import class_sums, exact_values, partial_derivatives
from ktrans.kernels.attention.multigraph import PairGraph

_POINTS = 8  # on the circle of Cauchy's formula, of error (radius/distance)^points
_RADIUS = 0.04  # for parameters of order 1; with all nodes fixed the sums are entire but for 1/β


def traced_values(graphs: Sequence[PairGraph], beta: Any, gamma: Any, rtol: float) -> jax.Array:
    """K_attn of each class for traced β, γ; as accurate as `exact_values`, but without its bound.

    Args:
        graphs: Pair classes.
        beta: Inverse temperature, 0 < β < ∞.
        gamma: Strength of the positional embedding, γ ≥ 0.
        rtol: Target for the error, relative to 1 + γ².

    Returns:
        Float64, shape (number of graphs,); differentiable to any order.

    Raises:
        ValueError: if JAX works in 32 bits.
    """
    if jnp.zeros(()).dtype != np.float64:
        raise ValueError(
            "`beta` and `gamma` must be traced in 64 bits, and JAX is set to 32; transform kernels "
            "within `jax.enable_x64(True)`."
        )
    return _derivative(tuple(graphs), rtol, (0, 0))(
        jnp.asarray(beta, jnp.float64), jnp.asarray(gamma, jnp.float64)
    )


def _derivative(graphs: tuple[PairGraph, ...], rtol: float, order: tuple[int, int]) -> Any:
    """∂^i_β ∂^j_γ K_attn as a function that JAX can transform; (i, j) = order."""
    shape = jax.ShapeDtypeStruct((len(graphs),), np.float64)
    compute = functools.partial(_on_host, graphs, rtol, order)

    @jax.custom_jvp
    def value(beta: jax.Array, gamma: jax.Array) -> jax.Array:
        return jax.pure_callback(compute, shape, beta, gamma, vmap_method="sequential")

    @value.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
        slopes = [
            _derivative(graphs, rtol, (order[0] + one, order[1] + 1 - one))(*primals)
            for one in (1, 0)
        ]
        return value(*primals), slopes[0] * tangents[0] + slopes[1] * tangents[1]

    return value


def _on_host(
    graphs: tuple[PairGraph, ...], rtol: float, order: tuple[int, int], beta: Any, gamma: Any
) -> np.ndarray:
    point = float(beta), float(gamma)
    if order == (0, 0):
        return exact_values(graphs, *point, rtol).value
    if sum(order) == 1:
        return partial_derivatives(graphs, *point, rtol)[order.index(1)]
    return _by_cauchy(graphs, point, rtol, order)


def _by_cauchy(
    graphs: tuple[PairGraph, ...], point: tuple[float, float], rtol: float, order: tuple[int, int]
) -> np.ndarray:
    """n!/ρⁿ times the mean of e^{−inθ} K(β + ρe^{iθ}), for each of β and γ."""
    circle = np.exp(2j * np.pi * np.arange(_POINTS) / _POINTS)
    turns = [circle if some else np.zeros(1) for some in order]
    total = np.zeros(len(graphs), complex)
    for turn in itertools.product(*turns):
        phase = math.prod(t ** (-some) for t, some in zip(turn, order, strict=True) if some)
        shifts = [
            complex(_RADIUS * place * t) for place, t in zip((point[0], 1.0), turn, strict=True)
        ]
        total += phase * class_sums(graphs, point, shifts, rtol)
    radii = (_RADIUS * point[0], _RADIUS)
    scale = math.prod(math.factorial(n) / r**n for n, r in zip(order, radii, strict=True))
    return scale * (total / math.prod(map(len, turns))).real
