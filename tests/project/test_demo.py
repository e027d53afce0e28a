"""The demo applications: by bytes written by hand, from the shell, and in a real browser.

`AIOHTTP_RAWWS_REQUIRE_BROWSER=1` turns the skip without a Chromium into a failure;
`AIOHTTP_RAWWS_PICTURE=docs/images/demo.png` has the visit below take a picture of the page.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from demo import __main__ as command
from demo import echo, inspector
from tests.support import ROOT
from tests.support.octets import MASK, masked
from tests.support.servers import Serve
from tests.support.waiting import PATIENCE
from tests.support.wire import Address, Wire

UNMASKED = b"\x81\x02no"
CLOSE_1000 = b"\x03\xe8"
CLOSE_1001 = b"\x03\xe9"
CLOSE_1002 = b"\x03\xea"
CLOSE_1008 = b"\x03\xf0"


@pytest.mark.parametrize("module", [inspector, echo, command])
def test_each_module_makes_an_application(module: Any) -> None:
    assert isinstance(module.make_app(), aiohttp.web.Application)


# The echo.


async def test_the_echo_gives_back_every_frame_as_it_came(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(echo.make_app()))
    wire.send(masked(0x01, b"Hel") + masked(0x80, b"lo"))
    assert await wire.read_frame() == (0x01, b"Hel")
    assert await wire.read_frame() == (0x80, b"lo")
    await wire.close()


async def test_the_echo_does_its_duties(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(echo.make_app()))
    wire.send(masked(0x89, b"?") + masked(0x88, CLOSE_1000))
    assert await wire.read_frame() == (0x8A, b"?")
    assert await wire.read_frame() == (0x88, CLOSE_1000)
    assert await wire.read_to_end() == b""
    await wire.close()


# The inspector, seen from its two channels.


class Visit:
    """What the page does: a control channel, and a watched socket written by hand."""

    def __init__(self, address: Address, control: aiohttp.ClientWebSocketResponse) -> None:
        self.address = address
        self.control = control
        self.path = ""

    async def report(self) -> dict[str, Any]:
        report: dict[str, Any] = await self.control.receive_json(timeout=PATIENCE)
        return report

    async def shown(self, count: int = 1) -> list[tuple[str, str, int]]:
        """Direction, name and length of the next frames that are reported."""
        reports = [await self.report() for _ in range(count)]
        return [(report["direction"], report["name"], report["length"]) for report in reports]

    async def watch(self) -> Wire:
        return await Wire.upgrade(self.address, f"/{self.path}")

    async def order(self, **order: object) -> None:
        await self.control.send_json(order)


@contextlib.asynccontextmanager
async def visiting(address: Address) -> AsyncIterator[Visit]:
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(address.url("/control"), autoclose=False) as control,
    ):
        visit = Visit(address, control)
        hello = await visit.report()
        assert hello["kind"] == "hello"
        visit.path = hello["path"]
        yield visit


@pytest.fixture
async def visit(serve: Serve) -> AsyncIterator[Visit]:
    async with visiting(await serve(inspector.make_app())) as visit:
        yield visit


async def test_a_frame_is_reported_as_it_stood_on_the_wire(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x02, b"\x00\xff" * 1000))  # 0000 0010: BINARY, no FIN
    assert await visit.report() == {
        "kind": "frame",
        "number": 1,
        "direction": "received",
        "opcode": 2,
        "name": "BINARY",
        "fin": False,
        "rsv": [False, False, False],
        "mask": MASK.hex(),
        "length": 2000,
        "payload": "00ff" * (inspector.PREVIEW // 2),
    }
    await wire.close()


async def test_a_ping_between_fragments_is_answered_and_reported(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x01, b"Hel") + masked(0x89, b"?") + masked(0x80, b"lo"))
    assert await visit.shown(4) == [
        ("received", "TEXT", 3),
        ("received", "PING", 1),
        ("sent", "PONG", 1),
        ("received", "CONTINUATION", 2),
    ]
    assert await wire.read_frame() == (0x8A, b"?")
    await wire.close()


async def test_the_peers_close_is_answered_with_its_code(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x88, CLOSE_1000 + b"bye"))
    assert await visit.shown(2) == [("received", "CLOSE", 5), ("sent", "CLOSE", 2)]
    assert await wire.read_frame() == (0x88, CLOSE_1000)
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_a_ping_on_order(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="ping", payload="é")
    assert await wire.read_frame() == (0x89, b"\xc3\xa9")
    assert await visit.shown() == [("sent", "PING", 2)]
    await wire.close()


async def test_fragments_on_order_have_a_ping_between_them(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="fragments", text="fragment", count=3)
    assert [await wire.read_frame() for _ in range(4)] == [
        (0x01, b"fr"),
        (0x89, b"between fragments"),
        (0x00, b"agm"),
        (0x80, b"ent"),
    ]
    await wire.close()


async def test_more_fragments_than_there_are_bytes(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="fragments", text="", count=2)
    assert [await wire.read_frame() for _ in range(3)] == [
        (0x01, b""),
        (0x89, b"between fragments"),
        (0x80, b""),
    ]
    await wire.close()


@pytest.mark.parametrize(("code", "payload"), [(4321, b"\x10\xe1why"), (None, b"")])
async def test_a_close_on_order(visit: Visit, code: int | None, payload: bytes) -> None:
    wire = await visit.watch()
    await visit.order(action="close", code=code, reason="" if code is None else "why")
    assert await wire.read_frame() == (0x88, payload)
    wire.send(masked(0x88, payload))
    assert await visit.shown(2) == [
        ("sent", "CLOSE", len(payload)),
        ("received", "CLOSE", len(payload)),
    ]
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_nothing_follows_the_servers_close(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="close", code=1000, reason="")
    assert await wire.read_frame() == (0x88, CLOSE_1000)
    await visit.shown()
    await visit.order(action="ping", payload="")
    assert "Close frame was sent" in (await visit.report())["text"]
    wire.send(masked(0x89, b"still there?") + masked(0x88, CLOSE_1000))
    assert await visit.shown(2) == [("received", "PING", 12), ("received", "CLOSE", 2)]
    assert await wire.read_to_end() == b""
    await wire.close()


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"action": "ping", "payload": "x" * 126}, "at most 125 bytes"),
        ({"action": "fragments", "text": "a", "count": 1}, "2 to 100 fragments, got 1"),
        ({"action": "fragments", "text": "a", "count": 101}, "2 to 100 fragments, got 101"),
        ({"action": "close", "code": 1006, "reason": ""}, "1006 may not be sent"),
        ({"action": "close", "code": None, "reason": "why"}, "needs a close code"),
        ({"action": "jump"}, "no such order: {'action': 'jump'}"),
        ([], "no such order: []"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_its_reason(
    visit: Visit, order: object, reason: str
) -> None:
    wire = await visit.watch()
    await visit.control.send_json(order)
    report = await visit.report()
    assert report["kind"] == "notice"
    assert reason in report["text"]
    wire.send(masked(0x89))
    assert await wire.read_frame() == (0x8A, b"")
    await wire.close()


async def test_an_order_that_is_not_json(visit: Visit) -> None:
    await visit.control.send_str("ping!")
    assert "Expecting value" in (await visit.report())["text"]


async def test_an_order_without_an_open_socket(visit: Visit) -> None:
    await visit.order(action="ping", payload="")
    assert "connect first" in (await visit.report())["text"]


async def test_a_broken_rule_is_reported_and_closes(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(UNMASKED)
    assert "fails the connection" in (await visit.report())["text"]
    assert await visit.shown() == [("sent", "CLOSE", 2)]
    assert await wire.read_frame() == (0x88, CLOSE_1002)
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_a_socket_that_nobody_watches(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(inspector.make_app()), "/watched/nobody")
    head, payload = await wire.read_frame()
    assert (head, payload[:2]) == (0x88, CLOSE_1008)
    await wire.close()


async def test_the_watched_socket_goes_with_its_page(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x81))
    await visit.shown()
    await visit.control.close()
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()


async def test_visitors_see_only_their_own_frames(serve: Serve) -> None:
    address = await serve(inspector.make_app())
    async with visiting(address) as one, visiting(address) as other:
        wires = await one.watch(), await other.watch()
        wires[0].send(masked(0x81, b"one"))
        wires[1].send(masked(0x81, b"other"))
        assert await one.shown() == [("received", "TEXT", 3)]
        assert await other.shown() == [("received", "TEXT", 5)]
        for wire in wires:
            await wire.close()


# From the shell.


@contextlib.contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-W", "error", "-m", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: "subprocess.Popen[str]") -> Address:
    """Where a demo says that it listens."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://(\S+):(\d+)", line)
    if found is None:
        _, errors = process.communicate(timeout=PATIENCE)
        pytest.fail(f"the demo does not tell its URL but {line!r}; {errors}")
    return Address(found[1], int(found[2]))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.asyncio(loop_factories=["asyncio"])  # the server is another process
