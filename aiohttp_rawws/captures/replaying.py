"""A replay with its own handshake: as a client of a URL, or as a server on a socket."""

import asyncio
import socket
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from ..client.answer import HandshakeRefused
from ..client.connect import connect
from ..server.accept import accept
from ..session.checks import check_int
from ..session.session import RawWebSocketSession
from ..wire.handshake import HandshakeRule
from ..wire.header_lists import tokens
from ..wire.names import Violation
from .comparing import Difference
from .format import Headers, header_line
from .reading import Source
from .redaction import REDACTED, redact_protocols, redact_query
from .replay import Conversation, Replayed, check_times, load, play, steps_of

__all__ = ("replay",)

#: Frames of a peer wait up to so many bytes: it may send more than this side takes in between.
RECEIVE_LIMIT = 64 * 2**20

#: The headers of a handshake that are made anew, or set in another way.
OWN = frozenset(
    [
        "connection",
        "content-length",
        "date",
        "host",
        "keep-alive",
        "origin",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)


async def replay(
    capture: Source,
    url: str | URL | None = None,
    *,
    listener: socket.socket | None = None,
    connection: int | None = None,
    speed: float | None = 1.0,
    timeout: float = 10.0,
    client_session: aiohttp.ClientSession | None = None,
    **options: Any,
) -> Replayed:
    """Play one side of a captured connection against a live peer, and compare what it does.

        print(await replay("chat.jsonl", "ws://localhost:8765"))

    - `url`: play the client, and connect there. A URL without a path gets the captured one.
    - `listener`: play the server, for the first client that connects to this socket, which listens.
    - `connection`: the number of the connection; it may be left out if there is only one.
    - `speed`: what pauses are divided by; None for no pauses.
    - `timeout`: how long the peer may take for what is expected, the handshake too, in seconds.
    - `client_session` and `options` are for `connect`.

    Octets are sent as they were, whatever they break: each read of the capture is a write of its
    own. A client's masking keys are those of the capture. `Replayed.difference` is the first thing
    that the peer did otherwise, and the end of the replay.

    Raises CaptureError if the connection is not there or was not kept whole. Raises what `connect`
    does where no connection comes about, asyncio.TimeoutError without an answer among that.
    """
    if (url is None) == (listener is None):
        raise TypeError("replay takes either a url, to play the client, or a listener=")
    if listener is not None and not isinstance(listener, socket.socket):
        raise TypeError(f"listener must be a socket that listens, got {listener!r}")
    if connection is not None:
        check_int("connection", connection)
    check_times(speed, timeout)
    conversation = load(capture, connection)
    times: dict[str, Any] = {"speed": speed, "timeout": timeout}
    if listener is not None:
        steps_of(conversation, "upstream")
        return await replay_server(conversation, listener, times)
    steps_of(conversation, "client")
    if client_session is not None:
        return await replay_client(conversation, URL(str(url)), client_session, options, times)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as made:
        return await replay_client(conversation, URL(str(url)), made, options, times)


async def replay_client(
    conversation: Conversation,
    url: URL,
    client_session: aiohttp.ClientSession,
    options: dict[str, Any],
    times: dict[str, Any],
) -> Replayed:
    opening = conversation.opening
    headers = opening.client.request or []
    if url.raw_path_qs == "/":
        url = URL(str(url.origin()) + opening.path, encoded=True)
    connecting = connect(
        client_session,
        url,
        protocols=[name for name in protocols_of(headers) if REDACTED not in name],
        extensions=header_line(headers, "sec-websocket-extensions"),
        origin=header_line(headers, "origin"),
        headers=others(headers),
        reject=Violation.NONE,
        reject_handshake=HandshakeRule.NONE,
        receive_limit=RECEIVE_LIMIT,
        max_frame_size=max(conversation.largest(), 16 * 2**20),
        timeout=aiohttp.ClientTimeout(total=times["timeout"]),
        **options,
    )
    try:
        async with connecting as session:
            captured = opening.protocol, opening.extensions
            if opening.client.response is not None or any(captured):
                difference = answer_difference(captured, session)
                if difference is not None:
                    return Replayed(0, 0, difference)
            return await play(conversation, session, **times)
    except HandshakeRefused as refused:
        seen = f"{refused.status}: {refused.message}"
        return Replayed(0, 0, Difference("the handshake was refused", "101", seen, opening.line))


async def replay_server(
    conversation: Conversation, listener: socket.socket, times: dict[str, Any]
) -> Replayed:
    """Play for the first client, and refuse all others."""
    ended: asyncio.Future[Replayed] = asyncio.get_running_loop().create_future()
    first = True

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal first
        if not first:
            raise web.HTTPServiceUnavailable(text="the replay has one client")
        first = False
        try:
            return await answer(request)
        except web.HTTPException as refusal:
            text = refusal.text or refusal.reason
            settle(Difference("no such handshake", "one that is accepted", text))
            raise
        except BaseException as error:
            if not ended.done():
                ended.set_exception(error)
            raise

    async def answer(request: web.Request) -> web.StreamResponse:
        difference = request_difference(conversation, request)
        if difference is not None:
            settle(difference)
            raise web.HTTPBadRequest(text=str(difference))
        opening = conversation.opening
        async with accept(
            request,
            protocol=opening.protocol,
            headers=others(opening.client.response or []),
            extensions=lambda offer: opening.extensions,
            reject=Violation.NONE,
            reject_handshake=HandshakeRule.NONE,
            receive_limit=RECEIVE_LIMIT,
            max_frame_size=max(conversation.largest(), 16 * 2**20),
        ) as session:
            replayed = await play(conversation, session, **times)
            if not ended.done():
                ended.set_result(replayed)
        return session.response

    def settle(difference: Difference) -> None:
        if not ended.done():
            ended.set_result(Replayed(0, 0, difference))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        return await ended
    finally:
        await runner.cleanup()


def answer_difference(
    captured: tuple[str | None, str | None], session: RawWebSocketSession
) -> Difference | None:
    """Compare the answer to a client with the captured one."""
    protocol = session.protocol
    seen = (protocol if captured[0] != redacted(protocol) else captured[0], session.extensions)
    return first_difference(("subprotocol", "extensions"), captured, seen)


def request_difference(conversation: Conversation, request: web.Request) -> Difference | None:
    """Compare the request of a client with the captured one."""
    opening = conversation.opening
    path = request.rel_url.raw_path_qs
    captured: list[str | None] = [opening.path]
    seen: list[str | None] = [opening.path if opening.path == redact_query(path) else path]
    headers = opening.client.request
    if headers is not None:
        for name, same in (("sec-websocket-protocol", redacted), ("sec-websocket-extensions", str)):
            there = header_line(headers, name)
            here = ", ".join(request.headers.getall(name, ())) or None
            captured.append(there)
            seen.append(there if here is not None and there == same(here) else here)
    names = ("path", "subprotocols", "extensions")
    return first_difference(names, tuple(captured), tuple(seen))


def first_difference(
    names: tuple[str, ...], captured: tuple[str | None, ...], seen: tuple[str | None, ...]
) -> Difference | None:
    for name, one, other in zip(names, captured, seen, strict=False):
        if one != other:
            return Difference(f"another handshake: {name}", str(one), str(other))
    return None


def redacted(protocols: str | None) -> str | None:
    return None if protocols is None else redact_protocols(protocols)


def protocols_of(headers: Headers) -> list[str]:
    return list(dict.fromkeys(tokens(CIMultiDict(headers), "Sec-WebSocket-Protocol")))


def others(headers: Headers) -> CIMultiDict[str]:
    """Return the headers that are sent as they were: no handshake's, and none with a secret."""
    return CIMultiDict(
        (name, value)
        for name, value in headers
        if name.lower() not in OWN
        and not name.lower().startswith("sec-websocket-")
        and REDACTED not in value
    )
