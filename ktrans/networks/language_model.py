"""Training of GPT-2 on text, with or without two scalars a head: one loop, to be read downwards."""

import functools
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from ktrans._checks import Whole, as_int, check_kind, shown
from ktrans._files import write_whole
from ktrans._results import Result
from ktrans.networks import checkpoint as files
from ktrans.networks.language_optimisation import (
    LanguageTraining,
    adamw,
    as_computed,
    draw,
    draw_batch,
    take_step,
)
from ktrans.networks.perplexity import check_length, perplexity
from ktrans.networks.tokens import TextData
from ktrans.networks.transformer import Transformer, TransformerConfig

LOG = "log.jsonl"


class History(NamedTuple):
    """What was measured at each evaluation; arrays have evaluations as their first axis.

    Attributes:
        steps: (t,) steps taken, 0 first.
        train_loss: (t,) mean cross-entropy in nats a token, on windows of the training text.
        validation_loss: (t,) the same on windows of the validation text.
        validation_stderr: (t,) its standard error over blocks of text.
        a: (t, layers, heads); zero where the network has none.
        b: (t, layers, heads).
    """

    steps: Int[np.ndarray, "t"]
    train_loss: Float[np.ndarray, "t"]
    validation_loss: Float[np.ndarray, "t"]
    validation_stderr: Float[np.ndarray, "t"]
    a: Float[np.ndarray, "t layers heads"]
    b: Float[np.ndarray, "t layers heads"]

    @property
    def validation_perplexity(self) -> Float[np.ndarray, "t"]:
        """exp of the validation loss."""
        return np.exp(self.validation_loss)

    @property
    def perplexity_stderr(self) -> Float[np.ndarray, "t"]:
        """The standard error of the validation perplexity over blocks of text."""
        return self.validation_perplexity * self.validation_stderr


@dataclass(frozen=True, eq=False)
class LanguageResult(Result):
    """A trained language model and how it went.

    Attributes:
        history: Losses, a and b along the way; of one training, with errors over text only.
        network: The network after the last step.
        seconds: Wall-clock time of this call.
    """

    history: History
    network: Transformer
    seconds: float


class _State(NamedTuple):
    """All that changes during a run."""

    network: Transformer
    optimiser: Any
    history: History


