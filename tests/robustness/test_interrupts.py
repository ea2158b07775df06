"""Ctrl-C at any moment: one line of its own, exit status 130, and written files are whole."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

import ktrans
from ktrans import _interrupts
from ktrans._progress import show_progress
from ktrans.cli import main
from tests.robustness.test_command_line import SWEEP

SAID = "ktrans: Interrupted; files written before are whole."
MODULE = [sys.executable, "-m", "ktrans.cli"]
SCRIPT = [str(Path(sysconfig.get_path("scripts")) / "ktrans")]
TINY = ["verify", "aba_abb", "--n", "16", "--rho", "8", "--seeds", "1"]


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interruption_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr("ktrans.cli.verify.command.read_task", interrupt)
    assert main(["verify", "aba_abb"]) == 130
    assert capsys.readouterr().err == f"{SAID}\n"


def test_the_line_does_not_stand_behind_a_progress_bar(capsys, monkeypatch):
    def run(_):
        for step in show_progress(range(9), "outer"):
            for _ in show_progress(range(step), "inner"):
                interrupt()

    monkeypatch.setattr("ktrans.cli.verify.command.run", run)
    assert main(["verify", "aba_abb"]) == 130
    said = capsys.readouterr().err
    assert "inner" in said
    assert shown(said) == [SAID]


def shown(said):
    """The lines that a terminal shows in the end."""
    cells, row, column = {}, 0, 0
    for piece in re.findall(r"\x1b\[A|.|\n", said):
        if piece == "\x1b[A":
            row -= 1
        elif piece in "\r\n":
            row, column = row + (piece == "\n"), 0
        else:
            cells[row, column] = piece
            column += 1
    rows = {at for at, _ in cells}
    lines = ["".join(cells[at] for at in sorted(cells) if at[0] == row) for row in sorted(rows)]
    return [line.rstrip() for line in lines if line.strip()]


@pytest.mark.parametrize("moment", ["diversity_spectrum", "measure", "ordered_gram"])
def test_the_certificate_is_written_before_anything_is_measured(
    tmp_path, capsys, monkeypatch, moment
):
    arguments = [*TINY, "--beta", "0", "--out", str(tmp_path)]
    monkeypatch.setattr(f"ktrans.measure.report.{moment}", interrupt)
    assert main(arguments) == 130
    assert shown(capsys.readouterr().err) == [SAID]
    assert [file.name for file in tmp_path.iterdir()] == ["certificate.json"]
    kept = json.loads((tmp_path / "certificate.json").read_text("utf-8"))
    assert kept["certificates"].keys() == {"transformer", "MLP (NTK)"}
    assert kept.keys() == {"configuration", "certificates", "versions"}
    monkeypatch.undo()
    assert main(arguments) == 1
    assert json.loads((tmp_path / "certificate.json").read_text("utf-8")) == kept


def test_a_library_leaves_signals_alone():
    """This process is no command, so importing ktrans has changed nothing."""
    assert ktrans._interrupts is _interrupts
    assert signal.getsignal(signal.SIGINT) is not _interrupts._leave


@pytest.mark.parametrize(
    ("words", "is_command"),
    [
        (["python", "-m", "ktrans.cli", "tasks"], True),
        (["python", "/usr/bin/ktrans", "tasks"], True),
        (["python", "ktrans.exe"], True),
        (["python", "-m", "experiments.last_layer"], False),
        (["python", "-m", "joblib.externals.loky.backend.popen_loky_posix"], False),
        (["python", "work.py", "ktrans"], False),
        (["python"], False),
    ],
)
def test_the_command_is_known_by_what_was_started(monkeypatch, words, is_command):
    monkeypatch.setattr(sys, "orig_argv", words)
    assert _interrupts._is_command() is is_command


def test_within_the_command_interruptions_are_exceptions():
    before = signal.signal(signal.SIGINT, _interrupts._leave)
    try:
        with _interrupts.raise_when_interrupted(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is _interrupts._leave
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def started(command, **environment):
    """A process that hears Ctrl-C: what runs in the background is deaf, and so are its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        start_new_session=True, env=os.environ | environment,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def interrupted(process, word, pause=0.0):
    """Its standard error when it is interrupted, as by a terminal, a while after it said a word."""
    said = b""
    while word.encode() not in said:
        more = process.stderr.read(2**16)
        assert more, said.decode()
        said += more
    time.sleep(pause)
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=180)
    assert process.returncode == 130
    return (said + rest).decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "word", ["numpy", "jax._src.numpy", "ktrans.kernels.base", "ktrans.cli.options"]
)
@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_ctrl_c_while_the_command_is_imported_is_one_line(command, word):
    with started([*command, "tasks"], PYTHONPROFILEIMPORTTIME="1") as process:
        said = interrupted(process, f" {word}\n")
    lines = [line for line in said.splitlines() if not line.startswith("import time:")]
    # The list of imports may be cut off within a line.
    assert [line[line.find("ktrans: ") :] for line in lines] == [SAID]


@pytest.mark.slow
def test_ctrl_c_in_mid_run_is_one_line(tmp_path):
    with started([*MODULE, "verify", "aba_abb", "--out", str(tmp_path)]) as process:
        said = interrupted(process, "ridge regression", pause=0.5)
    assert shown(said) == [SAID]
    assert [file.name for file in tmp_path.iterdir()] == ["certificate.json"]


@pytest.mark.slow
def test_ctrl_c_in_a_sweep_is_one_line(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP.replace("seeds = 1", "seeds = 5000"), "utf-8")
    command = [*SCRIPT, "sweep", str(file), "--jobs", "2", "--out", str(tmp_path / "out")]
    with started(command) as process:
        said = interrupted(process, " 1%|", pause=0.5)
    (line,) = shown(said)
    assert line.startswith("ktrans: Interrupted with ")
    assert line.endswith(" of 5000 cells done; the same command goes on from there.")


@pytest.mark.slow
def test_ctrl_c_in_a_reproduction_is_one_line(tmp_path):
    command = [*SCRIPT, "reproduce", "quadrature_bounds", "--out", str(tmp_path)]
    with started(command) as process:
        said = interrupted(process, "batches:", pause=0.5)
    assert shown(said) == [SAID]
    assert {file.name for file in tmp_path.iterdir()} <= {"batches"}
