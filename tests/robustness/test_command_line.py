"""Bad command lines and task files: one line on standard error, exit status 2, nothing left."""

import pytest

from ktrans.cli import main
from tests.robustness.one_sentence import LONGEST

VERIFY = ("verify", "aba_abb")
SPECTRUM = ("spectrum", "aba_abb")
COMPARE = ("compare", "aba_abb")
HEAD = "[task]\nvocab_size = 20\n"
SWEEP = """
[sweep]
vocab_sizes = [20]
num_samples = [8]
ridges = [0.1]
seeds = 1

[[tasks]]
name = "aba_abb"

[[kernels]]
type = "mlp"
kind = "ntk"
depth = 1
activation = "relu"
weight_variance = 2.0
bias_variance = 0.0
"""

COMMANDS = [
    ((), "required: COMMAND"),
    (("certify",), "invalid choice: 'certify'"),
    (("--colour",), "COMMAND"),
    (("tasks", "extra"), "unrecognized arguments: extra"),
    (("tasks", "--jso"), "unrecognized arguments: --jso"),
    (("verify",), "required: TASK"),
    (("verify", "aba_abc"), "did you mean 'aba_abb'"),
    (("verify", ""), "There is no task ''"),
    (("verify", "ñandú"), "There is no task 'ñandú'"),
    (("verify", "\x1b[31m\n"), "There is no task"),
    (("verify", "x" * 5000), "There is no task"),
    (("verify", "nowhere.toml"), "There is no task file 'nowhere.toml'"),
    ((*VERIFY, "--beta", "-1"), "`beta` must be a non-negative number"),
    ((*VERIFY, "--beta", "x"), "--beta: invalid float value: 'x'"),
    ((*VERIFY, "--beta", "nan"), "got nan"),
    ((*VERIFY, "--beta"), "--beta: expected one argument"),
    ((*VERIFY, "--gamma", "inf"), "`gamma` must be a finite non-negative number"),
    ((*VERIFY, "--gamma", "1j"), "invalid float value: '1j'"),
    ((*VERIFY, "--b1", "nan"), "`b1` must be finite"),
    ((*VERIFY, "--b2", "two"), "invalid float value: 'two'"),
    ((*VERIFY, "--activation", "tan"), "invalid choice: 'tan'"),
    ((*VERIFY, "--activation", "sin", "--b1", "2"), "`--b1` and `--b2` must go with"),
    ((*VERIFY, "--ridge", "-1"), "`ridge` must be non-negative; got -1.0."),
    ((*VERIFY, "--ridge", "nan"), "`ridge` must be finite; got nan."),
    ((*VERIFY, "--ridge", "1e400"), "`ridge` must be finite; got inf."),
    ((*VERIFY, "--n", "0"), "`num_samples` must be from 1 to 1000000; got 0."),
    ((*VERIFY, "--n", "1.5"), "--n: invalid int value: '1.5'"),
    ((*VERIFY, "--n"), "--n: expected at least one argument"),
    ((*VERIFY, "--n", "10000000"), "`num_samples` must be from 1 to 1000000"),
    ((*VERIFY, "--rho", "0.5"), "`rho` must be at least 1; got 0.5."),
    ((*VERIFY, "--rho", "inf"), "`rho` must be finite; got inf."),
    ((*VERIFY, "--rho", "1e300"), "`vocab_sizes` must be from 1 to 10000000"),
    ((*VERIFY, "--seeds", "0"), "`seeds` must be at least 1; got 0"),
    ((*VERIFY, "--seeds", "-2"), "`seeds`"),
    ((*VERIFY, "--vocab-size", "1"), "`vocab_size` must leave a token"),
    ((*VERIFY, "--vocab-size", "10**3"), "invalid int value: '10**3'"),
    ((*VERIFY, "--vocab-size", "99999999999"), "`vocab_size` must be at most 100000000"),
    ((*VERIFY, "--be", "1"), "unrecognized arguments: --be"),
    ((*VERIFY, "extra"), "unrecognized arguments: extra"),
    ((*VERIFY, "--json=yes"), "--json: ignored explicit argument 'yes'"),
    ((*VERIFY, "--out", ""), "--out: must be the name of a folder"),
    (("spectrum",), "required: TASK"),
    (("spectrum", "nothing"), "There is no task 'nothing'"),
    ((*SPECTRUM, "--n", "0"), "`--n` must be from 1 to 1000000; got 0."),
    ((*SPECTRUM, "--beta", "-1"), "`beta` must be"),
    ((*SPECTRUM, "--rho", "0"), "unrecognized arguments: --rho 0"),
    ((*SPECTRUM, "--seed", "-1"), "`seed` must be at least 0; got -1"),
    (("compare",), "required: TASK"),
    (("compare", "copy"), "symbols as labels"),
    ((*COMPARE, "--n", "-3"), "`num_samples` must be"),
    ((*COMPARE, "--seeds", "0"), "seeds"),
    ((*COMPARE, "--ridge", "nan"), "`ridge` must be finite; got nan."),
    ((*COMPARE, "--kernel-file", "/nowhere.py"), "There is no file '/nowhere.py'"),
    (("explore",), "required: TASK"),
    (("explore", "nothing"), "There is no task 'nothing'"),
    (("explore", "aba_abb", "--port", "x"), "--port: invalid int value: 'x'"),
    (("copying", "--draws", "0"), "`num_draws` must be at least 2; got 0."),
    (("copying", "--vocab-size", "1"), "`vocab_size` must be at least 2; got 1."),
    (("copying", "--seen", "99999"), "99999"),
    (("copying", "extra"), "unrecognized arguments: extra"),
    (("reproduce",), "`FIGURE` or --list must be given"),
    (("reproduce", "data_efficency"), "did you mean 'data_efficiency'"),
    (("reproduce", "block_structure", "--quick", "--paper"), "--paper: not allowed with"),
    (("reproduce", "block_structure", "--list"), "`--list` must go alone"),
    (("reproduce", "--list", "--out", "x"), "`--list` must go alone"),
    (("sweep",), "required: FILE"),
    (("sweep", "nowhere.toml"), "There is no sweep file 'nowhere.toml'"),
]


