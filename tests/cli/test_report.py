"""The pages of --report: whole by themselves, well formed, and nothing in them is run."""

import argparse
import re
import shlex
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ktrans.cli import main
from ktrans.cli.options import read_origin
from ktrans.cli.page import FILE, Origin, Page, Picture, Table, render, write_report
from ktrans.plotting import new_figure, paper_style
from ktrans.plotting.svg import draw_svg, svg_element

SMALL = ["--n", "16", "32", "--rho", "4", "--seeds", "2", "--beta", "0"]
REPORT = ["--report", "--out"]
VOID = {"meta", "link", "img", "br"}
FETCHED = {"src", "href", "srcset", "data", "action", "poster"}


class Reader(HTMLParser):
    """Elements in order with their attributes and text; refuses what is not well formed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names)
        element = {"tag": tag, "text": "", "in": [e["tag"] for e in self.open], **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag):
        return [each for each in self.elements if each["tag"] == tag]

    def by_id(self, name):
        (found,) = (each for each in self.elements if each.get("id") == name)
        return found


def check_page(text):
    """What holds for every page; returns what was read."""
    page = Reader(text)
    assert page.all("script") == [] == page.all("iframe")
    identifiers = [each["id"] for each in page.elements if "id" in each]
    assert len(set(identifiers)) == len(identifiers)
    for each in page.elements:
        assert not any(name.startswith("on") for name in each)
        for name in FETCHED & each.keys():
            inside = each[name].startswith(("data:", "#")) and each[name].lstrip("#") != ""
            assert inside or each["tag"] == "a"
    for word in ("url(http", "@import", "src:"):
        assert word not in text
    assert page.all("html")[0]["lang"] == "en"
    assert [each["text"] for each in page.all("h1")] != []
    for figure in page.all("svg"):
        assert figure["role"] == "img"
        assert page.by_id(figure["aria-labelledby"])["text"]
    for head in page.all("th"):
        assert head["scope"] in {"col", "row", "colgroup"}
    targets = [each["href"][1:] for each in page.all("use")]
    assert set(targets) <= set(identifiers)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(identifiers)
    return page


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """The folder of a report on a task file whose words are markup."""
    folder = tmp_path_factory.mktemp("report")
    file = folder / "<b>task.toml"
    file.write_text(
        '[task]\nname = "<script>alert(1)</script>"\nvocab_size = 20\n'
        '[[templates]]\ntemplate = ["?x", "<img/src=x/onerror=alert(1)>"]\nlabel = 1.0\n'
        '[[templates]]\ntemplate = ["?x", "&lt;"]\nlabel = -1.0\n',
        "utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["ktrans", "verify", str(file), *SMALL, *REPORT, f"{folder}/out"]
        )
        assert main() == 0
    return folder


def test_the_page_of_verify_is_whole_and_says_the_verdict(verified):
    page = check_page((verified / "out" / FILE).read_text("utf-8"))
    assert page.by_id("verdict")["text"].startswith("Certified: the templates are disjoint and N")
    assert len(page.all("svg")) == len(page.all("figure")) == 3
    assert len(page.all("caption")) == len(page.all("table")) == 5
    configuration = page.by_id("configuration")["text"]
    for word in ("seeds", "0, 1", "ridge", "num_samples", "16, 32"):
        assert word in configuration
    assert "jax" in page.by_id("versions")["text"]
    command = shlex.split(page.by_id("command")["text"])
    assert command == ["ktrans", "verify", f"{verified}/<b>task.toml", *SMALL, *REPORT, command[-1]]


def test_words_of_the_user_stay_words(verified):
    text = (verified / "out" / FILE).read_text("utf-8")
    assert "<script" not in text and "<img" not in text
    page = check_page(text)
    assert page.all("h1")[0]["text"] == "<script>alert(1)</script>"
    assert "?x <img/src=x/onerror=alert(1)>" in [each["text"] for each in page.all("th")]
    assert "?x &lt;" in [each["text"] for each in page.all("th")]


@pytest.mark.slow
def test_without_a_folder_it_is_written_below_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["spectrum", "aba_abb", "--quick", "--n", "60", "--report"]) == 0
    assert f"wrote results/spectrum-aba_abb/{FILE}" in capsys.readouterr().out
    page = check_page(Path("results/spectrum-aba_abb", FILE).read_text("utf-8"))
    assert "of the 2 eigenvalues due to the templates" in page.by_id("verdict")["text"]
    assert len(page.all("svg")) == 1


@pytest.mark.slow
def test_the_page_of_compare_says_who_generalises(tmp_path):
    arguments = ["--n", "16", "--seeds", "2", "--vocab-size", "20", "--depth", "1", "--beta", "0"]
    assert main(["compare", "aba_abb", *arguments, "--report", "--out", str(tmp_path)]) == 0
    page = check_page((tmp_path / FILE).read_text("utf-8"))
    who, _, who_not = page.by_id("verdict")["text"].partition("These do not")
    assert "MLP with X Xᵀ" in who and "MLP (NTK)" in who_not
    assert page.all("dt")[0]["text"] == "transformer"


def test_a_page_without_numbers_or_figures_is_well_formed():
    page = check_page(render(small_page(tables=[], pictures=[])))
    assert page.by_id("command")["text"] == "ktrans '<b>'"


def test_figures_come_from_files_too(tmp_path):
    figure = drawn()
    (tmp_path / "a.svg").write_bytes(draw_svg(figure))
    figure.savefig(tmp_path / "b.png")
    pictures = [Picture(p.stem, '"<b>"', "c", p) for p in sorted(tmp_path.iterdir())]
    page = check_page(render(small_page(tables=[], pictures=pictures)))
    assert page.by_id("a-title")["text"] == page.all("img")[0]["alt"] == '"<b>"'


def test_two_figures_on_a_page_share_no_identifiers_and_are_drawn_the_same_twice():
    pictures = [Picture(name, "t", "c", drawn()) for name in ("a", "b")]
    first = render(small_page(tables=[], pictures=pictures))
    check_page(first)
    again = [Picture(name, "t", "c", drawn()) for name in ("a", "b")]
    assert render(small_page(tables=[], pictures=again)) == first


def test_of_an_svg_file_only_shapes_are_shown():
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="a()">'
        b'<script>a()</script><style>@import "http://a"</style><foreignObject/>'
        b'<image href="http://a/b.png"/><path d="M 0 0" onclick="a()" style="fill: url(http://a)"/>'
        b'<rect style="fill: url(#g)"/></svg>'
    )
    found = svg_element(drawing, "x", "title")
    assert re.sub(r' style="max-width[^"]*"', "", found) == (
        '<svg viewBox="0 0 9 9" role="img" aria-labelledby="x-title">'
        '<title id="x-title">title</title><image /><path d="M 0 0" />'
        '<rect style="fill: url(#x-g)" /></svg>'
    )


@pytest.mark.parametrize("drawing", [b"\x00", b"<svg/>", b"<html></html>"])
def test_what_is_no_svg_is_refused(drawing):
    with pytest.raises(ValueError, match="A figure must be an SVG file"):
        svg_element(drawing, "x", "title")


def test_numbers_are_typeset_and_set_to_the_right():
    rows = [["n", "error", "words"], ["1", "-1.5e-04 ± 2e-05", "x_min"], ["2", "inf", "-a"]]
    table = Table("σ_min and ‖E‖_F²", rows)
    assert table.kinds == ["number", "number", "text"]
    text = render(small_page(tables=[table], pictures=[]))
    assert "−1.5 × 10<sup>−4</sup> ± 2 × 10<sup>−5</sup>" in text
    assert "∞" in text and "x_min" in text and "σ<sub>min</sub> and ‖E‖<sub>F</sub>²" in text


def test_control_characters_and_undecodable_names_do_no_harm(tmp_path):
    path = write_report(tmp_path, small_page(tables=[], pictures=[], title="a\x1b[31m\udcff"))
    assert check_page(path.read_text("utf-8")).all("h1")[0]["text"] == "a�[31m�"


def test_the_command_is_quoted_for_a_shell():
    arguments = argparse.Namespace(argv=["verify", "my task.toml"])
    record = {"configuration": {}, "versions": {}, "seconds": 1.0}
    assert read_origin(arguments, record, []).command == "ktrans verify 'my task.toml'"


def test_a_report_on_the_list_of_figures_is_refused(capsys):
    assert main(["reproduce", "--list", "--report"]) == 2
    assert "`--list` must go alone" in capsys.readouterr().err


def drawn():
    with paper_style():
        figure = new_figure(2.0, 1.5)
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], "o-")
        axes.imshow([[1.0, 2.0]])
    return figure


def small_page(**parts):
    plain = {"title": "t", "heading": "h", "lead": "l", "verdict": "v"}
    origin = Origin("ktrans '<b>'", {"a": [1, 2]}, {"ktrans": "0"}, 1.0)
    return Page(**(plain | {"origin": origin} | parts))
