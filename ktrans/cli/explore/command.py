"""`ktrans explore TASK`: a local page with sliders for the kernel, the task and the data."""

import argparse
import importlib
import signal
import socket
import webbrowser
from typing import Any

from ktrans.cli.options import add_task, read_task
from ktrans.cli.output import print_lines

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 5007


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = "exit status: 0 stopped by Ctrl-C, 2 bad input"
    add_task(parser)
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="of 127.0.0.1; 0: any free (%(default)s)"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; exit status 0."""
    application = _application()
    task = application.read_explorable(read_task(arguments))
    port = _free_port(arguments.port)
    print_lines(["Preparing the explorer …"])
    workers = application.Workers()
    try:
        server = application.serve(task, workers, LOOPBACK, port)
        address = f"http://{LOOPBACK}:{port}/"
        print_lines([f"The explorer of {task.name} is at {address}; Ctrl-C stops it."])
        if not arguments.no_browser:
            webbrowser.open(address)
        _serve_until_stopped(server)
    finally:
        workers.stop()
    print_lines(["The explorer has stopped."])
    return 0


def _application() -> Any:
    """The page, which needs Panel; imported for this command only."""
    try:
        return importlib.import_module("ktrans.cli.explore.page")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("panel", "bokeh", "threadpoolctl"):
            raise
        raise ValueError("`ktrans explore` needs Panel: `pip install ktrans[explore]`.") from None


def _free_port(port: int) -> int:
    """The port, or a free one for 0, if it can be had on the loopback interface."""
    if not 0 <= port < 2**16:
        raise ValueError(f"`--port` must be from 0 to 65535; got {port}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ValueError(
                f"`--port` must be free; {port} cannot be used: {error.strerror}. Take another, "
                "or 0 for any."
            ) from None
        return probe.getsockname()[1]


def _serve_until_stopped(server: Any) -> None:
    """Run the server's loop; Ctrl-C and SIGTERM end it between two events."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.io_loop.add_callback_from_signal(_stop, server))
    server.start()
    server.io_loop.start()


def _stop(server: Any) -> None:
    server.stop()
    server.io_loop.stop()
