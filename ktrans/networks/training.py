"""One training loop for all networks: Adam on mini-batches, seeds in parallel, resumable."""

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from tqdm import tqdm

from ktrans._checks import check_kind
from ktrans._results import Result
from ktrans.networks import checkpoint as files
from ktrans.networks._configuration import NetworkConfig
from ktrans.networks.data import TaskData
from ktrans.networks.optimisation import TrainingConfig, evaluate, seeds_of, start, take_steps


@dataclass(frozen=True, eq=False)
class TrainingResult(Result):
    """Losses along the path of every seed, and the networks that validated best.

    Losses are mean squared errors, or cross-entropies in nats where labels are symbols.

    Attributes:
        seeds: The s seeds.
        steps: (e,) steps at which losses were taken, 0 first.
        train_losses: (s, e); a seed that has stopped early goes on in the company of the others.
        validation_losses: (s, e).
        test_losses: (s, e).
        best: (s,) column of the best validation loss before the seed stopped.
        networks: The network at that column, its arrays with a first axis of length s.
        seconds: Wall-clock time of this call.
    """

    seeds: tuple[int, ...]
    steps: Int[np.ndarray, "e"]
    train_losses: Float[np.ndarray, "s e"]
    validation_losses: Float[np.ndarray, "s e"]
    test_losses: Float[np.ndarray, "s e"]
    best: Int[np.ndarray, "s"]
    networks: Any
    seconds: float

    @property
    def test_loss(self) -> Float[np.ndarray, "s"]:
        """Test loss of each seed at its best validation loss."""
        return np.take_along_axis(self.test_losses, self.best[:, None], axis=1)[:, 0]


class _State(NamedTuple):
    """All that changes during a run; every array has the seeds as its first axis."""

    network: Any
    optimiser: Any
    best_network: Any
    best_loss: Float[Array | np.ndarray, "s"]
    best: Int[Array | np.ndarray, "s"]
    losses: Float[Array | np.ndarray, "s e 3"]


