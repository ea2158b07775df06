"""How far the unembeddings of unseen tokens have collapsed into one direction."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def collapse(rows: Float[Array, "m d"]) -> Float[Array, "2"]:
    """Mean cosine between two different rows, and the effective rank of the normalised rows.

    With G the Gram matrix of the rows divided by their norms: (Σ G − m)/(m(m − 1)), from about 0
    (random directions) to 1 (all alike), and (tr G)²/‖G‖²_F, from m to 1. Every seen token pushes
    the unembeddings of all unseen ones in the same direction, away from its own output.

    Args:
        rows: Unembeddings, shape (m, d), none of them zero.

    Returns:
        The two numbers, exact to rounding; the cosine is NaN for one row.

    Example:
        >>> collapse(jnp.eye(3)).tolist(), collapse(jnp.ones((3, 2))).round(3).tolist()
        ([0.0, 3.0], [1.0, 1.0])
    """
    m = len(rows)
    unit = rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
    gram = unit @ unit.T
    pairs = jnp.where(m > 1, m * (m - 1), jnp.nan)
    return jnp.stack([(jnp.sum(gram) - m) / pairs, m**2 / jnp.sum(gram**2)])