def templates(*rows, head=HEAD):
    """A task file with templates and labels as TOML has them."""
    return head + "".join(f"[[templates]]\ntemplate = {z}\nlabel = {y}\n" for z, y in rows)


def one(option):
    """A task file with one template and an option of the task."""
    return templates(('"αβ"', 1.0), head=HEAD + option + "\n")


def of_size(vocab_size):
    return templates(('"αβ"', 1.0), head=f"[task]\nvocab_size = {vocab_size}\n")


TASK_FILES = [
    ("", "key `task` is missing"),
    ("task = 3\n", "`task`"),
    ("vocab_size = 3\n", "vocab_size"),
    ("[[task]]\nvocab_size = 3\n", "`task`"),
    ("[task\nvocab_size = ", "not valid TOML"),
    (HEAD, "templates"),
    (HEAD + "vocab_size = 30\n", "not valid TOML"),
    (HEAD + "# " + "x" * 2**20, "at most 1048576 bytes"),
    (HEAD + "x = " + "[" * 100_000, "task.toml"),
    (of_size(2) + templates(('"αβγ"', 1.0), head=""), "equal lengths"),
    (templates(('"αβγ"', 1.0), head="[task]\nvocab_size = 2\n"), "`vocab_size` must leave"),
    (of_size("10.5"), "vocab_size"),
    (of_size("1e400"), "vocab_size"),
    (of_size("true"), "vocab_size"),
    (of_size(-3), "vocab_size"),
    (of_size(99999999999), "`vocab_size` must be at most"),
    (one("noise_std = -1"), "noise_std"),
    (one("noise_std = nan"), "noise_std"),
    (one("name = 3"), "name"),
    (one('import = "os"'), "import"),
    (one('substitution = "pareto"'), "substitution"),
    (one("substitution = { zipf = -1.0 }"), "zipf"),
    (one('substitution_tokens = ["a", "a"]'), "substitution_tokens"),
    (one("") + "[other]\n", "other"),
    (templates(('"αβα"', 1.0), ('"αβ"', -1.0)), "equal lengths"),
    (templates(('"αβ"', 1.0), ('"αβ"', -1.0)), "distinct"),
    (templates(('"αβ"', "nan"), ('"αα"', -1.0)), "must be finite; got nan"),
    (templates(('"αβ"', "inf"), ('"αα"', -1.0)), "must be finite; got inf"),
    (templates(('"αβ"', "[1, 2]")), "label"),
    (templates(('"αβ"', '"γ"')), "γ"),
    (templates(('""', 1.0)), "got 0"),
    (templates(('["?x", 3]', 1.0)), "3"),
    (templates((f'"{"α" * 5000}"', 1.0)), "at most 256 symbols"),
    (templates(('"\\u001b[31mα\\n\\u0000"', 1.0), ('"αβ"', 1.0)), "position 0"),
    (HEAD + "[[templates]]\nlabel = 1.0\n", "`template` is missing"),
    (HEAD + '[[templates]]\ntemplate = "αβ"\n', "`label` is missing"),
    (one("") + "weight = -1\n", "weight"),
    (b"\xff\xfe[task]", "not UTF-8 at byte 0"),
    (b"\x00\x01", "not valid TOML"),
    (b"\xef\xbb\xbf" + HEAD.encode(), "not valid TOML"),
]

