"""Fixtures of the tests of `connect`."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.handshakes import Opening, answer
from tests.support.http_proxies import tinyproxy
from tests.support.servers import Contexts, Serve, forgotten, running
from tests.support.wire import Address, Script, Wire


@pytest.fixture(name="listening")
def scripts_that_listen(heard: list[Opening]) -> Script:
    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        offers = opening.headers
        chosen = offers.get("Sec-WebSocket-Protocol", "").partition(",")[0]
        extensions = offers.get("Sec-WebSocket-Extensions", "")
        wire.send(
            answer(opening, Sec_WebSocket_Protocol=chosen, Sec_WebSocket_Extensions=extensions)
        )
        await wire.read_to_end()

    return script


@pytest.fixture(scope="session")
def real_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tinyproxy(tmp_path_factory.mktemp("open")) as address:
        yield address


@pytest_asyncio.fixture
async def behind(contexts: Contexts) -> AsyncIterator[Serve]:
    """`await behind(app, tls=False)` starts a server to be reached through a real proxy.

    At the end the fixture waits for its connections, whose ends the proxy passes on a moment later.
    """
    runners: list[web.AppRunner] = []
    async with contextlib.AsyncExitStack() as stack:

        async def start(app: web.Application, *, tls: bool = False) -> Address:
            server = running(app, contexts if tls else None)
            runner, address = await stack.enter_async_context(server)
            runners.append(runner)
            return address

        yield start
        for runner in runners:
            await forgotten(runner)
