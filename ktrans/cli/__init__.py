"""The command `ktrans …`: parses, calls, prints."""

import argparse
import contextlib
import importlib
import importlib.metadata
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from tqdm import tqdm

from ktrans._checks import ConvergenceError, one_line
from ktrans._interrupts import INTERRUPTED, SENTENCE, leave_at_once, raise_when_interrupted
from ktrans.cli.output import drop_output, print_lines

BAD_INPUT = 2
# The module of each command, loaded when the command is run, and what the list of commands says.
COMMANDS = {
    "tasks": ("tasks", "list and describe the named tasks"),
    "verify": (
        "verify.command",
        "certify the theorem's conditions on a task and measure the error on unseen symbols",
    ),
    "spectrum": (
        "spectrum.command",
        "eigenvalues of the kernel on all strings, exactly, and on samples",
    ),
    "compare": (
        "compare.command",
        "transformer and MLP kernels on the same data: errors, spectra, N, and reasons",
    ),
    "explore": (
        "explore.command",
        "a local page: sliders for kernel and data, N, spectrum and learning curves",
    ),
    "copying": (
        "copying",
        "whether gradients on seen tokens teach copying unseen ones, without and with b",
    ),
    "heads": (
        "heads",
        "which heads of a trained network compare tokens (aI), and which copy them (bI)",
    ),
    "probe": (
        "probe",
        "what a network's states know of the templates of a task, on unseen symbols",
    ),
    "sweep": (
        "sweep",
        "ridge regression on a grid of tasks, kernels, vocabularies, n, ridges and seeds",
    ),
    "reproduce": (
        "reproduce.command",
        "the figures of the paper and of experiments/, published numbers beside ours",
    ),
}
_SHOWN = 600


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are exceptions, said in one sentence like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise ValueError(f"{message}; see `{self.prog} --help`.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Leave after `--help`."""
        print_lines([])
        super().exit(status, message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments, those of the process if left out.

    Returns:
        Exit status: what the command says, 2 for bad input, any failure, or where its
        output has no room, 130 where interrupted.
    """
    _prepare_streams()
    try:
        with raise_when_interrupted():
            given = list(sys.argv[1:] if argv is None else argv)
            arguments = _parser(given).parse_args(given)
            return arguments.run(arguments)
    except KeyboardInterrupt:
        return leave_at_once(_complain(SENTENCE, INTERRUPTED))
    except OSError as error:
        return _complain(_file_sentence(error), BAD_INPUT)
    except MemoryError as error:
        return _complain(f"Not enough memory; ask for less: {error}", BAD_INPUT)
    except (ValueError, TypeError, ConvergenceError) as error:
        return _complain(str(error), BAD_INPUT)
    except Exception as error:  # a fault of ours: never status 1, which is a verdict
        traceback.print_exc()
        return _complain(f"{type(error).__name__}: {error}", BAD_INPUT)


def _prepare_streams() -> None:
    """Letters that an output has no bytes for are escaped; a closed one takes everything."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser(given: Sequence[str]) -> Parser:
    """The parser, with the options of the command that is given; only its module is loaded."""
    parser = Parser(prog="ktrans", description=__doc__, allow_abbrev=False)
    version = importlib.metadata.version("ktrans")
    parser.add_argument("--version", action="version", version=f"ktrans {version}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, (module, description) in COMMANDS.items():
        command = commands.add_parser(name, help=description, allow_abbrev=False)
        if name == chosen:
            importlib.import_module(f"ktrans.cli.{module}").add_options(command)
    return parser


def _complain(sentence: str, status: int) -> int:
    """One printable line on standard error: input is quoted in it, and may hold anything."""
    printable = "".join(c if c.isprintable() else "�" for c in one_line(sentence))
    _drop_unsaid()
    with contextlib.suppress(OSError):  # there may be nobody who listens
        _clear_progress_bars()
        print(f"ktrans: {printable[:_SHOWN]}", file=sys.stderr)
    return status


def _drop_unsaid() -> None:
    """What standard output has no room for is not tried again when Python leaves."""
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()


def _clear_progress_bars() -> None:
    """A line of its own for what is said: those bars are open whose loops were left."""
    for bar in list(getattr(tqdm, "_instances", ())):
        bar.leave = False
        bar.close()


def _file_sentence(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"'{error.filename}' cannot be used: {error.strerror.lower()}."