async def test_a_signal_stops_it_with_a_close_for_everyone(name: str) -> None:
    with running("demo", "--port", "0") as process:
        async with visiting(address_of(process)) as visit:
            wire = await visit.watch()
            wire.send(masked(0x89))
            assert await wire.read_frame() == (0x8A, b"")
            process.send_signal(signal.Signals[name])
            assert await wire.read_frame() == (0x88, CLOSE_1001)
            assert await wire.read_to_end() == b""
            await wire.close()
            async for _ in visit.control:
                pass  # the reports of these frames
            assert visit.control.close_code == aiohttp.WSCloseCode.GOING_AWAY
        _, errors = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("demo", "--port", port) as process:
            output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (1, "")
    assert f"cannot listen on 127.0.0.1 port {port}" in errors
    assert "--port" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none(port: str) -> None:
    with running("demo", f"--port={port}") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f"a port is a number from 0 to 65535, got '{port}'" in errors


# In Chromium.

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

#: Each row as a dict from the column to its text.
ROWS = """
    const cells = (row) => [...row.cells].map((cell) => [cell.classList[0], cell.textContent]);
    return [...document.querySelectorAll("#rows tr")].map((row) => Object.fromEntries(cells(row)));
"""


IN_SIGHT = """
    const element = document.querySelector(arguments[0]);
    const [inner, outer] = [element, element.closest("#scroll, #events")].map(
        (each) => each.getBoundingClientRect());
    return inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
"""


