"""Chromium for the tests that need a browser."""

import os
import shutil

import pytest

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
