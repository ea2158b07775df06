"""What a sweep covers: tasks × kernels × m × n × λ × seeds, checked, and what names each cell."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ktrans._checks import as_int, as_non_negative, shown
from ktrans._provenance import digest
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.registry import kernel_to_dict
from ktrans.measure.unseen import MAX_SAMPLES, MAX_VOCAB_SIZE
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.statistics import check_kernel, check_task

MAX_CELLS = 10**6
MAX_NAME = 256
# NetCDF 3 has 32-bit integers; test sets are drawn with seeds beyond.
MAX_SEED = 2**31 - 1


class Cell(NamedTuple):
    """One ridge regression: where it stands on each axis."""

    task: str
    kernel: str
    vocab_size: int
    num_samples: int
    ridge: float
    seed: int


@dataclass(frozen=True, eq=False)
class Grid:
    """All combinations of tasks, kernels, m, n, λ and seeds; build one with `read_grid`.

    Attributes:
        tasks: Template tasks with numbers as labels, by name.
        kernels: Registered token-symmetric kernels, by name.
        vocab_sizes: m, numbers of substitution tokens.
        num_samples: n.
        ridges: λ ≥ 0.
        seeds: Of the training sets, which are the same for all kernels.
    """

    tasks: dict[str, TemplateTask]
    kernels: dict[str, TokenSymmetricKernel]
    vocab_sizes: tuple[int, ...]
    num_samples: tuple[int, ...]
    ridges: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def axes(self) -> dict[str, tuple]:
        """The coordinates of each dimension, in the order of the dimensions."""
        names = tuple(self.tasks), tuple(self.kernels)
        numbers = self.vocab_sizes, self.num_samples, self.ridges, self.seeds
        return dict(zip(Cell._fields, names + numbers, strict=True))

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each dimension."""
        return tuple(map(len, self.axes.values()))

    @property
    def num_cells(self) -> int:
        """How many ridge regressions there are."""
        return math.prod(self.shape)

    def cells(self) -> Iterator[Cell]:
        """All of them, the last axis fastest."""
        return itertools.starmap(Cell, itertools.product(*self.axes.values()))

    def configuration(self) -> dict[str, Any]:
        """The grid as plain values, the tasks as TOML at the first vocabulary size."""
        size = self.vocab_sizes[0]
        return {
            "tasks": {name: self.tasks_by_size[name, size].to_toml() for name in self.tasks},
            "kernels": self._kernel_tables,
            "vocab_sizes": list(self.vocab_sizes),
            "num_samples": list(self.num_samples),
            "ridges": list(self.ridges),
            "seeds": list(self.seeds),
        }

    @cached_property
    def tasks_by_size(self) -> dict[tuple[str, int], TemplateTask]:
        """Each task at each vocabulary size."""
        pairs = itertools.product(self.tasks.items(), self.vocab_sizes)
        return {(name, m): with_vocabulary(task, m) for (name, task), m in pairs}

    def record_of(self, cell: Cell) -> dict[str, Any]:
        """What a cell's numbers depend on; names of tasks and kernels do not matter."""
        return {
            "measured": "ridge regression",
            "task": self._task_digests[cell.task, cell.vocab_size],
            "kernel": self._kernel_tables[cell.kernel],
            "num_samples": cell.num_samples,
            "ridge": cell.ridge,
            "seed": cell.seed,
        }

    def record_of_theory(self, task: str, kernel: str) -> dict[str, Any]:
        """What the closed forms for a task and a kernel depend on, N being the same at every m."""
        return {
            "measured": "closed form",
            "task": self._task_digests[task, self.vocab_sizes[0]],
            "kernel": self._kernel_tables[kernel],
            "num_samples": list(self.num_samples),
            "ridges": list(self.ridges),
        }

    @cached_property
    def _task_digests(self) -> dict[tuple[str, int], str]:
        return {key: digest(task.to_toml()) for key, task in self.tasks_by_size.items()}

    @cached_property
    def _kernel_tables(self) -> dict[str, dict[str, Any]]:
        return {name: kernel_to_dict(kernel) for name, kernel in self.kernels.items()}


def read_grid(
    tasks: object,
    kernels: object,
    *,
    vocab_sizes: object,
    num_samples: object,
    ridges: object,
    seeds: object,
) -> Grid:
    """The grid of a sweep, everything about it checked before anything is computed.

    Args:
        tasks: Template tasks with numbers as labels, by name.
        kernels: Kernels of registered classes, by name.
        vocab_sizes: m, from 1 to 10⁷; a task that names its tokens one by one has but its own.
        num_samples: n, from 1 to 10⁶.
        ridges: λ ≥ 0.
        seeds: From 0 to 2³¹ − 1.

    Returns:
        The grid, of at most 10⁶ cells.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, empty, with a value twice or out of
            range.
    """
    grid = Grid(
        tasks=_read_named("tasks", tasks, _read_task),
        kernels=_read_named("kernels", kernels, check_kernel),
        vocab_sizes=_read_axis("vocab_sizes", vocab_sizes, _whole(1, MAX_VOCAB_SIZE)),
        num_samples=_read_axis("num_samples", num_samples, _whole(1, MAX_SAMPLES)),
        ridges=_read_axis("ridges", ridges, lambda _, value: as_non_negative("ridge", value)),
        seeds=_read_axis("seeds", seeds, _whole(0, MAX_SEED)),
    )
    if grid.num_cells > MAX_CELLS:
        raise ValueError(
            f"a sweep must have at most {MAX_CELLS} cells; got {grid.num_cells}: give fewer values."
        )
    _ = grid.tasks_by_size, grid.configuration()  # refuse impossible vocabularies and kernels
    return grid


def _read_named(name: str, given: object, read: Callable[[object], Any]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"`{name}` must be a mapping from names; got {shown(given)}.")
    if not given:
        raise ValueError(f"`{name}` must have at least one entry; got none.")
    for key in given:
        if not isinstance(key, str) or not key.isprintable() or not 0 < len(key) <= MAX_NAME:
            raise ValueError(
                f"names in `{name}` must be printable strings of 1 to {MAX_NAME} characters; got "
                f"{shown(key)}."
            )
    return {key: read(value) for key, value in given.items()}


def _read_task(task: object) -> TemplateTask:
    known = check_task(task)
    if known.is_symbolic:
        raise ValueError(
            f"`tasks` must have numbers as labels; those of '{known.name}' are symbols, whose "
            "error is no squared error."
        )
    return known


def _read_axis(name: str, given: object, read: Callable[[str, Any], Any]) -> tuple:
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str):
        raise TypeError(f"`{name}` must be a sequence of numbers; got {shown(given)}.")
    if len(given) > MAX_CELLS:
        raise ValueError(f"`{name}` must have at most {MAX_CELLS} entries; got {len(given)}.")
    values = tuple(read(name, value) for value in given)
    if not values:
        raise ValueError(f"`{name}` must have at least one entry; got none.")
    most, count = Counter(values).most_common(1)[0]
    if count > 1:
        raise ValueError(f"`{name}` must be distinct; {most} occurs {count} times.")
    return values


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        number = as_int(name, value, least)
        if number > most:
            raise ValueError(f"`{name}` must be at most {most}; got {number}.")
        return number

    return read
