"""Steps of Adam on mini-batches, and losses, for one network a seed."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt32

from ktrans._checks import as_non_negative, check_word
from ktrans.networks._configuration import Configuration, NetworkConfig, check_sizes
from ktrans.networks.data import Strings, TaskData

PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
TRAINABLE = ("all", "read_out")

# Streams of one seed.
_WEIGHTS, _BATCHES = 0, 1


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Configuration):
    """How networks are trained.

    Args:
        learning_rate: Of Adam.
        steps: Largest number of steps, taken up to a whole number of evaluations.
        batch_size: Strings of a mini-batch; all of them where there are fewer.
        evaluate_every: Steps between evaluations.
        patience: A seed stops after so many evaluations without a better validation loss.
        target: A seed stops at a validation loss of at most this.
        checkpoint_every: Evaluations between checkpoints: what a killed run loses at most.
        trainable: "all" parameters, or the "read_out" alone.
        precision: Of matrix products: "float32", or where a device is faster with less
            "tensorfloat32" or "bfloat16". Parameters and sums are float32 always.

    Raises:
        TypeError, ValueError: a count is no positive integer, a number negative, a word unknown.
    """

    learning_rate: Any
    steps: Any
    batch_size: Any = 64
    evaluate_every: Any = 100
    patience: Any = 20
    target: Any = 0.0
    checkpoint_every: Any = 10
    trainable: Any = "all"
    precision: Any = "float32"

    def __post_init__(self) -> None:
        check_sizes(self, "steps", "batch_size", "evaluate_every", "patience", "checkpoint_every")
        as_non_negative("learning_rate", self.learning_rate)
        as_non_negative("target", self.target)
        check_word("trainable", self.trainable, TRAINABLE)
        check_word("precision", self.precision, PRECISIONS)


def seeds_of(data: TaskData) -> UInt32[Array, "s"]:
    """The seeds as an array."""
    return jnp.asarray(np.array(data.seeds, dtype=np.uint32))


@eqx.filter_jit
def start(
    network: NetworkConfig, seeds: UInt32[Array, "s"], training: TrainingConfig
) -> tuple[Any, Any]:
    """A network and the state of its optimiser for each seed."""

    def of_seed(seed: UInt32[Array, ""]) -> tuple[Any, Any]:
        built = network.build(_key(seed, _WEIGHTS))
        return built, _optimiser(training).init(_split(built, training)[0])

    return eqx.filter_vmap(of_seed)(seeds)


@eqx.filter_jit
def take_steps(
    networks: Any,
    optimisers: Any,
    train: Strings,
    seeds: UInt32[Array, "s"],
    done: Int[Array, ""],
    training: TrainingConfig,
) -> tuple[Any, Any]:
    """Networks and optimisers after the steps done, done + 1, … up to the next evaluation."""
    steps = done + jnp.arange(training.evaluate_every)

    def of_seed(network: Any, optimiser: Any, train: Strings, seed: Array) -> tuple[Any, Any]:
        trained, frozen = _split(network, training)

        def step(state: tuple[Any, Any], number: Array) -> tuple[tuple[Any, Any], None]:
            rows = _batch(_key(seed, _BATCHES), number, len(train.tokens), training.batch_size)
            batch = Strings(train.tokens[rows], train.labels[rows])
            gradient = jax.grad(_loss_of)(state[0], frozen, batch)
            updates, optimiser = _optimiser(training).update(gradient, state[1], state[0])
            return (eqx.apply_updates(state[0], updates), optimiser), None

        (trained, optimiser), _ = jax.lax.scan(step, (trained, optimiser), steps)
        return eqx.combine(trained, frozen), optimiser

    return eqx.filter_vmap(of_seed)(networks, optimisers, train, seeds)


@eqx.filter_jit
def evaluate(networks: Any, parts: tuple[Strings, ...]) -> Float[Array, "s parts"]:
    """The loss of each network on each part of its data."""
    return jnp.stack([eqx.filter_vmap(loss)(networks, part) for part in parts], axis=1)


def loss(network: Any, strings: Strings) -> Float[Array, ""]:
    """Mean squared error, or the mean cross-entropy in nats where labels are token ids."""
    outputs = jax.vmap(network)(strings.tokens)
    if jnp.issubdtype(strings.labels.dtype, jnp.floating):
        return jnp.mean((outputs - strings.labels) ** 2)
    return optax.softmax_cross_entropy_with_integer_labels(outputs, strings.labels).mean()


def _loss_of(trained: Any, frozen: Any, strings: Strings) -> Float[Array, ""]:
    return loss(eqx.combine(trained, frozen), strings)


def _batch(key: PRNGKeyArray, number: Int[Array, ""], size: int, batch: int) -> Int[Array, "batch"]:
    """The rows of a step: each epoch goes through the strings in an order of its own.

    What is left over at the end of an epoch, fewer than a batch, is skipped.
    """
    batch = min(batch, size)
    in_epoch = size // batch
    order = jax.random.permutation(jax.random.fold_in(key, number // in_epoch), size)
    return jax.lax.dynamic_slice(order, (batch * (number % in_epoch),), (batch,))


def _split(network: Any, training: TrainingConfig) -> tuple[Any, Any]:
    """The trained parameters and the rest."""
    if training.trainable == "all":
        return eqx.partition(network, eqx.is_inexact_array)
    if network.read_out is None:
        raise ValueError(
            '`trainable` = "read_out" needs a network whose read-out is no embedding; got '
            'read_out = "tied".'
        )
    nothing = jax.tree.map(lambda _: False, network)
    spec = eqx.tree_at(lambda tree: tree.read_out, nothing, replace=True)
    return eqx.partition(network, spec)


def _optimiser(training: TrainingConfig) -> optax.GradientTransformation:
    return optax.adam(training.learning_rate)


def _key(seed: UInt32[Array, ""], stream: int) -> PRNGKeyArray:
    return jax.random.fold_in(jax.random.key(seed), stream)
