"""A proxy that neither side can notice: an opening handshake passed on, then a relay.

The upstream is dialled first, and its answer is the visitor's: the 101 with the subprotocol and
the extensions it chose, or its refusal, status, headers and body.
"""

import asyncio
import functools
import logging
import re
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import LooseHeaders, StrOrURL
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from . import client, server
from .handshake import HandshakeRule, Refusal, lines, tokens
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

#: What aiohttp makes anew for the request to the upstream, of its URL and without a body, or has
#: answered itself, with a 100.
MADE_ANEW = ("Content-Length", "Expect", "Host")

#: What is said anew of the visitor.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")

#: The bytes of a header that are not UTF-8, as aiohttp reads them, and control characters.
UNWRITABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\udc80-\udcff]")

#: What aiohttp would add to a request that the visitor made.
AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent")

#: The options of a session; all others are for the request to the upstream.
SESSION_OPTIONS = (
    "extensions",
    "linger",
    "max_frame_size",
    "origins",
    "receive_limit",
    "reject",
    "reject_handshake",
)

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
            url = URL(f"ws://addon:8099{request.rel_url.raw_path_qs}", encoded=True)
            return await proxy(request, client_session, url)

    Path and query are passed on untouched only if the URL is built like this: of a plain str yarl
    writes the escapes anew and resolves the `..`, and a `rel_url` of `//a` is printed as `////a`.

    A request that is no sound opening handshake is refused as by a raw route. Then the upstream
    is dialled, without following redirects. It gets the visitor's end-to-end headers (cookies and
    authorization too), subprotocols and extensions, `X-Forwarded-For` with the visitor's address
    appended, `X-Forwarded-Proto` and `X-Forwarded-Host` set; `headers` replace any of these, and
    credentials (in `url`, `auth=`, or the client session's) the visitor's authorization. Its
    101 becomes the visitor's, and all goes on as in `relay`, where `tap` and `remask` are
    explained; here the direction is "client" or "upstream", who sent the frame. Any other answer
    is passed on as it is, its body as it was encoded, and the visitor's connection closed. An
    upstream that cannot be reached, or does not speak WebSocket, is a 502, one that does not
    answer in time (`timeout=aiohttp.ClientTimeout(...)`) a 504. Headers that are not printable
    UTF-8 cannot be passed on: a 400 where they are the visitor's, a 502 where they are the
    upstream's. A visitor that goes away meanwhile is not noticed before the upstream has answered.

    `client_session` must have an `aiohttp.DummyCookieJar` (ValueError otherwise): any other would
    give one visitor's cookies to the next; and a connector with room for all of them
    (`aiohttp.TCPConnector(limit=0)`), for by default the 101st visitor has to wait. Without
    `setup(app)` a shutdown waits for the visitors, as long as aiohttp's own. Its own default
    headers go to the upstream where the visitor sent none of that name. `options` are those of a
    route for both sessions (`max_frame_size`, `receive_limit`, `reject`, `reject_handshake`,
    `origins`, `linger`; those of `setup` by default), and those of `client_session.request`
    (`ssl`, `timeout`, `proxy` and so on). `extensions` is a function from the visitor's offer to
    the one for the upstream, or to None: `lambda offer: None` keeps the frames free of
    compression, for a tap.

    Returns the response, which the handler has to return; the `relay_stats` of a 101 are the
    `RelayStats`, or None if a shutdown ended it. Raises the `web.HTTPException` of a refusal,
    TypeError for an option that makes no sense here, ValueError for a header of the handshake in
    `headers`.
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
        if not is_writable(request.raw_path, sent):
            raise refusal(opening, handling, 400, "Path and headers must be printable UTF-8.")
        if has_credentials(client_session, url, request_options):
            sent.popall("Authorization", None)
        answer = await dial(opening, handling, client_session, url, headers=sent, **request_options)
        if answer.status != 101:
            handling.settle()
            return await pass_refusal(request, opening, answer)
        upstream = take_over(request, opening, handling, answer, session_options)
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


def is_writable(line: str, headers: MultiMapping[str]) -> bool:
    """Whether aiohttp can write what it has read.

    It drops bytes that are not UTF-8 and says nothing, and it writes no control characters.
    """
    return not any(UNWRITABLE.search(text) for text in (line, *headers.keys(), *headers.values()))


def offer_of(request: web.Request, choose: Callable[[str], str | None] | None) -> str | None:
    """The extensions to offer to the upstream."""
    offer = ", ".join(lines(request.headers, "Sec-WebSocket-Extensions"))
    return (choose(offer) if offer and choose is not None else offer) or None


def upstream_headers(
    request: web.Request, extra: "CIMultiDict[str]", offer: str | None
) -> "CIMultiDict[str]":
    """The headers of the opening handshake with the upstream."""
    headers = end_to_end(request.headers)
    for name in (*MADE_ANEW, *FORWARDED, *extra):
        headers.popall(name, None)
    headers.extend((name, line) for name, line in forwarded(request).items() if name not in extra)
    headers.extend(extra)
    headers.extend(client.upgrade_headers())
    protocols = lines(request.headers, "Sec-WebSocket-Protocol")
    if protocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(protocols)
    if offer is not None:
        headers["Sec-WebSocket-Extensions"] = offer
    return of_one_case(headers)


def forwarded(request: web.Request) -> "CIMultiDict[str]":
    """Who the visitor is, and what it asked for."""
    headers = CIMultiDict({"X-Forwarded-Proto": request.scheme})
    # Without a Host aiohttp would ask the system, and wait, for the name of this machine.
    if "Host" in request.headers:
        headers["X-Forwarded-Host"] = request.host
    # Over a Unix socket a visitor has no address.
    steps = (*lines(request.headers, "X-Forwarded-For"), request.remote)
    addresses = ", ".join(filter(None, steps))
    if addresses:
        headers["X-Forwarded-For"] = addresses
    return headers


def of_one_case(headers: MultiMapping[str]) -> "CIMultiDict[str]":
    """The same lines; all those of one name as the first is written.

    Where the case differs, aiohttp would let the last one replace the others.
    """
    written: dict[str, str] = {}
    return CIMultiDict(
        (written.setdefault(name.lower(), name), value) for name, value in headers.items()
    )


def has_credentials(
    client_session: aiohttp.ClientSession, url: StrOrURL, request_options: dict[str, Any]
) -> bool:
    """Whether aiohttp authorizes the request; it refuses to where a header does so too."""
    url = URL(url)
    given = (client_session.auth, request_options.get("auth"), url.raw_user, url.raw_password)
    return any(each is not None for each in given)


def refusal(
    opening: server.Opening, handling: server.Handling, status: int, text: str
) -> Exception:
    """The HTTPException to raise as the answer, which no shutdown cuts short any more."""
    handling.settle()
    return opening.refusal(Refusal(status, text))


async def dial(
    opening: server.Opening,
    handling: server.Handling,
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
    **request_options: Any,
) -> aiohttp.ClientResponse:
    """The upstream's answer; a 502, 503 or 504 if there is none."""
    try:
        answer = await client_session.request(
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
        status, text = 503, "The server is shutting down."
    except asyncio.TimeoutError:
        logger.warning("Proxy: %s did not answer in time", origin(url))
        status, text = 504, "The upstream did not answer in time."
    except (aiohttp.ClientError, OSError) as error:
        logger.warning("Proxy: %s cannot be reached: %s", origin(url), reason(error))
        status, text = 502, "The upstream cannot be reached."
    else:
        if is_writable(answer.reason or "", answer.headers):
            return answer
        client.hang_up(answer)
        logger.warning(
            "Proxy: %s answered with headers that are not printable UTF-8", origin(answer.url)
        )
        status, text = 502, "The upstream's answer cannot be passed on."
    raise refusal(opening, handling, status, text)


def take_over(
    request: web.Request,
    opening: server.Opening,
    handling: server.Handling,
    answer: aiohttp.ClientResponse,
    options: Options,
) -> RawWebSocketSession:
    """Make the connection of the upstream's 101 a session; a 502 if it cannot be."""
    try:
        wrong = wrong_answer(request, answer, options.reject_handshake)
        if not wrong:
            return client.take_over(answer, options)
    except aiohttp.ClientError as error:
        wrong = reason(error)
    client.hang_up(answer)
    logger.warning("Proxy: %s does not speak WebSocket: %s", origin(answer.url), wrong)
    raise refusal(opening, handling, 502, "The upstream does not speak WebSocket.")


def wrong_answer(
    request: web.Request, answer: aiohttp.ClientResponse, reject: HandshakeRule
) -> str:
    """What is wrong with a 101, "" if it can be passed on."""
    sent, got = answer.request_info.headers, answer.headers
    # `extensions`, or the client session's own headers, may have offered what the visitor did not.
    offered = CIMultiDict(request.headers)
    offered["Sec-WebSocket-Key"] = sent.get("Sec-WebSocket-Key", "")
    return client.wrong_answer(sent, got, reject) or client.wrong_answer(offered, got, reject)


async def pass_refusal(
    request: web.Request, opening: server.Opening, answer: aiohttp.ClientResponse
) -> web.StreamResponse:
    """Answer as the upstream did; a body that breaks off there breaks off here."""
    response = server.PassedRefusal(
        status=answer.status, reason=answer.reason, headers=refusal_headers(answer)
    )
    opening.refuse(response)
    transport = request.transport
    try:
        await response.prepare(request)
        async for data in answer.content.iter_any():
            await response.write(data)
        await response.write_eof()
    except (aiohttp.ClientPayloadError, asyncio.TimeoutError) as error:
        logger.warning("Proxy: %s broke off its refusal: %s", origin(answer.url), reason(error))
        if transport is not None:
            transport.abort()
    except ConnectionError as error:
        logger.debug("Proxy: the visitor went away during a refusal: %s", error)
    finally:
        client.hang_up(answer)
    return response


def refusal_headers(answer: aiohttp.ClientResponse) -> "CIMultiDict[str]":
    """The headers of a refusal, with what the upstream wants instead."""
    headers = end_to_end(answer.headers)
    # RFC 6455 section 4.4
    wanted = ["Sec-WebSocket-Version"]
    if answer.status == 426:
        # RFC 9110 section 15.5.22
        wanted.append("Upgrade")
        headers["Connection"] = "Upgrade, close"
    for name in wanted:
        headers.extend((name, line) for line in answer.headers.getall(name, ()))
    return headers


def origin(url: StrOrURL) -> str:
    """What may stand in a log: no path, no query and no password."""
    url = URL(url)
    return str(url.origin()) if url.absolute else "the upstream"


def reason(error: BaseException) -> str:
    """What an error says, on one line, without the URL that aiohttp adds to some."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return " ".join(text.split())


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
        visitor.response.relay_stats = stats
    except asyncio.CancelledError:
        await asyncio.gather(visitor._end(), upstream._end())
        raise
    except BaseException:
        upstream.abort()
        raise
    await asyncio.gather(visitor._end(), upstream._end())
