"""Installing raw WebSockets on an aiohttp application, and adding raw routes to it."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from aiohttp import web

from ..session.options import Options
from ..wire.handshake import HandshakeRule, OriginRule
from ..wire.names import Violation
from .accept import INSTALLED, Handler, Installed
from .routes import RawWebSocketResource, RawWebSocketRoute, raw_first

__all__ = (
    "RawWebSocketRouteDef",
    "RouteTableDef",
    "add_raw_websocket",
    "raw_websocket",
    "setup",
)

DecoratedHandler = TypeVar("DecoratedHandler", bound=Handler)


def setup(
    app: web.Application,
    *,
    max_frame_size: int = 16 * 2**20,
    receive_limit: int = 256 * 2**10,
    reject: Violation = Violation.ALL,
    origins: Collection[OriginRule] | None = None,
    extensions: Callable[[str], str | None] | None = None,
    linger: float = 1.0,
    reject_handshake: HandshakeRule = HandshakeRule.ALL,
) -> None:
    """Install raw WebSockets on `app`, and put `add_raw_websocket` on its router.

    To be called on each application that adds raw routes, before it is added to another as a
    sub-application. The options hold for all raw routes of the application that do not say
    otherwise:

    - `max_frame_size`: the largest payload of a received frame, in bytes.
    - `receive_limit`: how many bytes of complete frames may wait unread before reading pauses.
    - `reject`: the rules of RFC 6455 whose violation ends receiving with a `ProtocolError`.
    - `origins`: the `Origin` headers to let in, each an exact str, a compiled pattern that
      fully matches, or None for requests without one; None lets all in (RFC 6455 section 10.2).
    - `extensions`: a function that gets the client's `Sec-WebSocket-Extensions` offer and
      returns the value for the 101, or None; None negotiates no extension.
    - `linger`: how many seconds to wait for the peer's end of stream after the handler returned.
    - `reject_handshake`: the rules of the opening handshake whose violation is refused;
      `HandshakeRule.ALL & ~HandshakeRule.KEY_LENGTH` lets in devices that break that one.

    Calling it again with the same options changes nothing. RuntimeError for other options or a
    frozen application, TypeError or ValueError for an option that makes no sense.
    """
    if not isinstance(app, web.Application):
        raise TypeError(f"setup takes a web.Application, got {app!r}")
    options = Options(
        max_frame_size=max_frame_size,
        receive_limit=receive_limit,
        reject=reject,
        origins=origins,
        extensions=extensions,
        linger=linger,
        reject_handshake=reject_handshake,
    )
    installed = app.get(INSTALLED)
    if installed is not None:
        refuse_other_options(installed.options, options)
        return
    installed = Installed(options)
    # First what a frozen application refuses.
    try:
        app.on_startup.append(reorder)
    except RuntimeError as error:
        raise RuntimeError(
            "this application is frozen: call aiohttp_rawws.setup(app) before app.add_subapp() "
            "or app.add_domain() adds it to another one, and before it is started"
        ) from error
    app.on_shutdown.append(installed.shutdown)
    app[INSTALLED] = installed
    registrar = Registrar(app.router, options)
    vars(app.router)[METHOD] = registrar.add_raw_websocket


def add_raw_websocket(
    router: web.UrlDispatcher,
    path: str | web.Resource,
    handler: Handler,
    protocol: str | Sequence[str] | None = None,
    *,
    name: str | None = None,
    **overrides: Any,
) -> RawWebSocketRoute:
    """Add a raw route to a router on whose application `setup` was called.

    - `path`: a path pattern of aiohttp, or a `web.Resource`, whose path is taken.
    - `handler`: `async def handler(session)`, called once for each connection.
    - `protocol`: the subprotocol that a client has to offer, or several; then the first one in
      the client's order is taken, and `session.protocol` tells which.
    - `name`: the name of the resource, for `url_for`.
    - `overrides`: the options of `setup`, for this route alone.

    Several raw routes and ordinary ones may share a path, in any order: upgrade requests go to
    the first raw route with a subprotocol that is offered, else the first without one, and
    everything else to the ordinary routes (as ktor's `webSocketRaw`).

    RuntimeError before `setup` or on a frozen router; TypeError if `handler` is not a coroutine
    function or an option is unknown; ValueError for a name that is taken.
    """
    if not isinstance(router, web.UrlDispatcher):
        raise TypeError(f"raw routes are added to a router, app.router, got {router!r}")
    add: Callable[..., RawWebSocketRoute] = vars(router).get(METHOD, not_installed)
    return add(path, handler, protocol, name=name, **overrides)


def not_installed(*arguments: object, **options: object) -> NoReturn:
    """RuntimeError: `setup` was not called on the application of this router."""
    raise RuntimeError(
        "raw WebSockets are not installed on this router's application: "
        "call `aiohttp_rawws.setup(app)` first, on each sub-application with raw routes too"
    )


METHOD = "add_raw_websocket"

# What each router has until `setup` gives it a method of its own; without it the error would be
# an AttributeError that names neither this package nor what to do.
setattr(web.UrlDispatcher, METHOD, not_installed)


def raw_websocket(
    path: str | web.Resource,
    handler: Handler,
    protocol: str | Sequence[str] | None = None,
    *,
    name: str | None = None,
    **overrides: Any,
) -> "RawWebSocketRouteDef":
    """Define a raw route for `app.add_routes([...])`; the arguments of `add_raw_websocket`."""
    return RawWebSocketRouteDef(path, handler, protocol, name, overrides)


@dataclass(frozen=True, slots=True)
class RawWebSocketRouteDef(web.AbstractRouteDef):
    """A raw route to be, as `raw_websocket` makes it."""

    path: str | web.Resource
    handler: Handler
    protocol: str | Sequence[str] | None
    name: str | None
    overrides: dict[str, Any]

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        """Add the route; RuntimeError if `setup` was not called on the router's application."""
        return [
            add_raw_websocket(
                router, self.path, self.handler, self.protocol, name=self.name, **self.overrides
            )
        ]


class RouteTableDef(web.RouteTableDef):
    """aiohttp's table of route definitions, with the decorator `raw_websocket`."""

    def raw_websocket(
        self,
        path: str | web.Resource,
        protocol: str | Sequence[str] | None = None,
        *,
        name: str | None = None,
        **overrides: Any,
    ) -> Callable[[DecoratedHandler], DecoratedHandler]:
        """Define a raw route for the decorated handler; the arguments of `add_raw_websocket`."""
        if callable(path):
            raise TypeError("a path is missing: decorate with @routes.raw_websocket(path)")

        def decorate(handler: DecoratedHandler) -> DecoratedHandler:
            self._items.append(raw_websocket(path, handler, protocol, name=name, **overrides))
            return handler

        return decorate


@dataclass(frozen=True, slots=True)
class Registrar:
    """What stands behind `app.router.add_raw_websocket`."""

    router: web.UrlDispatcher
    options: Options

    def add_raw_websocket(
        self,
        path: str | web.Resource,
        handler: Handler,
        protocol: str | Sequence[str] | None = None,
        *,
        name: str | None = None,
        **overrides: Any,
    ) -> RawWebSocketRoute:
        """Add a raw route; see `aiohttp_rawws.add_raw_websocket`."""
        options = self.options.replace(**overrides)
        resource = RawWebSocketResource(self.router, path, handler, protocol, options, name=name)
        if self.router.frozen:
            raise RuntimeError(
                "Cannot register a resource into frozen router: add raw routes before the "
                "application is started, or added to another one"
            )
        self.router.register_resource(resource)
        raw_first(self.router)
        return resource.route


async def reorder(app: web.Application) -> None:
    """Put raw resources first once all prefixes of sub-applications are there."""
    raw_first(app.router)


def refuse_other_options(installed: Options, asked: Options) -> None:
    """RuntimeError that names the difference, if there is one."""
    differences = [
        f"{field.name}={getattr(installed, field.name)!r}, now {getattr(asked, field.name)!r}"
        for field in dataclasses.fields(Options)
        if getattr(installed, field.name) != getattr(asked, field.name)
    ]
    if differences:
        raise RuntimeError(
            "aiohttp_rawws.setup was called on this application before, with "
            f"{'; '.join(differences)}: call it once, or with the same options"
        )
