"""Our client, server, proxy and WebSocketSession meet every preset: the documented error.

Nothing hangs, and nothing is left: no task, no file, no session, no memory.
"""

import asyncio
import contextlib
import dataclasses
import gc
import logging
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from aiohttp_rawws import RawWebSocketSession, add_raw_websocket, connect, proxy, setup
from aiohttp_rawws.layers import PermessageDeflate
from aiohttp_rawws.testing import Played, Script, ScriptServer, play_client, script_server
from aiohttp_rawws.testing.presets import PRESETS
from tests.support.loops import ONE_LOOP
from tests.support.servers import handler_tasks, running
from tests.support.survivors import Plan, Use, frames, messages, told
from tests.support.waiting import patience, soon, until

#: The timeout of scripts, in seconds: one that never comes, and one that the test waits for.
LONG, SHORT = 30.0, 0.5
#: That of a peer that does not notice when we leave. Our heartbeat is much faster.
BLIND_TIMEOUT = 2.0
#: How long a client waits for the answer where none comes.
DIAL = 0.5
TO_THE_END = Plan()
DEFLATE = PermessageDeflate.offer()


@dataclass(frozen=True)
class Met:
    """What our sides meet in one preset, as the documents have it.

    `raw` by a raw session, `by_messages` by a WebSocketSession, `through` by one whose messages a
    proxy passes on. `relay` is the end that the proxy tells, "" where nothing was relayed. `close`
    is the code of the Close that the misbehaving peer gets from a WebSocketSession.
    """

    raw: str
    by_messages: str
    through: str
    #: Who ended, "peer" for the preset and "other" for the side behind the proxy; and why.
    relay: str = ""
    close: "int | None" = None
    plan: Plan = TO_THE_END
    timeout: float = LONG


def violation(rule: str, code: int = 1002) -> Met:
    """A rule that the raw session sees, and that the proxy does not let pass."""
    error = f"ProtocolError {rule} {code}"
    return Met(error, error, "EndOfStream 1006", "peer violation", code)


def content(error: str, frames: int = -1) -> Met:
    """What only one sees who reads messages. A raw session gets its frames, and so does a proxy."""
    raw = error if frames < 0 else "closed 1000"
    return Met(raw, error, error, "other close", int(error[-4:]), Plan(frames))


def lost(relay: str = "peer lost") -> Met:
    """The peer ends without a Close."""
    return Met("EndOfStream", "EndOfStream 1006", "EndOfStream 1006", relay)


def silent() -> Met:
    """Only a heartbeat finds out."""
    end = "EndOfStream 1006"
    return Met("TimeoutError", end, end, "other lost", plan=Plan(pulse=True))


def fine(messages: int, *, timeout: float = LONG) -> Met:
    """All goes well: we close after some messages."""
    closed, plan = "closed 1000", Plan(messages, messages)
    return Met(closed, closed, closed, "other close", 1000, plan, timeout)


def before(error: str, *, through: str = "", timeout: float = LONG) -> Met:
    """No session comes about."""
    return Met(error, error, through or error, timeout=timeout)


CLOSED = Met("EndOfStream", "EndOfStream 1000", "EndOfStream 1000", "peer close", 1000)
UTF8 = content("ProtocolError NONE 1007", 2)
RSV1 = "ProtocolError RESERVED_BITS 1002"
RESET = before("ClientOSError", through="HandshakeRefused 502")
WRONG = before("HandshakeRefused 101", through="HandshakeRefused 502")

