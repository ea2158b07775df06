import argparse
import json

import numpy as np
import pytest

from ktrans.cli import heads, main
from tests.networks import weight_files as files
from tests.networks.weight_files import HEADS, LAYERS
from tests.robustness.one_sentence import check_sentence


def run(arguments):
    parser = argparse.ArgumentParser()
    heads.add_options(parser)
    parsed = parser.parse_args([*map(str, arguments)])
    return parsed.run(parsed)


@pytest.fixture
def weights(tmp_path):
    return files.save(tmp_path, files.llama(files.draw(groups=2)), num_attention_heads=HEADS)


def test_json_is_one_object_with_z_of_each_head(weights, capsys):
    assert run([weights, "--quick", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["num_layers"], record["num_heads"]) == (LAYERS, HEADS)
    assert np.shape(record["query_key"]) == np.shape(record["value_output"]) == (LAYERS, HEADS)
    assert np.shape(record["distance_a"]) == (LAYERS, HEADS, len(record["distances"]))
    assert record["permutations"] == heads.QUICK_PERMUTATIONS


def test_folder_has_record_figures_and_report(weights, tmp_path, capsys):
    folder = tmp_path / "out"
    assert run([weights, "--permutations", "9", "--out", folder, "--report"]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"heads.json", "heads.png", "distances.png", "report.html"}
    assert (folder / "heads.png").read_bytes().startswith(b"\x89PNG")
    assert "compare tokens" in (folder / "report.html").read_text()
    said = capsys.readouterr().out
    assert "18 have an identity in W_Qᵀ W_K" in " ".join(said.split())
    assert "Positions are rotary" in said


def test_names_are_taken_from_the_command_line(tmp_path, capsys):
    layers = files.draw(layers=1)
    tensors = {
        f"blocks.0.{role[0]}": files.stacked(getattr(layers[0], role))
        for role in ("query", "key", "value")
    }
    tensors["blocks.0.o"] = files.stacked(layers[0].output).T
    path = files.save(tmp_path, tensors)
    roles = ("query=q", "key=k", "value=v", "output=o")
    options = [f"--name={role.replace('=', '=blocks.{i}.')}" for role in roles]
    assert run([path, "--heads", HEADS, "--permutations", 9, "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["layout"] == "named"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.safetensors"], "There is no 'nowhere.safetensors'"),
        (["{file}", "--heads", "7"], "a multiple of"),
        (["{file}", "--heads", "0"], "`heads` must be at least 1; got 0."),
        (["{file}", "--level", "2"], "`level` must be between 0 and 1; got 2.0."),
        (["{file}", "--permutations", "0"], "`permutations` must be from 1"),
        (["{file}", "--name", "query"], "`--name` must be ROLE=PATTERN"),
        (["{file}", "--prefix", "other."], "has no heads of a known layout"),
        ([__file__], "is not a safetensors file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_status_2(arguments, words, weights, capsys):
    assert main(["heads", *(each.format(file=weights) for each in arguments)]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    check_sentence(said.splitlines()[-1], (words,))
