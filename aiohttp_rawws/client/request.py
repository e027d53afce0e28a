"""The request of an opening handshake: its arguments, checked, and its headers."""

import difflib
import re
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import aiohttp
from aiohttp.typedefs import LooseHeaders, StrOrURL
from multidict import CIMultiDict
from yarl import URL

from ..session.options import protocol_names
from ..wire.handshake import new_key
from .request_options import RequestOptions

__all__ = (
    "OWN_OPTIONS",
    "begin_request",
    "check_client_session",
    "check_request_options",
    "check_url",
    "middlewares_of",
    "request_headers",
    "upgrade_headers",
)

#: The headers of the opening handshake, each with the parameter of `connect` that sets it.
OWN_HEADERS = {
    "Connection": None,
    "Upgrade": None,
    "Sec-WebSocket-Key": None,
    "Sec-WebSocket-Version": None,
    "Sec-WebSocket-Protocol": "protocols",
    "Sec-WebSocket-Extensions": "extensions",
    "Origin": "origin",
}

#: The options of `ClientSession.request` that would make it anything but a GET without a body
#: (RFC 6455 section 4.1), or judge its answer.
OWN_OPTIONS = frozenset({"chunked", "data", "expect100", "json", "method", "raise_for_status"})

#: Options of `ClientSession.ws_connect`, each with what to use instead of it here.
INSTEAD = {
    "autoclose": "a raw session answers nothing on its own; layers.reply() makes the answers",
    "autoping": "a raw session answers nothing on its own; layers.reply() makes the answers",
    "compress": "pass extensions=PermessageDeflate.offer(), and decode with that layer",
    "decode_text": "frames hold bytes, and layers.MessageAssembler makes text of them",
    "heartbeat": "use layers.Heartbeat(session, interval, timeout)",
    "max_msg_size": "max_frame_size= limits a frame, layers.MessageAssembler a message",
    "receive_timeout": "use asyncio.timeout() or asyncio.wait_for() around session.receive()",
}

#: The beginning of a URL, up to the host.
SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:)?//")

UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


def check_client_session(
    client_session: object, call: str = "connect(client_session, url)"
) -> None:
    """Raise TypeError for anything but a client session, RuntimeError for a closed one.

    `call` is how the error shows the right call.
    """
    if not isinstance(client_session, aiohttp.ClientSession):
        raise TypeError(
            f"the client session must be an aiohttp.ClientSession, as in {call}; "
            f"got {type(client_session).__name__}"
        )
    if client_session.closed:
        raise RuntimeError(
            "the client session is closed: connect within its `async with` block, or before "
            "its close()"
        )


def check_url(client_session: aiohttp.ClientSession, url: object) -> None:
    """Raise ValueError for a URL without scheme or host, TypeError for anything but a URL."""
    if not isinstance(url, (str, URL)):
        raise TypeError(f"url must be a str or a yarl.URL, got {type(url).__name__}")
    try:
        parsed = URL(url)
    except ValueError as error:
        raise ValueError(f"{str(url)!r} is not a URL: {error}") from error
    assert client_session.connector is not None
    known = client_session.connector.allowed_protocol_schema_set
    if parsed.scheme and parsed.scheme in known and parsed.raw_host:
        return
    if not parsed.absolute and not parsed.scheme and has_base_url(client_session):
        return
    raise ValueError(
        "url must have a scheme (ws, wss, http or https) and a host, "
        f"got {str(url)!r}: write {suggested(str(url))!r}"
    )


def has_base_url(client_session: aiohttp.ClientSession) -> bool:
    """Tell whether aiohttp joins a relative URL to a base URL."""
    # aiohttp has no public name for it.
    return getattr(client_session, "_base_url", True) is not None


def suggested(url: str) -> str:
    """Return a URL that connects, made of one that does not."""
    scheme = "wss" if url.startswith(("https:", "wss:")) else "ws"
    rest = SCHEME.sub("", url, count=1)
    if rest == url and not url.startswith("/"):
        # A host without a scheme, or a scheme without two slashes as in "http:/host".
        rest = re.sub("^(ws|http)s?:/?", "", url)
    if not rest or rest.startswith("/"):
        rest = f"example.com{rest or '/'}"
    return f"{scheme}://{rest}"


def check_request_options(options: dict[str, Any]) -> None:
    """Raise TypeError for an option that an opening handshake cannot have."""
    not_taken = sorted(OWN_OPTIONS.intersection(options))
    if not_taken:
        raise TypeError(
            f"connect takes no {', '.join(not_taken)}: an opening handshake is a GET without a "
            "body, and connect judges its answer itself"
        )
    for name, instead in INSTEAD.items():
        if name in options:
            raise TypeError(f"connect takes no {name}: {instead}")
    if isinstance(options.get("timeout"), aiohttp.ClientWSTimeout):
        raise TypeError(
            "timeout must be an aiohttp.ClientTimeout, for the opening handshake; "
            "a ClientWSTimeout is for ws_connect()"
        )


def begin_request(
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
    options: dict[str, Any],
    parameters: Iterable[str],
) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
    """Return the request, which is sent once it is awaited.

    TypeError for an option that aiohttp does not know. The message suggests the nearest name of
    RequestOptions and of `parameters`, those of `connect` itself.
    """
    try:
        return client_session.request("GET", url, raise_for_status=False, **options)
    except TypeError as error:
        found = UNEXPECTED.search(str(error))
        if found is None:
            raise
        raise unknown_option("connect", found[1], parameters) from error


def unknown_option(function: str, name: str, parameters: Iterable[str]) -> TypeError:
    """Return the error for an option that neither `function` nor aiohttp has."""
    known = sorted({*parameters, *RequestOptions.__optional_keys__})
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return TypeError(
        f"{function} has no option {name!r}, nor has aiohttp's ClientSession.request(){hint}"
    )


def middlewares_of(
    client_session: aiohttp.ClientSession, request_options: dict[str, Any]
) -> Sequence[aiohttp.ClientMiddlewareType]:
    """Return the middlewares of a request: its own, else those of the client session."""
    given: Sequence[aiohttp.ClientMiddlewareType] | None = request_options.get("middlewares")
    # aiohttp has no public name for those of a client session.
    return client_session._middlewares if given is None else given


def request_headers(
    headers: LooseHeaders | None,
    protocols: str | Sequence[str] | None,
    extensions: str | None,
    origin: str | None,
) -> "CIMultiDict[str]":
    """Return the headers of the opening handshake beside those of HTTP (RFC 6455 section 4.1)."""
    result: CIMultiDict[str] = CIMultiDict(headers or ())
    for name, parameter in OWN_HEADERS.items():
        if name in result:
            instead = f"give it as {parameter}=" if parameter else "connect sets it, leave it out"
            raise ValueError(f"{name} is not for headers=: {instead}")
    result.extend(upgrade_headers())
    # An empty sequence is no subprotocol, as None is.
    names = protocol_names(protocols) if protocols or isinstance(protocols, str) else ()
    if names:
        result["Sec-WebSocket-Protocol"] = ", ".join(names)
    if extensions is not None:
        result["Sec-WebSocket-Extensions"] = header_value("extensions", extensions)
    if origin is not None:
        result["Origin"] = header_value("origin", origin)
    return result


def upgrade_headers() -> dict[str, str]:
    """Return the headers that every opening handshake has, with a fresh key."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": new_key(),
    }


def header_value(parameter: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{parameter} must be a str, the value of the header, got {value!r}")
    if not value.strip() or not value.isprintable():
        raise ValueError(
            f"{parameter} must be the value of a header, or None to send none, got {value!r}"
        )
    return value
