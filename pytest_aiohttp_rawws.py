"""The fixtures of `aiohttp_rawws.testing` for pytest.

A module of its own: pytest imports it at the start of each run, and it imports the package only
once a fixture is used.
"""

from __future__ import annotations

import asyncio
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
    import ssl

    from yarl import URL

    from aiohttp_rawws import RawClientSession
    from aiohttp_rawws.testing import ChaosProxy, RawWebSocketPair, Scripts, ScriptServer

T = TypeVar("T")


class Blocks(contextlib.AsyncExitStack):
    """The blocks of a test, which its fixture leaves in the event loop of the fixture."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()


class Entering(Generic[T]):
    """A block that a test enters by `async with`, or by `await`: then the fixture leaves it."""

    def __init__(self, block: contextlib.AbstractAsyncContextManager[T], blocks: Blocks) -> None:
        self._block = block
        self._blocks = blocks

    def __await__(self) -> Generator[Any, None, T]:
        if asyncio.get_running_loop() is not self._blocks.loop:
            raise RuntimeError(OTHER_LOOP)
        return self._blocks.enter_async_context(self._block).__await__()

    async def __aenter__(self) -> T:
        return await self._block.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._block.__aexit__(*error)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name!r} is there once this is awaited, or entered by `async with`")


#: It would hang, or fail in other words, when the fixture leaves the block.
OTHER_LOOP = (
    "the fixture has another event loop than the test: enter this by `async with`, or give the "
    "fixtures the loop of the tests (asyncio_default_fixture_loop_scope for pytest-asyncio)"
)


@async_fixture
async def raw_websocket_pair() -> AsyncIterator[RawWebSocketPair]:
    """Two sessions that are joined by a TCP connection: `server, client = raw_websocket_pair`.

    `await raw_websocket_pair(**options)` joins two more, with the options of
    `aiohttp_rawws.testing.raw_pair`.
    """
    from aiohttp_rawws.testing import RawWebSocketPair, raw_pair

    class Pair(RawWebSocketPair):
        def __call__(self, **options: Any) -> Entering[RawWebSocketPair]:
            return Entering(raw_pair(**options), blocks)

    async with Blocks() as blocks:
        yield Pair(*await blocks.enter_async_context(raw_pair()))


@async_fixture
async def raw_websocket_client() -> AsyncIterator[Callable[..., Entering[RawClientSession]]]:
    """Connect to an application or a URL: `session = await raw_websocket_client(app, "/ws")`.

    The arguments are those of `aiohttp_rawws.testing.raw_client`. The fixture ends the session. An
    application with several clients is served once.
    """
    from aiohttp import web
    from yarl import URL

    from aiohttp_rawws.testing import raw_client
    from aiohttp_rawws.testing.joined import serving

    served: list[tuple[web.Application, URL]] = []

    async def url_of(app: web.Application, **options: Any) -> URL:
        for known, url in served:
            if known is app:
                return url
        url = await blocks.enter_async_context(serving(app, **options))
        served.append((app, url))
        return url

    @contextlib.asynccontextmanager
    async def client(
        target: web.Application | str | URL,
        path: str = "/",
        *,
        server_ssl: ssl.SSLContext | None = None,
        unix_socket: str | None = None,
        **options: Any,
    ) -> AsyncIterator[RawClientSession]:
        if isinstance(target, web.Application):
            base = await url_of(target, ssl=server_ssl, unix_socket=unix_socket)
            target = base.join(URL(path, encoded=True))
        async with raw_client(target, unix_socket=unix_socket, **options) as session:
            yield session

    async with Blocks() as blocks:
        yield lambda *args, **options: Entering(client(*args, **options), blocks)


@async_fixture
async def raw_websocket_server(
    request: pytest.FixtureRequest,
) -> AsyncIterator[Callable[..., Entering[ScriptServer]]]:
    """Serve a script: `server = await raw_websocket_server(script)`, then `server.url`.

    The arguments are those of `aiohttp_rawws.testing.script_server`. A script that did not go as
    written fails the test. The report of a test that failed shows how each connection went.
    """
    from aiohttp_rawws.testing import script_server

    # A test that runs once more has a stash with those before.
    servers = request.node.stash[SERVERS] = []

    @contextlib.asynccontextmanager
    async def serve(scripts: Scripts, **options: Any) -> AsyncIterator[ScriptServer]:
        async with script_server(scripts, **options) as server:
            servers.append(server)
            yield server

    async with Blocks() as blocks:
        yield lambda *args, **options: Entering(serve(*args, **options), blocks)
    # What was still waited for is told here; what failed before was told by the test.
    if not request.node.stash.get(TOLD, False):
        check(servers)


@async_fixture
async def raw_websocket_chaos(
    request: pytest.FixtureRequest,
) -> AsyncIterator[Callable[..., Entering[ChaosProxy]]]:
    """Put a bad network before a server: `proxy = await raw_websocket_chaos(url, drop="5%")`.

    Then connect to `proxy.url`. The arguments are those of `aiohttp_rawws.testing.chaos`. The
    report of a test that failed shows the seed and the faults.
    """
    from aiohttp_rawws.testing import chaos

    proxies = request.node.stash[PROXIES] = []

    @contextlib.asynccontextmanager
    async def inject(upstream: str | URL, **options: Any) -> AsyncIterator[ChaosProxy]:
        async with chaos(upstream, **options) as proxy:
            proxies.append(proxy)
            yield proxy

    async with Blocks() as blocks:
        yield lambda *args, **options: Entering(inject(*args, **options), blocks)


#: The chaos proxies of a test.
PROXIES = pytest.StashKey[list["ChaosProxy"]]()
#: The servers of a test, and whether one of them was the reason why it failed.
SERVERS = pytest.StashKey[list["ScriptServer"]]()
TOLD = pytest.StashKey[bool]()
#: How many connections the report of a failed test shows: the last ones.
MAX_TOLD = 20


def hook_wrapper(function: T) -> T | None:
    """Make a hook, or none where pluggy is older than 1.2: the package breaks no pytest.

    There a script that did not go as written is an error at the end of its test.
    """
    try:
        return pytest.hookimpl(wrapper=True)(function)  # type: ignore[type-var]
    except TypeError:
        return None


def check(servers: list[ScriptServer]) -> None:
    """Raise ScriptFailed for the first script that did not go as written."""
    __tracebackhide__ = True
    for server in servers:
        server.check()


@hook_wrapper
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that passed and whose scripts did not."""
    __tracebackhide__ = True
    item.stash[TOLD] = False
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


@hook_wrapper
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Show the scripts, and the faults of the network, of a test that failed."""
    report = yield
    servers = item.stash.get(SERVERS, [])
    if report.failed and servers:
        told = [str(played) for server in servers for played in server.started]
        if len(told) > MAX_TOLD:
            told[:-MAX_TOLD] = [f"{len(told) - MAX_TOLD} connections before these"]
        report.sections.append(("scripted peers", "\n".join(told) or "no client has connected"))
    proxies = item.stash.get(PROXIES, [])
    if report.failed and proxies:
        report.sections.append(("chaos", "\n".join(proxy.report() for proxy in proxies)))
    return report
