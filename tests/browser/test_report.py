"""The page of --report in a browser: what it says, on screen and on paper."""

import base64

import pytest
from selenium.webdriver.common.by import By

from ktrans.cli import main

SMALL = ["--n", "16", "32", "--rho", "4", "--seeds", "2", "--beta", "0"]
OVERFLOWS = """
return [...document.querySelectorAll("body, .scroll, pre, h1")]
    .filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.className);
"""
DRAWN = """
return [...document.querySelectorAll("figure > svg")].map(figure =>
    [figure.getBoundingClientRect().width, figure.getBBox().height]);
"""
FETCHED = "return performance.getEntriesByType('resource').map(each => each.name);"
PAPER_WIDTH = 658  # of A4 between margins of 18 mm, in CSS pixels


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a report on a task whose name is markup."""
    folder = tmp_path_factory.mktemp("report")
    file = folder / "task.toml"
    file.write_text(
        '[task]\nname = "<script>document.title = 0</script>"\nvocab_size = 20\n'
        '[[templates]]\ntemplate = ["?x", "<img/src=//a>"]\nlabel = 1.0\n'
        '[[templates]]\ntemplate = ["?x", "B"]\nlabel = -1.0\n',
        "utf-8",
    )
    assert main(["verify", str(file), "--report", "--out", str(folder), *SMALL]) == 0
    return (folder / "report.html").as_uri()


def test_it_says_the_verdict_and_the_name_as_it_is_written(browser, console, address):
    browser.get(address)
    verdict = browser.find_element(By.ID, "verdict").text
    assert verdict.startswith(
        "Certified: the templates are disjoint and N is nonsingular, so ridge regression "
        "generalises on unseen symbols as n and ρ grow; at ρ = 20 the error falls to "
    )
    assert browser.find_element(By.TAG_NAME, "h1").text == "<script>document.title = 0</script>"
    assert browser.title.endswith("certificate – ktrans")
    assert console() == []


def test_it_fetches_nothing_and_every_figure_is_drawn(browser, address):
    browser.get(address)
    assert browser.execute_script(FETCHED) == []
    figures = browser.execute_script(DRAWN)
    assert len(figures) == 3
    assert all(width > 300 and height > 100 for width, height in figures)


def test_nothing_is_cut_off_on_a_screen(browser, address):
    browser.get(address)
    assert browser.execute_script(OVERFLOWS) == []


def test_a_narrow_window_scrolls_wide_tables_and_not_the_page(browser, address):
    browser.set_window_size(520, 900)
    browser.get(address)
    assert "scroll" in browser.execute_script(OVERFLOWS)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_on_paper_tables_fit_between_the_margins(browser, address):
    browser.get(address)
    media = {"media": "print"}
    metrics = {"width": PAPER_WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    try:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        assert browser.execute_script("return innerWidth") == PAPER_WIDTH
        assert browser.execute_script(OVERFLOWS) == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_prints_as_a_few_pages_of_pdf(browser, address):
    browser.get(address)
    printed = base64.b64decode(browser.print_page())
    assert printed.startswith(b"%PDF")
    assert 2 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 6
