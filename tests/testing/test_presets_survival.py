"""Our client, server, proxy and WebSocketSession meet every preset: the documented error.

Nothing hangs, and nothing is left: no task, no file, no session, no memory.
"""

import asyncio
import contextlib
import gc
import logging
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from aiohttp_rawws import RawWebSocketSession, add_raw_websocket, connect, proxy, setup
from aiohttp_rawws.layers import PermessageDeflate
from aiohttp_rawws.testing import Played, Script, ScriptServer, play_client, script_server
from aiohttp_rawws.testing.presets import PRESETS
from aiohttp_rawws.testing.presets.parts import stop
from tests.support.loops import ONE_LOOP
from tests.support.presets_met import LONG, MEETS, at_a_server
from tests.support.servers import handler_tasks, running
from tests.support.survivors import Plan, Use, frames, messages, told
from tests.support.waiting import patience, soon, until

#: What lasts as long as its timeout is met with nothing else going on.
LASTING = {"never-reads", "answer-slow", "request-slow"}
#: The preset that never answers, and how long a client waits for it.
STALLED, DIAL = "answer-stalled", 0.5
DEFLATE = PermessageDeflate.offer()
#: What does not notice that we have left, until its timeout is over.
BLIND = {"never-reads", "half-open", "late-pong", STALLED, "answer-slow"}

SERVERS = [name for name, preset in PRESETS.items() if "server" in preset.roles]
CLIENTS = [name for name, preset in PRESETS.items() if "client" in preset.roles]


# -- nothing is left -------------------------------------------------------------------------


def sessions() -> int:
    return sum(isinstance(each, RawWebSocketSession) for each in gc.get_objects())


@pytest_asyncio.fixture(autouse=True)
async def nothing_is_left_of_them() -> AsyncIterator[None]:
    """No task, file or session is left, and the loop has nothing to complain of."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    # libuv keeps files of its own from the first server on.
    async with script_server(Script()) as server:
        await play_client(Script(), server.url)
    gc.collect()
    tasks, files, held = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), sessions()
    yield
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)
    # One that lingers for its peer is still there.
    async with patience():
        while sessions() > held:
            await asyncio.sleep(0.05)
            gc.collect()
    assert complaints == []


@pytest.fixture(autouse=True)
def no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of errors, which pytest keeps, would hold the sessions of their tracebacks.

    That of aiohttp for the flood of headers holds the timers of the loop at that moment.
    """
    for name in ("aiohttp_rawws", "aiohttp.server"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)


@pytest_asyncio.fixture(name="http_session")
async def unlimited() -> AsyncIterator[aiohttp.ClientSession]:
    connector, jar = aiohttp.TCPConnector(limit=0), aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http:
        yield http


# -- our clients -----------------------------------------------------------------------------


async def ask(http: aiohttp.ClientSession, url: str, use: Use, plan: Plan, dial: float) -> str:
    """Connect to a preset and use the session. Return what was met."""
    timeout = aiohttp.ClientTimeout(total=dial)
    try:
        async with connect(http, url, extensions=DEFLATE, timeout=timeout) as session:
            return await use(session, plan)
    except Exception as error:
        return told(error)


@contextlib.asynccontextmanager
async def behaving_badly(name: str) -> AsyncIterator[ScriptServer]:
    """Serve a preset. At the end the misbehaving peer has seen the end."""
    script = PRESETS[name].script("server", timeout=MEETS[name].timeout)
    async with script_server(script) as server:
        yield server
        if name not in BLIND:
            await server.ended()


def close_seen(played: "Played | None") -> "int | None":
    if played is None:
        return None
    return next((each.close_code for each in played.frames if each.opcode == 8), None)


async def ask_directly(http: aiohttp.ClientSession, name: str, use: Use) -> object:
    met = MEETS[name]
    async with behaving_badly(name) as server:
        outcome = await ask(http, server.url, use, met.plan, dial_of(name))
    # A busy machine may take longer than DIAL until the peer is there.
    played = next(iter(server.started), None)
    return outcome, close_seen(played) if use is messages else None


async def ask_through(http: aiohttp.ClientSession, name: str) -> object:
    met = MEETS[name]
    async with behaving_badly(name) as server:
        relayed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def ingress(request: web.Request) -> web.StreamResponse:
            return await watched(request, http, server.url, relayed, peer="upstream")

        app = web.Application()
        setup(app)
        app.router.add_get("/", ingress)
        async with running(app) as (_, address):
            asking = ask(http, address.url(), messages, met.plan, LONG)
            outcome = await (leave(asking, server) if name == STALLED else asking)
            return outcome, await soon(relayed)


async def leave(asking: Coroutine[Any, Any, str], server: ScriptServer) -> str:
    """Ask, and leave when the proxy has asked the preset: before that nothing is passed on."""
    visiting = asyncio.ensure_future(asking)
    while not any(played.transcript.entries for played in server.started):
        await asyncio.sleep(0.02)
    await stop(visiting)
    return "left"


async def watched(
    request: web.Request,
    http: aiohttp.ClientSession,
    url: str,
    relayed: "asyncio.Future[str]",
    peer: str,
) -> web.StreamResponse:
    """Proxy, and tell how the relay ended: who, and why."""
    how = ""
    try:
        response = await proxy(request, http, url, linger=0.05)
        stats = getattr(response, "relay_stats", None)
        if stats is not None:
            how = f"{'peer' if stats.ended_first == peer else 'other'} {stats.reason}"
        return response
    finally:
        relayed.set_result(how)


