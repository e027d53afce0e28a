"""Chromium: the WebSocket of a page. The lines are those of attending.py."""

import contextlib
import functools
import json
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver

from tests.support.browser import FLAGS

from .serving import say

TALK = (Path(__file__).parent.parent / "npm" / "talk.js").read_text()
#: How often the page is asked what it has seen, in seconds.
PERIOD = 0.1


class Page(BaseHTTPRequestHandler):
    """Serves an empty page: connections to this machine want a page of this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>matrix</title>")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def page() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for flag in (*FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        with webdriver.Chrome(options, webdriver.ChromeService(program("chromedriver"))) as driver:
            yield driver


def program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        sys.exit(f"not installed: {' or '.join(names)}")
    return found


def read_lines(lines: "queue.Queue[str]") -> None:
    for line in iter(sys.stdin.readline, ""):
        lines.put(line)
    lines.put("")


def main() -> None:
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=read_lines, args=(lines,), daemon=True).start()
    with page() as url, chromium() as driver:
        driver.get(url)
        driver.execute_script(f"window.said = []; {TALK}; window.talk = talk")
        say(version=driver.capabilities["browserVersion"])
        run = functools.partial(
            driver.execute_script, "talk(WebSocket, l => said.push(l), arguments[0])"
        )
        while True:
            with contextlib.suppress(queue.Empty):
                line = lines.get_nowait()
                if not line:
                    return
                run(json.loads(line))
                continue
            for seen in driver.execute_script("return said.splice(0)"):
                say(**seen)
            time.sleep(PERIOD)


if __name__ == "__main__":
    main()
