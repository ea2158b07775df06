"""Every public kernel and activation class of the package, found by walking its modules."""

import importlib
import inspect
import pkgutil

import ktrans as kt
from ktrans.kernels.activations import Activation

# What cannot be imported without an optional dependency or runs when it is.
_SKIPPED = ("ktrans.cli.__main__",)


def _modules():
    for found in pkgutil.walk_packages(kt.__path__, "ktrans."):
        if found.name not in _SKIPPED:
            yield importlib.import_module(found.name)


def _subclasses(base):
    """Those defined in the package that can be built: public and not abstract."""
    return {
        value
        for module in _modules()
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__.startswith("ktrans.")
        and not value.__name__.startswith("_")
        and not inspect.isabstract(value)
    }


def kernel_classes():
    return _subclasses(kt.TokenSymmetricKernel)


def activation_classes():
    return _subclasses(Activation)
