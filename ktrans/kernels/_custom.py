"""Any activation, by Gauss–Hermite quadrature."""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy.special import roots_hermitenorm

from ktrans._checks import as_int, shown
from ktrans.kernels._activation import ESTIMATED_ROUNDING, Activation, by_price
from ktrans.kernels._balls import sqrt
from ktrans.kernels._gaussian import Reals, Values, safe_inverse, spread

# A kink's error jumps about with the number of nodes; see the test that counts.
_ESTIMATE_SAFETY = 4.0
_MOST_NODES = 4096


class Custom(Activation):
    """Any function as an activation; its duals are computed by quadrature.

    u = √a g₁, v = (c/√a) g₁ + √(b − c²/a) g₂ with a product rule of Gauss–Hermite nodes for the
    independent standard normal g₁, g₂. For smooth functions the error falls exponentially with
    the number of nodes; a kink (as in ReLU) leaves an error of about 1/num_nodes.

    Args:
        fn: φ, from a JAX array to one of the same shape, elementwise.
        derivative: φ', the same way; by automatic differentiation of fn where it is left out.
        num_nodes: Nodes per axis, at least 2; the cost of a value grows with its square.

    Raises:
        TypeError: if fn or derivative cannot be called, or num_nodes is not an integer.
        ValueError: if num_nodes is below 2.

    Example:
        >>> import jax.numpy as jnp
        >>> from ktrans.kernels.activations import Custom, Sine
        >>> float(abs(Custom(jnp.sin).dual(1.0, 1.0, 0.5) - Sine().dual(1.0, 1.0, 0.5))) < 1e-14
        True
    """

    fn: Any
    derivative: Any = None
    num_nodes: Any = eqx.field(default=128, static=True)

    def __check_init__(self) -> None:
        _check_callable("fn", self.fn)
        if self.derivative is not None:
            _check_callable("derivative", self.derivative)
        as_int("num_nodes", self.num_nodes, 2, _MOST_NODES)

    def __call__(self, t: ArrayLike) -> jax.Array:
        """φ(t)."""
        return self.fn(jnp.asarray(t))

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """E[φ(u)φ(v)] by quadrature."""
        return self._dual(self.num_nodes, a, b, c)

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """E[φ'(u)φ'(v)] by quadrature."""
        return self._derivative_dual(self.num_nodes, a, b, c)

    def dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """An estimate: what two other rules change, besides what errors of the covariance do."""
        propagated = super().dual_error_formula(a, b, c, da, db, dc)
        return propagated + np.asarray(_coarsening(self, self._dual, a, b, c))

    def derivative_dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """An estimate, in the same way."""
        propagated = super().derivative_dual_error_formula(a, b, c, da, db, dc)
        return propagated + np.asarray(_coarsening(self, self._derivative_dual, a, b, c))

    def _slope(self, t: Reals) -> Reals:
        if self.derivative is not None:
            return self.derivative(t)
        return jax.jvp(self.fn, (t,), (jnp.ones_like(t),))[1]

    def _dual(self, num_nodes: int, a: Reals, b: Reals, c: Reals) -> Reals:
        def value(a: Reals, b: Reals, c: Reals) -> Reals:
            return gauss_hermite(lambda u, v: self.fn(u) * self.fn(v), num_nodes, a, b, c)

        def slopes(a: Reals, b: Reals, c: Reals) -> tuple[Reals, Reals, Reals]:
            slope_c = self._derivative_dual(num_nodes, a, b, c)
            return (
                self._variance_slope(num_nodes, a, b, c, slope_c),
                self._variance_slope(num_nodes, b, a, c, slope_c),
                slope_c,
            )

        return by_price(value, slopes)(a, b, c)

    def _variance_slope(
        self, num_nodes: int, a: Reals, b: Reals, c: Reals, slope_c: Reals
    ) -> Reals:
        """½E[φ''(u)φ(v)], by Stein's identity aE[φ''(u)φ(v)] = E[uφ'(u)φ(v)] − cE[φ'(u)φ'(v)].

        So φ needs one derivative only, and a kink counts. (0 where a = 0.)
        """
        pulled = gauss_hermite(lambda u, v: u * self._slope(u) * self.fn(v), num_nodes, a, b, c)
        return (pulled - c * slope_c) * safe_inverse(a) / 2

    def _derivative_dual(self, num_nodes: int, a: Reals, b: Reals, c: Reals) -> Reals:
        return gauss_hermite(lambda u, v: self._slope(u) * self._slope(v), num_nodes, a, b, c)


@eqx.filter_jit
def _coarsening(phi: Custom, formula: Callable[..., Reals], a: Reals, b: Reals, c: Reals) -> Reals:
    """What other rules change: a coarser one, and one whose nodes lie otherwise about 0."""
    fine = formula(phi.num_nodes, a, b, c)
    others = [formula(n, a, b, c) for n in (3 * phi.num_nodes // 4, phi.num_nodes - 1)]
    change = jnp.maximum(jnp.abs(fine - others[0]), jnp.abs(fine - others[1]))
    return _ESTIMATE_SAFETY * change + ESTIMATED_ROUNDING * jnp.abs(fine)


def gauss_hermite(
    function: Callable[[Any, Any], Any], num_nodes: int, a: Reals, b: Reals, c: Reals
) -> Reals:
    """E[function(u, v)], (u, v) ~ N(0, [[a, c], [c, b]]), by a product rule of num_nodes² nodes."""
    nodes, weights = _nodes(num_nodes)
    first, second = nodes[:, None], nodes[None, :]
    axes = (x[..., None, None] for x in map(jnp.asarray, (a, b, c, spread(a, b, c))))
    a, b, c, spread_ab = axes
    # The Cholesky factor with the larger variance first: symmetric in u, v, and safe at a = 0.
    swap = b > a
    std = sqrt(jnp.where(swap, b, a))
    one = std * first
    other = safe_inverse(std) * (c * first + spread_ab * second)
    u, v = jnp.where(swap, other, one), jnp.where(swap, one, other)
    values = function(u, v) * (weights[:, None] * weights[None, :])
    return jnp.sum(values, axis=(-2, -1))


@functools.cache
def _nodes(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = roots_hermitenorm(num_nodes)
    return nodes, weights / np.sum(weights)


def _check_callable(name: str, value: Any) -> None:
    if not callable(value):
        raise TypeError(f"`{name}` must be callable; got {shown(value)}.")
