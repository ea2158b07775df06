"""Checkpoints: the arrays of a run in one .npz, what they belong to in a .json; whole or absent."""

import json
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from ktrans._files import check_array, read_arrays, read_json, refuse_damage, write_whole

ARRAYS, CONFIGURATION = "state.npz", "configuration.json"
MAX_CONFIGURATION = 2**20
# Bytes of losses and other numbers that are added to a state at each evaluation.
MAX_HISTORY = 2**28

_FOLDER_AGAIN = "delete its folder to train again, or give another folder"
_TRAIN_AGAIN = "delete it to train again"

T = TypeVar("T")


def open_run(folder: Path, configuration: dict[str, Any]) -> None:
    """Claim the folder for a run, or recognise it as the folder of the same run.

    Raises:
        ValueError: the folder holds a run with another configuration, or its file is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIGURATION
    text = json.dumps(configuration, indent=2)
    if not path.exists():
        write_whole(path, lambda stream: stream.write(text.encode()))
        return
    there, here = _read_configuration(path), _flat(json.loads(text))
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


def load(folder: Path, like: T, history: str, axis: int) -> T:
    """The saved state of a run, or `like` where none is saved yet.

    Args:
        folder: The folder of the run.
        like: The state of a run that begins, with the structure of the saved one.
        history: How the names of its leaves begin that get an entry at each evaluation.
        axis: Of the entries.

    Returns:
        The state; arrays that were saved are NumPy's.

    Raises:
        ValueError: the file is damaged, or holds arrays of other types or shapes.
    """
    path = folder / ARRAYS
    if not path.exists():
        return like
    leaves = dict(_named_leaves(like))
    most = MAX_HISTORY + 2 * sum(leaf.nbytes for leaf in leaves.values())
    arrays = read_arrays(path, max_bytes=most, remedy=_TRAIN_AGAIN)
    with refuse_damage(path, _TRAIN_AGAIN):
        _check_arrays(arrays, leaves, history, axis)
    return jax.tree.unflatten(jax.tree.structure(like), [arrays[name] for name in leaves])


def _check_arrays(
    arrays: dict[str, np.ndarray], leaves: dict[str, Any], history: str, axis: int
) -> None:
    """Types and shapes as those of the run that begins, all histories of equal length."""
    for name, leaf in leaves.items():
        shape: list[int | None] = list(leaf.shape)
        if name.startswith(history):
            shape[axis] = None
        check_array(name, arrays[name], tuple(shape), leaf.dtype)
    lengths = {arrays[name].shape[axis] for name in leaves if name.startswith(history)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError("its histories are empty or of unequal length")


def _read_configuration(path: Path) -> dict[str, Any]:
    record = read_json(path, max_bytes=MAX_CONFIGURATION, remedy=_FOLDER_AGAIN)
    with refuse_damage(path, _FOLDER_AGAIN):
        return _flat(record)


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
