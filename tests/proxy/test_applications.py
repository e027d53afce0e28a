"""The gateway of docs/proxy.md before applications from PyPI, driven by Chromium.

`python -m pytest -m slow tests/proxy/test_applications.py` runs these tests. The first run installs
the applications in an environment of their own (`installed` tells where). The others take a minute
and a half.
"""

import contextlib
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.applications import application, gateway, jupyterlab, running
from tests.support.command import without_uvloop
from tests.support.examples import examples
from tests.support.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("loop", ["asyncio", "uvloop"]),
]

#: No step of a visitor takes this long, in seconds.
PATIENCE = 60

#: What stands in the buffer of JupyterLab's terminal.
TERMINAL = """
    const buffer = jupyterapp.shell.currentWidget.content._term.buffer.active;
    const line = (_, number) => buffer.getLine(number).translateToString(true);
    return Array.from({ length: buffer.length }, line);
"""

#: How the kernel of the notebook is.
KERNEL = """
    const kernel = jupyterapp.shell.currentWidget.sessionContext?.session?.kernel;
    return [kernel?.connectionStatus, kernel?.status];
"""

SAY = """
    const [text, done] = arguments;
    fetch("events", { method: "POST", body: text }).then((answer) => answer.text()).then(done);
"""


class Page:
    """A page of an application."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        browser.get(url)

    def until(self, condition: Callable[[], Any]) -> Any:
        replaced = [StaleElementReferenceException]
        waiting = WebDriverWait(self.browser, PATIENCE, 0.05, replaced)
        return waiting.until(lambda _: condition())

    def found(self, selector: str) -> WebElement:
        """Return the last such element, once there is one."""
        find = self.browser.find_elements
        found: WebElement = self.until(lambda: find(By.CSS_SELECTOR, selector))[-1]
        return found

    def shows(self, selector: str, *texts: str) -> None:
        """Wait until the elements of this kind have these texts."""
        find = self.browser.find_elements
        self.until(lambda: [item.text for item in find(By.CSS_SELECTOR, selector)] == [*texts])


@contextlib.contextmanager
def visiting(browser: webdriver.Chrome, url: str) -> Iterator[Page]:
    """Open a page; leave it at the end, and see that it has logged no error."""
    browser.get_log("browser")  # type: ignore[no-untyped-call] # of other pages
    try:
        yield Page(browser, url)
        log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    finally:
        browser.get("about:blank")
    assert [entry for entry in log if entry["level"] == "SEVERE"] == []


@contextlib.contextmanager
def shown_gateway(
    folder: Path, upstream: str, loop: str, handler: str = "gateway", name: str = "127.0.0.1"
) -> Iterator[str]:
    """Run the gateway of the page before `upstream`; yield its URL under `name`."""
    port = free_port()
    url = f"http://{name}:{port}"
    page = examples("docs/proxy.md")
    code = "\n".join(page[:1] if handler == "gateway" else page[:5])
    code = code.replace("http://127.0.0.1:8099", upstream).replace("https://name.example", url)
    with gateway(code, handler, port, loop, folder):
        yield url


# -- JupyterLab ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyterlab(tmp_path_factory.mktemp("jupyter")) as process:
        yield process.url


@pytest.fixture(scope="module")
def jupyter_below_a_prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    options = ("--ServerApp.base_url=/apps/lab/", "--ServerApp.allow_remote_access=True")
    with jupyterlab(tmp_path_factory.mktemp("jupyter"), *options) as process:
        yield process.url


def visit_jupyterlab(browser: webdriver.Chrome, url: str) -> None:
    """Run a command in a terminal, and a cell in a notebook."""
    with visiting(browser, url) as page:
        page.until(lambda: browser.execute_script("return window.jupyterapp !== undefined"))
        page.found(".jp-LauncherCard[title='Start a new terminal session']").click()
        terminal = page.found(".xterm-helper-textarea")
        # What is typed before there is a prompt may be lost.
        page.until(lambda: any(browser.execute_script(TERMINAL)))
        terminal.send_keys("echo the answer is $((6 * 7))", Keys.ENTER)
        page.until(lambda: "the answer is 42" in browser.execute_script(TERMINAL))
        browser.execute_script("jupyterapp.commands.execute('launcher:create')")
        page.found(".jp-LauncherCard[data-category='Notebook']").click()
        page.until(lambda: browser.execute_script(KERNEL) == ["connected", "idle"])
        cell = page.found(".jp-Notebook .jp-CodeCell .cm-content")
        cell.click()
        cell.send_keys("sum(range(10**6))")
        cell.send_keys(Keys.SHIFT, Keys.ENTER)
        page.shows(".jp-OutputArea-output pre", "499999500000")


def test_jupyterlab(jupyter: str, browser: webdriver.Chrome, tmp_path: Path, loop: str) -> None:
    with shown_gateway(tmp_path, jupyter, loop) as url:
        visit_jupyterlab(browser, f"{url}/lab/workspaces/{tmp_path.name}?token=token")


def test_jupyterlab_below_a_prefix(
    jupyter_below_a_prefix: str, browser: webdriver.Chrome, tmp_path: Path, loop: str
) -> None:
    """It knows its prefix, and takes each name for its own."""
    with shown_gateway(tmp_path, jupyter_below_a_prefix, loop, name="gateway.localhost") as url:
        visit_jupyterlab(browser, f"{url}/apps/lab/lab/workspaces/{tmp_path.name}?token=token")


def test_jupyterlab_that_takes_only_local_names(
    jupyter: str, browser: webdriver.Chrome, tmp_path: Path, loop: str
) -> None:
    """It is asked by its own."""
    with shown_gateway(tmp_path, jupyter, loop, "renamed", "gateway.localhost") as url:
        visit_jupyterlab(browser, f"{url}/lab/workspaces/{tmp_path.name}?token=token")
    with shown_gateway(tmp_path, jupyter, loop) as url:
        asked = urllib.request.Request(
            f"{url}/lab?token=token", headers={"Host": "gateway.localhost"}
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(asked)


def test_jupyterlab_behind_the_command(
    jupyter: str, browser: webdriver.Chrome, tmp_path: Path, loop: str
) -> None:
    port = free_port()
    command = (sys.executable, "-W", "error", "-m", "aiohttp_rawws", "proxy", port, jupyter)
    environment = without_uvloop(tmp_path) if loop == "asyncio" else {}
    with running(port, *command, **environment) as process:
        visit_jupyterlab(browser, f"{process.url}/lab/workspaces/{tmp_path.name}?token=token")


# -- NiceGUI ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web_ui() -> Iterator[str]:
    with application("web_ui") as process:
        yield process.url


@pytest.mark.parametrize(("handler", "path"), [("gateway", "/"), ("mounted", "/apps/ui/")])
def test_a_web_ui(
    web_ui: str,
    browser: webdriver.Chrome,
    tmp_path: Path,
    loop: str,
    handler: str,
    path: str,
) -> None:
    """Each click goes to the server and comes back as a change of the page, by WebSocket."""
    with (
        shown_gateway(tmp_path, web_ui, loop, handler) as url,
        visiting(browser, url + path) as page,
    ):
        for clicks in range(1, 4):
            page.found("#button").click()
            page.shows("#label", f"{clicks} clicks")
        transport = "return [socket.connected, socket.io.engine.transport.name]"
        assert browser.execute_script(transport) == [True, "websocket"]


# -- server-sent events ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def events() -> Iterator[str]:
    with application("events") as process:
        yield process.url


@pytest.mark.parametrize(("handler", "path"), [("gateway", "/"), ("mounted", "/apps/events/")])
def test_server_sent_events(
    events: str,
    browser: webdriver.Chrome,
    tmp_path: Path,
    loop: str,
    handler: str,
    path: str,
) -> None:
    """Each is shown before the next one is sent, and the stream stays open."""
    with (
        shown_gateway(tmp_path, events, loop, handler) as url,
        visiting(browser, url + path) as page,
    ):
        page.until(lambda: browser.execute_script("return source.readyState") == 1)
        said = []
        for text in ("one", "two", "three"):
            said.append(text)
            browser.execute_async_script(SAY, text)
            page.shows("li", *said)
            assert browser.execute_script("return source.readyState") == 1
        # Chromium keeps a stream open for a page that it may go back to.
        browser.execute_script("source.close()")
