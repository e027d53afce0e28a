"""The WebSocket proxy: an opening handshake passed on, then a relay.

The upstream is dialled first. Its answer becomes the visitor's: the 101 with the subprotocol and
the extensions that it chose, or its refusal with status, headers and body.
"""

import asyncio
import functools
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.typedefs import LooseHeaders, StrOrURL
from multidict import CIMultiDict
from yarl import URL

from ..client.request import OWN_OPTIONS, check_client_session, check_url, middlewares_of
from ..client.takeover import close_connection, take_over
from ..client.tunnel import tunnel
from ..server.installed import options_of
from ..server.logs import logger, warn
from ..server.refusals import Disconnected, PassedRefusal, unanswered
from ..server.response import UpgradeResponse
from ..server.upgrade import Upgrade
from ..session.ending import end
from ..session.options import OPTION_NAMES, Options
from ..session.session import RawClientSession, RawServerSession, RawWebSocketSession, connection_of
from ..wire.handshake import HandshakeRule, Refusal, wrong_answer
from .headers import (
    end_to_end,
    extra_headers,
    is_writable,
    offer_of,
    refusal_headers,
    upstream_headers,
)
from .relay import RelayStats, Tap, check_tap, join

__all__ = ("ProxyResponse", "proxy")

#: How to call `proxy`, for error messages.
CALL = "proxy(request, client_session, url)"

#: The headers that aiohttp adds to every request, but not to one that a visitor made.
AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent")

#: The options of a request that would let the visitor or the upstream notice the proxy.
NOT_TAKEN = OWN_OPTIONS | {
    "allow_redirects",
    "auto_decompress",
    "cookies",
    "skip_auto_headers",
}


class ProxyResponse(UpgradeResponse):
    """The 101 of a proxied connection."""

    #: None until the relay has ended, and if a shutdown ended it.
    relay_stats: RelayStats | None = None


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

    The handler has to return the response. Its `relay_stats` are the `RelayStats` of a relay that
    has ended, and None if a shutdown ended it.

    **The URL.** Build it as above to pass on path and query untouched. From a plain str yarl
    writes the escapes anew and resolves `..`; and `rel_url` prints a path of `//a` as `////a`.

    **The client session.** It must have an `aiohttp.DummyCookieJar`: any other jar would give one
    visitor's cookies to the next. Give it a connector without a limit
    (`aiohttp.TCPConnector(limit=0)`), or the 101st visitor has to wait. Its default headers go to
    the upstream where the visitor sent none of that name.

    **The request to the upstream.** It has the visitor's end-to-end headers (cookies and
    authorization too), subprotocols and extensions. The visitor's address is appended to
    `X-Forwarded-For`; `X-Forwarded-Proto` and `X-Forwarded-Host` are set. `headers` replace any
    of these, and a value of None removes one. Credentials in `url`, in `auth=` or of the client
    session replace the visitor's authorization. Redirects are not followed.

    **The answer.** A 101 becomes the visitor's, and frames pass as in `relay`, which explains
    `tap` and `remask`. The direction of a frame is its sender, "client" or "upstream". Any other
    answer is passed on with its body as it was encoded, and closes the visitor's connection.
    Other cases are answered here:

    - a request that is no valid opening handshake: as by a raw route
    - the visitor's path or headers are not printable UTF-8: 400
    - the upstream cannot be reached, does not speak WebSocket, or its headers are not printable
      UTF-8: 502
    - the upstream does not answer in time (`timeout=aiohttp.ClientTimeout(...)`): 504

    A visitor that goes away is not noticed before the upstream has answered. A shutdown ends all
    visitors at once if `setup(app)` was called, and else waits for them as long as aiohttp does.

    **The options.** `max_frame_size`, `receive_limit`, `reject`, `reject_handshake`, `origins` and
    `linger` are those of a route, for both sessions, and by default those of `setup`.
    `extensions` is a function from the visitor's offer to the offer for the upstream, or to None:
    `lambda offer: None` keeps frames uncompressed for a tap. All other options are those of
    `client_session.request` (`ssl`, `timeout`, `proxy` and so on).

    Raise the `web.HTTPException` of a refusal. Before anything is dialled, raise TypeError for an
    argument or an option of a wrong type, ValueError for another cookie jar, for a URL without a
    scheme or a host, and for a header in `headers` that belongs to the handshake or to a hop, is
    `Content-Length`, or cannot stand in a request.
    """
    check_request(request)
    check_client_session(client_session, CALL)
    check_url(client_session, url)
    check_cookies(client_session)
    check_tap(tap)
    extra = extra_headers(headers)
    taken, request_options = divide(options)
    session_options = options_of(request).replace(**taken)
    upgrade = Upgrade(request, session_options)
    with upgrade:
        upgrade.hold()
        sent = upstream_headers(request, extra, offer_of(request, taken.get("extensions")))
        if not is_writable(request.raw_path, sent):
            raise upgrade.refusal(Refusal(400, "Path and headers must be printable UTF-8."))
        if has_credentials(client_session, url, request_options):
            sent.popall("Authorization", None)
        answer = await dial(upgrade, client_session, url, headers=sent, **request_options)
        if answer.status != 101:
            return await pass_refusal(upgrade, answer)
        upstream = upstream_session(upgrade, answer, session_options)
        try:
            await upgrade.accept_as(
                ProxyResponse,
                protocol=upstream.protocol,
                extensions=upstream.extensions,
                headers=end_to_end(answer.headers),
            )
        except Disconnected:
            upstream.abort()
            return unanswered()
        except BaseException:
            upstream.abort()
            raise
    handler = functools.partial(join_and_end, upstream=upstream, tap=tap, remask=remask)
    return await upgrade.run(handler)


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
    """Return the options of the sessions, and those of the request to the upstream."""
    refused = sorted(NOT_TAKEN.intersection(options))
    if refused:
        raise TypeError(f"proxy takes no {', '.join(refused)}: what the visitor sent is passed on")
    taken = {name: value for name, value in options.items() if name in OPTION_NAMES}
    return taken, {name: value for name, value in options.items() if name not in taken}


def has_credentials(
    client_session: aiohttp.ClientSession, url: StrOrURL, request_options: dict[str, Any]
) -> bool:
    """Return True if aiohttp authorizes the request; it refuses an Authorization header then."""
    url = URL(url)
    # aiohttp 4 has no `auth` of a client session.
    auth = getattr(client_session, "auth", None)
    given = (auth, request_options.get("auth"), url.raw_user, url.raw_password)
    return any(each is not None for each in given)


async def dial(
    upgrade: Upgrade, client_session: aiohttp.ClientSession, url: StrOrURL, **request_options: Any
) -> aiohttp.ClientResponse:
    """Return the upstream's answer; raise a 502, 503 or 504 if there is none."""
    # RFC 6455 section 4.1: an HTTP proxy before the upstream is asked for a tunnel.
    given = middlewares_of(client_session, request_options)
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
        if not upgrade.stopped:
            raise
        status, text = 503, "The server is shutting down."
    except asyncio.TimeoutError:
        warn(upgrade.request, "Proxy: %s did not answer in time", origin(url))
        status, text = 504, "The upstream did not answer in time."
    except (aiohttp.ClientError, OSError) as error:
        warn(upgrade.request, "Proxy: %s cannot be reached: %s", origin(url), reason(error))
        status, text = 502, "The upstream cannot be reached."
    else:
        if is_writable(answer.reason or "", answer.headers):
            return answer
        close_connection(answer)
        warn(
            upgrade.request,
            "Proxy: %s answered with headers that are not printable UTF-8",
            origin(answer.url),
        )
        status, text = 502, "The upstream's answer cannot be passed on."
    raise upgrade.refusal(Refusal(status, text))


