"""Tasks in TOML files: what is read, what is refused, what is written."""

import numpy as np
import pytest

from ktrans.tasks import TemplateTask, Zipf, load, names

GOOD = """
[task]
vocab_size = 12
noise_std = 0.25
substitution = { zipf = 1.5 }

[[templates]]
template = "aαβ"
label = 1
weight = 3.0

[[templates]]
template = ["?x", "?x", "stop"]
label = -1.0
"""


def write(tmp_path, text):
    path = tmp_path / "task.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def task_file(task="vocab_size = 5", rows='[[templates]]\ntemplate = "αβ"\nlabel = 1.0\n'):
    return f"[task]\n{task}\n{rows}"


def test_a_file_gives_the_task_it_describes(tmp_path):
    task = TemplateTask.from_file(str(write(tmp_path, GOOD)))
    assert [str(template) for template in task.templates] == ["aαβ", "?x ?x stop"]
    assert np.array_equal(task.labels, [1.0, -1.0]) and np.array_equal(task.weights, [0.75, 0.25])
    assert (task.vocab_size, task.noise_std, task.substitution) == (12, 0.25, Zipf(1.5))
    assert task.name == "task"


FIELDS = ("templates", "vocab_size", "noise_std", "substitution", "substitution_tokens", "name")
WRITTEN = {
    **{name: lambda name=name: load(name, vocab_size=9) for name in names()},
    "tokens": lambda: TemplateTask.from_templates(
        {("if", '?"', "α"): 1.5, ("?x", "?y", "z"): -2.0},
        substitution_tokens=["if", "\\", "ö"],
        weights=[1, 2],
        noise_std=0.1,
    ),
    "weighted": lambda: load("copy", vocab_size=3, substitution=[1.0, 2.0, 0.5]),
    "zipf": lambda: load("copy", vocab_size=3, substitution=Zipf(0.1)),
}


@pytest.mark.parametrize("task", WRITTEN.values(), ids=WRITTEN.keys())
def test_what_is_written_is_read_back(tmp_path, task):
    task = task()
    again = TemplateTask.from_file(write(tmp_path, task.to_toml()))
    for field in FIELDS:
        assert getattr(again, field) == getattr(task, field)
    assert np.array_equal(again.labels, task.labels)
    # Weights are divided by their sum once more when read.
    assert again.weights == pytest.approx(task.weights, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[task", "not valid TOML"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        ("a = " + "[" * 50_000, "nested too deeply|not valid TOML"),
        ("x = " + "9" * 10_000, "not valid TOML"),
        ("#" * (2**20 + 1), "at most 1048576 bytes"),
        ("", "the key `task` is missing"),
        ("[task]\nvocab_size = 3", "the key `templates` is missing"),
        ("task = 3", "`task` in the file must be a table; got 3"),
        ("templates = 3\n[task]", "`templates` in the file must be a list"),
        (task_file() + "[other]\n", "unknown key 'other' in the file; known: task, templates"),
        (task_file("vocab = 5"), r"unknown key 'vocab' in \[task\]; did you mean 'vocab_size'"),
        (task_file('vocab_size = "5"'), r"`vocab_size` in \[task\] must be an integer; got '5'"),
        (task_file("vocab_size = true"), "must be an integer; got True"),
        (task_file("vocab_size = 100000000"), "`vocab_size` must be at most 10000000 in a file"),
        (task_file("vocab_size = 1"), "2 wildcards but 1 tokens"),
        (task_file("vocab_size = 5\nnoise_std = nan"), "`noise_std` must be finite"),
        (task_file("vocab_size = 5\nnoise_std = -1"), "`noise_std` must be non-negative"),
        (task_file('vocab_size = 5\nname = "a\\u001b"'), "`name` must be .* printable"),
        (task_file("vocab_size = 5\nsubstitution = { zip = 1 }"), "unknown key 'zip' in `subst"),
        (task_file("vocab_size = 5\nsubstitution = {}"), "the key `zipf` is missing"),
        (task_file("vocab_size = 5\nsubstitution = { zipf = -1 }"), "`zipf` in `substitution`"),
        (task_file('vocab_size = 5\nsubstitution = ["a"]'), "must be a number; got 'a'"),
        (task_file(rows=""), "the key `templates` is missing"),
        ("templates = [1]\n[task]\nvocab_size = 5", "number 1 must be a table; got 1"),
        (task_file(rows='[[templates]]\ntemplate = "α"'), "the key `label` is missing"),
        (task_file(rows="[[templates]]\nlabel = 1"), "the key `template` is missing"),
        (task_file(rows="[[templates]]\ntemplate = [1]\nlabel = 1"), "a token of .* a string"),
        (task_file(rows='[[templates]]\ntemplate = "α"\nlabel = nan'), "must be finite"),
        (task_file(rows='[[templates]]\ntemplate = "α"\nlabel = "β"'), "got the wildcard 'β'"),
        (
            task_file(rows='[[templates]]\ntemplate = "α"\nlabel = []'),
            "must be an integer or a number or a string",
        ),
        (task_file(rows=2 * '[[templates]]\ntemplate = "α"\nlabel = 1\n'), "'α' occurs twice"),
        (task_file(rows=f'[[templates]]\ntemplate = "{"α" * 999}"\nlabel = 1'), "at most 256 symb"),
        (task_file(rows=1001 * "[[templates]]\n"), "at most 1000 templates"),
    ],
)
def test_files_that_are_no_task_are_refused_with_file_key_and_remedy(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        TemplateTask.from_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["missing.toml", ".", "/dev/zero"])
def test_what_is_no_regular_file_is_not_opened(path):
    with pytest.raises(FileNotFoundError, match="no task file"):
        TemplateTask.from_file(path)
