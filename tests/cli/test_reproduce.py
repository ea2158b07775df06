"""`ktrans reproduce`: the list of figures, and one of them with its numbers."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import _figures
from experiments._figures import Figure, Found, Published
from ktrans._provenance import versions
from ktrans.cli import main
from ktrans.cli.reproduce import command as reproduce
from ktrans.plotting import new_figure
from ktrans.plotting.svg import draw_svg

ROOT = Path(__file__).parents[2]


def number(what, value, key):
    return Published(what, value, lambda record: Found(record[key], f"{record[key]:.2f}"))


@pytest.fixture
def figure(monkeypatch, tmp_path):
    """A figure that counts its runs and finds 1/4."""
    runs = []

    @dataclasses.dataclass(frozen=True)
    class Config:
        size: int

        @classmethod
        def quick(cls):
            return cls(1)

        @classmethod
        def paper(cls):
            return cls(2)

    class Module:
        @staticmethod
        def main():
            runs.append(sys.argv)
            print("a verdict")
            folder = Path(sys.argv[sys.argv.index("--out") + 1])
            size = 1 if "--quick" in sys.argv else 2
            record = {"configuration": {"size": size}, "versions": versions()}
            record |= {"found": 0.25, "seconds": 1.0}
            (folder / "results.json").write_text(json.dumps(record))

    Module.Config = Config
    monkeypatch.setattr(Figure, "load", lambda self: Module)
    one = Figure("some", "it is so", 1, "an hour", (number("the number", 0.3, "found"),))
    monkeypatch.setattr(_figures, "FIGURES", (one,))
    monkeypatch.setattr(_figures, "BY_NAME", {"some": one})
    monkeypatch.chdir(tmp_path)
    return runs


def test_every_experiment_is_listed_once():
    modules = {path.stem for path in (ROOT / "experiments").glob("[a-z]*.py")}
    # The one writes the page about all others, the other the picture of README.md.
    assert set(_figures.BY_NAME) == modules - {"reproducing", "readme_picture"}
    assert len(_figures.BY_NAME) == len(_figures.FIGURES)


def test_every_figure_has_both_configurations_and_they_differ():
    for figure in _figures.FIGURES:
        assert figure.configuration("quick") != figure.configuration("paper")


def test_a_figure_is_run_once_and_shown_from_then_on(figure, capsys):
    assert main(["reproduce", "some", "--quick", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["numbers"] == [
        {"what": "the number", "published": 0.3, "ours": 0.25, "text": "0.25"}
    ]
    assert not first["cached"]
    assert main(["reproduce", "some", "--quick"]) == 0
    printed = capsys.readouterr().out
    assert "the number  0.3        0.25" in printed
    assert len(figure) == 1
    assert main(["reproduce", "some", "--quick", "--again"]) == 0
    assert main(["reproduce", "some", "--paper"]) == 0
    assert len(figure) == 3
    assert "--quick" not in figure[-1]
    assert sorted(path.parent.parent.name for path in Path("results").rglob("*.json")) == [
        "paper",
        "quick",
    ]


def test_a_report_has_the_numbers_and_the_figure_that_the_folder_holds(figure, tmp_path):
    (tmp_path / "some.svg").write_bytes(draw_svg(new_figure(1.0, 1.0)))
    arguments = ["reproduce", "some", "--report", "--out", str(tmp_path)]
    assert main(arguments) == main(arguments) == 0
    assert len(figure) == 1
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "1 of 1 published numbers are found in the quick configuration" in text
    assert "ours are 0.83 to 0.83 times as large" in text
    assert "Figure some</title>" in text


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_damaged_results_are_named_and_computed_again_if_asked(figure, capsys, content):
    assert main(["reproduce", "some"]) == 0
    (path,) = Path("results").rglob("results.json")
    path.write_text(content)
    capsys.readouterr()
    for arguments in (["some"], ["--list"], ["some", "--report"]):
        assert main(["reproduce", *arguments]) == 2
        said = capsys.readouterr()
        assert said.err.startswith(f"ktrans: '{path}' is damaged (")
        assert said.err.endswith("; delete it to compute it again.\n")
        assert said.out == ""
    assert len(figure) == 1
    assert main(["reproduce", "some", "--again"]) == 0
    assert json.loads(path.read_text())["found"] == 0.25


@pytest.mark.parametrize("key", ["configuration", "versions", "seconds"])
def test_results_that_are_not_there_in_full_are_computed_again(figure, key):
    assert main(["reproduce", "some"]) == 0
    (path,) = Path("results").rglob("results.json")
    record = json.loads(path.read_text())
    del record[key]
    path.write_text(json.dumps(record))
    assert main(["reproduce", "some"]) == 0
    assert len(figure) == 2
    assert json.loads(path.read_text())["seconds"] == 1.0


def test_a_report_refuses_a_damaged_figure_by_name(figure, tmp_path, capsys):
    (tmp_path / "some.svg").write_bytes(draw_svg(new_figure(1.0, 1.0))[:300])
    assert main(["reproduce", "some", "--report", "--out", str(tmp_path)]) == 2
    assert f"'{tmp_path / 'some.svg'}' is damaged (" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_the_list_shows_claim_command_time_and_numbers(figure, capsys):
    assert main(["reproduce", "--list"]) == 0
    before = capsys.readouterr().out
    assert "some: it is so" in before
    assert "run here: nothing yet" in before
    assert "the number: published 0.3" in before
    main(["reproduce", "some"])
    capsys.readouterr()
    assert main(["reproduce", "--list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["figures"]
    assert entry["command"] == "ktrans reproduce some"
    assert entry["numbers"]["quick"][0]["ours"] == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["data_eficiency"],
            "There is no figure 'data_eficiency'; did you mean 'data_efficiency'?",
        ),
        (["zzz"], "There is no figure 'zzz'; known: data_efficiency, "),
        ([], "`FIGURE` or --list must be given"),
        (["data_efficiency", "--quick", "--paper"], "not allowed with argument"),
    ],
)
def test_bad_input_gets_a_sentence(arguments, message, capsys):
    assert main(["reproduce", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_the_source_a_sentence_says_where_the_figures_are(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(reproduce.ktrans, "__file__", str(tmp_path / "ktrans" / "__init__.py"))
    monkeypatch.chdir(ROOT)
    assert main(["reproduce", "--list"]) == 2
    assert "clone the source" in capsys.readouterr().err


def test_experiments_in_the_current_directory_are_not_run(tmp_path):
    planted = tmp_path / "experiments"
    planted.mkdir()
    for name in ("__init__", "_figures"):
        (planted / f"{name}.py").write_text("raise SystemExit('planted')")
    (tmp_path / "pyproject.toml").touch()
    command = [sys.executable, "-m", "ktrans.cli", "reproduce", "--list", "--json"]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "data_efficiency" in done.stdout
    assert "planted" not in done.stdout + done.stderr
