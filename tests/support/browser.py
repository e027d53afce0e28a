"""Chromium for the tests that need a browser."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.support.waiting import PATIENCE

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def program(*names: str) -> str:
    """Return the path of the first program that is installed; skip or fail the test without one."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_BROWSER") == "1"
        (pytest.fail if required else pytest.skip)(f"not installed: {' or '.join(names)}")
    return path


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[webdriver.Chrome]:
    """Run Chromium with its data in `folder`; yield its driver, which keeps the console's log."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(program("chromedriver"))) as driver:
        driver.set_script_timeout(PATIENCE)
        yield driver
