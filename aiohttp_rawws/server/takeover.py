"""How aiohttp's server hands a connection over.

`release` uses names that are private to aiohttp. Each is looked for first.
"""

from typing import Any, cast

from aiohttp import web

from ..session.connection import Connection
from ..session.options import Options
from ..session.session import RawServerSession
from .trailing import TRAILED, TrailingData

__all__ = ("take_over",)


def take_over(
    request: web.BaseRequest,
    response: web.StreamResponse,
    trailing: TrailingData,
    options: Options,
    *,
    protocol: str | None,
    extensions: str | None,
) -> RawServerSession:
    """Return a session over the connection of a request whose 101 was sent."""
    request.protocol.keep_alive(False)
    connection = Connection(
        trailing.transport,
        options,
        is_client=False,
        extended=extensions is not None,
        write_paused=request.protocol.writing_paused,
        # aiohttp has it already.
        peername=request.protocol.peername,
    )
    session = RawServerSession(
        connection,
        # That of a low-level `web.Server` is a BaseRequest.
        request=cast(web.Request, request),
        response=response,
        protocol=protocol,
        extensions=extensions,
    )
    connection.start(trailing.take())
    release(request)
    return session


#: What `release` lets go, and what stands there then: the names that this aiohttp has.
RELEASED = [
    (name, value)
    for name, value in (
        ("_parser", None),
        ("_request_parser", None),
        ("_messages", ()),
        ("_payload_parser", TRAILED),
    )
    if hasattr(web.RequestHandler, name)
]


#: The properties of a request that it keeps, and makes of what else it has.
MADE_ANEW = {"headers", "method", "rel_url", "version"}


def release(request: web.BaseRequest) -> None:
    """Let go what aiohttp does not need any more once the session has the transport.

    Its parser and the queue of its messages are the biggest objects of an idle connection. When it
    is told of the loss, aiohttp does the same. It must still know that it has a payload parser.
    """
    for name, value in RELEASED:
        setattr(request.protocol, name, value)
    # Properties that are made anew when somebody asks for them. A clone may have others.
    cached: dict[str, Any] = getattr(request.rel_url, "_cache", {})
    cached.clear()
    cached = getattr(request, "_cache", {})
    if cached.keys() <= MADE_ANEW:
        cached.clear()
