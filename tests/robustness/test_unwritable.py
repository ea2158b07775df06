"""Full disks and missing permissions: one line, and nothing finished is lost."""

import contextlib
import json
import os
import resource

import pytest

from ktrans._files import write_whole
from ktrans.cli import main
from ktrans.sweeps import read_sweep, run_sweep
from tests.robustness.test_command_line import SWEEP

TINY = ["--n", "16", "--rho", "8", "--seeds", "1", "--beta", "0"]


def sentence(capsys, arguments, has_table=False):
    """The one line of a refusal."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert not captured.out or has_table
    said = captured.err.rpartition("\r")[2]  # what stands there when progress bars are gone
    assert said.startswith("ktrans: ")
    assert captured.err.count("\n") == 1
    assert said.endswith("\n")
    return said


def test_a_folder_that_cannot_be_is_refused_before_anything_is_computed(tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("precious")
    for out in (blocker, blocker / "deeper"):
        said = sentence(capsys, ["verify", "aba_abb", "--out", str(out)])
        assert str(blocker) in said
    assert blocker.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o500)
    said = sentence(capsys, ["verify", "aba_abb", "--out", str(tmp_path)])
    assert "permission denied" in said


def test_a_failed_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "results.json", lambda stream: stream.write(b"old"))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, lambda stream: stream.write(b"new"))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_a_result_that_cannot_be_replaced_is_one_sentence(tmp_path, capsys):
    (tmp_path / "certificate.json").mkdir()
    said = sentence(
        capsys,
        ["verify", "aba_abb", "--n", "16", "--rho", "8", "--seeds", "1", "--out", str(tmp_path)],
    )
    assert "certificate.json" in said


@contextlib.contextmanager
def full_disk(at):
    """Files may grow to `at` bytes and no further, as where a disk or a quota is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_on_a_full_disk_earlier_results_stay_whole(tmp_path, capsys):
    arguments = ["verify", "aba_abb", *TINY, "--out", str(tmp_path)]
    assert main(arguments) == 1  # refuted: at β = 0 attention sees nothing
    before = contents(tmp_path)
    capsys.readouterr()
    with full_disk(at=6000):  # enough for the certificate, and for no figure
        said = sentence(capsys, [*arguments, "--ridge", "1e-3"], has_table=True)
    assert "file too large" in said
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    assert all(after[name] == before[name] for name in before if name.endswith(".png"))
    for name in ("certificate.json", "results.json"):
        assert json.loads(after[name])["configuration"]


def test_a_sweep_goes_on_when_there_is_room_again(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP, "utf-8")
    arguments = ["sweep", str(file), "--jobs", "1", "--out", str(tmp_path / "out")]
    with full_disk(at=2048):  # enough for a cell, and not for the dataset
        assert "file too large" in sentence(capsys, arguments)
    cells = contents(tmp_path / "out" / "cells")
    assert len(cells) > 0
    assert main(arguments) == 0
    assert contents(tmp_path / "out" / "cells") == cells
    assert (tmp_path / "out" / "sweep.nc").stat().st_size > 2048


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"values": 3}', b"\xff\xfe"])
def test_a_damaged_cell_of_a_sweep_is_computed_again(tmp_path, content):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP, "utf-8")
    grid, said = read_sweep(file), []
    whole = run_sweep(grid, tmp_path / "out", jobs=1)
    for cell in (tmp_path / "out" / "cells").iterdir():
        cell.write_bytes(content)
    again = run_sweep(grid, tmp_path / "out", jobs=1, say=said.append)
    assert again.unseen_mse.equals(whole.unseen_mse)
    assert len(said) > 0
    assert all(sentence.endswith(".") for sentence in said)
