"""The page of the inspector in Chromium.

`AIOHTTP_RAWWS_REQUIRE_BROWSER=1` makes the skip without Chromium a failure.
`AIOHTTP_RAWWS_PICTURE=docs/images/demo.png` saves a picture of the page in `test_a_visit`.
"""

import os
import re
from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.demos import address_of, line, running
from tests.support.waiting import PATIENCE

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


@pytest.fixture(scope="session")
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
    browser.get_log("browser")  # type: ignore[no-untyped-call] # of other pages
    yield Page(browser, url)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.fixture
def page(opened: Page) -> Page:
    """The page with an empty list."""
    opened.rows(2)
    opened.find("#clear").click()
    return opened


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
