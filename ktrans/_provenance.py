"""Where numbers come from: versions of what computes, the device, and names for records."""

import hashlib
import importlib.metadata
import json
import platform
from typing import Any

_PACKAGES = ("ktrans", "jax", "jaxlib", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return found | {"python": platform.python_version()}


def device() -> str:
    """What JAX computes on."""
    import jax  # not before it is needed: it takes a second

    return jax.devices()[0].device_kind


def canonical(value: Any) -> str:
    """JSON that is the same for equal values: sorted keys, no spaces, floats to the last bit.

    Example:
        >>> canonical({"b": 0.1, "a": [1]})
        '{"a":[1],"b":0.1}'
    """
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal: a name by which a result is found again."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
