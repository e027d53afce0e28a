"""A proxy that neither side can notice: an opening handshake passed on, then a relay.

The upstream is dialled first, and its answer is the visitor's: the 101 with the subprotocol and
the extensions it chose, or its refusal, status, headers and body.
"""

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import LooseHeaders, StrOrURL
from multidict import CIMultiDict
from yarl import URL

from ..client import request as client_request
from ..client import takeover
from ..client.request import check_client_session, check_url
from ..client.tunnel import tunnel
from ..server import accept as server
from ..server.logs import logger, warn
from ..session.ending import end
from ..session.options import Options
from ..session.session import RawWebSocketSession, connection_of
from ..wire import handshake
from ..wire.handshake import HandshakeRule, Refusal
from .headers import (
    end_to_end,
    extra_headers,
    is_writable,
    offer_of,
    refusal_headers,
    upstream_headers,
)
from .relay import Tap, check_tap, join

__all__ = ("proxy",)

#: How it is called.
CALL = "proxy(request, client_session, url)"

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
NOT_TAKEN = client_request.OWN_OPTIONS | {
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
    appended, `X-Forwarded-Proto` and `X-Forwarded-Host` set; `headers` replace any of these (a
    value of None removes one), and credentials (in `url`, `auth=`, or the client session's) the
    visitor's authorization. Its 101 becomes the visitor's, and all goes on as in `relay`, where
    `tap` and `remask` are explained; here the direction is "client" or "upstream", who sent the
    frame. Any other answer is passed on as it is, its body as it was encoded, and the visitor's
    connection closed. An upstream that cannot be reached, or does not speak WebSocket, is a 502,
    one that does not answer in time (`timeout=aiohttp.ClientTimeout(...)`) a 504. Headers that
    are not printable UTF-8 cannot be passed on: a 400 where they are the visitor's, a 502 where
    they are the upstream's. A visitor that goes away meanwhile is not noticed before the upstream
    has answered.

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
    `RelayStats`, or None if a shutdown ended it. Raises the `web.HTTPException` of a refusal.
    Before anything is dialled: TypeError for an argument or an option that makes no sense here,
    ValueError for a URL without a scheme or a host, and for a header in `headers` that is not the
    caller's to set (of the handshake, of a hop, `Content-Length`) or that no request can have.
    """
    check_request(request)
    check_client_session(client_session, CALL)
    check_url(client_session, url)
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


def check_request(request: object) -> None:
    if isinstance(request, web.Request):
        return
    hint = ""
    if isinstance(request, RawWebSocketSession):
        hint = "; call it in an ordinary handler, or join two sessions with relay(a, b)"
    raise TypeError(
        f"the request must be a web.Request, as in {CALL}; got {type(request).__name__}{hint}"
    )


def check_cookies(client_session: aiohttp.ClientSession) -> None:
    if not isinstance(client_session.cookie_jar, aiohttp.DummyCookieJar):
        raise ValueError(
            "proxy would hand one visitor's cookies to the next: make its ClientSession with "
            "cookie_jar=aiohttp.DummyCookieJar()"
        )


def divide(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the sessions, and those of the request."""
    refused = sorted(NOT_TAKEN.intersection(options))
    if refused:
        raise TypeError(f"proxy takes no {', '.join(refused)}: what the visitor sent is passed on")
    taken = {name: value for name, value in options.items() if name in SESSION_OPTIONS}
    return taken, {name: value for name, value in options.items() if name not in taken}


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
    # Where an HTTP proxy stands before the upstream: RFC 6455 section 4.1.
    given = client_request.middlewares_of(client_session, request_options)
    request_options["middlewares"] = [*given, tunnel]
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
        warn(handling.request, "Proxy: %s did not answer in time", origin(url))
        status, text = 504, "The upstream did not answer in time."
    except (aiohttp.ClientError, OSError) as error:
        warn(handling.request, "Proxy: %s cannot be reached: %s", origin(url), reason(error))
        status, text = 502, "The upstream cannot be reached."
    else:
        if is_writable(answer.reason or "", answer.headers):
            return answer
        takeover.close_connection(answer)
        warn(
            handling.request,
            "Proxy: %s answered with headers that are not printable UTF-8",
            origin(answer.url),
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
            return takeover.take_over(answer, options)
    except aiohttp.ClientError as error:
        wrong = reason(error)
    takeover.close_connection(answer)
    warn(request, "Proxy: %s does not speak WebSocket: %s", origin(answer.url), wrong)
    raise refusal(opening, handling, 502, "The upstream does not speak WebSocket.")


def wrong_answer(
    request: web.Request, answer: aiohttp.ClientResponse, reject: HandshakeRule
) -> str:
    """What is wrong with a 101, "" if it can be passed on."""
    sent, got = answer.request_info.headers, answer.headers
    # `extensions`, or the client session's own headers, may have offered what the visitor did not.
    offered = CIMultiDict(request.headers)
    offered["Sec-WebSocket-Key"] = sent.get("Sec-WebSocket-Key", "")
    return handshake.wrong_answer(sent, got, reject) or handshake.wrong_answer(offered, got, reject)


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
        warn(request, "Proxy: %s broke off its refusal: %s", origin(answer.url), reason(error))
        if transport is not None:
            transport.abort()
    except ConnectionError as error:
        logger.debug("Proxy: the visitor went away during a refusal: %s", error)
    finally:
        takeover.close_connection(answer)
    return response


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
        await asyncio.gather(end(connection_of(visitor)), end(connection_of(upstream)))
        raise
    except BaseException:
        upstream.abort()
        raise
    await asyncio.gather(end(connection_of(visitor)), end(connection_of(upstream)))
