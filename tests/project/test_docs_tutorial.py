"""docs/tutorial-testing.md: each of its tests, with the client as it was and after each change."""

import ast
import contextlib
import re
from typing import Any

import pytest

from aiohttp_rawws.testing import Scripts, ScriptServer, script_server
from tests.support import ROOT
from tests.support.examples import example, examples
from tests.support.waiting import soon

PAGE = "docs/tutorial-testing.md"
CLIENT = (ROOT / "demo" / "ticker_client.py").read_text()
DIFF = re.compile(r"^```diff\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: Waits of the page, as they are and longer, where they do not end with their time; or shorter.
SAME = ("\0", "\0")
LONG = ("timeout=0.5", "timeout=15")
SHORT = ("timeout=5", "timeout=1")
FAULTS: list[str] = ast.literal_eval(
    example(PAGE, "FAULTS").partition("FAULTS = ")[2].partition("\n")[0]
)


def versions() -> list[str]:
    """Return the client as it was, and after each change of the page."""
    found = [CLIENT]
    for diff in DIFF.findall((ROOT / PAGE).read_text()):
        lines = diff.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert found[-1].count(before) == 1
        found.append(found[-1].replace(before, after))
    return found


async def failure(client: str, name: str, *arguments: str, wait: tuple[str, str] = SAME) -> str:
    """Run a test of the page with a version of the client; return how it failed, "" if not."""
    names: dict[str, Any] = {"__name__": "shown"}
    exec(client, names)
    for code in examples(PAGE)[1:]:
        code = code.replace("from demo.ticker_client import Ticker\n", "")
        exec(code.replace(*wait), names)
    servers: list[ScriptServer] = []
    async with contextlib.AsyncExitStack() as stack:

        async def serve(scripts: Scripts) -> ScriptServer:
            servers.append(await stack.enter_async_context(script_server(scripts)))
            return servers[-1]

        try:
            await soon(names[name](*arguments, serve))
        except (Exception, pytest.fail.Exception) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            await stack.aclose()
    for server in servers:
        server.check()
    return ""


def test_the_client_is_that_of_the_demo() -> None:
    assert CLIENT.endswith(examples(PAGE)[0])
    assert len(versions()) == 3


async def test_the_good_case() -> None:
    for client in versions():
        assert await failure(client, "test_a_price") == ""


async def test_the_first_mistake() -> None:
    was, mended, _ = versions()
    name = "test_it_waits_before_it_comes_back"
    told = await failure(was, name, wait=LONG)
    # Releases of pytest differ in how they name the class.
    assert told.startswith("Failed: DID NOT RAISE ")
    assert "\nFailed: DID NOT RAISE " in (ROOT / PAGE).read_text()
    assert await failure(mended, name) == ""


async def test_the_second_mistake() -> None:
    _, was, mended = versions()
    name = "test_it_leaves_a_server_that_is_silent"
    told = await failure(was, name, wait=SHORT)
    assert told == (
        "TypeError: the JSON object must be str, bytes or bytearray, not ServerTimeoutError"
    )
    assert told in (ROOT / PAGE).read_text()
    assert await failure(mended, name, wait=("timeout=5", "timeout=15")) == ""


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_faults(fault: str) -> None:
    assert await failure(versions()[-1], "test_it_comes_back", fault) == ""
