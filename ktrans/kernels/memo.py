"""The one memo of kernel values: what is known at some settings, class by class of pairs."""

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

_REMEMBERED_SETTINGS = 256

Item = TypeVar("Item")
Value = TypeVar("Value")


class Row(NamedTuple):
    """What is known of one class."""

    value: float
    bound: float
    certified: bool


def recall(
    setting: Hashable,
    items: Mapping[Hashable, Item],
    compute: Callable[[list[Item]], Iterable[Value]],
) -> dict[Hashable, Value]:
    """The value of each item, by its key; those that are not known yet are computed at once.

    Args:
        setting: All that values depend on besides the item, and whose values they are.
        items: Items by their class.
        compute: From items to their values, in order.
    """
    known = _known(setting)
    missing = {key: item for key, item in items.items() if key not in known}
    if missing:
        known.update(zip(missing, compute(list(missing.values())), strict=True))
    return {key: known[key] for key in items}


def forget() -> None:
    """Compute everything anew."""
    _known.cache_clear()


@functools.lru_cache(maxsize=_REMEMBERED_SETTINGS)
def _known(setting: Hashable) -> dict[Hashable, Any]:
    """What is known at these settings; `recall` fills it."""
    return {}
