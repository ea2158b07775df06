"""What README.md says can be run as it stands."""

import re
from pathlib import Path

import ktrans as kt

README = Path(__file__).parents[1] / "README.md"


def block(language):
    """The only block of that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return found


def test_the_python_runs_and_certifies(capsys):
    exec(compile(block("python"), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("True 0.000174863")
    assert printed.count("\n") == 3


def test_the_task_file_is_one(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(block("toml"), "utf-8")
    assert kt.TemplateTask.from_file(path).labels.tolist() == [1.0, -1.0]


def test_the_picture_is_there_and_small():
    (name,) = re.findall(r"!\[.*?\]\((.*?)\)", README.read_text("utf-8"))
    assert 0 < (README.parent / name).stat().st_size < 200_000
