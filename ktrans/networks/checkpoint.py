"""Checkpoints: the arrays of a run in one .npz, what they belong to in a .json; whole or absent."""

import json
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from ktrans._files import write_whole

ARRAYS, CONFIGURATION = "state.npz", "configuration.json"

T = TypeVar("T")


def open_run(folder: Path, configuration: dict[str, Any]) -> None:
    """Claim the folder for a run, or recognise it as the folder of the same run.

    Raises:
        ValueError: the folder holds a run with another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIGURATION
    text = json.dumps(configuration, indent=2)
    if not path.exists():
        write_whole(path, lambda stream: stream.write(text.encode()))
        return
    there, here = _flat(json.loads(path.read_text())), _flat(json.loads(text))
    for key in sorted(there.keys() | here.keys()):
        if there.get(key) != here.get(key):
            raise ValueError(
                f"`checkpoint` {str(folder)!r} holds a run with {key} = {there.get(key)!r}, not "
                f"{here.get(key)!r}; give another folder."
            )


def save(folder: Path, state: Any) -> None:
    """Replace the saved state of a run by this one, a pytree of arrays."""
    folder.mkdir(parents=True, exist_ok=True)  # another process may have finished, and removed it
    arrays = {name: np.asarray(leaf) for name, leaf in _named_leaves(state)}
    write_whole(folder / ARRAYS, lambda stream: np.savez(stream, allow_pickle=False, **arrays))


def load(folder: Path, like: T) -> T:
    """The saved state of a run, or `like` where none is saved yet.

    Args:
        folder: The folder of the run.
        like: The state of a run that begins, with the structure of the saved one.

    Returns:
        The state; arrays that were saved are NumPy's.
    """
    path = folder / ARRAYS
    if not path.exists():
        return like
    with np.load(path, allow_pickle=False) as arrays:
        leaves = [arrays[name] for name, _ in _named_leaves(like)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _named_leaves(state: Any) -> list[tuple[str, Any]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested records as one, with dotted keys."""
    flat = {}
    for key, value in record.items():
        below = (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
        flat |= below
    return flat
