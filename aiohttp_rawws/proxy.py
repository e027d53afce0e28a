"""A proxy that neither side can notice: an opening handshake passed on, then a relay.

The upstream is dialled first, and its answer is the visitor's: the 101 with the subprotocol and
the extensions it chose, or its refusal, status, headers and body.
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import LooseHeaders, StrOrURL
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from . import client, server
from .handshake import Refusal, lines, tokens
from .options import Options
from .relay import Tap, check_tap, join
from .session import RawWebSocketSession

__all__ = ("proxy",)

logger = logging.getLogger("aiohttp_rawws")

#: What is said from one end of a connection to the other (RFC 9110 section 7.6.1), besides what
#: `Connection` names.
HOP_BY_HOP = (
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
)

#: The handshakes of the two legs are two (RFC 6455 section 4).
HANDSHAKE = (
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)

#: What aiohttp would add to a request that the visitor made.
AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent")

#: The options of a session; all others are for the request to the upstream.
SESSION_OPTIONS = ("extensions", "linger", "max_frame_size", "origins", "receive_limit", "reject")

#: The options of a request that would make the proxy seen.
NOT_TAKEN = client.OWN_OPTIONS | {
    "allow_redirects",
    "auto_decompress",
    "cookies",
    "skip_auto_headers",
}


async def proxy(
    request: web.Request,
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
    *,
    headers: LooseHeaders | None = None,
    tap: Tap | None = None,
    remask: bool = False,
    **options: Any,
) -> web.StreamResponse:
    """Answer an upgrade request by what the WebSocket server at `url` answers, and relay.

        async def ingress(request: web.Request) -> web.StreamResponse:
            return await proxy(request, client_session, f"ws://addon:8099{request.rel_url}")

    A request that is no sound opening handshake is refused as by a raw route. Then the upstream
    is dialled, without following redirects. It gets the visitor's end-to-end headers (cookies and
    authorization too), subprotocols and extensions, `X-Forwarded-For` with the visitor's address
    appended, `X-Forwarded-Proto` and `X-Forwarded-Host` set; `headers` replace any of these. Its
    101 becomes the visitor's, and all goes on as in `relay`, where `tap` and `remask` are
    explained; here the direction is "client" or "upstream", who sent the frame. Any other answer
    is passed on as it is, its body as it was encoded, and the visitor's connection closed. An
    upstream that cannot be reached, or does not speak WebSocket, is a 502, one that does not
    answer in time (`timeout=aiohttp.ClientTimeout(...)`) a 504.

    `client_session` must have an `aiohttp.DummyCookieJar` (ValueError otherwise): any other would
    give one visitor's cookies to the next. `options` are those of a route for both sessions
    (`max_frame_size`, `receive_limit`, `reject`, `origins`, `linger`; those of `setup` by
    default), and those of `client_session.request` (`ssl`, `timeout`, `proxy` ...). `extensions`
    is a function from the visitor's offer to the one for the upstream, or to None: `lambda offer:
    None` keeps the frames free of compression, for a tap.

    Returns the response, which the handler has to return. Raises the `web.HTTPException` of a
    refusal, TypeError for an option that makes no sense here, ValueError for a header of the
    handshake in `headers`.
    """
    check_cookies(client_session)
    check_tap(tap)
    extra = extra_headers(headers)
    taken, request_options = divide(options)
    session_options = server.options_of(request).replace(**taken)
    with server.begin_opening(request, session_options, ()) as opening:
        # What a visitor sends before it has the answer waits where it is bounded.
        opening.pause()
        handling = server.begin(request)
        sent = upstream_headers(request, extra, offer_of(request, taken.get("extensions")))
        answer = await dial(opening, handling, client_session, url, headers=sent, **request_options)
        if answer.status != 101:
            return await pass_refusal(request, opening, answer)
        upstream = take_over(opening, answer, session_options)
        try:
            visitor = await opening.accept(
                session_options,
                protocol=upstream.protocol,
                extensions=upstream.extensions,
                headers=end_to_end(answer.headers),
            )
        except server.Disconnected:
            upstream.abort()
            return server.unanswered()
        except BaseException:
            upstream.abort()
            raise
    handler = functools.partial(join_and_end, upstream=upstream, tap=tap, remask=remask)
    return await server.run(handling, visitor, handler)


def check_cookies(client_session: aiohttp.ClientSession) -> None:
    if not isinstance(client_session.cookie_jar, aiohttp.DummyCookieJar):
        raise ValueError(
            "proxy would hand one visitor's cookies to the next: make its ClientSession with "
            "cookie_jar=aiohttp.DummyCookieJar()"
        )


def extra_headers(headers: LooseHeaders | None) -> "CIMultiDict[str]":
    extra: CIMultiDict[str] = CIMultiDict(headers or ())
    for name in (*HOP_BY_HOP, *HANDSHAKE):
        if name in extra:
            raise ValueError(f"{name} is not for headers=: proxy sets it, leave it out")
    return extra


def divide(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the sessions, and those of the request."""
    refused = sorted(NOT_TAKEN.intersection(options))
    if refused:
        raise TypeError(f"proxy takes no {', '.join(refused)}: what the visitor sent is passed on")
    taken = {name: value for name, value in options.items() if name in SESSION_OPTIONS}
    return taken, {name: value for name, value in options.items() if name not in taken}


def end_to_end(headers: MultiMapping[str]) -> "CIMultiDict[str]":
    """The headers that are to be passed on: all but those of the hop and of the handshake."""
    passed = CIMultiDict(headers)
    for name in (*HOP_BY_HOP, *HANDSHAKE, *tokens(headers, "Connection")):
        passed.popall(name, None)
    return passed


def offer_of(request: web.Request, choose: Callable[[str], str | None] | None) -> str | None:
    """The extensions to offer to the upstream."""
    offer = ", ".join(lines(request.headers, "Sec-WebSocket-Extensions"))
    return choose(offer) if offer and choose is not None else offer or None


def upstream_headers(
    request: web.Request, extra: "CIMultiDict[str]", offer: str | None
) -> "CIMultiDict[str]":
    """The headers of the opening handshake with the upstream."""
    headers = end_to_end(request.headers)
    # aiohttp makes them anew, of the URL and for a request without a body.
    for name in ("Host", "Content-Length"):
        headers.popall(name, None)
    if request.remote is not None:
        earlier = lines(request.headers, "X-Forwarded-For")
        headers["X-Forwarded-For"] = ", ".join([*earlier, request.remote])
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Host"] = request.host
    for name in extra:
        headers.popall(name, None)
    headers.extend(extra)
    headers.extend(client.upgrade_headers())
    protocols = lines(request.headers, "Sec-WebSocket-Protocol")
    if protocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(protocols)
    if offer is not None:
        headers["Sec-WebSocket-Extensions"] = offer
    return headers


async def dial(
    opening: server.Opening,
    handling: server.Handling,
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
    **request_options: Any,
) -> aiohttp.ClientResponse:
    """The upstream's answer; a 502, 503 or 504 if there is none."""
    try:
        return await client_session.request(
            "GET",
            url,
            allow_redirects=False,
            auto_decompress=False,
            raise_for_status=False,
            skip_auto_headers=AUTOMATIC,
            **request_options,
        )
    except aiohttp.InvalidURL:
        raise
    except asyncio.CancelledError:
        if not handling.stopped:
            raise
        handling.settle()
        refusal = Refusal(503, "The server is shutting down.")
    except asyncio.TimeoutError:
        refusal = Refusal(504, "The upstream did not answer in time.")
    except (aiohttp.ClientError, OSError) as error:
        logger.warning("Proxy: %s cannot be reached: %s", origin(url), error)
        refusal = Refusal(502, "The upstream cannot be reached.")
    raise opening.refusal(refusal)


def take_over(
    opening: server.Opening, answer: aiohttp.ClientResponse, options: Options
) -> RawWebSocketSession:
    """Make the connection of the upstream's 101 a session; a 502 if it cannot be."""
    try:
        wrong = client.wrong_answer(answer.request_info.headers, answer.headers)
        if not wrong:
            return client.take_over(answer, options)
    except aiohttp.ClientError as error:
        wrong = str(error)
    client.hang_up(answer)
    logger.warning("Proxy: %s does not speak WebSocket: %s", origin(answer.url), wrong)
    raise opening.refusal(Refusal(502, "The upstream does not speak WebSocket."))


async def pass_refusal(
    request: web.Request, opening: server.Opening, answer: aiohttp.ClientResponse
) -> web.StreamResponse:
    """Answer as the upstream did; a body that breaks off there breaks off here."""
    response = server.PassedRefusal(
        status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers)
    )
    opening.refuse(response)
    transport = request.transport
    try:
        await response.prepare(request)
        async for data in answer.content.iter_any():
            await response.write(data)
        await response.write_eof()
    except (aiohttp.ClientPayloadError, asyncio.TimeoutError) as error:
        logger.warning("Proxy: %s broke off its refusal: %s", origin(answer.url), error)
        if transport is not None:
            transport.abort()
    finally:
        client.hang_up(answer)
    return response


def origin(url: StrOrURL) -> URL:
    """What may stand in a log: no query and no password."""
    return URL(url).origin()


async def join_and_end(
    visitor: RawWebSocketSession,
    upstream: RawWebSocketSession,
    *,
    tap: Tap | None,
    remask: bool,
) -> None:
    """Relay until both have ended; then, or cancelled, end what is left of both at once."""
    sides = ("client", "upstream")
    try:
        stats = await join(visitor, upstream, tap=tap, remask=remask, names=sides, directions=sides)
        logger.debug("Proxied to %s: %s", origin(upstream.response.url), stats)
    except asyncio.CancelledError:
        await asyncio.gather(visitor._end(), upstream._end())
        raise
    except BaseException:
        upstream.abort()
        raise
    await asyncio.gather(visitor._end(), upstream._end())
