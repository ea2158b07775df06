"""Ctrl-C while the command `ktrans` starts or ends, which takes seconds: one line, no traceback.

A library leaves signals alone, and so does this file unless `ktrans` is what was started. In
between, `ktrans.cli.main` takes interruptions as exceptions.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

INTERRUPTED = 130
SENTENCE = "Interrupted; files written before are whole."


def leave_when_interrupted() -> None:
    """Leave with one line, if this is the command, and can hear Ctrl-C at all."""
    if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


@contextmanager
def raise_when_interrupted() -> Iterator[None]:
    """As usual in Python, within the block."""
    if signal.getsignal(signal.SIGINT) is not _leave:
        yield
        return
    with handled_by(signal.default_int_handler):
        yield


@contextmanager
def handled_by(handler: Any) -> Iterator[None]:
    """Give Ctrl-C to the handler within the block, in the main thread only."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave_at_once(status: int) -> int:
    """End this process with the status if it is the command, or else return it.

    JAX that was interrupted within a computation may crash where Python ends in the ordinary way.
    """
    if _is_command():
        os._exit(status)
    return status


def _is_command() -> bool:
    """Not so in its worker processes, whose `sys.argv` is that of the command too."""
    words = sys.orig_argv[1:3]
    return words == ["-m", "ktrans.cli"] or [Path(word).stem for word in words[:1]] == ["ktrans"]


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Nothing is being written yet, or any more; an exception would be seen by those who import."""
    os.write(2, f"ktrans: {SENTENCE}\n".encode())
    os._exit(INTERRUPTED)


leave_when_interrupted()