def dial_of(name: str) -> float:
    return DIAL if name == STALLED else LONG


async def all_of(names: list[str], meet: Callable[[str], Awaitable[object]]) -> dict[str, Any]:
    """Meet presets at the same time, those that last behind the others. One may have HUNG."""

    async def bounded(name: str) -> object:
        try:
            return await soon(meet(name))
        except asyncio.TimeoutError:
            return "HUNG"

    seen: dict[str, Any] = {}
    for group in (set(names) - LASTING, LASTING.intersection(names)):
        seen.update(zip(group, await asyncio.gather(*map(bounded, group)), strict=True))
    return seen


def others(
    seen: Mapping[str, object], wanted: Mapping[str, tuple[str, object]]
) -> dict[str, object]:
    """Return the presets where something else was met: what was seen, and what was wanted."""

    def agree(name: str) -> bool:
        outcome, rest = wanted[name]
        return seen[name] in [(each, rest) for each in outcome.split(" or ")]

    return {name: (seen[name], wanted[name]) for name in seen if not agree(name)}


async def test_our_clients_survive(http_session: aiohttp.ClientSession) -> None:
    """A raw session, a WebSocketSession, and one behind a proxy."""
    raw, by_messages, through = await asyncio.gather(
        all_of(SERVERS, lambda name: ask_directly(http_session, name, frames)),
        all_of(SERVERS, lambda name: ask_directly(http_session, name, messages)),
        all_of(SERVERS, lambda name: ask_through(http_session, name)),
    )
    met = {name: MEETS[name] for name in SERVERS}
    assert others(raw, {name: (each.raw, None) for name, each in met.items()}) == {}
    closes = {name: (each.by_messages, each.close) for name, each in met.items()}
    assert others(by_messages, closes) == {}
    relays = {name: (each.through, each.relay) for name, each in met.items()}
    assert others(through, relays) == {}


# -- our servers -----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def our_server(use: Use) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Serve each preset at its name; yield the URL, and what the handlers meet."""
    met: dict[str, str] = {}

    async def handler(session: RawWebSocketSession) -> None:
        assert session.request is not None
        name = session.request.match_info["name"]
        try:
            met[name] = await use(session, at_a_server(name).plan)
        except Exception as error:
            met[name] = told(error)
            raise

    app = web.Application()
    setup(app, extensions=PermessageDeflate.accept, linger=0.2)
    add_raw_websocket(app.router, "/{name}", handler)
    async with running(app) as (_, address):
        yield address.url(), met


async def visit(url: str, name: str, met: dict[str, str]) -> "Played | None":
    """Play a preset. One that does not notice that the server has left is ended then: None."""
    script = PRESETS[name].script("client", timeout=at_a_server(name).timeout)
    playing = asyncio.ensure_future(play_client(script, f"{url}{name}"))
    if name in BLIND and name not in LASTING:
        while name not in met:
            await asyncio.sleep(0.02)
        await stop(playing)
        return None
    return await playing


def outcome_of(played: "Played | None", met: dict[str, str], name: str) -> str:
    if name in met:
        return met[name]
    head = None if played is None else played.head
    return "no answer" if head is None else f"status {head.status}"


async def answer_directly(use: Use) -> dict[str, object]:
    async with our_server(use) as (url, met):
        played = await all_of(CLIENTS, lambda name: visit(url, name, met))
        await until(lambda: not handler_tasks())
    return {
        name: (outcome_of(each, met, name), close_seen(each) if use is messages else None)
        for name, each in played.items()
    }


async def answer_through(http: aiohttp.ClientSession) -> dict[str, object]:
    relayed: dict[str, asyncio.Future[str]] = {}

    async with our_server(messages) as (upstream, met):

        async def ingress(request: web.Request) -> web.StreamResponse:
            name = request.match_info["name"]
            relayed[name] = asyncio.get_running_loop().create_future()
            return await watched(request, http, f"{upstream}{name}", relayed[name], peer="client")

        app = web.Application()
        setup(app)
        app.router.add_route("*", "/{name}", ingress)
        async with running(app) as (_, address):
            played = await all_of(CLIENTS, lambda name: visit(address.url(), name, met))
            await until(lambda: not handler_tasks())
    return {
        name: (outcome_of(each, met, name), relayed[name].result() if name in relayed else "")
        for name, each in played.items()
    }


async def test_our_servers_survive(http_session: aiohttp.ClientSession) -> None:
    """A raw session, a WebSocketSession, and one behind a proxy."""
    raw, by_messages, through = await asyncio.gather(
        answer_directly(frames), answer_directly(messages), answer_through(http_session)
    )
    met = {name: at_a_server(name) for name in CLIENTS}
    assert others(raw, {name: (each.raw, None) for name, each in met.items()}) == {}
    closes = {name: (each.by_messages, each.close) for name, each in met.items()}
    assert others(by_messages, closes) == {}
    relays = {name: (each.through, each.relay) for name, each in met.items()}
    assert others(through, relays) == {}


# -- memory ----------------------------------------------------------------------------------

#: Presets that want more memory of their peer than they cost themselves.
GREEDY = ["gigabyte", "deflate-bomb", "empty-fragment-flood", "never-reads", "answer-header-flood"]


@ONE_LOOP
@pytest.mark.parametrize("name", GREEDY)
async def test_memory_is_bounded(http_session: aiohttp.ClientSession, name: str) -> None:
    """Of both sides together: the limits of a message, 16 MiB, count twice at its end."""
    tracemalloc.start()
    try:
        await soon(ask_directly(http_session, name, messages))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 48 * 2**20
