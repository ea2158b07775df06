"""`ktrans explore`: what it refuses; the page itself is in tests/browser."""

import socket
import sys

from ktrans.cli import main


def _complaint(capsys, *arguments):
    assert main(["explore", *arguments]) == 2
    return capsys.readouterr().err


def test_a_port_out_of_range_is_refused(capsys):
    assert "`--port` must be from 0 to 65535; got 70000" in _complaint(
        capsys, "same_different", "--port", "70000"
    )


def test_a_port_that_is_taken_is_refused(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _complaint(capsys, "same_different", "--port", str(port))
    assert f"`--port` must be free; {port} cannot be used: Address already in use" in said


def test_labels_that_are_symbols_are_refused(capsys):
    said = _complaint(capsys, "copy", "--port", "0")
    assert "`task` must have numbers as labels, not all equal" in said


def test_without_panel_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "panel", None)
    monkeypatch.delitem(sys.modules, "ktrans.cli.explore.page", raising=False)
    said = _complaint(capsys, "same_different")
    assert "`ktrans explore` needs Panel: `pip install ktrans[explore]`" in said
