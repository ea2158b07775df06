import argparse
import json

import pytest

from ktrans.cli import main, probe
from tests.robustness.one_sentence import check_sentence

FAST = ("--quick", "--substitutions", "16", "--n", "8", "16")


def run(arguments):
    parser = argparse.ArgumentParser()
    probe.add_options(parser)
    parsed = parser.parse_args([*map(str, arguments)])
    return parsed.run(parsed)


def test_json_is_one_object_with_n_of_each_layer(capsys):
    assert run(["same_different", *FAST, "--vocab-size", 60, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record["layers"]) == ["bag of words", "layer 1", "layer 2"]
    assert len(record["template_matrix"]) == 2
    assert record["num_samples"] == [8, 16]
    assert record["layers"]["bag of words"]["nonsingular"] is False


def test_folder_has_record_figure_and_report(tmp_path, capsys):
    assert run(["aba_abb", *FAST, "--out", tmp_path, "--report"]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"probe.json", "probe.png", "report.html"}
    assert "bag of words" in (tmp_path / "report.html").read_text()
    assert "N is nonsingular at level 0.01" in capsys.readouterr().out


def test_features_come_from_a_file(tmp_path, capsys):
    file = tmp_path / "equal.py"
    file.write_text(
        "import numpy as np\n"
        "def features(tokens):\n"
        "    same = tokens[:, 0] == tokens[:, 1]\n"
        "    return np.stack([same, ~same], axis=1).astype(float)\n"
    )
    assert run(["same_different", file, *FAST, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["nonsingular"] is True
    assert record["unseen_error"] < 0.01


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "There is no task 'nothing'"),
        (["aba_abb", "nowhere"], "There is no 'nowhere'"),
        (["aba_abb", "nowhere.py"], "There is no file 'nowhere.py'"),
        (["aba_abb", "--vocab-size", "4"], "`task` must have at least 16 tokens"),
        (["aba_abb", "--level", "0.5"], "`level` must be at most 0.2; got 0.5."),
        (["aba_abb", "--n", "9", "3"], "ascending integers"),
        (["aba_abb", "--ridge", "-1"], "`ridge` must be non-negative; got -1.0."),
        (["aba_abb", "--substitutions", "0"], "`substitutions` must be at least 1; got 0."),
    ],
)
def test_bad_input_is_one_sentence_and_exit_status_2(arguments, words, capsys):
    assert main(["probe", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in said
    check_sentence(said, (words,))
