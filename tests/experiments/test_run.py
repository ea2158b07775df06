"""What surrounds every experiment."""

import json
import sys
from dataclasses import dataclass

from experiments._run import run_experiment
from ktrans.plotting import new_figure


@dataclass(frozen=True)
class Config:
    size: int

    @classmethod
    def quick(cls):
        return cls(1)

    @classmethod
    def paper(cls):
        return cls(2)


def run(monkeypatch, *arguments, **options):
    monkeypatch.setattr(sys, "argv", ["experiment", *arguments])
    compute = lambda config: {"value": 10 * config.size}  # noqa: E731
    return run_experiment(
        "Text.", "some", Config, compute, lambda found: new_figure(1.0, 1.0), **options
    )


def test_the_result_file_holds_configuration_versions_entries_and_seconds(monkeypatch, tmp_path):
    assert run(monkeypatch, "--quick", "--out", str(tmp_path)) == {"value": 10}
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["configuration"] == {"size": 1}
    assert record["value"] == 10
    assert record["seconds"] >= 0
    assert "ktrans" in record["versions"]
    assert (tmp_path / "some.png").read_bytes().startswith(b"\x89PNG")


def test_the_paper_configuration_is_the_default_and_the_figure_may_have_a_name(
    monkeypatch, tmp_path
):
    arguments = ("--out", str(tmp_path), "--format", "pdf")
    found = run(monkeypatch, *arguments, record=lambda some: {"all": some}, figure_name="other")
    assert found == {"value": 20}
    assert json.loads((tmp_path / "results.json").read_text())["all"] == {"value": 20}
    assert (tmp_path / "other.pdf").read_bytes().startswith(b"%PDF")
