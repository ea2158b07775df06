"""Headless Chromium for the pages that ktrans writes and serves.

Without a browser these tests fail with a sentence: a page that nobody opened is not a tested page.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_DRIVERS = ("chromedriver", "chromium.chromedriver")
# The sandbox needs user namespaces, which containers lack, and /dev/shm is small there.
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update")
_WINDOW = (1200, 1000)
_PATIENCE = 60  # seconds for a page, on a machine that does other things too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m "not browser"` leaves them all out."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def _driver() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = _program(_BROWSERS)
    for option in (*_OPTIONS, *_QUIET):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, ChromeService(_program(_DRIVERS)))
    driver.set_page_load_timeout(_PATIENCE)
    yield driver
    driver.quit()


@pytest.fixture
def browser(_driver: Chrome) -> Iterator[Chrome]:
    """A Selenium WebDriver at an empty page, with an empty console."""
    _driver.set_window_size(*_WINDOW)
    _driver.get("about:blank")
    _driver.get_log("browser")
    yield _driver
    _driver.get("about:blank")


@pytest.fixture
def console(browser: Chrome):
    """A function: what the console has said since the last call, as texts."""
    return lambda: [entry["message"] for entry in browser.get_log("browser")]


def _program(names: tuple[str, ...]) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(
        f"There is no {names[0]} on the path, which the browser tests need: "
        "`apt-get install chromium chromium-driver`."
    )
