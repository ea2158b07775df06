"""GPT-2 small for a few steps without and with aI and bI: whether a machine can train it.

python -m experiments.benchmarks.gpt2 [--steps 5] [--contexts 1] [--length 128]

Prints parameters, seconds a step, the loss on validation text before and after, and the most memory
held. Text and tokenizer are those of `python -m experiments.language_model`, which trains the same
networks for longer, on longer contexts and more of them, and wants a GPU.
"""

import argparse
import functools
import time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.benchmarks._machine import peak_gigabytes
from experiments.language_model import CACHE, MODIFIED, PLAIN, Config, read_data
from ktrans.networks import LanguageTraining, TextData, Transformer, num_parameters
from ktrans.networks.language_optimisation import adamw, draw, draw_batch, take_step
from ktrans.networks.perplexity import contexts, token_losses

VALIDATION_CONTEXTS = 16


class Trial(NamedTuple):
    """A few steps of one network; compilation is in the seconds of the first."""

    parameters: int
    first_seconds: float
    seconds: float
    loss_before: float
    loss_after: float

    def sentence(self, name: str) -> str:
        """What came out."""
        return (
            f"{name}: {self.parameters:,} parameters; {self.seconds:.2f} s a step, "
            f"{self.first_seconds:.1f} s the first; validation loss {self.loss_before:.2f} nats a "
            f"token before and {self.loss_after:.2f} after."
        )


def compute(
    config: Config, data: TextData, training: LanguageTraining, length: int
) -> dict[str, Trial]:
    """A trial without and with the scalars, from the same weights and on the same contexts."""
    with jax.enable_x64(False):
        return {
            identities: _try(config, identities, data, training, length)
            for identities in (PLAIN, MODIFIED)
        }


def _try(
    config: Config, identities: str, data: TextData, training: LanguageTraining, length: int
) -> Trial:
    network, seconds = config.network(identities, data.num_tokens), []
    model: Any = draw(network, seed=0)
    optimiser, unseen = adamw(training).init(model), _spread(data.validation, length)
    before = float(_mean_loss(model, unseen))
    for step in range(training.steps):
        batch, started = draw_batch(data.train, length, training, 0, step), time.perf_counter()
        model, optimiser = jax.block_until_ready(take_step(model, optimiser, batch, training))
        seconds.append(time.perf_counter() - started)
    after, rest = float(_mean_loss(model, unseen)), seconds[1:] or seconds
    return Trial(num_parameters(network), seconds[0], sum(rest) / len(rest), before, after)


def _spread(tokens: np.ndarray, length: int) -> Int[np.ndarray, "contexts k1"]:
    """Contexts from the first to the last of a text."""
    begins = np.linspace(0, len(tokens) - 1 - length, VALIDATION_CONTEXTS).astype(int)
    return contexts(tokens, begins, length)


@eqx.filter_jit
def _mean_loss(model: Transformer, unseen: Int[np.ndarray, "contexts k1"]) -> Float[Array, ""]:
    return jax.lax.map(functools.partial(token_losses, model), unseen).mean()


def main() -> None:
    """Print the trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--contexts", type=int, default=1, help="in a step")
    parser.add_argument("--length", type=int, default=128, help="tokens of a context")
    given = parser.parse_args()
    config = Config.paper()
    training = LanguageTraining(steps=given.steps, batch_size=given.contexts, warmup=1)
    plain, modified = compute(config, read_data(config, CACHE), training, given.length).values()
    steps = f"{given.steps} steps of {given.contexts} × {given.length} tokens"
    print(f"{steps} on {jax.devices()[0].device_kind}, float32")
    print(plain.sentence("without aI and bI"))
    print(modified.sentence("with aI and bI"))
    scalars = modified.parameters - plain.parameters
    print(f"{scalars} scalars; at most {peak_gigabytes():.1f} GB held by the host.")


if __name__ == "__main__":
    main()
