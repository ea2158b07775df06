"""Training the attention network on the seen tokens, with an eye on the unseen ones."""

import functools
import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from ktrans._checks import (
    LARGEST_SEED,
    as_int,
    as_non_negative,
    as_real,
    check_kind,
    check_word,
)
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans.copying.collapse import collapse
from ktrans.copying.network import (
    SYMBOLS,
    CopyingNetwork,
    Parameters,
    Tokens,
    accuracies,
    losses,
)

ADAM, GRADIENT_FLOW = "adam", "gradient_flow"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the parameters move: a learning rate for each group, and for how long.

    Gradient flow is Euler's method: group g moves by −η_g ∇_g L_train in each step, so that time
    is `steps` · `learning_rate`. Adam moves every entry by about its rate, which for matrices is
    η_g/√d_emb: the size of the entries of a matrix at init_scale 1 is the unit.

    Args:
        optimizer: "adam" or "gradient_flow".
        learning_rate: η of W_V and W_O, positive.
        embedding_rate: η of W_E in units of it, non-negative; 0 freezes the embedding.
        identity_rate: η of b in units of it, non-negative; 0 leaves b at its initial value.
        steps: Number of steps, at least 1.
        records: Into how many equal parts the steps are cut; losses are recorded between them.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if one is outside its range, or `records` does not divide `steps`.

    Example:
        >>> Schedule(optimizer="adam", learning_rate=0.025, steps=300, identity_rate=0).records
        10
    """

    optimizer: Any
    learning_rate: Any
    steps: Any
    embedding_rate: Any = 0.01
    identity_rate: Any = 10.0
    records: Any = 10

    def __post_init__(self) -> None:
        check_word("optimizer", self.optimizer, (ADAM, GRADIENT_FLOW))
        if as_real("learning_rate", self.learning_rate) <= 0:
            raise ValueError(f"`learning_rate` must be positive; got {self.learning_rate}.")
        as_non_negative("embedding_rate", self.embedding_rate)
        as_non_negative("identity_rate", self.identity_rate)
        as_int("steps", self.steps, 1)
        if self.steps % as_int("records", self.records, 1):
            raise ValueError(f"`records` must divide `steps` = {self.steps}; got {self.records}.")

    def rates(self, network: CopyingNetwork) -> dict[str, float]:
        """The size of a step, by symbol of the group."""
        unit = 1 / math.sqrt(network.embedding_dim) if self.optimizer == ADAM else 1.0
        matrix = self.learning_rate * unit
        embedding, identity = matrix * self.embedding_rate, self.learning_rate * self.identity_rate
        return dict(zip(SYMBOLS, (embedding, matrix, matrix, identity, embedding), strict=True))


@dataclass(frozen=True, eq=False)
class TrainingPath(Result):
    """What was recorded, before training and after each part of the steps, for each seed.

    Attributes:
        chance: log m.
        step: Numbers of steps taken, shape (t,).
        train_loss: Cross-entropy on seen tokens, shape (seeds, t); float32 arithmetic, like all.
        test_loss: Cross-entropy on unseen tokens, shape (seeds, t).
        train_accuracy: Share of seen tokens copied, shape (seeds, t).
        test_accuracy: Share of unseen tokens copied, shape (seeds, t).
        identity: b, shape (seeds, t).
        mean_cosine: Mean cosine between unembeddings of two unseen tokens, shape (seeds, t); NaN
            for one unseen token.
        effective_rank: (tr G)²/‖G‖²_F of the normalised unseen unembeddings' Gram matrix G, from 1
            (all parallel) to their number (orthogonal), shape (seeds, t).
    """

    chance: float
    step: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray
    train_accuracy: np.ndarray
    test_accuracy: np.ndarray
    identity: np.ndarray
    mean_cosine: np.ndarray
    effective_rank: np.ndarray

    @property
    def relative_test_loss(self) -> float:
        """Test loss in the end over chance, mean over seeds; 1 has learnt nothing."""
        return float(self.test_loss[:, -1].mean() / self.chance)


def train(
    network: Any,
    schedule: Any,
    *,
    num_seeds: int,
    seed: int = 0,
    capacity: int | None = None,
    progress: Progress = in_silence,
) -> TrainingPath:
    """Train on the seen tokens from several initialisations at once.

    Args:
        network: Sizes and initialisation.
        schedule: The optimiser and its learning rates; `identity_rate=0` is training without b.
        num_seeds: Number of initialisations, at least 1.
        seed: Of the initialisations.
        capacity: Rows of the embedding, at least m: networks that differ in m and the number of
            seen tokens only share their compiled code where they share it. Rows beyond m are
            neither inputs nor classes.
        progress: Wraps the loop over the recorded parts.

    Returns:
        The path, in float32 arithmetic: losses are good to six digits, and those below 10⁻⁷ are
        zero.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if one is outside its range.
        FloatingPointError: if the loss is no longer finite; a smaller learning rate helps.

    Example:
        >>> network = CopyingNetwork(
        ...     embedding_dim=16, vocab_size=12, num_seen=8, num_heads=1, head_dim=16,
        ...     init_scale=0.1,
        ... )
        >>> schedule = Schedule(optimizer="adam", learning_rate=0.025, steps=200, records=2)
        >>> path = train(network, schedule, num_seeds=2)
        >>> path.test_loss.shape, bool(path.relative_test_loss < 0.5)
        ((2, 3), True)
    """
    check_kind("network", network, CopyingNetwork)
    check_kind("schedule", schedule, Schedule)
    rows = as_int("capacity", network.vocab_size if capacity is None else capacity, 1)
    if rows < network.vocab_size:
        raise ValueError(
            f"`capacity` must be at least `vocab_size` = {network.vocab_size}; got {rows}."
        )
    keys = jax.random.split(
        jax.random.key(as_int("seed", seed, 0, LARGEST_SEED)), as_int("num_seeds", num_seeds, 1)
    )
    return _as_path(network, schedule, _records(network, schedule, keys, rows, progress))


class _State(NamedTuple):
    parameters: Parameters
    memory: optax.OptState


class _Plan(NamedTuple):
    """What compiled code depends on, and no more: free of rates, m and the number seen."""

    shape: CopyingNetwork
    optimizer: str
    part: int
    num_unseen: int


class _Record(NamedTuple):
    losses: Float[Array, "s 2"]
    accuracies: Float[Array, "s 2"]
    identity: Float[Array, " s"]
    collapse: Float[Array, "s 2"]


def _records(
    network: CopyingNetwork,
    schedule: Schedule,
    keys: Key[Array, " s"],
    rows: int,
    progress: Progress,
) -> list[_Record]:
    """A record before training and after each part."""
    plan, tokens = _plan(network, schedule, rows), network.tokens(rows)
    rates = schedule.rates(network)
    state = _start(plan, keys)
    found = [_record(plan, state.parameters, tokens)]
    for _ in progress(range(schedule.records), "steps"):
        state = _advance(plan, state, tokens, rates)
        found.append(_record(plan, state.parameters, tokens))
        if not np.isfinite(found[-1].losses).all():
            raise FloatingPointError(
                "The loss is no longer finite; `learning_rate` must be smaller than "
                f"{schedule.learning_rate}."
            )
    return found


def _plan(network: CopyingNetwork, schedule: Schedule, rows: int) -> _Plan:
    # Any split of the rows serves: which tokens are seen travels in a mask.
    fields = asdict(network) | {"vocab_size": rows, "num_seen": rows - 1}
    part = schedule.steps // schedule.records
    return _Plan(CopyingNetwork(**fields), schedule.optimizer, part, network.num_unseen)


def _direction(plan: _Plan) -> optax.GradientTransformation:
    return optax.scale_by_adam() if plan.optimizer == ADAM else optax.identity()


@functools.partial(jax.jit, static_argnums=0)
def _start(plan: _Plan, keys: Key[Array, " s"]) -> _State:
    parameters: Any = jax.vmap(plan.shape.initialise)(keys)
    return _State(parameters, jax.vmap(_direction(plan).init)(parameters))


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def _advance(plan: _Plan, state: _State, tokens: Tokens, rates: dict[str, Any]) -> _State:
    """One part of the steps for every seed."""

    def step(state: _State, _: None) -> tuple[_State, None]:
        gradients: Any = jax.grad(lambda each: losses(each, tokens)[0])(state.parameters)
        directions, memory = _direction(plan).update(gradients, state.memory)
        return _State(_moved(state.parameters, directions, rates), memory), None

    def part(state: _State) -> _State:
        return jax.lax.scan(step, state, None, length=plan.part)[0]

    return jax.vmap(part)(state)


def _moved(parameters: Parameters, directions: Any, rates: dict[str, Any]) -> Parameters:
    """Every group against its direction at its rate; a group that is None stays so."""
    sizes = (rates[name] for name in SYMBOLS)
    groups = zip(parameters, directions, sizes, strict=True)
    moved: Any = (old if old is None else old - size * way for old, way, size in groups)
    return Parameters(*moved)


@functools.partial(jax.jit, static_argnums=0)
def _record(plan: _Plan, parameters: Parameters, tokens: Tokens) -> _Record:
    def one(parameters: Parameters) -> _Record:
        rows = parameters.embedding if parameters.unembedding is None else parameters.unembedding
        first = jnp.argmax(tokens.unseen)
        unseen = jax.lax.dynamic_slice_in_dim(rows, first, plan.num_unseen)
        return _Record(
            losses(parameters, tokens), accuracies(parameters, tokens), parameters.identity,
            collapse(unseen),
        )  # fmt: skip

    return jax.vmap(one)(parameters)


def _as_path(network: CopyingNetwork, schedule: Schedule, found: list[_Record]) -> TrainingPath:
    part = schedule.steps // schedule.records
    columns = (np.stack(leaves, axis=1).astype(np.float64) for leaves in zip(*found, strict=True))
    loss, accuracy, identity, shape = columns
    return TrainingPath(
        chance=network.chance,
        step=part * np.arange(schedule.records + 1),
        train_loss=loss[..., 0],
        test_loss=loss[..., 1],
        train_accuracy=accuracy[..., 0],
        test_accuracy=accuracy[..., 1],
        identity=identity,
        mean_cosine=shape[..., 0],
        effective_rank=shape[..., 1],
    )
