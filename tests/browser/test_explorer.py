"""`ktrans explore` in a browser: sliders, numbers, exports, and nothing from elsewhere."""

import contextlib
import io
import re
import signal
import subprocess
import sys
import tomllib

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120  # seconds; a certificate takes some on a machine that does other things too

# Panes are shadow trees inside one another, which no selector reaches across.
DEEP = """
const deep = (root, match) => {
    for (const each of root.querySelectorAll('*')) {
        if (match(each)) return each;
        const found = each.shadowRoot && deep(each.shadowRoot, match);
        if (found) return found;
    }
    return null;
};
"""
# In one go: what stands in a pane is replaced by every view.
TEXT = DEEP + "return deep(document, each => each.id === arguments[0])?.textContent ?? '';"
HANDLE = DEEP + "return deep(document, each => each.classList.contains('noUi-handle'));"
FETCHED = "return performance.getEntriesByType('resource').map(each => each.name);"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the explorer of a task whose name is markup is; Ctrl-C ends it."""
    file = tmp_path_factory.mktemp("explorer") / "task.toml"
    file.write_text(
        '[task]\nname = "<b>name</b>"\nvocab_size = 40\n'
        '[[templates]]\ntemplate = "αα"\nlabel = 1.0\n'
        '[[templates]]\ntemplate = "αβ"\nlabel = -1.0\n',
        "utf-8",
    )
    arguments = ["explore", str(file), "--port", "0", "--no-browser"]
    command = [sys.executable, "-m", "ktrans.cli", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    said = "".join(iter(process.stdout.readline, "Preparing the explorer …\n"))
    said += process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", said)
    assert found, said + process.communicate()[1]
    yield found[0]
    process.send_signal(signal.SIGINT)
    out, complaints = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, complaints) == (0, "The explorer has stopped.\n", "")


@pytest.fixture
def text(browser, address):
    """A function: the text of the element with an id, on a page that has been drawn."""
    browser.get(address)
    wait = WebDriverWait(browser, PATIENCE)

    def read(name, condition=bool):
        def found(_):
            said = browser.execute_script(TEXT, name)
            return said if said and condition(said) else None

        return wait.until(found)

    read("status")
    return read


def test_a_slider_moves_the_numbers_and_rest_certifies_them(browser, console, text):
    before = text("sigma-min")
    browser.execute_script(HANDLE).send_keys(Keys.ARROW_RIGHT * 4)
    assert float(text("sigma-min", lambda now: now != before)) != float(before)
    assert "beta=1.2" in text("explored.py", lambda now: "beta=1.2," in now)
    assert "N is nonsingular" in text("status", lambda now: now.startswith("Certified"))
    assert [said for said in console() if "rror" in said] == []


def test_what_is_exported_gives_what_is_shown(text):
    text("status", lambda now: now.startswith("Certified"))
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(text("explored.py"), names)
    assert f"{names['certificate'].sigma_min:.4e}" == text("sigma-min")
    assert tomllib.loads(text("task.toml"))["task"]["name"] == "<b>name</b>"
    assert tomllib.loads(text("sweep.toml"))["kernels"][0]["type"] == "transformer"


def test_nothing_comes_from_elsewhere(browser, address, text):
    text("status", lambda now: now.startswith("Certified"))
    fetched = browser.execute_script(FETCHED)
    assert len(fetched) > 3
    assert [name for name in fetched if not name.startswith(address)] == []


def test_the_name_of_the_task_is_not_markup(browser, text):
    text("status")
    assert browser.title == "ktrans · <b>name</b>"
    assert "<b>name</b>" in text("title")
