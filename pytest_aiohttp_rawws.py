"""The fixtures of `aiohttp_rawws.testing` for pytest.

A module of its own: pytest imports it at the start of each run, and it imports the package only
once a fixture is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:
    # The plugin of anyio runs these, too.
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from aiohttp_rawws import RawClientSession
    from aiohttp_rawws.testing import RawWebSocketPair, Scripts, ScriptServer

T = TypeVar("T")


class Entering(Generic[T]):
    """A block that a test enters by `async with`, or by `await`: then the fixture leaves it."""

    def __init__(
        self, block: contextlib.AbstractAsyncContextManager[T], stack: contextlib.AsyncExitStack
    ) -> None:
        self._block = block
        self._stack = stack

    def __await__(self) -> Generator[Any, None, T]:
        return self._stack.enter_async_context(self._block).__await__()

    async def __aenter__(self) -> T:
        return await self._block.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._block.__aexit__(*error)


@async_fixture
async def raw_websocket_pair() -> AsyncIterator[RawWebSocketPair]:
    """Two sessions that are joined by a TCP connection: `server, client = raw_websocket_pair`."""
    from aiohttp_rawws.testing import raw_pair

    async with raw_pair() as pair:
        yield pair


@async_fixture
async def raw_websocket_client() -> AsyncIterator[Callable[..., Entering[RawClientSession]]]:
    """Connect to an application or a URL: `session = await raw_websocket_client(app, "/ws")`.

    The arguments are those of `aiohttp_rawws.testing.raw_client`. The fixture ends the session.
    """
    from aiohttp_rawws.testing import raw_client

    async with contextlib.AsyncExitStack() as stack:
        yield lambda *args, **options: Entering(raw_client(*args, **options), stack)


@async_fixture
async def raw_websocket_server(
    request: pytest.FixtureRequest,
) -> AsyncIterator[Callable[..., Entering[ScriptServer]]]:
    """Serve a script: `server = await raw_websocket_server(script)`, then `server.url`.

    The arguments are those of `aiohttp_rawws.testing.script_server`. A script that did not go as
    written fails the test. The report of a test that failed shows how each connection went.
    """
    from aiohttp_rawws.testing import script_server

    servers = request.node.stash.setdefault(SERVERS, [])

    @contextlib.asynccontextmanager
    async def serve(scripts: Scripts, **options: Any) -> AsyncIterator[ScriptServer]:
        async with script_server(scripts, **options) as server:
            servers.append(server)
            yield server

    async with contextlib.AsyncExitStack() as stack:
        yield lambda *args, **options: Entering(serve(*args, **options), stack)
    # What was still waited for is told here; what failed before was told by the test.
    if not request.node.stash.get(TOLD, False):
        check(servers)


#: The servers of a test, and whether one of them was the reason why it failed.
SERVERS = pytest.StashKey[list["ScriptServer"]]()
TOLD = pytest.StashKey[bool]()


def check(servers: list[ScriptServer]) -> None:
    """Raise ScriptFailed for the first script that did not go as written."""
    __tracebackhide__ = True
    for server in servers:
        server.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that passed and whose scripts did not."""
    __tracebackhide__ = True
    try:
        yield
    except BaseException:
        item.stash[TOLD] = True
        raise
    try:
        check(item.stash.get(SERVERS, []))
    except AssertionError:
        item.stash[TOLD] = True
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Show the scripts of a test that failed."""
    report = yield
    servers = item.stash.get(SERVERS, [])
    if report.failed and servers:
        told = "\n".join(str(played) for server in servers for played in server.started)
        report.sections.append(("scripted peers", told or "no client has connected"))
    return report
