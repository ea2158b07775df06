"""K_attn where it needs no integration."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from ktrans._numerics import in_float64, is_traced, to_host
from ktrans.kernels.base import Bounded

_ROUNDING = 1e-15


@in_float64
def zero_beta_values(
    tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"], gamma: Any
) -> Bounded:
    """K_attn at β = 0: S₁₁/k² + γ²/k, with S₁₁ the number of position pairs with x_i = y_j."""
    k = tokens1.shape[1]
    equal = np.sum(tokens1[:, :, None] == tokens2[:, None, :], axis=(1, 2))
    values = jnp.asarray(equal / k**2) + gamma**2 / k
    bound = jnp.full(values.shape, jnp.nan) if is_traced(values) else _ROUNDING * values
    return Bounded(to_host(values), to_host(bound))
