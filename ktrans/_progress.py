"""One convention for progress: `progress(steps, word)` wraps a loop and is told what it does."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

Progress = Callable[[Iterable[Any], str], Iterable[Any]]


def in_silence(steps: Iterable[Any], _word: str) -> Iterable[Any]:
    """The steps, with nothing shown."""
    return steps


def show_progress(steps: Iterable[Any], word: str) -> Iterable[Any]:
    """The steps, with a progress bar on standard error that is gone when the loop is over."""
    return tqdm(steps, desc=word, file=sys.stderr, leave=False)


class Counted:
    """Steps that come one by one, of which it is known how many there will be."""

    def __init__(self, steps: Iterable[Any], count: int):
        self._steps, self._count = steps, count

    def __iter__(self) -> Iterator[Any]:
        return iter(self._steps)

    def __len__(self) -> int:
        return self._count
