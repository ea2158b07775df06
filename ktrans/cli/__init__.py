"""The command `ktrans …`: parses, calls, prints."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ktrans.cli import compare, copying, explore, reproduce, spectrum, sweep, tasks, verify
from ktrans.solvers.solution import ConvergenceError

BAD_INPUT, INTERRUPTED = 2, 130
_SHOWN = 600


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are exceptions, said in one sentence like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise ValueError(f"{message}; see `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments, those of the process if left out.

    Returns:
        Exit status: what the command says, 2 for bad input, 130 where interrupted.
    """
    try:
        arguments = _parser().parse_args(argv)
        return arguments.run(arguments)
    except KeyboardInterrupt:
        return _complain("Interrupted; files written before are whole.", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left, as `head` does. Nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _complain(_file_sentence(error), BAD_INPUT)
    except MemoryError as error:
        return _complain(f"Not enough memory; ask for less: {error}", BAD_INPUT)
    except (ValueError, TypeError, ConvergenceError) as error:
        return _complain(str(error), BAD_INPUT)


def _parser() -> Parser:
    parser = Parser(prog="ktrans", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (tasks, verify, spectrum, compare, explore, copying, sweep, reproduce):
        command.add_command(commands)
    return parser


def _complain(sentence: str, status: int) -> int:
    """One printable line on standard error: input is quoted in it, and may hold anything."""
    line = " ".join(sentence.split())
    printable = "".join(c if c.isprintable() else "�" for c in line)
    print(f"ktrans: {printable[:_SHOWN]}", file=sys.stderr)
    return status


def _file_sentence(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"'{error.filename}' cannot be used: {error.strerror.lower()}."
