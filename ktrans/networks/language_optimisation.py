"""Steps of a language model: initial weights, batches of contexts, AdamW on clipped gradients."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ktrans._checks import as_non_negative, check_word
from ktrans.networks._configuration import Configuration, check_sizes
from ktrans.networks.gpt2 import draw_gpt2
from ktrans.networks.optimisation import PRECISIONS
from ktrans.networks.perplexity import contexts, token_losses
from ktrans.networks.transformer import Transformer, TransformerConfig

# The end of the cosine, as a share of the learning rate, and Adam's averages: habits of GPT-2.
_LAST_RATE, _BETAS = 0.1, (0.9, 0.95)
# Streams of one seed.
_WEIGHTS, _BATCHES = 0, 1


@dataclass(frozen=True, kw_only=True)
class LanguageTraining(Configuration):
    """How a language model is trained: AdamW, warm-up and cosine, clipped gradients.

    Args:
        steps: Number of steps.
        batch_size: Contexts of a step.
        accumulation: Parts of a step that are computed one after another, to save memory; divides
            `batch_size`.
        learning_rate: The highest; the rate rises to it over `warmup` steps and falls to a tenth.
        warmup: Steps of rising, fewer than `steps`.
        weight_decay: Of matrices; biases, gains and the scalars a and b do not decay.
        clipping: Largest norm of a gradient.
        evaluate_every: Steps between evaluations.
        max_windows: Windows of text in an evaluation at most, spread over the text.
        checkpoint_every: Evaluations between checkpoints: what a killed run loses at most.
        precision: "float32"; where a device is faster with less, "tensorfloat32" matrix products,
            or "bfloat16" activations. Parameters, gradients' sums and losses are float32 always.

    Raises:
        TypeError, ValueError: a count is no positive integer, a number negative, a word unknown.
    """

    steps: Any
    batch_size: Any = 32
    accumulation: Any = 1
    learning_rate: Any = 3e-4
    warmup: Any = 100
    weight_decay: Any = 0.1
    clipping: Any = 1.0
    evaluate_every: Any = 100
    max_windows: Any = 256
    checkpoint_every: Any = 1
    precision: Any = "float32"

    def __post_init__(self) -> None:
        check_sizes(self, "steps", "batch_size", "accumulation", "warmup")
        check_sizes(self, "evaluate_every", "max_windows", "checkpoint_every")
        for name in ("learning_rate", "weight_decay", "clipping"):
            as_non_negative(name, getattr(self, name))
        check_word("precision", self.precision, PRECISIONS)
        if self.batch_size % self.accumulation:
            raise ValueError(
                f"`accumulation` must divide `batch_size` = {self.batch_size}; got "
                f"{self.accumulation}."
            )
        if self.warmup >= self.steps:
            raise ValueError(f"`warmup` must be below `steps` = {self.steps}; got {self.warmup}.")


def draw(config: TransformerConfig, seed: int) -> Transformer:
    """Initial weights, which a seed gives alike with and without a and b."""
    return _draw(config, jax.random.fold_in(jax.random.key(seed), _WEIGHTS))


@eqx.filter_jit
def _draw(config: TransformerConfig, key: PRNGKeyArray) -> Transformer:
    plain = draw_gpt2(dataclasses.replace(config, identities="none"), key)
    return eqx.combine(plain, config.build(key))


def draw_batch(
    tokens: Any, k: int, training: LanguageTraining, seed: int, step: int
) -> Int[np.ndarray, "parts contexts k1"]:
    """Contexts from anywhere in the text, by seed and step alone, so that a run can be resumed."""
    generator = np.random.default_rng([seed, _BATCHES, step])
    begins = generator.integers(0, len(tokens) - k, size=training.batch_size)
    return contexts(tokens, begins, k).reshape(training.accumulation, -1, k + 1)


@eqx.filter_jit
def take_step(
    network: Any,
    optimiser: Any,
    batch: Any,
    training: LanguageTraining,
) -> tuple[Transformer, Any]:
    """Network and optimiser after one step; gradients of the parts are averaged.

    Args:
        network: The network before.
        optimiser: The state of its optimiser.
        batch: (parts, contexts, k + 1) token ids.
        training: Rates.

    Returns:
        Both after the step.
    """

    def add(total: Transformer, part: Int[Array, "contexts k1"]) -> tuple[Transformer, None]:
        gradient = jax.grad(_loss)(network, part, training.precision)
        return jax.tree.map(jnp.add, total, gradient), None

    total, _ = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, network), batch)
    gradient = jax.tree.map(lambda leaf: leaf / len(batch), total)
    updates, optimiser = adamw(training).update(gradient, optimiser, network)
    return eqx.apply_updates(network, updates), optimiser


def _loss(
    network: Transformer, part: Int[Array, "contexts k1"], precision: str
) -> Float[Array, ""]:
    """Mean cross-entropy in nats a token."""
    model = as_computed(network, precision)
    return jax.vmap(functools.partial(token_losses, model))(part).mean()


def as_computed(network: Transformer, precision: str) -> Transformer:
    """The parameters in the type that activations are to have."""
    kind = jnp.bfloat16 if precision == "bfloat16" else np.float32
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, kind), network)


def adamw(training: LanguageTraining) -> optax.GradientTransformation:
    """AdamW behind the clipping of gradients; its rate rises, then falls along a cosine."""
    rate = optax.warmup_cosine_decay_schedule(
        init_value=training.learning_rate / (training.warmup + 1),
        peak_value=training.learning_rate,
        warmup_steps=training.warmup,
        decay_steps=training.steps,
        end_value=_LAST_RATE * training.learning_rate,
    )
    b1, b2 = _BETAS
    step = optax.adamw(rate, b1, b2, weight_decay=training.weight_decay, mask=_matrices)
    return optax.chain(optax.clip_by_global_norm(training.clipping), step)


def _matrices(network: Transformer) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim >= 2, network)
