"""What the page of results keeps when the results themselves are gone."""

import dataclasses
import importlib.metadata
import json
from pathlib import Path

import pytest

from experiments import _figures, reproducing
from experiments._measured import KeptRun, as_json, find_runs, merge, read_runs
from ktrans.cli.output import write_json

FIGURE = "theorem_rates"
LAW = {"exponent": -0.5, "low": -0.6, "high": -0.4}
RATES = {"spread": LAW, "in_diversity": LAW}


@pytest.fixture
def results(tmp_path):
    """A folder with the quick results of one figure, which say what theory says."""
    folder = tmp_path / "results" / "quick" / FIGURE
    folder.mkdir(parents=True)
    head = {"configuration": _figures.BY_NAME[FIGURE].configuration("quick")}
    version = {"versions": {"ktrans": importlib.metadata.version("ktrans")}}
    record = head | version | {"device": "cpu", "rates": RATES, "seconds": 1.0}
    write_json(folder / "results.json", record)
    return tmp_path / "results"


def test_a_result_is_kept_on_the_page_when_its_file_is_gone(results, tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    docs.mkdir()
    monkeypatch.setattr("sys.argv", ["", "--results", str(results), "--docs", str(docs)])
    reproducing.main()
    page = (docs / "reproducing.md").read_text("utf-8")
    assert "| exponent in ρ (the bound) | -0.5 | -0.50 (-0.60 to -0.40) |" in page
    assert f"`ktrans reproduce {FIGURE}`; quick: run here on CPU (1 min" in page
    (results / "quick" / FIGURE / "results.json").unlink()
    reproducing.main()
    assert (docs / "reproducing.md").read_text("utf-8") == page


def test_numbers_of_a_configuration_that_has_changed_are_not_kept(results, tmp_path):
    file = tmp_path / "measured.json"
    file.write_text(as_json(find_runs(results)), "utf-8")
    assert set(read_runs(file)[FIGURE]) == {"quick"}
    kept = json.loads(file.read_text("utf-8"))
    kept[FIGURE]["quick"]["configuration"] = "another"
    file.write_text(json.dumps(kept), "utf-8")
    assert read_runs(file)[FIGURE] == {}


def test_unfinished_runs_add_to_each_other_and_a_finished_one_replaces_them():
    few = KeptRun("same", "2 of 9 trainings", 2, {"a": "1", "b": "2"})
    more = KeptRun("same", "3 of 9 trainings", 3, {"b": "3", "c": "4"})
    whole = KeptRun("same", "run here", None, {"a": "5"})
    joined = merge({"f": {"paper": few}}, {"f": {"paper": more}})["f"]["paper"]
    assert joined == dataclasses.replace(more, numbers={"a": "1", "b": "3", "c": "4"})
    assert few.joined(whole) == whole
    assert whole.joined(more) == whole


def test_the_page_of_the_site_is_the_one_written_from_the_numbers_kept():
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "reproducing.md").read_text("utf-8")
    assert reproducing.document(read_runs(docs / "measured.json")) == page