def program(*names: str) -> str:
    """The first of some programs that is installed; without one the test skips, or fails."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_BROWSER") == "1"
        (pytest.fail if required else pytest.skip)(f"not installed: {' or '.join(names)}")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(program("chromedriver"))) as driver:
        yield driver


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("demo", "--port", "0") as process:
        yield address_of(process).url("/", "http")


class Page:
    """The page, freshly opened."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        self.resize(1280, 860)
        browser.get(url)
        self.until_state("open")

    def resize(self, width: int, height: int, scale: float = 1.5) -> None:
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600},
        )

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def fill(self, form: str, **fields: str) -> WebElement:
        """Write into a form's fields; gives the last one."""
        for name, text in fields.items():
            field = self.find(f"#{form} [name={name}]")
            field.clear()
            field.send_keys(text)
        return field

    def press(self, form: str, value: str = "") -> None:
        """Press a form's button, or that of its buttons which has this value."""
        self.find(f"#{form} button" + (f"[value={value}]" if value else "")).click()

    def until(self, condition: Callable[[], bool]) -> None:
        WebDriverWait(self.browser, PATIENCE, poll_frequency=0.02).until(lambda _: condition())

    def until_state(self, state: str) -> None:
        self.until(lambda: self.find("#status").get_attribute("data-state") == state)

    def rows(self, count: int) -> list[dict[str, str]]:
        """The rows of the table, once there are so many."""
        found: list[dict[str, str]] = []

        def enough() -> bool:
            found[:] = self.browser.execute_script(ROWS)
            return len(found) >= count

        self.until(enough)
        return found

    def in_sight(self, selector: str) -> bool:
        """Whether an element is wholly within the list that it is in."""
        within: bool = self.browser.execute_script(IN_SIGHT, selector)
        return within

    def scroll_to(self, position: int) -> None:
        """Scroll the list as a visitor does, and wait until the page knows."""
        self.browser.execute_async_script(
            "const [position, done] = arguments;"
            "const scroll = document.querySelector('#scroll');"
            "scroll.addEventListener('scroll', () => done(), { once: true });"
            "scroll.scrollTop = position;",
            position,
        )

    def events(self) -> list[str]:
        return [item.text for item in self.browser.find_elements(By.CSS_SELECTOR, "#events li")]

    def notice(self) -> str:
        """The text of the notice, once there is one."""
        self.until(lambda: self.find("#notice").text != "")
        return self.find("#notice").text