MEETS: dict[str, Met] = {
    "no-pong": silent(),
    "late-pong": silent(),
    "wrong-pong": fine(1),
    "never-closes": Met(
        "closed None",
        "closed 1006",
        "closed 1006",
        "other close",
        1000,
        Plan(1, 1, close_timeout=0.1),
    ),
    "close-twice": CLOSED,
    "data-after-close": CLOSED,
    **{
        name: violation("CLOSE_PAYLOAD")
        for name in ("close-1005", "close-1006", "close-999", "close-one-octet")
    },
    "text-bad-utf8": UTF8,
    "text-cut-character": UTF8,
    "text-unfinished-character": UTF8,
    "text-character-in-two": fine(2),
    "close-bad-utf8": violation("CLOSE_PAYLOAD", 1007),
    "unmasked-client": violation("UNMASKED"),
    "masked-server": violation("MASKED"),
    **{name: violation("RESERVED_BITS") for name in ("rsv1", "rsv2", "rsv3")},
    **{f"opcode-{n}": violation("RESERVED_OPCODE") for n in (*range(3, 8), *range(11, 16))},
    "length-top-bit": violation("LENGTH_ENCODING"),
    "length-16-too-long": violation("LENGTH_ENCODING"),
    "length-64-too-long": violation("LENGTH_ENCODING"),
    "fragmented-ping": violation("FRAGMENTED_CONTROL"),
    "fragmented-close": violation("FRAGMENTED_CONTROL"),
    "long-ping": violation("LONG_CONTROL"),
    "long-close": violation("LONG_CONTROL"),
    "continuation-first": violation("UNEXPECTED_CONTINUATION"),
    "start-inside-message": violation("EXPECTED_CONTINUATION"),
    "gigabyte": content("FrameTooBig NONE 1009"),
    "octet-by-octet": fine(2),
    "stall-in-header": silent(),
    "stall-in-mask": silent(),
    "stall-in-payload": silent(),
    "never-reads": silent(),
    "ping-flood": fine(2),
    "empty-fragment-flood": fine(2),
    "reset-at-once": RESET,
    "reset-in-handshake": RESET,
    "reset-after-handshake": lost(),
    "reset-between-messages": lost(),
    "reset-in-header": lost(),
    "reset-in-payload": lost(),
    "reset-between-fragments": lost(),
    "reset-after-close": dataclasses.replace(CLOSED, close=None),
    "end-without-close": lost("peer end of stream"),
    "end-in-payload": lost("peer end of stream"),
    "half-open": silent(),
    "deflate-bomb": content("FrameTooBig NONE 1009", 2),
    "deflate-window-exceeded": content("ProtocolError NONE 1007", 3),
    "deflate-wrong-window": Met(
        "closed 1000",
        "ProtocolError NONE 1002",
        "ProtocolError NONE 1002",
        "other lost",
        plan=Plan(1),
    ),
    "deflate-context-kept": content("ProtocolError NONE 1007", 3),
    "deflate-rsv1-on-continuation": content(RSV1, 2),
    "deflate-rsv1-on-ping": content(RSV1, 1),
    "deflate-not-negotiated": violation("RESERVED_BITS"),
    "deflate-cut": content("ProtocolError NONE 1007", 2),
    "deflate-garbage": content("ProtocolError NONE 1007", 2),
    "answer-wrong-accept": WRONG,
    "answer-no-accept": WRONG,
    "answer-unoffered-protocol": WRONG,
    "answer-unoffered-extension": WRONG,
    "answer-200": before("HandshakeRefused 200"),
    # The redirect leads back to the preset; at the proxy the visitor follows it, to nothing.
    "answer-301": before("HandshakeRefused 301", through="HandshakeRefused 404"),
    "answer-401": before("HandshakeRefused 401"),
    "answer-header-flood": before("ClientResponseError", through="HandshakeRefused 502"),
    "answer-slow": fine(1, timeout=BLIND_TIMEOUT),
    "answer-stalled": before("TimeoutError"),
    "answer-with-bytes-behind": fine(2),
}
#: Where a server meets something else than a client.
NOBODY = before("no answer", timeout=SHORT)
AT_A_SERVER: dict[str, Met] = {
    "late-pong": dataclasses.replace(silent(), timeout=BLIND_TIMEOUT),
    "half-open": dataclasses.replace(silent(), timeout=BLIND_TIMEOUT),
    "reset-at-once": NOBODY,
    "reset-in-handshake": NOBODY,
    # It does not read on while it cannot send, and so cannot know that the peer is silent.
    "never-reads": Met(
        "SessionClosed or EndOfStream",
        "SessionClosed or EndOfStream 1006",
        "SessionClosed or EndOfStream 1006",
        "peer lost",
        timeout=BLIND_TIMEOUT,
    ),
    # The offer is declined.
    "deflate-wrong-window": fine(1),
    "request-no-key": before("status 400"),
    "request-wrong-version": before("status 426"),
    "request-post": before("status 405"),
    # What is no upgrade is forwarded as plain HTTP.
    "request-http-1-0": before("status 400", through="status 426"),
    "request-header-flood": before("status 400"),
    "request-slow": fine(1, timeout=BLIND_TIMEOUT),
    "request-stalled": NOBODY,
    "request-with-bytes-behind": fine(1),
}
#: What does not notice that we have left, until its timeout is over.
BLIND = {"never-reads", "half-open", "late-pong", "answer-stalled", "answer-slow"}

SERVERS = [name for name, preset in PRESETS.items() if "server" in preset.roles]
CLIENTS = [name for name, preset in PRESETS.items() if "client" in preset.roles]


def at_a_server(name: str) -> Met:
    return AT_A_SERVER.get(name) or MEETS[name]


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


def close_seen(played: Played) -> "int | None":
    return next((each.close_code for each in played.frames if each.opcode == 8), None)


async def ask_directly(http: aiohttp.ClientSession, name: str, use: Use) -> object:
    met = MEETS[name]
    async with behaving_badly(name) as server:
        outcome = await ask(http, server.url, use, met.plan, dial_of(name))
    return outcome, close_seen(server.started[0]) if use is messages else None


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
            outcome = await ask(http, address.url(), messages, met.plan, dial_of(name))
            return outcome, await soon(relayed)


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
    return DIAL if name == "answer-stalled" else LONG


async def all_of(names: list[str], meet: Callable[[str], Awaitable[object]]) -> dict[str, Any]:
    """Meet many presets at the same time. One that takes for ever is told as such."""

    async def bounded(name: str) -> object:
        try:
            return await soon(meet(name))
        except asyncio.TimeoutError:
            return "HUNG"

    return dict(zip(names, await asyncio.gather(*map(bounded, names)), strict=True))


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


async def visit(url: str, name: str) -> Played:
    script = PRESETS[name].script("client", timeout=at_a_server(name).timeout)
    return await play_client(script, f"{url}{name}")


def outcome_of(played: Played, met: dict[str, str], name: str) -> str:
    if name in met:
        return met[name]
    return "no answer" if played.head is None else f"status {played.head.status}"


async def answer_directly(use: Use) -> dict[str, object]:
    async with our_server(use) as (url, met):
        played = await all_of(CLIENTS, lambda name: visit(url, name))
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
            played = await all_of(CLIENTS, lambda name: visit(address.url(), name))
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