def train_language_model(
    network: Any,
    data: Any,
    training: Any,
    *,
    seed: Whole = 0,
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> LanguageResult:
    """Train a GPT-2 on text, and record perplexity and the scalars a and b along the way.

    The seed gives initial weights and batches, the same ones with and without a and b. A run that
    is resumed from its checkpoint continues with the same numbers as one that never stopped.

    Args:
        network: A configuration from `gpt2_config`, or a network, as from `load_gpt2`.
        data: From `tokenize`.
        training: Steps and rates.
        seed: Of initial weights (where `network` is a configuration) and of batches.
        checkpoint: Folder from which the run is resumed and where it is saved, with a readable
            log.jsonl; None: nowhere.
        progress: Show a bar.

    Returns:
        History and network: numbers of one training, standard errors over text.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: the folder holds another run, the vocabularies differ, a text is shorter than
            one context, or the network sees later tokens.
        FloatingPointError: the losses are no longer finite.

    References:
        Loshchilov & Hutter (2019), Decoupled weight decay regularization (AdamW).

    Example:
        >>> from ktrans.networks import LanguageTraining, TextData, gpt2_config
        >>> from ktrans.networks import train_language_model
        >>> ids = np.arange(200) % 7
        >>> data = TextData(ids, ids, ids, num_tokens=7)
        >>> network = gpt2_config(num_tokens=7, context_length=8, depth=1, heads=2, dim=4,
        ...     identities="ab")
        >>> training = LanguageTraining(steps=4, warmup=1, batch_size=2, evaluate_every=2)
        >>> result = train_language_model(network, data, training)
        >>> result.history.steps.tolist(), result.history.a.shape
        ([0, 2, 4], (3, 1, 2))
    """
    check_kind("data", data, TextData)
    check_kind("training", training, LanguageTraining)
    _check_fit(network, data)
    number, begin = as_int("seed", seed, 0), time.perf_counter()
    folder = None if checkpoint is None else Path(checkpoint)
    if folder is not None:
        files.open_run(folder, _identity(network, data, training, number))
    with jax.enable_x64(False), jax.default_matmul_precision(training.precision):
        state = _run(network, data, training, number, folder, progress)
    result = jax.tree.map(jnp.asarray, state.network)
    return LanguageResult(state.history, result, time.perf_counter() - begin)


def _run(
    network: Any,
    data: TextData,
    training: LanguageTraining,
    seed: int,
    folder: Path | None,
    progress: bool,
) -> _State:
    state = _start(network, data, training, seed)
    if folder is not None:
        state = files.load(folder, state, history=".history", axis=0)
    model, optimiser, history = state
    done = int(history.steps[-1])
    bar = tqdm(total=training.steps, initial=done, disable=not progress, desc="training")
    for step in range(done, training.steps):
        batch = draw_batch(data.train, len(model.position_embedding), training, seed, step)
        model, optimiser = take_step(model, optimiser, batch, training)
        bar.update()
        if not _is_due(step + 1, training.evaluate_every, training):
            continue
        history = _append(history, _evaluate(model, data, training, step + 1))
        bar.set_postfix(perplexity=f"{history.validation_perplexity[-1]:.4g}")
        saved_every = training.evaluate_every * training.checkpoint_every
        if folder is not None and _is_due(step + 1, saved_every, training):
            files.save(folder, _State(model, optimiser, history))
            _write_log(folder / LOG, history)
    bar.close()
    return _State(model, optimiser, history)


def _start(network: Any, data: TextData, training: LanguageTraining, seed: int) -> _State:
    model: Any = draw(network, seed) if isinstance(network, TransformerConfig) else network
    return _State(model, adamw(training).init(model), _evaluate(model, data, training, 0))


def _evaluate(
    network: Transformer, data: TextData, training: LanguageTraining, step: int
) -> History:
    """A history of one evaluation."""
    measure = functools.partial(
        perplexity,
        as_computed(network, training.precision),
        max_windows=training.max_windows,
        batch_size=training.batch_size // training.accumulation,
    )
    train, validation = measure(data.train), measure(data.validation)
    losses = np.log([train.value, validation.value])
    if not np.isfinite(losses).all():
        raise FloatingPointError(
            f"the loss is not finite after step {step}; lower `learning_rate` = "
            f"{training.learning_rate}."
        )
    return History(
        steps=np.array([step]),
        train_loss=losses[:1],
        validation_loss=losses[1:],
        validation_stderr=np.array([validation.stderr / validation.value]),
        a=_scalars(network, "a"),
        b=_scalars(network, "b"),
    )


def _scalars(network: Transformer, name: str) -> Float[np.ndarray, "1 layers heads"]:
    layers = [block.attention for block in network.blocks]
    values = [getattr(layer, name) for layer in layers]
    rows = [np.zeros(layers[0].heads) if value is None else value for value in values]
    return np.array([rows], np.float64)


def _append(history: History, row: History) -> History:
    return jax.tree.map(lambda before, new: np.concatenate([before, new]), history, row)


def _is_due(steps: int, every: int, training: LanguageTraining) -> bool:
    return steps % every == 0 or steps == training.steps


def _write_log(path: Path, history: History) -> None:
    """One line of JSON an evaluation."""
    named = history._asdict() | {"validation_perplexity": history.validation_perplexity}
    rows = [
        json.dumps({name: values[i].tolist() for name, values in named.items()}) + "\n"
        for i in range(len(history.steps))
    ]
    write_whole(path, lambda stream: stream.write("".join(rows).encode()))


def _identity(
    network: Any, data: TextData, training: LanguageTraining, seed: int
) -> dict[str, Any]:
    """What a checkpoint must have been made with."""
    if isinstance(network, TransformerConfig):
        start = network.to_dict()
    else:
        hashed = hashlib.sha256(repr(jax.tree.structure(network)).encode())
        for leaf in jax.tree.leaves(network):
            hashed.update(np.asarray(leaf).tobytes())
        start = {"sha256": hashed.hexdigest()}
    return {
        "network": start,
        "training": training.to_dict(),
        "data": {"sha256": data.fingerprint()},
        "seed": seed,
    }


def _check_fit(network: Any, data: TextData) -> None:
    """Refuse a network that sees the tokens it is to predict, or knows other tokens."""
    if not isinstance(network, TransformerConfig | Transformer):
        raise TypeError(
            f"`network` must be a TransformerConfig or a Transformer; got {shown(network)}."
        )
    model: Any = network
    if isinstance(network, TransformerConfig):
        model = eqx.filter_eval_shape(network.build, jax.random.key(0))
    m, k = model.token_embedding.shape[0], model.position_embedding.shape[0]
    causal = all(block.attention.causal for block in model.blocks)
    if not causal or (model.read_out is not None and model.read_out.weight.shape[1] != m):
        raise ValueError("`network` must be causal and have token logits, as `gpt2_config` makes.")
    if m != data.num_tokens:
        raise ValueError(
            f"`network` must have num_tokens = {data.num_tokens}, as the tokenizer of `data` has; "
            f"got {m}."
        )
    check_length("data.train", data.train, k)
    check_length("data.validation", data.validation, k)