def upstream_session(
    upgrade: Upgrade, answer: aiohttp.ClientResponse, options: Options
) -> RawClientSession:
    """Make the connection of the upstream's 101 a session; raise a 502 if it cannot be one."""
    try:
        wrong = wrong_switch(upgrade.request, answer, options.reject_handshake)
        if not wrong:
            return take_over(answer, options)
    except aiohttp.ClientError as error:
        wrong = reason(error)
    close_connection(answer)
    warn(upgrade.request, "Proxy: %s does not speak WebSocket: %s", origin(answer.url), wrong)
    raise upgrade.refusal(Refusal(502, "The upstream does not speak WebSocket."))


def wrong_switch(
    request: web.Request, answer: aiohttp.ClientResponse, reject: HandshakeRule
) -> str:
    """Return the reason why a 101 cannot be passed on, "" if it can."""
    sent, got = answer.request_info.headers, answer.headers
    # The upstream may have taken an offer that `extensions` or the client session has made, and
    # the visitor has not.
    offered = CIMultiDict(request.headers)
    offered["Sec-WebSocket-Key"] = sent.get("Sec-WebSocket-Key", "")
    return wrong_answer(sent, got, reject) or wrong_answer(offered, got, reject)


async def pass_refusal(upgrade: Upgrade, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Answer as the upstream did; cut the answer off if the upstream's body breaks off."""
    response = PassedRefusal(
        status=answer.status, reason=answer.reason, headers=refusal_headers(answer)
    )
    upgrade.refuse_with(response)
    request = upgrade.request
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
        close_connection(answer)
    return response


def origin(url: StrOrURL) -> str:
    """Return the URL without path, query and password, which may be secret, for a log."""
    url = URL(url)
    return str(url.origin()) if url.absolute else "the upstream"


def reason(error: BaseException) -> str:
    """Return the message of an error on one line, without the URL that aiohttp adds to some."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return " ".join(text.split())


async def join_and_end(
    visitor: RawServerSession,
    upstream: RawClientSession,
    *,
    tap: Tap | None,
    remask: bool,
) -> None:
    """Relay until both peers have ended, or a cancellation; then end both sessions at once."""
    sides = ("client", "upstream")
    try:
        stats = await join(visitor, upstream, tap=tap, remask=remask, names=sides, directions=sides)
        logger.debug("Proxied to %s: %s", origin(upstream.response.url), stats)
        cast(ProxyResponse, visitor.response).relay_stats = stats
    except asyncio.CancelledError:
        await end_both(visitor, upstream)
        raise
    except BaseException:
        upstream.abort()
        raise
    await end_both(visitor, upstream)


async def end_both(visitor: RawServerSession, upstream: RawClientSession) -> None:
    """End both connections at the same time, each as a handler's return does."""
    await asyncio.gather(end(connection_of(visitor)), end(connection_of(upstream)))
