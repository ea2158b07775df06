"""Sweeps in TOML files: what a file may say, read with limits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ktrans.tasks
from ktrans._checks import shown
from ktrans.kernels.registry import kernel_from_dict
from ktrans.sweeps.grid import Grid, read_grid
from ktrans.tasks import TemplateTask
from ktrans.tasks._toml import check_keys, check_kind, need, parse
from ktrans.tasks.files import MAX_LENGTH, MAX_TEMPLATES
from ktrans.tasks.library import DEFAULT_VOCAB_SIZE

MAX_ENTRIES = 100
MAX_SEEDS = 10**5

SWEEP_KEYS = {"vocab_sizes": list, "num_samples": list, "ridges": list, "seeds": (int, list)}
OPTIONS = {"noise_std": (int, float), "substitution": str}
# Of the library task "random_templates".
RANDOM_OPTIONS = dict.fromkeys(
    ("num_templates", "length", "num_wildcards", "num_regular", "seed"), int
)
MOST = {"num_templates": MAX_TEMPLATES, "length": MAX_LENGTH}
# Where a task may come from, and what may be said of it then.
SOURCES = {
    "file": {"file": str},
    "templates": {"templates": dict, **OPTIONS},
    "load": {"load": str, **OPTIONS, **RANDOM_OPTIONS},
}


def read_sweep(path: str | Path) -> Grid:
    """The grid of a sweep from a TOML file.

        [sweep]
        vocab_sizes = [20, 100]            # m
        num_samples = [64, 256]            # n
        ridges = [0.001]                   # λ
        seeds = 5                          # 0 to 4, or a list

        [[tasks]]
        name = "aba_abb"                   # of the library, see `ktrans tasks`
        noise_std = 0.1                    # optional, as is substitution

        [[tasks]]
        name = "mine"
        templates = { "αα" = 1.0, "αβ" = -1.0 }  # or file = "task.toml", or load = "aba_abb"

        [[kernels]]
        name = "transformer"               # optional, the type where left out
        type = "transformer"               # of `ktrans.kernels.registry`, and its parameters
        beta = 1.0
        gamma = 0.7
        activation = { type = "cos", b1 = 1.0, b2 = 0.5 }

    Args:
        path: The file, at most 1 MiB; task files are sought beside it.

    Returns:
        The grid.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError, ValueError: what it says is no sweep; the message names file and key.
    """
    path = Path(path)
    document = parse(path, "sweep")
    check_keys(path, "the file", document, {"sweep": dict, "tasks": list, "kernels": list})
    axes, tasks, kernels = (need(path, document, key) for key in ("sweep", "tasks", "kernels"))
    check_keys(path, "[sweep]", axes, SWEEP_KEYS)
    values = {key: need(path, axes, key) for key in SWEEP_KEYS}
    read_tasks, read_kernels = _read_all(path, "tasks", tasks), _read_all(path, "kernels", kernels)
    with _within(str(path)):
        seeds = _read_seeds(values["seeds"])
        return read_grid(read_tasks, read_kernels, **values | {"seeds": seeds})


def _read_all(path: Path, word: str, tables: Sequence[Any]) -> dict[str, Any]:
    """Tasks or kernels, by name."""
    if len(tables) > MAX_ENTRIES:
        raise ValueError(
            f"{path}: at most {MAX_ENTRIES} {word} may stand in a file; got {len(tables)}."
        )
    found: dict[str, Any] = {}
    for i, table in enumerate(tables):
        where = f"[[{word}]] number {i + 1}"
        check_kind(path, where, table, dict)
        check_kind(path, f"`name` in {where}", table.get("name", ""), str)
        name, value = READERS[word](path, where, table)
        if name in found:
            raise ValueError(f"{path}: {where}: another one is called {shown(name)}; set `name`.")
        found[name] = value
    return found


def _read_kernel(path: Path, where: str, table: dict[str, Any]) -> tuple[str, Any]:
    rest = {key: value for key, value in table.items() if key != "name"}
    with _within(f"{path}: {where}"):
        kernel = kernel_from_dict(rest)
    return table.get("name", rest["type"]), kernel


def _read_task(path: Path, where: str, table: dict[str, Any]) -> tuple[str, Any]:
    """A task from its own file, from templates that stand here, or from the library."""
    source = next((key for key in SOURCES if key in table), "load")
    check_keys(path, where, table, {"name": str, **SOURCES[source]})
    options = {key: value for key, value in table.items() if key not in ("name", source)}
    for key, most in MOST.items():
        if options.get(key, 0) > most:
            raise ValueError(f"{path}: `{key}` must be at most {most} in a file.")
    if source != "file":
        need(path, table, "name")
    with _within(f"{path}: {where}"):
        if source == "file":
            task = TemplateTask.from_file(path.parent / table["file"])
        elif source == "templates":
            task = _from_templates(table["templates"], table["name"], options)
        else:
            task = ktrans.tasks.load(table.get("load", table["name"]), **options)
    return table.get("name", task.name), task


def _from_templates(templates: dict[str, Any], name: str, options: dict[str, Any]) -> TemplateTask:
    if len(templates) > MAX_TEMPLATES or max(map(len, templates), default=0) > MAX_LENGTH:
        raise ValueError(
            f"`templates` must be at most {MAX_TEMPLATES}, of at most {MAX_LENGTH} symbols; got "
            f"{len(templates)} templates."
        )
    return TemplateTask.from_templates(
        templates, vocab_size=DEFAULT_VOCAB_SIZE, name=name, **options
    )


def _read_seeds(seeds: Any) -> Any:
    """A number stands for the first that many."""
    if isinstance(seeds, list):
        return seeds
    if not 1 <= seeds <= MAX_SEEDS:
        raise ValueError(f"`seeds` must be from 1 to {MAX_SEEDS}, or a list; got {seeds}.")
    return range(seeds)


READERS: dict[str, Callable[[Path, str, dict[str, Any]], tuple[str, Any]]] = {
    "tasks": _read_task,
    "kernels": _read_kernel,
}


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Say in which place something is wrong."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise type(error)(f"{place}: {error}") from None
