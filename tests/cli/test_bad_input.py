import os

import pytest

from ktrans._files import write_whole
from ktrans.cli import main

HEAD = "[task]\nvocab_size = 20\n"


def task_file(tmp_path, text):
    path = tmp_path / "task.toml"
    path.write_text(text, "utf-8")
    return str(path)


def templates(*rows, head=HEAD):
    return head + "".join(
        f"[[templates]]\ntemplate = {template}\nlabel = {label}\n" for template, label in rows
    )


def sentence(capsys, arguments):
    """The one line of a refusal."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    said = captured.err.rpartition("\r")[2]  # what stands there when progress bars are gone
    assert said.startswith("ktrans: ")
    assert captured.err.count("\n") == 1
    assert said.endswith("\n")
    return said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (templates(('"αβα"', 1.0), ('"αβ"', -1.0)), "length"),
        (templates(('"αβ"', '"γ"')), "γ"),
        (templates(('"αβγ"', 1.0), ('"αββ"', -1.0), head="[task]\nvocab_size = 2\n"), "vocab_size"),
        (templates(('"αβ"', "nan"), ('"αα"', -1.0)), "label"),
        (templates(('"αβ"', "inf"), ('"αα"', -1.0)), "label"),
        (templates(('"αβ"', 1.0), ('"αβ"', -1.0)), "distinct"),
        (templates(('"αβ"', "[1, 2]")), "label"),
        (templates(('""', 1.0)), "template"),
        (HEAD, "templates"),
        ("", "task"),
        ("[task\nvocab_size = ", "not valid TOML"),
        (templates(('"αβ"', 1.0), head="[task]\nvocab_size = 10.5\n"), "vocab_size"),
        (templates(('"αβ"', 1.0), head="[task]\nvocab_size = 99999999999\n"), "vocab_size"),
        (templates(('"αβ"', 1.0), head=HEAD + "noise_std = -1\n"), "noise_std"),
        (templates(('"αβ"', 1.0), head=HEAD + 'import = "os"\n'), "import"),
        (HEAD + "x = " + "[" * 100_000, "not valid TOML|nested too deeply"),
        (HEAD + "# " + "x" * 2**20, "bytes"),
        (templates(('"\\u001b[31mα\\n\\u0000"', 1.0), ('"αβ"', 1.0)), "task.toml|length|template"),
    ],
)
def test_task_files_are_refused_in_one_sentence(tmp_path, capsys, text, words):
    said = sentence(capsys, ["verify", task_file(tmp_path, text), "--quick"])
    assert any(word in said for word in words.split("|"))
    assert said[:-1].isprintable()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "aba_abc"], "There is no task 'aba_abc'; did you mean 'aba_abb'"),
        (["verify", "nowhere.toml"], "There is no task file 'nowhere.toml'"),
        (["verify", "aba_abb", "--ridge", "-1"], "`ridge` must be non-negative; got -1.0."),
        (["verify", "aba_abb", "--ridge", "nan"], "`ridge` must be finite; got nan."),
        (["verify", "aba_abb", "--beta", "-1"], "`beta` must be a non-negative number"),
        (["verify", "aba_abb", "--gamma", "inf"], "`gamma` must be a finite non-negative number"),
        (["verify", "aba_abb", "--b1", "nan"], "`b1` must be finite"),
        (["verify", "aba_abb", "--vocab-size", "1"], "`vocab_size` must leave a token"),
        (["verify", "aba_abb", "--rho", "0.5"], "`rho` must be finite and at least 1; got 0.5."),
        (["verify", "aba_abb", "--rho", "inf"], "`rho` must be finite and at least 1; got inf."),
        (["verify", "aba_abb", "--rho", "1e300"], "`vocab_sizes` must be from 1 to 10000000"),
        (["verify", "aba_abb", "--n", "0"], "`num_samples` must be from 1 to 1000000; got 0."),
        (["verify", "aba_abb", "--n", "10000000"], "`num_samples` must be from 1 to 1000000"),
        (["verify", "aba_abb", "--n", "x"], "argument --n: invalid int value: 'x'"),
        (["verify", "aba_abb", "--seeds", "0"], "`seeds` must have at least one entry"),
        (["verify", "aba_abb", "--activation", "tanh"], "invalid choice: 'tanh'"),
        (["verify", "\x1b[31m\n"], "There is no task"),
        (["verify"], "the following arguments are required: TASK"),
        (["certify", "aba_abb"], "invalid choice: 'certify'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_arguments_are_refused_in_one_sentence(capsys, arguments, words):
    assert words in sentence(capsys, arguments)


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


def test_an_interruption_is_one_line(capsys, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ktrans.cli.verify.read_task", interrupt)
    assert main(["verify", "aba_abb"]) == 130
    assert capsys.readouterr().err == "ktrans: Interrupted; files written before are whole.\n"
