"""Perplexity of a language model on a text that it has not seen, by windows that overlap."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from ktrans._checks import Whole, as_array, as_int, check_kind
from ktrans.networks.tokens import check_ids
from ktrans.networks.transformer import Transformer

# Neighbouring windows lie in one document and are not independent; blocks of many nearly are.
_BLOCKS = 64


class Perplexity(NamedTuple):
    """exp of the mean loss a token; estimated, with its standard error over blocks of text.

    Attributes:
        value: The perplexity.
        stderr: Its standard error, that of the mean loss times the perplexity.
        block_losses: (blocks,) mean losses in nats of stretches of the text, in order; those of
            two models on the same text can be subtracted from each other.
    """

    value: float
    stderr: float
    block_losses: Float[np.ndarray, "blocks"]


def perplexity(
    network: Any,
    tokens: Any,
    *,
    stride: object = None,
    max_windows: Whole | None = None,
    batch_size: Whole = 8,
) -> Perplexity:
    """The perplexity of a language model on token ids.

    A window of k tokens predicts the token behind each of its last `stride` positions, then moves
    on by `stride`; so each token is predicted once, from at least k − stride + 1 tokens before it,

        perplexity = exp(−(1/n) Σ_t log p(x_t | x_{<t}, at most k of them)).

    The first k − stride + 1 tokens of the text, and what is left over at its end, are not counted.

    Args:
        network: A causal transformer with token logits, such as GPT-2.
        tokens: (n,) token ids, more of them than the context is long.
        stride: From 1 (each token from a full context) to k (no overlap); None: half of k.
        max_windows: Of more windows than this only as many are taken, spread over the text.
        batch_size: Windows evaluated at once.

    Returns:
        The perplexity, an estimate of that on all text of this kind.

    Raises:
        TypeError, ValueError: a number out of range, or fewer tokens than one context and one.

    Example:
        >>> import jax
        >>> from ktrans.networks import gpt2_config, perplexity
        >>> network = gpt2_config(num_tokens=50, context_length=8, depth=1, heads=1, dim=4).build(
        ...     jax.random.key(0))
        >>> uniform = jax.tree.map(lambda weights: 0 * weights, network)
        >>> found = perplexity(uniform, np.arange(40))
        >>> round(found.value, 3), found.block_losses.shape
        (50.0, (8,))
    """
    check_kind("network", network, Transformer)
    ids, k = as_array("tokens", tokens), len(network.position_embedding)
    check_ids("tokens", ids, len(network.token_embedding))
    check_length("tokens", ids, k)
    step = max(k // 2, 1) if stride is None else as_int("stride", stride, 1)
    if step > k:
        raise ValueError(f"`stride` must be at most the context length {k}; got {step}.")
    begins = step * _spread((len(ids) - 1 - k) // step + 1, max_windows)
    losses = _window_losses(
        network, contexts(ids, begins, k), step, as_int("batch_size", batch_size, 1)
    )
    return _summary(np.asarray(losses, np.float64))


def check_length(name: str, tokens: Any, k: int) -> None:
    """Raise unless there is a context of k tokens and one behind it."""
    if len(tokens) <= k:
        raise ValueError(
            f"`{name}` must hold at least {k + 1} tokens, one context and the token behind it; got "
            f"{len(tokens)}."
        )


def contexts(tokens: Any, begins: Int[np.ndarray, "n"], k: int) -> Int[np.ndarray, "n k1"]:
    """The k tokens from each beginning on, and the one behind them."""
    return tokens[begins[:, None] + np.arange(k + 1)].astype(np.int32)


def token_losses(network: Transformer, context: Int[Array, "k1"]) -> Float[Array, "k"]:
    """The cross-entropy in nats of each token but the first, given those before it."""
    logits = network.logits(context[:-1]).astype(np.float32)
    return optax.softmax_cross_entropy_with_integer_labels(logits, context[1:])


@eqx.filter_jit
def _window_losses(
    network: Transformer, windows: Int[np.ndarray | Array, "n k1"], stride: int, batch_size: int
) -> Float[Array, "n"]:
    def mean_loss(window: Int[Array, "k1"]) -> Float[Array, ""]:
        return token_losses(network, window)[-stride:].mean()

    return jax.lax.map(mean_loss, windows, batch_size=batch_size)


def _spread(count: int, max_windows: Whole | None) -> Int[np.ndarray, "n"]:
    """The numbers of all windows, or of as many as wanted, from the first to the last."""
    wanted = count if max_windows is None else as_int("max_windows", max_windows, 1)
    return np.linspace(0, count - 1, min(wanted, count)).astype(int)


def _summary(losses: Float[np.ndarray, "n"]) -> Perplexity:
    """Windows hold equally many tokens; blocks, as nearly as possible, equally many windows."""
    blocks = np.array([part.mean() for part in np.array_split(losses, min(_BLOCKS, len(losses)))])
    value = float(np.exp(losses.mean()))
    spread = blocks.std(ddof=1) / len(blocks) ** 0.5 if len(blocks) > 1 else np.inf
    return Perplexity(value, value * float(spread), blocks)
