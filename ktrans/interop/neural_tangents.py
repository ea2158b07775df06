"""neural-tangents on current JAX: its `stax` and `predict`, without its `__init__`.

The package is archived (last release 0.6.5). Its `__init__` imports an empirical-kernel module
that current JAX no longer supports, and its requirements drag TensorFlow in; `stax` and `predict`
need neither.
"""

import functools
import importlib
import importlib.util
import sys
import types
from typing import NamedTuple

# A name of our own: `import neural_tangents` goes on to behave as it did.
_ALIAS = "_ktrans_neural_tangents"

_REMEDY = (
    "install it with `pip install --no-deps neural-tangents==0.6.5` and "
    "`pip install frozendict` (not its other requirements: they contain TensorFlow)."
)


class NeuralTangents(NamedTuple):
    """The submodules of neural-tangents that work on current JAX."""

    stax: types.ModuleType
    predict: types.ModuleType


@functools.cache
def load() -> NeuralTangents:
    """The `stax` and `predict` modules of neural-tangents.

    They are imported under a stub package module with the same `__path__`, so that the package's
    `__init__` does not run. TensorFlow is not needed.

    Returns:
        A named tuple with fields `stax` and `predict`.

    Raises:
        ImportError: if neural-tangents, or frozendict, which it needs, is not installed.

    Example:
        >>> from ktrans.interop import neural_tangents
        >>> dense = neural_tangents.load().stax.Dense(1)  # doctest: +SKIP
    """
    sys.modules.setdefault(_ALIAS, _stub())
    try:
        modules = [importlib.import_module(f"{_ALIAS}.{name}") for name in ("stax", "predict")]
    except ModuleNotFoundError as error:
        raise ImportError(f"neural-tangents needs `{error.name}`; {_REMEDY}") from error
    return NeuralTangents(*modules)


def _stub() -> types.ModuleType:
    spec = importlib.util.find_spec("neural_tangents")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"neural-tangents is not installed; {_REMEDY}")
    stub = types.ModuleType(_ALIAS)
    stub.__path__ = list(spec.submodule_search_locations)
    return stub
