"""Training, validation and test strings over three disjoint alphabets, for several seeds."""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ktrans._checks import Whole, as_distinct, as_int, shown
from ktrans._results import Result
from ktrans.tasks import Dataset, TemplateTask

_LARGEST_SEED = 2**32 - 1  # networks start from 32 bits


class Strings(NamedTuple):
    """Strings and labels for every seed.

    Attributes:
        tokens: (s, n, k) int32 ids, [CLS] last.
        labels: (s, n) float32 (regression) or int32 token ids (symbolic labels).
    """

    tokens: Any
    labels: Any


@dataclass(frozen=True, eq=False)
class TaskData(Result):
    """What networks are trained, stopped and tested on; drawn by `draw_task_data`.

    Attributes:
        train: Strings over the substitution tokens of the task.
        validation: Strings over m tokens of their own, which early stopping looks at.
        test: Strings over the task's m unseen tokens.
        seeds: The s seeds; each has data of its own, and each network starts from its seed.
        num_tokens: Number of ids of all three alphabets, regular tokens and [CLS].
        context_length: k.
        is_symbolic: Whether labels are tokens.
    """

    train: Strings
    validation: Strings
    test: Strings
    seeds: tuple[int, ...]
    num_tokens: int
    context_length: int
    is_symbolic: bool

    @property
    def parts(self) -> tuple[Strings, Strings, Strings]:
        """Train, validation and test strings."""
        return self.train, self.validation, self.test

    def fingerprint(self) -> str:
        """A hash of seeds, strings and labels, by which a checkpoint knows its data."""
        hashed = hashlib.sha256(repr(self.seeds).encode())
        for part in self.parts:
            hashed.update(part.tokens.tobytes() + part.labels.tobytes())
        return hashed.hexdigest()


def draw_task_data(
    task: TemplateTask, *, num_samples: Whole, seeds: object, num_unseen: object = 512
) -> TaskData:
    """Train, validation and test strings of a task, for each seed.

    In the paper's figures the training alphabet is as large as the number of samples: give a task
    with `vocab_size` = `num_samples`.

    Args:
        task: A `TemplateTask`.
        num_samples: n, training strings a seed, at least 1.
        seeds: Distinct integers from 0 to 2³² − 1.
        num_unseen: Validation strings a seed, and test strings a seed.

    Returns:
        The data; no token but regular ones and [CLS] is in two of the alphabets.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, a count below 1, repeated seeds.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.networks import draw_task_data
        >>> task = kt.tasks.load("aba_abb", vocab_size=32)
        >>> data = draw_task_data(task, num_samples=32, seeds=[0, 1])
        >>> data.train.tokens.shape, data.test.tokens.shape, data.num_tokens
        ((2, 32, 4), (2, 512, 4), 97)
    """
    if not isinstance(task, TemplateTask):
        raise TypeError(f"`task` must be a TemplateTask; got {shown(task)}.")
    n, unseen = as_int("num_samples", num_samples, 1), as_int("num_unseen", num_unseen, 1)
    chosen = _read_seeds(seeds)
    validation = [task.sample_unseen(unseen, 2 * seed) for seed in chosen]
    return TaskData(
        train=_stack([task.sample(n, seed) for seed in chosen]),
        validation=_stack(validation, shift=task.vocab_size),
        test=_stack([task.sample_unseen(unseen, 2 * seed + 1) for seed in chosen]),
        seeds=chosen,
        num_tokens=task.num_tokens + task.vocab_size,
        context_length=task.context_length,
        is_symbolic=task.is_symbolic,
    )


def _read_seeds(seeds: object) -> tuple[int, ...]:
    return tuple(as_distinct("seeds", seeds, 0, _LARGEST_SEED))


def _stack(datasets: list[Dataset], shift: int = 0) -> Strings:
    """The datasets side by side, their unseen tokens moved up by `shift` to an alphabet beyond."""
    first_unseen = datasets[0].task.cls_id + 1
    tokens = np.stack([data.tokens for data in datasets])
    labels = np.stack([data.labels for data in datasets])
    tokens = tokens + np.int32(shift) * (tokens >= first_unseen)
    if not datasets[0].task.is_symbolic:
        return Strings(tokens, labels.astype(np.float32))
    return Strings(tokens, labels + np.int32(shift) * (labels >= first_unseen))
