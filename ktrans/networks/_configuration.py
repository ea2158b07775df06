"""Configurations of networks and of training: frozen, checked, and plain enough for JSON."""

import abc
from dataclasses import asdict, dataclass
from typing import Any

from ktrans._checks import as_int


@dataclass(frozen=True)
class Configuration:
    """A frozen record of numbers and words."""

    def to_dict(self) -> dict[str, Any]:
        """The fields and the name of the class, as JSON has words for."""
        return {"class": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Configuration, abc.ABC):
    """The sizes of a network, and how to make one.

    Args:
        num_tokens: All token ids, unseen ones counted.
        context_length: k, positions of a string, [CLS] counted.
    """

    num_tokens: Any
    context_length: Any

    @abc.abstractmethod
    def build(self, key: Any) -> Any:
        """A network with random weights, which maps the tokens (k,) of a string to its outputs."""


def check_sizes(configuration: object, *names: str, optional: tuple[str, ...] = ()) -> None:
    """Raise unless the named fields are positive integers, or None if they are optional."""
    for name in (*names, *optional):
        value = getattr(configuration, name)
        if value is not None or name not in optional:
            as_int(name, value, 1)
