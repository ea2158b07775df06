import argparse
import json

import pytest

from ktrans.cli import copying
from ktrans.cli.output import write_json
from ktrans.copying import verify


def run(arguments):
    parser = argparse.ArgumentParser()
    copying.add_options(parser)
    parsed = parser.parse_args(arguments)
    return parsed.run(parsed)


def test_json_is_one_object_with_verdicts(capsys, tmp_path):
    arguments = ["--quick", "--dims", "2048", "--draws", "8", "--json"]
    assert run([*arguments, "--out", str(tmp_path)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["certificate"]["fails_without_b"] is True
    assert record["certificate"]["copies_with_b"] is True
    assert (tmp_path / "copying.png").read_bytes().startswith(b"\x89PNG")
    stored = json.loads((tmp_path / "copying.json").read_text())
    assert stored["certificate"] == record["certificate"]


def test_the_text_has_both_theorems(capsys):
    assert run(["--dims", "32", "--draws", "4", "--num-seen", "8"]) == 0
    said = capsys.readouterr().out
    assert "R_g for 8 of 32 tokens seen" in said
    assert "Theorem 4.1" in said
    assert "Theorem 4.2" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--vocab-size", "1"], "`vocab_size` must be at least 2; got 1."),
        (["--num-seen", "32"], "`num_seen` must be below `vocab_size` = 32"),
        (["--heads", "0"], "`num_heads` must be at least 1; got 0."),
        (["--dims", "8"], "`head_dim` must be at most `embedding_dim` = 8 unless"),
        (["--draws", "0"], "`num_draws` must be at least 2; got 0."),
    ],
)
def test_bad_input_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(arguments)


def test_the_record_has_no_numbers_that_json_lacks(tmp_path):
    write_json(tmp_path / "record.json", verify([16], num_draws=2).to_dict())
    assert "null" in (tmp_path / "record.json").read_text()  # no decay from one dimension
