"""Kernels of infinitely wide multilayer perceptrons on one-hot strings."""

import functools
import numbers
from collections.abc import Hashable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ktrans._numerics import in_float64, is_traced, to_host
from ktrans.kernels._activation import Activation, as_number, check_finite
from ktrans.kernels._gaussian import Reals
from ktrans.kernels.base import Bounded, TokenSymmetricKernel

# Roundings of the few operations of a layer besides its activation, in units of its result.
_LAYER_ROUNDING = 4 * 2.0**-53

# The bound is a first-order one; at rounding level the second order is nothing beside this.
_SAFETY = 2.0


class MLPKernel(TokenSymmetricKernel):
    """The NNGP or NTK of an infinitely wide perceptron on the flattened one-hot string.

    With s the share of positions where two strings agree, and Σ(s) = Σ^{depth+1}, Θ likewise:

        Σ¹ = W s + B,    Σ^{l+1} = W·dual(Σ^l(1), Σ^l(1), Σ^l) + B,
        Θ¹ = Σ¹,         Θ^{l+1} = Σ^{l+1} + W·derivative_dual(Σ^l(1), Σ^l(1), Σ^l)·Θ^l,

    W the weight and B the bias variance: NTK parametrisation, weights N(0, W/fan-in) with fan-in
    k in the first layer (a string has k non-zeros), biases N(0, B), a linear read-out layer with
    the same variances. The kernel knows of two strings only where they agree, so on fresh symbols
    without regular tokens it is constant.

    Args:
        kind: "nngp" for Σ, "ntk" for Θ.
        depth: Number of hidden layers, at least 1.
        activation: The activation of every hidden layer.
        weight_variance: W, positive.
        bias_variance: B, not negative.

    Raises:
        TypeError: if depth is not an integer or activation not an `Activation`.
        ValueError: if kind is unknown, or a number is outside its range.

    References:
        Jacot, Gabriel, Hongler, Neural tangent kernel, NeurIPS 2018.

    Example:
        >>> from ktrans.kernels.activations import ReLU
        >>> from ktrans.kernels.mlp import MLPKernel
        >>> kernel = MLPKernel(
        ...     kind="ntk", depth=1, activation=ReLU(), weight_variance=2.0, bias_variance=0.0
        ... )
        >>> kernel([[0, 1, 0]], [[0, 1, 0], [2, 3, 2]]).round(6)
        array([[4.     , 0.63662]])
    """

    kind: Any = eqx.field(static=True, kw_only=True)
    depth: Any = eqx.field(static=True, kw_only=True)
    activation: Any = eqx.field(kw_only=True)
    weight_variance: Any = eqx.field(kw_only=True, converter=as_number)
    bias_variance: Any = eqx.field(kw_only=True, converter=as_number)

    def __check_init__(self) -> None:
        if self.kind not in ("ntk", "nngp"):
            raise ValueError(f'`kind` must be "ntk" or "nngp"; got {self.kind!r}.')
        _check_depth(self.depth)
        if not isinstance(self.activation, Activation):
            raise TypeError(
                f"`activation` must be an activation such as ReLU(); got {self.activation!r}."
            )
        _check_weight_variance(self.weight_variance)
        _check_bias_variance(self.bias_variance)

    def evaluate_pairs(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> Bounded:
        """The kernel for each row, one value for each number of agreements.

        Args:
            tokens1: Strings x, shape (c, k), any integers.
            tokens2: Strings y, shape (c, k).

        Returns:
            Certified values and bounds of shape (c,). The bound is a running error analysis to
            first order: what each rounding of the recursion does to the result (by
            differentiation), summed, and doubled. With a `Custom` activation it contains the
            estimated quadrature error, and is an estimate.
        """
        agreements = np.sum(tokens1 == tokens2, axis=1)
        table = self.by_agreement(tokens1.shape[1])
        return Bounded(table.value[agreements], table.bound[agreements])

    def pair_keys(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> list[Hashable]:
        """The number of agreements of each row, of which alone the kernel is a function."""
        return np.sum(tokens1 == tokens2, axis=1).tolist()

    @in_float64
    def by_agreement(self, length: int) -> Bounded:
        """The kernel of two strings of the given length for 0, 1, …, length agreements.

        Args:
            length: k, at least 1.

        Returns:
            Certified values and bounds of shape (k + 1,).
        """
        shares = np.arange(length + 1) / length
        values, bounds = _table(_as_arrays(self), jnp.asarray(shares))
        return Bounded(to_host(values), to_host(bounds))


class _Layer(NamedTuple):
    """Σ^l(1), Σ^l(s) and Θ^l(s)."""

    variance: Reals
    covariance: Reals
    tangent: Reals


@eqx.filter_jit
def _table(
    kernel: MLPKernel, shares: Float[Array, " k1"]
) -> tuple[Float[Array, " k1"], Float[Array, " k1"]]:
    roundings = _Layer(*jnp.zeros((3, kernel.depth + 1)))
    return jax.vmap(lambda share: _bounded_value(kernel, share, roundings))(shares)


def _bounded_value(kernel: MLPKernel, share: Reals, roundings: _Layer) -> tuple[Reals, Reals]:
    """The value, and the sum over all roundings of |∂value/∂rounding| times its size."""
    value, pull, sizes = jax.vjp(
        lambda roundings: _recursion(roundings, kernel, share), roundings, has_aux=True
    )
    (sensitivities,) = pull(jnp.ones_like(value))
    effects = jax.tree.map(lambda s, size: jnp.sum(jnp.abs(s) * size), sensitivities, sizes)
    total = effects.variance + effects.covariance + effects.tangent
    return value, lax.stop_gradient(_SAFETY * total)


def _recursion(roundings: _Layer, kernel: MLPKernel, share: Reals) -> tuple[Reals, _Layer]:
    """The last layer's Σ or Θ, and the sizes that the roundings may have at every layer."""
    first, first_sizes = _first_layer(kernel, share, _pick(roundings, 0))
    rest = jax.tree.map(lambda leaf: leaf[1:], roundings)
    step = functools.partial(_next_layer, kernel, share)
    last, rest_sizes = lax.scan(step, first, rest)
    value = last.tangent if kernel.kind == "ntk" else last.covariance
    sizes = jax.tree.map(lambda one, more: jnp.append(one, more), first_sizes, rest_sizes)
    return value, sizes


def _first_layer(kernel: MLPKernel, share: Reals, rounding: _Layer) -> tuple[_Layer, _Layer]:
    variance = kernel.weight_variance + kernel.bias_variance
    covariance = kernel.weight_variance * share + kernel.bias_variance
    sizes = _Layer(*(_LAYER_ROUNDING * jnp.stack([variance, covariance, 0 * covariance])))
    covariance = covariance + rounding.covariance
    layer = _Layer(variance + rounding.variance, covariance, covariance + rounding.tangent)
    return _tie(layer, share), sizes


def _next_layer(
    kernel: MLPKernel, share: Reals, layer: _Layer, rounding: _Layer
) -> tuple[_Layer, _Layer]:
    """One hidden layer: the dual, then the weights and biases that read it."""
    phi, weight, bias = kernel.activation, kernel.weight_variance, kernel.bias_variance
    on_diagonal, off_diagonal = (layer.variance,) * 3, (layer.variance,) * 2 + (layer.covariance,)
    variance = weight * phi.dual_formula(*on_diagonal) + bias
    covariance = weight * phi.dual_formula(*off_diagonal) + bias
    gain = weight * phi.derivative_dual_formula(*off_diagonal)
    tangent = covariance + gain * layer.tangent
    sizes = _Layer(
        weight * phi.rounding(*on_diagonal) + _LAYER_ROUNDING * variance,
        weight * phi.rounding(*off_diagonal) + _LAYER_ROUNDING * (jnp.abs(covariance) + bias),
        weight * phi.derivative_rounding(*off_diagonal) * jnp.abs(layer.tangent)
        + _LAYER_ROUNDING * (jnp.abs(covariance) + jnp.abs(gain * layer.tangent)),
    )
    covariance = covariance + rounding.covariance
    following = _Layer(variance + rounding.variance, covariance, tangent + rounding.covariance)
    following = following._replace(tangent=following.tangent + rounding.tangent)
    return _tie(following, share), sizes


def _tie(layer: _Layer, share: Reals) -> _Layer:
    """Equal strings have a covariance equal to the variance to the last bit.

    One unit in the last place would turn into an angle of 10⁻⁸ in the next layer.
    """
    covariance = jnp.where(share == 1, layer.variance, layer.covariance)
    return layer._replace(covariance=covariance)


def _pick(layers: _Layer, index: int) -> _Layer:
    return jax.tree.map(lambda leaf: leaf[index], layers)


def _as_arrays(kernel: MLPKernel) -> MLPKernel:
    """The kernel with its numbers as arrays, so that other numbers do not compile anew."""
    return jax.tree.map(_as_array, kernel)


def _as_array(leaf: Any) -> Any:
    return jnp.asarray(leaf, dtype=jnp.float64) if isinstance(leaf, float) else leaf


def _check_depth(depth: Any) -> None:
    if isinstance(depth, bool) or not isinstance(depth, numbers.Integral):
        raise TypeError(f"`depth` must be an integer; got {depth!r}.")
    if depth < 1:
        raise ValueError(f"`depth` must be at least 1 hidden layer; got {depth}.")


def _check_weight_variance(value: Any) -> None:
    check_finite("weight_variance", value)
    if not is_traced(value) and value <= 0:
        raise ValueError(f"`weight_variance` must be positive; got {value}.")


def _check_bias_variance(value: Any) -> None:
    check_finite("bias_variance", value)
    if not is_traced(value) and value < 0:
        raise ValueError(f"`bias_variance` must be non-negative; got {value}.")
