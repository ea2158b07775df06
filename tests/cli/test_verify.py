import json
import re

import pytest

from ktrans.cli import main

SMALL = ["--n", "32", "128", "--rho", "4", "512", "--seeds", "2"]
FIGURES = ("gram.png", "spectrum.png", "error.png")


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """The command with files and JSON, run once."""
    folder = tmp_path_factory.mktemp("verify") / "made" / "deep"
    return folder, ["verify", "aba_abb", "--json", "--out", str(folder), *SMALL]


def run(capsys, arguments):
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_one_json_object_certifies_the_transformer_and_refutes_the_mlp(verified, capsys):
    folder, arguments = verified
    status, out, _ = run(capsys, arguments)
    assert status == 0
    record = json.loads(out)
    transformer, mlp = record["certificates"].values()
    assert transformer["nonsingular"] is True
    for found, wanted in zip(
        transformer["eigenvalues"], [1.7486308082e-4, 0.8234289585], strict=True
    ):
        assert abs(found - wanted) <= transformer["sigma_min_error"] + 0.5e-10
    assert mlp["nonsingular"] is False
    measured = record["measured"]["MLP (NTK)"]
    # Exactly 1 for equal numbers of samples of both templates; these differ by a few of them.
    assert all(0.999 < error < 1.1 for error in measured["unseen"])
    assert max(measured["training"]) < 1e-12
    assert json.loads((folder / "results.json").read_text("utf-8"))["certificates"]
    assert json.loads((folder / "certificate.json").read_text("utf-8"))["versions"]["jax"]
    for name in FIGURES:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*FIGURES, "certificate.json", "results.json"]
    )


def test_the_measured_error_falls_where_the_closed_form_says(verified, capsys):
    _, out, _ = run(capsys, ["verify", "aba_abb", "--json", *SMALL])
    series = json.loads(out)["measured"]["transformer"]
    rows = list(zip(*(series[k] for k in ("num_samples", "diversity")), strict=True))
    at = rows.index((128, 512.0))
    assert abs(series["unseen"][at] / series["closed_form"][at] - 1) < 0.05
    assert max(series["residual"]) < 1e-10


def test_the_table_is_readable(capsys):
    status, out, _ = run(capsys, ["verify", "aba_abb", *SMALL])
    assert status == 0
    assert re.search(r"yes, certified +no, certified singular", out)
    assert re.search(r"σ_min\(N\) +0\.000174863", out)
    assert "transformer: Certified" in out
    assert "MLP (NTK): Refuted" in out


def test_a_task_that_is_not_covered_exits_with_one(tmp_path, capsys):
    path = tmp_path / "meet.toml"
    path.write_text(
        '[task]\nsubstitution_tokens = ["A", "B", "C", "D"]\n'
        '[[templates]]\ntemplate = "Aα"\nlabel = 1.0\n'
        '[[templates]]\ntemplate = "αB"\nlabel = -1.0\n',
        "utf-8",
    )
    status, out, _ = run(capsys, ["verify", str(path), "--n", "32", "--seeds", "2"])
    assert status == 1
    assert "'A B' matches both Aα and αB" in out


def test_symbolic_labels_are_reported_without_errors(tmp_path, capsys):
    status, out, _ = run(capsys, ["verify", "copy", "--out", str(tmp_path), *SMALL])
    assert status == 1
    assert "Not covered" in out
    assert not (tmp_path / "error.png").exists()


def test_tasks_are_listed_and_described(capsys):
    status, out, _ = run(capsys, ["tasks"])
    assert status == 0
    assert "aba_abb" in out
    status, out, _ = run(capsys, ["tasks", "--json"])
    names = [row["name"] for row in json.loads(out)["tasks"]]
    assert "majority_4" in names


def test_a_task_without_wildcards_exits_with_two(tmp_path, capsys):
    path = tmp_path / "letters.toml"
    path.write_text(
        '[task]\nvocab_size = 20\n[[templates]]\ntemplate = "ABA"\nlabel = 1.0\n'
        '[[templates]]\ntemplate = "ABB"\nlabel = -1.0\n',
        "utf-8",
    )
    for command in ("verify", "spectrum", "compare", "explore"):
        status, _, err = run(capsys, [command, str(path)])
        assert status == 2
        assert "template 'ABA' has no wildcards; did you mean 'αβα'?" in err


def test_a_figure_that_fails_loses_no_table(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("no axes")

    monkeypatch.setattr("ktrans.cli.verify.command.gram_figure", fail)
    status, out, err = run(capsys, ["verify", "aba_abb", "--out", str(tmp_path), *SMALL])
    assert status == 0
    assert "transformer: Certified" in out and "results.json" in out
    assert "gram.png is not drawn: ZeroDivisionError: no axes" in err
    assert not (tmp_path / "gram.png").exists() and (tmp_path / "error.png").exists()


def test_a_crash_never_has_the_status_of_a_verdict(capsys, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a fault of ours")

    monkeypatch.setattr("ktrans.cli.verify.command.investigate", fail)
    status, _, err = run(capsys, ["verify", "aba_abb", *SMALL])
    assert status == 2
    assert "AssertionError: a fault of ours" in err
