import argparse
import json

import pytest

from ktrans.cli.compare import command as compare

SMALL = ["--n", "16", "64", "--seeds", "2", "--vocab-size", "20", "--depth", "1", "--beta", "0"]


def run(arguments):
    """The command by itself, as `ktrans compare …` calls it."""
    parser = argparse.ArgumentParser()
    compare.add_options(parser)
    given = parser.parse_args(arguments)
    return given.run(given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the Python file of a kernel, in which the command was run once."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "mine.py").write_text("def agreements(x1, x2, get): return x1 @ x2.T + 1.0")
    file = str(folder / "mine.py:agreements")
    run(["aba_abb", *SMALL, "--tied", "--kernel-file", file, "--out", str(folder / "made")])
    return folder


@pytest.mark.slow
def test_the_record_and_the_figure_are_written(folder):
    record = json.loads((folder / "made" / "comparison.json").read_text("utf-8"))
    assert list(record["kernels"]) == [
        "transformer",
        "modified transformer",
        "MLP (NTK)",
        "MLP (NNGP)",
        "MLP with X Xᵀ",
        "tied attention",
        "mine.py:agreements",
    ]
    assert record["kernels"]["MLP with X Xᵀ"]["certificate"]["nonsingular"]
    assert record["kernels"]["MLP (NTK)"]["certificate"]["nonsingular"] is False
    assert (folder / "made" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_one_object_is_printed_as_json(capsys):
    assert run(["aba_abb", *SMALL, "--n", "16", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["reference"] == "transformer"
    assert record["files"] == []


def test_the_table_and_the_reasons_are_printed(capsys):
    assert run(["aba_abb", *SMALL, "--n", "16"]) == 0
    out = capsys.readouterr().out
    assert "nonsingular" in out and "singular" in out
    assert "MLP (NTK): N is singular: the prediction on fresh strings is the same" in out


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        (["aba_abb", "--n", "0"], ValueError, "`num_samples` must be from 1 to 1000000; got 0"),
        (["aba_abb", "--seeds", "0"], ValueError, "`num_seeds` must be from 1"),
        (["aba_abb", "--depth", "0"], ValueError, "`depth` must be"),
        (["aba_abb", "--a", "nan"], ValueError, "`a` must be a finite number; got nan"),
        (["aba_abb", "--kernel-file", "no.py"], FileNotFoundError, r"no file 'no\.py'"),
        (["copy"], ValueError, "`task` has symbols as labels"),
        (["aba_abc"], ValueError, "There is no task 'aba_abc'"),
    ],
)
def test_arguments_are_refused_in_one_sentence(arguments, kind, sentence):
    with pytest.raises(kind, match=sentence):
        run(arguments)