def train(
    network: Any,
    data: Any,
    training: Any,
    *,
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Train one network a seed, all in parallel, and report the losses along the way.

    Each seed draws its initial weights, its mini-batches and (in `data`) its strings from the
    seed. A run that is resumed continues with the same numbers as one that never stopped; `steps`
    may be raised in between.

    Args:
        network: The configuration of a network.
        data: From `draw_task_data`.
        training: Rates, steps and stopping.
        checkpoint: Folder from which the run is resumed and where it is saved; None: nowhere.
        progress: Show a bar.

    Returns:
        Losses and networks: numbers of one training each, spread over seeds shown, no error bound.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: the folder holds another run, or the network does not fit the data.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.networks import MLPConfig, TrainingConfig, draw_task_data, train
        >>> task = kt.tasks.load("aba_abb", vocab_size=16)
        >>> data = draw_task_data(task, num_samples=16, seeds=[0])
        >>> network = MLPConfig(num_tokens=data.num_tokens, context_length=4, depth=1, width=8)
        >>> result = train(network, data, TrainingConfig(learning_rate=1e-2, steps=20,
        ...     evaluate_every=10))
        >>> result.steps.tolist(), result.test_loss.shape
        ([0, 10, 20], (1,))
    """
    check_kind("network", network, NetworkConfig)
    check_kind("data", data, TaskData)
    check_kind("training", training, TrainingConfig)
    _check_fit(network, data)
    begin = time.perf_counter()
    folder = None if checkpoint is None else Path(checkpoint)
    with jax.enable_x64(False), jax.default_matmul_precision(training.precision):
        state = _run(network, data, training, folder, progress)
    losses = np.asarray(state.losses, dtype=np.float64)
    return TrainingResult(
        seeds=data.seeds,
        steps=training.evaluate_every * np.arange(losses.shape[1]),
        train_losses=losses[:, :, 0],
        validation_losses=losses[:, :, 1],
        test_losses=losses[:, :, 2],
        best=np.asarray(state.best),
        networks=jax.tree.map(jnp.asarray, state.best_network),
        seconds=time.perf_counter() - begin,
    )


def _check_fit(network: NetworkConfig, data: TaskData) -> None:
    """Refuse a network whose embedding lacks tokens (they would be clipped) or read-out labels."""
    if network.num_tokens < data.num_tokens or network.context_length != data.context_length:
        raise ValueError(
            f"`network` must have num_tokens >= {data.num_tokens} and context_length = "
            f"{data.context_length}, as `data` has; got {network.num_tokens} and "
            f"{network.context_length}."
        )
    tokens = np.zeros(data.context_length, np.int32)
    outputs = eqx.filter_eval_shape(lambda key: network.build(key)(tokens), jax.random.key(0))
    wanted = (network.num_tokens,) if data.is_symbolic else ()
    if outputs.shape != wanted:
        raise ValueError(
            f"`network` must have outputs of shape {wanted} for the labels of `data`; got "
            f"{outputs.shape}: set its read-out."
        )


def _run(
    network: NetworkConfig,
    data: TaskData,
    training: TrainingConfig,
    folder: Path | None,
    progress: bool,
) -> _State:
    if folder is not None:
        files.open_run(folder, _identity(network, data, training))
    state = _start(network, data, training)
    if folder is not None:
        state = files.load(folder, state, history=".losses", axis=1)
    bar = tqdm(total=training.steps, disable=not progress, unit="step", desc="training")
    bar.update(_steps_done(state, training))
    while _goes_on(state, training):
        state = _advance(state, data, training)
        bar.update(training.evaluate_every)
        bar.set_postfix(validation=f"{np.median(state.best_loss):.3g}")
        evaluations = state.losses.shape[1] - 1
        due = evaluations % training.checkpoint_every == 0 or not _goes_on(state, training)
        if folder is not None and due:
            files.save(folder, state)
    bar.close()
    return state


def _identity(
    network: NetworkConfig, data: TaskData, training: TrainingConfig
) -> dict[str, dict[str, Any]]:
    """What a checkpoint must have been made with; the number of steps may be raised later."""
    path = {key: value for key, value in training.to_dict().items() if key != "steps"}
    return {"network": network.to_dict(), "training": path, "data": {"sha256": data.fingerprint()}}


def _start(network: NetworkConfig, data: TaskData, training: TrainingConfig) -> _State:
    networks, optimisers = start(network, seeds_of(data), training)
    losses = evaluate(networks, data.parts)
    return _State(
        network=networks,
        optimiser=optimisers,
        best_network=networks,
        best_loss=losses[:, 1],
        best=jnp.zeros(len(data.seeds), np.int32),
        losses=losses[:, None],
    )


def _steps_done(state: _State, training: TrainingConfig) -> int:
    return (state.losses.shape[1] - 1) * training.evaluate_every


def _goes_on(state: _State, training: TrainingConfig) -> bool:
    running = ~np.asarray(_has_stopped(state, training))
    return _steps_done(state, training) < training.steps and bool(running.any())


def _has_stopped(state: _State, training: TrainingConfig) -> Any:
    """Which seeds have stopped: no better validation loss for long, or a good enough one."""
    stale = state.losses.shape[1] - 1 - state.best
    return (stale >= training.patience) | (state.best_loss <= training.target)


def _advance(state: _State, data: TaskData, training: TrainingConfig) -> _State:
    """The state after the next evaluation."""
    done = jnp.asarray(_steps_done(state, training), np.int32)
    network, optimiser = take_steps(
        state.network, state.optimiser, data.train, seeds_of(data), done, training
    )
    losses, evaluation = evaluate(network, data.parts), state.losses.shape[1]
    better = (losses[:, 1] < state.best_loss) & ~_has_stopped(state, training)
    return _State(
        network=network,
        optimiser=optimiser,
        best_network=jax.tree.map(functools.partial(_choose, better), network, state.best_network),
        best_loss=_choose(better, losses[:, 1], state.best_loss),
        best=_choose(better, np.int32(evaluation), state.best),
        losses=jnp.concatenate([state.losses, losses[:, None]], axis=1),
    )


def _choose(better: Any, new: Any, old: Any) -> Any:
    """For each seed the new array where it is better, else the old one."""
    shape = (-1,) + (1,) * (np.ndim(old) - 1)
    return jnp.where(better.reshape(shape), new, old)
