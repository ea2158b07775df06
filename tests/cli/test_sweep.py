import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ktrans.cli import main

DOCS = Path(__file__).parents[2] / "docs" / "sweeps.md"
FILE = """
[sweep]
vocab_sizes = [20]
num_samples = [10, 20]
ridges = [0.1]
seeds = 2

[[tasks]]
name = "aba_abb"

[[kernels]]
type = "mlp"
kind = "nngp"
depth = 1
activation = "relu"
weight_variance = 2.0
bias_variance = 0.0
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(FILE, "utf-8")
    return path


def arguments(file, *more):
    return ["sweep", str(file), "--out", str(file.parent / "out"), "--jobs", "1", *more]


def test_json_is_one_object_with_the_errors_by_dimension(file, capsys):
    assert main(arguments(file, "--json")) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["cells"], record["missing"], record["above_tolerance"]) == (4, 0, 0)
    assert record["configuration"]["num_samples"] == [10, 20]
    assert record["configuration"]["kernels"]["mlp"]["type"] == "mlp"
    path, picture = record["files"]
    assert Path(picture).read_bytes().startswith(b"\x89PNG")
    mean = xr.load_dataset(path, engine="scipy").unseen_mse.mean("seed")
    assert record["unseen_mse"]["dims"] == list(mean.dims)
    np.testing.assert_array_equal(record["unseen_mse"]["data"], mean.values)


def test_the_table_has_a_row_for_each_setting_and_is_the_same_when_run_again(file, capsys):
    shown = []
    for _ in range(2):
        assert main(arguments(file)) == 0
        *table, wrote, _, seconds = capsys.readouterr().out.splitlines()
        shown.append(table)
        assert wrote == f"wrote {file.parent / 'out' / 'sweep.nc'}"
        assert re.fullmatch(r"\d+\.\d s", seconds)
    assert shown[0] == shown[1]
    assert [line.split()[:5] for line in shown[0][1:]] == [
        ["task", "kernel", "m", "λ", "10"],
        ["aba_abb", "mlp", "20", "0.1", shown[0][2].split()[4]],
    ]


def test_a_damaged_result_is_said_on_standard_error(file, capsys):
    assert main(arguments(file)) == 0
    cell = next((file.parent / "out" / "cells").iterdir())
    cell.write_text("{")
    capsys.readouterr()
    assert main(arguments(file)) == 0
    said = f"ktrans: '{cell}' is damaged, and its result is computed again."
    assert said in re.split(r"[\r\n]", capsys.readouterr().err)


def test_a_scheduler_that_is_not_there_is_one_sentence(file, capsys, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("ktrans.cli.sweep.PATIENCE", 0.2)
    more = ["--backend", "dask", "--scheduler", "tcp://127.0.0.1:9"]
    assert main(arguments(file, *more)) == 2
    assert "none answers at tcp://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interruption_loses_nothing_and_says_how_to_go_on(file):
    file.write_text(FILE.replace("seeds = 2", "seeds = 2000"), "utf-8")
    command = [sys.executable, "-m", "ktrans.cli", *arguments(file)]
    command[command.index("--jobs") + 1] = "2"
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    cells = file.parent / "out" / "cells"
    while process.poll() is None and len(list(cells.glob("*.json"))) < 20:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the workers too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    (said,) = [
        line for line in re.split(r"[\r\n]", errors) if line.strip() and "training sets" not in line
    ]
    found = re.fullmatch(
        r"ktrans: Interrupted with (\d+) of 4000 cells done; the same command goes on from there\.",
        said.strip(),
    )
    assert found and 19 <= int(found[1]) < 4000
    file.write_text(FILE, "utf-8")
    assert main(arguments(file)) == 0


@pytest.mark.slow
def test_the_examples_of_the_documentation_run_as_they_stand(tmp_path, monkeypatch, capsys):
    text = DOCS.read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(toml|python)\n(.*?)```", text, re.DOTALL)
    assert [language for language, _ in blocks] == ["toml", "python", "python"]
    Path("sweep.toml").write_text(blocks[0][1], "utf-8")
    (command,) = re.findall(r"^    ktrans (sweep .* --jobs 4)$", text, re.MULTILINE)
    assert main([*command.split()[:-1], "1"]) == 0
    capsys.readouterr()
    for _, code in blocks[1:]:
        exec(compile(code, str(DOCS), "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("('kernel', 'vocab_size', 'num_samples')\n")