SWEEP_FILES = [
    ("", "sweep.toml"),
    (SWEEP.replace("seeds = 1", "seeds = 0"), "seeds"),
    (SWEEP.replace("ridges", "rigdes"), "did you mean 'ridges'"),
    (SWEEP.replace("[8]", "[]"), "num_samples"),
    (SWEEP.replace("[8]", '["8"]'), "num_samples"),
    (SWEEP.replace("[8]", "[8, 8]"), "num_samples"),
    (SWEEP.replace("[20]", "[nan]"), "vocab_sizes"),
    (SWEEP.replace("[0.1]", "[-0.1]"), "`ridge` must be non-negative"),
    (SWEEP.replace('"aba_abb"', '"aba"'), "There is no task 'aba'"),
    (SWEEP.replace('"mlp"', '"gp"'), "no kernel of type 'gp'"),
    (SWEEP.replace("depth = 1", "depth = 0"), "depth"),
    (SWEEP.replace("depth = 1", ""), "depth"),
    (SWEEP + "[[kernels]]\n", "type"),
    (b"\xff\xfe", "not UTF-8"),
]

SWEEP_OPTIONS = [
    (("--jobs", "0"), "`jobs` must be at least 1; got 0."),
    (("--backend", "mpi"), "invalid choice: 'mpi'"),
    (("--backend", "dask"), "`--backend dask` and `--scheduler` go together"),
    (("--scheduler", "tcp://x:1"), "`--backend dask` and `--scheduler` go together"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return empty


@pytest.fixture
def refused(folder, capsys):
    """A function: the one line that a command is refused with; nothing else may be left of it."""

    def run(*arguments):
        assert main(list(arguments)) == 2
        printed, said = capsys.readouterr()
        line = said.rpartition("\r")[2]  # what stands there when progress bars are gone
        assert printed == ""
        assert line.startswith("ktrans: ")
        assert said.count("\n") == 1
        assert line[:-1].isprintable()
        assert line.endswith((".\n", "?\n"))
        assert len(line) < LONGEST + 20
        assert list(folder.iterdir()) == []
        return line

    return run


@pytest.mark.parametrize(("arguments", "words"), COMMANDS)
def test_a_bad_command_is_refused_in_one_line(refused, arguments, words):
    assert words in refused(*arguments)


@pytest.mark.parametrize(("text", "words"), TASK_FILES)
def test_a_bad_task_file_is_refused_in_one_line(refused, tmp_path, text, words):
    file = tmp_path / "task.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert words in refused("verify", str(file), "--quick")


@pytest.mark.parametrize(("text", "words"), SWEEP_FILES)
def test_a_bad_sweep_file_is_refused_in_one_line(refused, tmp_path, text, words):
    file = tmp_path / "sweep.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert words in refused("sweep", str(file))


@pytest.mark.parametrize(("options", "words"), SWEEP_OPTIONS)
def test_bad_options_of_a_sweep_are_refused_in_one_line(refused, tmp_path, options, words):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP, "utf-8")
    out = tmp_path / "out"
    assert words in refused("sweep", str(file), "--out", str(out), *options)


@pytest.mark.parametrize("command", ["verify", "spectrum", "compare", "sweep"])
def test_a_folder_is_no_file(refused, tmp_path, command):
    assert "There is no " in refused(command, str(tmp_path))


@pytest.mark.parametrize("source", ["x = 1\n", "import nothing_here\n", "def (:\n"])
def test_a_bad_kernel_file_is_refused_in_one_line(refused, tmp_path, source):
    file = tmp_path / "kernel.py"
    file.write_text(source, "utf-8")
    assert "kernel.py" in refused(*COMPARE, "--kernel-file", str(file))
