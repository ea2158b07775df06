"""What training does to heads and states: a, z and N grow with the first correct unseen symbols.

python -m experiments.heads_in_training [--quick] [--out results/heads_in_training]

Two transformers learn αβα against αββ from the same strings, one with a trainable aI in each head.
At each evaluation: the error on unseen symbols; a_h and the z-scores of the identity in
W_Qᵀ W_K + a_h I and in W_O W_V; and N̂ of the state that is read out, on tokens that no training
string has, with the test whether it is nonsingular.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ktrans as kt
from experiments._run import run_experiment
from experiments.data_efficiency import PLAIN, TRANSFORMER, WITH_A
from ktrans._progress import show_progress
from ktrans.measure.probe import probe
from ktrans.networks import TrainingConfig, draw_task_data
from ktrans.networks.heads import head_identities
from ktrans.networks.optimisation import evaluate, seeds_of, start, take_steps
from ktrans.plotting.heads_in_training import heads_in_training_figure

MODELS = {PLAIN: TRANSFORMER, WITH_A: TRANSFORMER.but(identities="a")}
CHANCE = 0.5  # what counts as learned, of the error of guessing


@dataclass(frozen=True)
class Config:
    """What is trained, and how often it is looked at.

    Attributes:
        num_samples: n, also the size of the training alphabet.
        seeds: Of weights and strings.
        fresh: Tokens beyond those of the data, on which N̂ is taken.
        training: Steps between evaluations, and their number.
    """

    num_samples: int
    seeds: tuple[int, ...]
    fresh: int
    training: TrainingConfig
    task: str = "aba_abb"
    models: dict[str, Any] = field(default_factory=lambda: MODELS)

    @classmethod
    def quick(cls) -> "Config":
        """A minute and a half on two cores."""
        training = TrainingConfig(learning_rate=1e-3, steps=120, batch_size=32, evaluate_every=10)
        return cls(num_samples=128, seeds=(10,), fresh=256, training=training)

    @classmethod
    def paper(cls) -> "Config":
        """Half an hour on two cores."""
        training = TrainingConfig(learning_rate=1e-3, steps=4000, batch_size=32, evaluate_every=50)
        return cls(num_samples=1024, seeds=(10, 11, 12), fresh=512, training=training)


def compute(config: Config) -> dict[str, Any]:
    """The paths of both networks, and where each quantity first says that it is learned."""
    models = {name: _path(config, model) for name, model in config.models.items()}
    return {"chance": 1.0, "models": models}


def _path(config: Config, model: Any) -> list[dict[str, Any]]:
    """A record for each seed."""
    task = kt.tasks.load(config.task, vocab_size=config.num_samples)
    data = draw_task_data(task, num_samples=config.num_samples, seeds=config.seeds)
    sizes = {"num_tokens": data.num_tokens + 2 * config.fresh, "context_length": 4}
    network = type(model.configuration(data))(**sizes, **model.options)
    seeds, training = seeds_of(data), config.training
    states = start(network, seeds, training)
    looks = []
    for step in show_progress(range(0, training.steps + 1, training.evaluate_every), "evaluations"):
        if step:
            done = jnp.asarray(step - training.evaluate_every, np.int32)
            states = take_steps(*states, data.train, seeds, done, training)
        losses = np.asarray(evaluate(states[0], data.parts))
        looks.append([_look(config, states[0], losses, i, step) for i in range(len(config.seeds))])
    return [_joined([look[i] for look in looks], seed) for i, seed in enumerate(config.seeds)]


def _look(config: Config, networks: Any, losses: np.ndarray, i: int, step: int) -> dict[str, Any]:
    """What is seen of one network at one step."""
    network = jax.tree.map(lambda leaf: leaf[i], networks)
    heads, found = head_identities(network, permutations=19), _probe(config, network)
    added = np.zeros(1) if heads.added_a is None else heads.added_a
    return {
        "step": step,
        "train": float(losses[i, 0]),
        "unseen": float(losses[i, 2]),
        "a": float(np.abs(added).max()),
        "query_key": float(np.abs(heads.query_key).max()),
        "value_output": float(np.abs(heads.value_output).max()),
        "sigma_min": found.sigma_min / float(found.self_kernel.mean()),
        "sigma_min_stderr": found.sigma_min_stderr / float(found.self_kernel.mean()),
        "p_value": found.p_value,
        "nonsingular": found.nonsingular,
    }


def _probe(config: Config, network: Any) -> Any:
    """N̂ of the state that is read out, on tokens that the network has and the data have not."""
    task = kt.tasks.load(config.task, vocab_size=config.fresh)
    trained = kt.tasks.load(config.task, vocab_size=config.num_samples)
    ids = len(network.token_embedding) - 2 * config.fresh + np.arange(task.num_tokens) - 1
    ids[: config.fresh] += 1  # below [CLS], which the two sets of fresh tokens lie around
    ids[task.cls_id] = trained.cls_id
    read = jax.jit(jax.vmap(lambda string: network.hidden(string)[-1]))
    return probe(
        lambda tokens: np.asarray(read(ids[tokens])), task, rounds=1, num_samples=(64,),
        repeats=1, num_test=64,
    )  # fmt: skip


def _joined(looks: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    columns = {name: [look[name] for look in looks] for name in looks[0]}
    steps = {
        "learned_at": _first(columns["unseen"], lambda loss: loss < CHANCE, columns["step"]),
        "nonsingular_at": _first(columns["nonsingular"], bool, columns["step"]),
    }
    return {"seed": seed, **columns, **steps}


def _first(values: list[Any], holds: Any, steps: list[int]) -> int | None:
    """The first step from which on it holds at every evaluation."""
    kept = [holds(value) for value in values]
    last = max((i for i, each in enumerate(kept) if not each), default=-1)
    return steps[last + 1] if last + 1 < len(steps) else None


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(__doc__, "heads_in_training", Config, compute, heads_in_training_figure)


if __name__ == "__main__":
    main()
