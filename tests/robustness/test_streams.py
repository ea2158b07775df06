"""Outputs that are closed, full, or know few letters: the right status, at most one line."""

import io
import json
import os
import subprocess
import sys

import pytest

from ktrans.cli import main
from tests.robustness.test_interrupts import MODULE, TINY, shown

REFUTED = [*TINY, "--beta", "0"]
FULL = "ktrans: 'standard output' cannot be used: no space left on device."
PRINTING = [
    (["tasks"], 0),
    (["tasks", "--json"], 0),
    (REFUTED, 1),
    ([*REFUTED, "--json"], 1),
    (["reproduce", "--list"], 0),
]


def closed():
    """A pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


@pytest.mark.parametrize(("arguments", "status"), PRINTING)
def test_a_reader_who_leaves_changes_no_status(monkeypatch, capsys, arguments, status):
    with closed() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(arguments) == status
    assert shown(capsys.readouterr().err) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(("arguments", "_"), PRINTING)
def test_output_that_has_no_room_is_one_line(monkeypatch, capsys, arguments, _):
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(arguments) == 2
    assert shown(capsys.readouterr().err) == [FULL]


def test_files_are_written_before_output_has_no_room(monkeypatch, capsys, tmp_path):
    with closed() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main([*REFUTED, "--out", str(tmp_path)]) == 1
    names = {file.name for file in tmp_path.iterdir()}
    assert {"certificate.json", "results.json", "gram.png"} <= names


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize("arguments", [["tasks"], REFUTED, ["verify", "α"]])
def test_letters_that_an_encoding_lacks_are_escaped(monkeypatch, encoding, arguments):
    wide, status = printed(monkeypatch, arguments, "utf-8")
    narrow, same = printed(monkeypatch, arguments, encoding)
    assert same == status
    escaped = wide.encode(encoding, "backslashreplace").decode(encoding)
    assert without_times(narrow) == without_times(escaped)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("arguments", [["tasks", "--json"], ["reproduce", "--list", "--json"]])
def test_json_is_json_in_any_encoding(monkeypatch, encoding, arguments):
    wide, _ = printed(monkeypatch, arguments, "utf-8")
    narrow, status = printed(monkeypatch, arguments, encoding)
    assert status == 0
    assert "α" in wide
    assert "α" not in narrow
    assert json.loads(narrow) == json.loads(wide)


def printed(monkeypatch, arguments, encoding):
    """What is said on both streams, and the status."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        status = main(arguments)
    out, err = (stream.detach().getvalue().decode(encoding) for stream in flushed(streams))
    return out + "\n".join(shown(err)), status


def flushed(streams):
    for stream in streams:
        stream.flush()
    return streams


def without_times(text):
    return [line for line in text.splitlines() if not line.endswith(" s")]


def test_streams_that_are_not_there_take_everything(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["tasks"]) == 0
    assert main(["tasks", "extra"]) == 2
    assert main(REFUTED) == 1
    sys.stdout.close()
    sys.stderr.close()


def test_a_complaint_that_nobody_hears_has_its_status(monkeypatch):
    with closed() as stream:
        raw = io.FileIO(stream.fileno(), "w", closefd=False)
        with io.TextIOWrapper(raw, write_through=True) as unbuffered:  # type: ignore[arg-type]
            monkeypatch.setattr(sys, "stderr", unbuffered)
            assert main(["tasks", "extra"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("| head -0", 0, ""),
        ("--help | head -0", 0, ""),
        ("> /dev/full", 2, f"{FULL}\n"),
        (">&-", 0, ""),
    ],
)
def test_nothing_is_said_when_the_process_ends(end, status, said):
    command = f"set -o pipefail; {' '.join(MODULE)} tasks {end}"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (found.returncode, found.stderr, found.stdout) == (status, said, "")


@pytest.mark.slow
def test_greek_is_escaped_where_python_is_told_to_speak_ascii():
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict"}
    found = subprocess.run([*MODULE, "tasks"], capture_output=True, text=True, env=environment)
    assert (found.returncode, found.stderr) == (0, "")
    assert "\\u03b1" in found.stdout
