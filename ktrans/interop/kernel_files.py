"""Kernel functions that users keep in Python files of their own."""

import importlib.util
import os
import sys
import types
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from ktrans._checks import one_line

_MODULE = "_ktrans_kernel_file_"
_NEURAL_TANGENTS = (
    "; on current JAX get its parts by `from ktrans.interop import neural_tangents`, `stax, predict"
    " = neural_tangents.load()`"
)


def kernel_from_file(path: str | os.PathLike, name: str = "kernel_fn") -> Callable[..., Any]:
    """A kernel function from a Python file, which is run.

    The file is imported in the ordinary way, under a name of its own: everything it does at its top
    level is done, with your rights. Name only files whose content you know.

    Args:
        path: The file, such as

                from ktrans.interop import neural_tangents
                stax, _ = neural_tangents.load()
                _, _, kernel_fn = stax.serial(stax.Dense(1), stax.Relu(), stax.Dense(1))

        name: The name that the file gives to the function.

    Returns:
        The function, for `from_neural_tangents`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it fails when run, or has no function of that name.

    Example:
        >>> import pathlib, tempfile
        >>> from ktrans.interop.kernel_files import kernel_from_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "linear.py"
        ...     _ = file.write_text("def kernel_fn(x1, x2, get): return x1 @ x2.T")
        ...     kernel_fn = kernel_from_file(file)
        >>> kernel_fn.__name__
        'kernel_fn'
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file '{path}'; give the path of a Python file.")
    module = _run(file)
    if not hasattr(module, name):
        raise ValueError(f"{path}: there is no `{name}`; define it, or say what it is called.")
    function = getattr(module, name)
    if not callable(function):
        raise ValueError(f"{path}: `{name}` must be a function; got {type(function).__name__}.")
    return function


def _run(file: Path) -> types.ModuleType:
    """The module; a loader named outright takes files with any ending."""
    loader = SourceFileLoader(_MODULE + file.stem, str(file))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look themselves up there
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[loader.name]
        raise ValueError(f"{file}: running it raised {_told(error, file)}.") from error
    return module


def _told(error: BaseException, file: Path) -> str:
    """The kind of error, its message, the line, and a remedy where we know one."""
    line = _last_line(error, file)
    place = "" if line is None else f" at line {line}"
    is_known = isinstance(error, ModuleNotFoundError) and error.name == "tensorflow"
    remedy = _NEURAL_TANGENTS if is_known else ""
    message = one_line(error) or "no message"
    return f"{type(error).__name__}{place}: {message}{remedy}"


def _last_line(error: BaseException, file: Path) -> int | None:
    """Of the file, where the error passed through it."""
    if isinstance(error, SyntaxError):
        return error.lineno
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