@pytest.fixture
def opened(browser: webdriver.Chrome, url: str) -> Iterator[Page]:
    """The page as it opens."""
    yield Page(browser, url)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.fixture
def page(opened: Page) -> Page:
    """The page with an empty list."""
    opened.rows(2)
    opened.find("#clear").click()
    return opened


def line(row: dict[str, str]) -> str:
    """A row in one line, with a mask of which only its being there is known."""
    mask = re.sub("([0-9a-f]{2} ?){4}", "masked", row["mask"])
    return f"{row['direction']} {row['opcode']} {row['fin']} {row['rsv']} {mask} {row['payload']}"


def test_a_visit(opened: Page) -> None:
    page = opened
    page.rows(2)
    page.press("text")
    page.rows(3)
    page.press("ping")
    page.rows(5)
    page.press("fragments")
    page.rows(10)
    page.fill("size", size="300")
    page.press("size", "binary")
    page.rows(11)
    page.press("close", "server")
    page.until_state("closed")
    rows = page.rows(13)
    assert [line(row) for row in rows] == [
        "sent PING 9 1 000 none hello",
        "received PONG 10 1 000 masked hello",
        "received TEXT 1 1 000 masked Hello, frames",
        "sent PING 9 1 000 none are you there?",
        "received PONG 10 1 000 masked are you there?",
        "sent TEXT 1 0 000 none One messa",
        "sent PING 9 1 000 none between fragments",
        "sent CONTINUATION 0 0 000 none ge, sever",
        "sent CONTINUATION 0 1 000 none al frames",
        "received PONG 10 1 000 masked between fragments",
        "received BINARY 2 1 000 masked 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f…",
        "sent CLOSE 8 1 000 none 1000 that is all",
        "received CLOSE 8 1 000 masked 1000 that is all",
    ]
    assert [row["number"] for row in rows] == [str(number) for number in range(1, 14)]
    assert [int(row["length"]) for row in rows] == [5, 5, 13, 14, 14, 9, 17, 9, 9, 17, 300, 13, 13]
    assert [event.split("\n") for event in page.events()] == [
        ["open"],
        ["message", "text, 27 characters: “One message, several frames”"],
        ["close", "code 1000, reason “that is all”, clean"],
    ]
    if picture := os.environ.get("AIOHTTP_RAWWS_PICTURE"):
        page.browser.save_screenshot(picture)


@pytest.mark.parametrize("kind", ["text", "binary"])
@pytest.mark.parametrize("size", [0, 126, 200_000])
def test_a_message_of_a_chosen_size(page: Page, kind: str, size: int) -> None:
    page.fill("size", size=str(size))
    page.press("size", kind)
    page.press("text")
    # A browser may cut a big message into fragments of its own choice.
    page.until(lambda: page.rows(2)[-1]["payload"] == "Hello, frames")
    first, *others = page.rows(2)[:-1]
    assert first["opcode"] == {"text": "TEXT 1", "binary": "BINARY 2"}[kind]
    assert {row["opcode"] for row in others} <= {"CONTINUATION 0"}
    lengths = [int(re.sub(r"\D", "", row["length"])) for row in (first, *others)]
    assert sum(lengths) == size


def test_the_browser_closes_and_connects_again(page: Page) -> None:
    page.fill("close", code="4321", reason="enough")
    page.press("close", "browser")
    page.until_state("closed")
    assert [line(row) for row in page.rows(2)] == [
        "received CLOSE 8 1 000 masked 4321 enough",
        "sent CLOSE 8 1 000 none 4321",
    ]
    assert page.events()[-1] == "close\ncode 4321, reason “”, clean"
    page.find("#connect").click()
    page.until_state("open")
    page.rows(4)
    page.press("ping")
    assert page.rows(6)[-1]["payload"] == "are you there?"


def test_a_close_without_a_code(page: Page) -> None:
    page.fill("close", code="", reason="")
    page.press("close", "server")
    page.until_state("closed")
    assert [row["length"] for row in page.rows(2)] == ["0", "0"]
    assert page.events()[-1] == "close\ncode 1005, reason “”, clean"


