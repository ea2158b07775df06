"""The recursion that kernels of infinitely wide perceptrons share, with a bound on its rounding."""

import dataclasses
import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike

from ktrans._checks import as_int, check_word, shown
from ktrans._numerics import in_float64, is_traced, to_host
from ktrans.kernels._activation import Activation, as_number, check_finite
from ktrans.kernels._gaussian import Reals
from ktrans.kernels.base import Bounded, TokenSymmetricKernel

# Roundings of the few operations of a layer besides its activation, in units of its result.
_LAYER_ROUNDING = 4 * 2.0**-53

# Those of the first layer, with the few that make an inner product of two inputs.
_INPUT_ROUNDING = 8 * 2.0**-53

# The bound is a first-order one; at rounding level the second order is nothing beside this.
_SAFETY = 2.0
_MOST_LAYERS = 10_000

KINDS = ("ntk", "nngp")


class Inputs(NamedTuple):
    """⟨x, x⟩, ⟨y, y⟩ and ⟨x, y⟩ over the fan-in, for pairs of inputs of the first layer.

    All three must be computed alike: equal inputs are recognised by their being equal.
    """

    norm1: Reals
    norm2: Reals
    product: Reals

    @property
    def same(self) -> Bool[Array, "..."]:
        """Whether x = y, by Cauchy and Schwarz."""
        return (self.norm1 == self.norm2) & (self.norm1 == self.product)


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

    @in_float64
    def _on_inputs(self, norms1: ArrayLike, norms2: ArrayLike, products: ArrayLike) -> Bounded:
        """The kernel for each ⟨x, x⟩, ⟨y, y⟩ and ⟨x, y⟩ over the fan-in, with a running bound."""
        inputs = Inputs(*(jnp.asarray(entry) for entry in (norms1, norms2, products)))
        values, bounds = _table(_as_arrays(self), inputs)
        return Bounded(to_host(values), to_host(bounds))


class _Layer(NamedTuple):
    """Σ^l(x, x), Σ^l(y, y), Σ^l(x, y) and Θ^l(x, y)."""

    variance1: Reals
    variance2: Reals
    covariance: Reals
    tangent: Reals


@eqx.filter_jit
def _table(
    kernel: AbstractPerceptronKernel, inputs: Inputs
) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    roundings = _Layer(*jnp.zeros((4, kernel.depth + 1)))
    return jax.vmap(lambda pair: _bounded_value(kernel, pair, roundings))(inputs)


def _bounded_value(
    kernel: AbstractPerceptronKernel, pair: Inputs, roundings: _Layer
) -> tuple[Reals, Reals]:
    """The value, and the sum over all roundings of |∂value/∂rounding| times its size."""
    value, pull, sizes = jax.vjp(
        lambda roundings: _recursion(roundings, kernel, pair), roundings, has_aux=True
    )
    (sensitivities,) = pull(jnp.ones_like(value))
    effects = jax.tree.map(lambda s, size: jnp.sum(jnp.abs(s) * size), sensitivities, sizes)
    return value, lax.stop_gradient(_SAFETY * jnp.stack(effects).sum())


def _recursion(
    roundings: _Layer, kernel: AbstractPerceptronKernel, pair: Inputs
) -> tuple[Reals, _Layer]:
    """The last layer's Σ or Θ, and the sizes that the roundings may have at every layer."""
    first, first_sizes = _first_layer(kernel, pair, _pick(roundings, 0))
    rest = jax.tree.map(lambda leaf: leaf[1:], roundings)
    step = functools.partial(_next_layer, kernel, pair.same)
    last, rest_sizes = lax.scan(step, first, rest)
    value = last.tangent if kernel.kind == "ntk" else last.covariance
    sizes = jax.tree.map(lambda one, more: jnp.append(one, more), first_sizes, rest_sizes)
    return value, sizes


def _first_layer(
    kernel: AbstractPerceptronKernel, pair: Inputs, rounding: _Layer
) -> tuple[_Layer, _Layer]:
    """Σ¹ = Θ¹ = W ⟨x, y⟩ / fan-in + B."""
    sums = [kernel.weight_variance * entry + kernel.bias_variance for entry in pair]
    sizes = [_INPUT_ROUNDING * entry for entry in sums]
    layer = _Layer(*sums, tangent=sums[2])
    return _perturbed(layer, rounding, pair.same), _Layer(*sizes, tangent=jnp.zeros_like(sums[2]))


def _next_layer(
    kernel: AbstractPerceptronKernel, same: Bool[Array, ""], layer: _Layer, rounding: _Layer
) -> tuple[_Layer, _Layer]:
    """One hidden layer: the dual, then the weights and biases that read it."""
    phi, weight, bias = kernel.activation, kernel.weight_variance, kernel.bias_variance
    own1, own2, shared, tangent = layer
    corners = jnp.array([[own1, own2, own1], [own1, own2, own2], [own1, own2, shared]])
    sums = weight * phi.dual_formula(*corners) + bias
    sizes = weight * phi.rounding(*corners) + _LAYER_ROUNDING * (jnp.abs(sums) + bias)
    carried = weight * phi.derivative_dual_formula(own1, own2, shared) * tangent
    carried_size = (
        weight * phi.derivative_rounding(own1, own2, shared) * jnp.abs(tangent)
        + _LAYER_ROUNDING * (jnp.abs(sums[2]) + jnp.abs(carried))
    )  # fmt: skip
    following = _Layer(*sums, tangent=sums[2] + carried)
    return _perturbed(following, rounding, same), _Layer(*sizes, tangent=carried_size)


def _perturbed(layer: _Layer, rounding: _Layer, same: Bool[Array, ""]) -> _Layer:
    """The layer with its roundings; equal inputs keep equal (co)variances to the last bit.

    One unit in the last place would turn into an angle of 10⁻⁸ in the next layer.
    """
    moved = jax.tree.map(jnp.add, layer, rounding)
    return _Layer(
        moved.variance1,
        jnp.where(same, moved.variance1, moved.variance2),
        jnp.where(same, moved.variance1, moved.covariance),
        moved.tangent + rounding.covariance,  # Θ is made from the rounded Σ
    )


def _pick(layers: _Layer, index: int) -> _Layer:
    return jax.tree.map(lambda leaf: leaf[index], layers)


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
