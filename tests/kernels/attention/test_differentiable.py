"""K_attn under jit, vmap and grad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ktrans as kt
from tests.tolerances import DIFFERENCES, ROUNDING

X, Y = np.array([[0, 1, 0, 9]]), np.array([[2, 3, 3, 9]])
STEP = 1e-3  # its square, times fourth derivatives of some units, is the error of a difference


def value(beta, gamma=0.7):
    return kt.AttentionKernel(beta, gamma, rtol=1e-8)(X, Y)[0, 0]


@pytest.fixture(autouse=True)
def _in_64_bits():
    with jax.enable_x64(True):
        yield


def test_jit_and_vmap_give_the_values_themselves():
    betas = jnp.array([0.5, 1.0])
    known = [value(beta) for beta in betas.tolist()]
    np.testing.assert_allclose(jax.jit(value)(1.0), known[1], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(jax.vmap(value)(betas), known, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(jax.jit(jax.vmap(value))(betas), known, rtol=0, atol=ROUNDING)


def test_a_kernel_is_an_argument_of_compiled_functions():
    kernel = kt.TransformerKernel(1.0, 0.7, kt.Cosine(b1=1.0, b2=0.5), rtol=1e-8)
    assert all(not isinstance(leaf, str) for leaf in jax.tree.leaves(kernel))
    compiled = jax.jit(lambda kernel: kernel(X, Y)[0, 0])
    assert float(compiled(kernel)) == pytest.approx(kernel(X, Y)[0, 0], abs=ROUNDING)
    slopes = jax.jit(jax.grad(lambda kernel: kernel(X, Y)[0, 0]))(kernel)
    assert np.isfinite(slopes.beta) and slopes.rtol == kernel.rtol


@pytest.mark.slow
@pytest.mark.parametrize("argument", [0, 1])
def test_second_derivatives_are_those_of_the_first(argument):
    def slope(beta, gamma):
        return jax.grad(value, argnums=argument)(beta, gamma)

    found = jax.hessian(value, argnums=(0, 1))(1.0, 0.7)[argument]
    for other, step in enumerate([(STEP, 0.0), (0.0, STEP)]):
        up, down = (slope(1.0 + s * step[0], 0.7 + s * step[1]) for s in (1, -1))
        assert float(found[other]) == pytest.approx(
            float(up - down) / (2 * STEP), abs=10 * DIFFERENCES
        )


def test_in_32_bits_a_sentence_says_what_to_do():
    with (
        jax.enable_x64(False),
        pytest.raises(ValueError, match=r"within `jax\.enable_x64\(True\)`"),
    ):
        jax.grad(value)(1.0)