def test_what_is_refused_is_said(page: Page) -> None:
    page.fill("ping", payload="x" * 126)
    page.press("ping")
    assert "at most 125 bytes of payload, got 126" in page.notice()
    page.fill("close", code="1001")
    page.press("close", "browser")
    page.until(lambda: "1001" in page.notice())
    page.press("text")
    page.rows(1)
    assert page.find("#notice").text == ""


def test_it_opens_with_frames_to_see(opened: Page) -> None:
    """The browser answers the Ping by itself, and tells the page nothing."""
    assert [line(row) for row in opened.rows(2)] == [
        "sent PING 9 1 000 none hello",
        "received PONG 10 1 000 masked hello",
    ]
    assert opened.events() == ["open"]
    assert not opened.find(".empty").is_displayed()


SIZES = [(390, 800), (1280, 860), (800, 700), (1280, 500), (320, 900)]


def test_the_newest_frame_stays_in_sight_after_a_resize(page: Page) -> None:
    """The rows of a phone are cards of three lines, so that the list grows by much."""
    page.press("fragments")
    page.rows(5)
    count = 5
    for width, height in SIZES:
        for _ in range(12):
            page.press("ping")
        count += 24
        page.rows(count)
        page.until(lambda: page.in_sight("#rows tr:last-child"))
        page.resize(width, height)
        page.until(lambda: page.in_sight("#rows tr:last-child"))
        page.until(lambda: page.in_sight("#events li:last-child"))


def test_a_window_that_is_dragged_does_not_end_the_following(page: Page) -> None:
    for _ in range(25):
        page.press("ping")
    page.rows(50)
    for width in (*range(1280, 320, -60), *range(320, 1280, 60)):
        page.resize(width, 800)
    page.until(lambda: page.in_sight("#rows tr:last-child"))
    page.press("ping")
    page.rows(52)
    page.until(lambda: page.in_sight("#rows tr:last-child"))


def test_who_scrolls_back_is_left_in_peace(page: Page) -> None:
    for _ in range(25):
        page.press("ping")
    page.rows(50)
    page.until(lambda: page.in_sight("#rows tr:last-child"))
    page.scroll_to(0)
    page.press("ping")
    page.rows(52)
    assert page.in_sight("#rows tr:first-child")
    page.resize(1280, 500)
    page.press("ping")
    page.rows(54)
    assert page.in_sight("#rows tr:first-child")
    # Who comes back to the end follows again.
    page.scroll_to(10**6)
    page.press("ping")
    page.rows(56)
    page.until(lambda: page.in_sight("#rows tr:last-child"))
    # So does who begins anew.
    page.scroll_to(0)
    page.find("#clear").click()
    for _ in range(25):
        page.press("ping")
    page.rows(50)
    page.until(lambda: page.in_sight("#rows tr:last-child"))


def test_the_keyboard_is_enough(page: Page) -> None:
    page.fill("text", text="typed").send_keys(Keys.ENTER)
    assert page.rows(1)[0]["payload"] == "typed"
    page.browser.switch_to.active_element.send_keys(Keys.TAB, Keys.SPACE)
    assert page.rows(2)[1]["payload"] == "typed"


def test_everything_to_use_has_a_name(page: Page) -> None:
    controls = page.browser.find_elements(By.CSS_SELECTOR, "input, button, [tabindex], table")
    shown = [control for control in controls if control.is_displayed()]
    assert len(shown) > 15
    assert [
        control.get_attribute("outerHTML") for control in shown if not control.accessible_name
    ] == []


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_nothing_sticks_out_of_the_page(page: Page, width: int) -> None:
    page.press("fragments")
    page.rows(4)
    page.resize(width, 800)
    page_and_table = page.browser.execute_script(
        "const table = document.querySelector('#scroll');"
        "return [document.documentElement.scrollWidth, table.scrollWidth - table.clientWidth];"
    )
    assert page_and_table == [width, 0]


def test_nothing_comes_from_elsewhere(page: Page, url: str) -> None:
    loaded = page.browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert f"{url}static/main.js" in loaded
    assert {name for name in loaded if not name.startswith((url, "data:"))} == set()
