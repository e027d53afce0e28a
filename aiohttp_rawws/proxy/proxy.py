"""`proxy` answers a request by what another server answers: an upgrade, or plain HTTP."""

from collections.abc import Iterable
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import StrOrURL

from ..client.request import OWN_OPTIONS, check_client_session, check_url, unknown_option
from ..client.request_options import DialOptions, RequestOptions
from ..server.installed import options_of
from ..server.refusals import http_error
from ..server.upgrade import is_upgrade
from ..session.options import OPTION_NAMES, RouteOptions, Unpack
from ..session.session import RawWebSocketSession
from ..wire.handshake import Refusal, names_websocket_alone
from .forwarded import Address
from .headers import Headers, header_rules
from .http import forward
from .plan import Edit, Farewell, Plan, Tap
from .upstream import Upstream
from .websocket import upgrade

__all__ = ("ProxyOptions", "can_upgrade", "proxy")

#: How to call `proxy`, for error messages.
CALL = "proxy(request, client_session, url)"

#: The options of a request that would let the visitor or the upstream notice the proxy.
NOT_TAKEN = OWN_OPTIONS | {
    "allow_redirects",
    "auto_decompress",
    "cookies",
    "skip_auto_headers",
}

#: The methods that a 405 names.
METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


class ProxyOptions(RouteOptions, DialOptions, total=False):
    """The options of both sessions, and those of the request to the upstream."""


async def proxy(
    request: web.Request,
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
    *,
    headers: Headers | None = None,
    host: str | None = None,
    trusted: Iterable[Address] = (),
    tap: Tap | None = None,
    tap_limit: int | None = None,
    edit: Edit | None = None,
    remask: bool = False,
    idle: float | None = None,
    lifetime: float | None = None,
    heartbeat: tuple[float, float] | None = None,
    goodbye: Farewell | None = (1001, ""),
    **options: Unpack[ProxyOptions],
) -> web.StreamResponse:
    """Answer a request by what the server at `url` answers: an upgrade, or plain HTTP.

        async def ingress(request: web.Request) -> web.StreamResponse:
            url = URL(f"http://addon:8099{request.rel_url.raw_path_qs}", encoded=True)
            return await proxy(request, client_session, url)

    The handler has to return the response. Any of the schemes http, https, ws and wss serves both
    kinds of request. Where `is_upgrade` holds, the upstream is dialled, the visitor gets its
    answer, and frames pass as in `relay`, which explains the options `tap` to `goodbye`. The
    direction of a frame is its sender, "client" or "upstream". The `relay_stats` of the response
    are the `RelayStats` of a relay that has ended, and None if a shutdown ended it. Any other
    request is forwarded with its body, and bodies pass both ways while they arrive. CONNECT is a
    405.

    **The URL.** Build it as above to pass on path and query untouched. From a plain str yarl
    writes the escapes anew and resolves `..`; and `rel_url` prints a path of `//a` as `////a`.
    `strip_prefix` takes the prefix of a mounted application off.

    **The client session.** It must have an `aiohttp.DummyCookieJar`: any other jar would give one
    visitor's cookies to the next. Give it a connector without a limit
    (`aiohttp.TCPConnector(limit=0)`), or the 101st visitor has to wait. Its default headers go to
    the upstream where the visitor sent none of that name.

    **The request to the upstream.** It has the visitor's end-to-end headers (cookies and
    authorization too), subprotocols and extensions.

    - `host` is the Host that is sent: "visitor", "upstream" or a name. By default it is the
      visitor's for a plain upstream, and the upstream's for one with TLS.
    - `X-Forwarded-For`, `-Proto` and `-Host` tell who the visitor is, and what it asked for.
      `trusted` names the proxies in front of this one: addresses and networks, as str or as
      objects of `ipaddress`, and "unix" for whoever comes by a Unix socket. What they say of
      visitors before them is continued. What anybody else says is removed: `Forwarded`,
      `X-Forwarded-*`, `X-Real-IP`.
    - `headers` replace any of these, and a value of None removes one. A `Sec-WebSocket-Protocol`
      of yours keeps a secret that the visitor offers as a subprotocol from the upstream.

    Credentials in `url`, in `auth=` or of the client session replace the visitor's authorization.
    Redirects are not followed.

    **The answer.** It has the upstream's end-to-end headers, and none that aiohttp adds. Bodies
    go on as they are encoded. The refusal of an upgrade closes the visitor's connection. Other
    cases are answered here:

    - a wrong opening handshake: as by a raw route
    - the visitor's path or headers are not printable UTF-8, or its body breaks a rule: 400
    - the upstream cannot be reached, does not speak WebSocket, or its answer cannot be read or
      written: 502. The log tells the reason
    - the head of the answer does not come in time: 504. The `total` or the `sock_read` of the
      client session's timeout, or of `timeout=`, counts from the end of the request. It limits
      neither an upload nor the body of an answer

    A visitor that goes away ends the dial or the request within a second. A shutdown sends
    `goodbye` to both sides and ends all WebSockets if `setup(app)` was called, and else waits for
    them as long as aiohttp does.

    **The options.** `max_frame_size`, `receive_limit`, `reject`, `reject_handshake`, `origins` and
    `linger` are those of a route, for both sessions, and by default those of `setup`.
    `extensions` is a function from the visitor's offer to the offer for the upstream, or to None:
    `lambda offer: None` keeps frames uncompressed for a tap. All other options are those of
    `client_session.request` (`ssl`, `timeout`, `proxy`, `max_field_size` and so on).

    Raise the `web.HTTPException` of a refusal. Before anything is dialled, raise TypeError for an
    argument or an option of a wrong type, ValueError for another cookie jar, for a URL without a
    scheme or a host, for `trusted` that is no address, and for a header in `headers` that belongs
    to the handshake or to a hop, is `Content-Length`, or cannot stand in a request.
    """
    check_request(request)
    check_client_session(client_session, CALL)
    check_url(client_session, url)
    check_cookies(client_session)
    plan = Plan(tap, tap_limit, edit, remask, idle, lifetime, heartbeat, goodbye)
    rules = header_rules(headers, host, trusted)
    taken, request_options = divide(dict(options)) if options else ({}, {})
    upstream = Upstream(client_session, url, request_options)
    upgrades = can_upgrade(request)
    # The options of the sessions are checked for plain requests, too, if there are any.
    if upgrades or taken:
        # The function of a route answers clients; that of a proxy asks the upstream.
        session_options = options_of(request).replace(**{"extensions": None, **taken})
    if upgrades:
        return await upgrade(request, upstream, rules, session_options, plan)
    if request.method == "CONNECT":
        raise http_error(request, Refusal(405, "This is no tunnel.", {"Allow": METHODS}))
    return await forward(request, upstream, rules)


def can_upgrade(request: web.Request) -> bool:
    """Return True for an upgrade request, and one that aiohttp can hand over."""
    return (
        "Upgrade" in request.headers
        and is_upgrade(request)
        # aiohttp hands no bytes over where `Upgrade` holds more.
        and names_websocket_alone(request.headers)
    )


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
    for name in options:
        if name not in OPTION_NAMES and name not in RequestOptions.__optional_keys__:
            raise unknown_option("proxy", name, (*(proxy.__kwdefaults__ or ()), *OPTION_NAMES))
    taken = {name: value for name, value in options.items() if name in OPTION_NAMES}
    return taken, {name: value for name, value in options.items() if name not in taken}
