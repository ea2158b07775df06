import json

import numpy as np
import pytest

from ktrans.cli import main


def test_json_is_one_object_with_exact_multiplicities(capsys):
    assert main(["spectrum", "aba_abb", "--quick", "--json", "--vocab-size", "1000000"]) == 0
    record = json.loads(capsys.readouterr().out)
    population = record["population"]
    assert population["multiplicities"][-1] == (10**6 - 1) * (10**6 - 2) // 2
    assert population["representations"][:2] == ["trivial", "trivial"]
    total = np.dot(population["eigenvalues"], np.array(population["multiplicities"], float))
    np.testing.assert_allclose(total, population["trace"], rtol=1e-10)
    blocks = record["blocks"]
    # ρ = 500 000: nothing but the diagonal and single collisions is away from its limit.
    assert 0.999 < blocks["share_equal"] < 1 - 1 / 2001
    np.testing.assert_allclose(blocks["eigenvalues"][0], blocks["limits"][0], rtol=1e-3)
    assert blocks["collisions"]["num_edges"] == sum(
        each["edges"] for each in blocks["collisions"]["classes"]
    )
    assert np.all(np.diff(record["density"]["share_below"]) >= 0)
    assert 0 < record["target"]["alignment"] < 1
    for each in record["density"]["effective_dimension"]:
        assert each["mean"] - 5 * each["stderr"] < each["bound"]


def test_it_writes_its_data_and_a_figure(capsys, tmp_path):
    arguments = ["spectrum", "same_different", "--quick", "--n", "300", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "representation" in capsys.readouterr().out
    curves = json.loads((tmp_path / "spectrum.json").read_text())["curves"]
    assert len(curves["sampled"]) == len(curves["sampled_diversity"]) == 3
    assert (tmp_path / "spectrum.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_long_tables_are_cut_short(capsys):
    assert main(["spectrum", "majority_4", "--quick", "--n", "300"]) == 0
    text = capsys.readouterr().out
    # Ten templates: ten eigenvalues of the trivial representation, and of N.
    assert text.count("trivial") == 3 and "and 7 more" in text
    assert "and 4 more" in text and "more classes" in text
    assert max(map(len, text.splitlines())) < 130


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "nothing"),
        (["aba_abb", "--n", "0"], "`--n` must be from 1 to 1000000; got 0."),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, capsys):
    assert main(["spectrum", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


def test_a_task_without_the_symmetry_is_refused(capsys, tmp_path):
    file = tmp_path / "task.toml"
    file.write_text(
        '[task]\nvocab_size = 9\nsubstitution = "zipf"\n'
        '[[templates]]\ntemplate = "αβα"\nlabel = 1.0\n'
        '[[templates]]\ntemplate = "αββ"\nlabel = -1.0\n'
    )
    assert main(["spectrum", str(file), "--quick"]) == 2
    assert "must have uniform substitution" in capsys.readouterr().err
