"""The layers of all networks: each maps the positions of one string, (k, d) to (k, d')."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


class Linear(eqx.Module):
    """x W + b, weights N(0, scale²/fan-in) and biases zero at initialisation."""

    weight: Float[Array, "p q"]
    bias: Float[Array, "q"] | None

    @classmethod
    def draw(
        cls, key: PRNGKeyArray, size_in: int, size_out: int, scale: float = 1.0, bias: bool = True
    ) -> "Linear":
        """A layer with random weights."""
        weight = normal(key, (size_in, size_out), scale / size_in**0.5)
        return cls(weight, jnp.zeros(size_out, np.float32) if bias else None)

    def __call__(self, x: Float[Array, "*k p"]) -> Float[Array, "*k q"]:
        """x W + b."""
        product = x @ self.weight
        return product if self.bias is None else product + self.bias


class LayerNorm(eqx.Module):
    """(x − mean)/√(variance + ε) · gain + bias, over the last axis."""

    gain: Float[Array, "d"]
    bias: Float[Array, "d"]
    epsilon: float = eqx.field(static=True, default=1e-5)

    @classmethod
    def identity(cls, size: int) -> "LayerNorm":
        """Gain one and bias zero."""
        return cls(jnp.ones(size, np.float32), jnp.zeros(size, np.float32))

    def __call__(self, x: Float[Array, "*k d"]) -> Float[Array, "*k d"]:
        """The normalised x."""
        centred = x - x.mean(-1, keepdims=True)
        variance = jnp.mean(centred**2, -1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + self.epsilon) * self.gain + self.bias


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """GPT-2's GELU, ½x(1 + tanh(√(2/π)(x + 0.044715x³)))."""
    return jax.nn.gelu(x, approximate=True)


def normal(key: PRNGKeyArray, shape: tuple[int, ...], std: float) -> Float[Array, "..."]:
    """N(0, std²) in float32, whether or not 64-bit types are on."""
    return np.float32(std) * jax.random.normal(key, shape, np.float32)
