"""The recursion that kernels of infinitely wide perceptrons share.

It runs in balls: Σ and Θ of every layer are numbers with a radius, the sums of weights and biases
are ball arithmetic, and a dual maps radii to radii by what its activation proves
(`dual_error_formula`). The last radius is a bound if the activation is `proved`, else an estimate.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from ktrans._checks import as_int, check_word, shown
from ktrans._numerics import in_float64, is_traced
from ktrans.kernels._activation import (
    Activation,
    as_number,
    check_finite,
    enclosed_derivative_dual,
    enclosed_derivative_variance,
    enclosed_dual,
    enclosed_variance,
)
from ktrans.kernels._balls import Operand, quietly, where
from ktrans.kernels.base import Bounded, TokenSymmetricKernel

_MOST_LAYERS = 10_000

KINDS = ("ntk", "nngp")


class Inputs(NamedTuple):
    """⟨x, x⟩, ⟨y, y⟩ and ⟨x, y⟩ over the fan-in, balls or traced, and whether x = y."""

    norm1: Operand
    norm2: Operand
    product: Operand
    same: Bool[np.ndarray, "c"]


class AbstractPerceptronKernel(TokenSymmetricKernel):
    """The NNGP or NTK of a perceptron; what the first layer is fed is up to the subclass."""

    kind: Any = eqx.field(static=True, kw_only=True)
    depth: Any = eqx.field(static=True, kw_only=True)
    activation: Any = eqx.field(kw_only=True)
    weight_variance: Any = eqx.field(kw_only=True, converter=as_number)
    bias_variance: Any = eqx.field(kw_only=True, converter=as_number)

    def __check_init__(self) -> None:
        check_word("kind", self.kind, KINDS)
        as_int("depth", self.depth, 1, _MOST_LAYERS)
        if not isinstance(self.activation, Activation):
            raise TypeError(
                f"`activation` must be an activation such as ReLU(); got {shown(self.activation)}."
            )
        _check_weight_variance(self.weight_variance)
        check_non_negative("bias_variance", self.bias_variance)

    def with_kind(self, kind: str) -> "AbstractPerceptronKernel":
        """The same network's NNGP or NTK."""
        return dataclasses.replace(self, kind=kind)

    @property
    def is_traced(self) -> bool:
        """Whether a hyperparameter is being traced by a JAX transformation."""
        return is_traced(*jax.tree.leaves(self))

    @in_float64
    @quietly
    def _on_inputs(self, inputs: Inputs) -> Bounded:
        """The kernel for each pair of inputs, in balls; traced it has no bound."""
        if self.is_traced:
            values = _traced_values(_as_arrays(self), inputs)
            return Bounded(values, np.full(values.shape, np.nan))
        layer = _first_layer(self, inputs)
        for _ in range(self.depth):
            layer = _next_layer(self, inputs.same, layer)
        found = _read_out(self, layer)
        return Bounded(found.mid, found.rad, certified=self.activation.proved)


class _Layer(NamedTuple):
    """Σ^l(x, x), Σ^l(y, y), Σ^l(x, y) and Θ^l(x, y)."""

    variance1: Operand
    variance2: Operand
    covariance: Operand
    tangent: Operand


@eqx.filter_jit
def _traced_values(kernel: AbstractPerceptronKernel, inputs: Inputs) -> Float[Array, " c"]:
    def step(layer: _Layer, _: None) -> tuple[_Layer, None]:
        return _next_layer(kernel, inputs.same, layer), None

    last, _ = lax.scan(step, _first_layer(kernel, inputs), None, length=kernel.depth)
    return _read_out(kernel, last)


def _first_layer(kernel: AbstractPerceptronKernel, inputs: Inputs) -> _Layer:
    """Σ¹ = Θ¹ = W ⟨x, y⟩ / fan-in + B."""
    sums = [kernel.weight_variance * entry + kernel.bias_variance for entry in inputs[:3]]
    return _Layer(*sums, tangent=sums[2])


def _next_layer(
    kernel: AbstractPerceptronKernel, same: Bool[Array | np.ndarray, "c"], layer: _Layer
) -> _Layer:
    """One hidden layer: the dual, then the weights and biases that read it.

    Equal inputs keep equal (co)variances to the last bit: one unit in the last place would turn
    into an angle of 10⁻⁸ in the next layer.
    """
    phi, weight, bias = kernel.activation, kernel.weight_variance, kernel.bias_variance
    own1, own2, shared, tangent = layer
    following1 = weight * enclosed_variance(phi, own1) + bias
    following2 = weight * enclosed_variance(phi, own2) + bias
    across = weight * enclosed_dual(phi, own1, own2, shared) + bias
    following2, across = (where(same, following1, each) for each in (following2, across))
    slope = enclosed_derivative_dual(phi, own1, own2, shared)
    gain = weight * where(same, enclosed_derivative_variance(phi, own1), slope)
    return _Layer(following1, following2, across, across + gain * tangent)


def _read_out(kernel: AbstractPerceptronKernel, layer: _Layer) -> Operand:
    return layer.tangent if kernel.kind == "ntk" else layer.covariance


def _as_arrays(kernel: AbstractPerceptronKernel) -> AbstractPerceptronKernel:
    """The kernel with its numbers as arrays, so that other numbers do not compile anew."""
    return jax.tree.map(_as_array, kernel)


def _as_array(leaf: Any) -> Any:
    return jnp.asarray(leaf, dtype=jnp.float64) if isinstance(leaf, float) else leaf


def _check_weight_variance(value: Any) -> None:
    check_finite("weight_variance", value)
    if not is_traced(value) and value <= 0:
        raise ValueError(f"`weight_variance` must be positive; got {value}.")


def check_non_negative(name: str, value: Any) -> None:
    """Raise unless the value is a finite real number, not negative (or is being traced)."""
    check_finite(name, value)
    if not is_traced(value) and value < 0:
        raise ValueError(f"`{name}` must be non-negative; got {value}.")
