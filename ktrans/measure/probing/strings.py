"""The strings that a representation is probed with: substitutions of tokens of their own, and data.

A round deals the unseen tokens out to substitutions, each token to one of them, and fills every
template with each substitution. So any two substitutions of a round have disjoint images, as the
definition of N asks for, and are independent draws from the tokens.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from ktrans.tasks import Dataset, TemplateTask
from ktrans.tasks.substitution import fill

LEAST_SUBSTITUTIONS = 8
# Streams of one seed.
_TOKENS, _TRAINING, _UNSEEN = 0, 1, 2


class Sets(NamedTuple):
    """Training sets of a linear probe, and what it is scored on.

    Attributes:
        train: One for each repeat, over the substitution tokens.
        seen: Other strings over the same tokens.
        unseen: Strings over the unseen tokens.
    """

    train: list[Dataset]
    seen: Dataset
    unseen: Dataset


def count_substitutions(task: TemplateTask, most: int) -> int:
    """How many substitutions the unseen tokens are enough for, at most `most`.

    Raises:
        ValueError: if they are fewer than 8.
    """
    each = max(task.max_wildcards, 1)
    count = min(most, task.vocab_size // each)
    if count < LEAST_SUBSTITUTIONS:
        raise ValueError(
            f"`task` must have at least {LEAST_SUBSTITUTIONS * each} tokens, {each} for each of "
            f"{LEAST_SUBSTITUTIONS} substitutions; got vocab_size = {task.vocab_size}."
        )
    return count


def draw_rounds(
    task: TemplateTask, count: int, rounds: int, seed: int
) -> Int[np.ndarray, "rounds b r k"]:
    """Every template filled with each of `count` substitutions, in each round.

    The tokens are the same in all rounds, dealt out anew: what differs between rounds is how they
    are put together.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_TOKENS,)))
    each = max(task.max_wildcards, 1)
    tokens = rng.permutation(task.unseen_ids)[: count * each]
    dealt = [rng.permutation(tokens).reshape(count, each) for _ in range(rounds)]
    return np.stack([_fill_all(task, maps) for maps in dealt])


def _fill_all(task: TemplateTask, maps: Int[np.ndarray, "b w"]) -> Int[np.ndarray, "b r k"]:
    codes = np.repeat(task.template_codes[None], len(maps), axis=0)
    return np.stack([fill(codes[:, z], maps) for z in range(task.num_templates)], axis=1)


def draw_sets(task: TemplateTask, num_samples: int, repeats: int, num_test: int, seed: int) -> Sets:
    """Training sets of `num_samples` strings each, and test strings, all independent."""
    data = task.sample(repeats * num_samples + num_test, seed=_child(seed, _TRAINING))
    cuts = [slice(i * num_samples, (i + 1) * num_samples) for i in range(repeats)]
    return Sets(
        train=[data.subset(cut) for cut in cuts],
        seen=data.subset(slice(repeats * num_samples, None)),
        unseen=task.sample_unseen(num_test, seed=_child(seed, _UNSEEN)),
    )


def _child(seed: int, stream: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)[0])
