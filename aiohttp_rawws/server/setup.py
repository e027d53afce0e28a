"""Installing raw WebSockets on an aiohttp application, and adding raw routes to it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from aiohttp import web

from ..session.options import (
    DEFAULTS,
    OPTION_NAMES,
    Options,
    RouteOptions,
    Unpack,
    check_option_names,
)
from ..wire.handshake import HandshakeRule, OriginRule
from ..wire.names import Violation
from .handler_run import SessionHandler
from .installed import INSTALLED, Installed
from .route_order import RouteOrder, raw_first
from .routes import RawWebSocketResource, RawWebSocketRoute

__all__ = (
    "RawWebSocketRouteDef",
    "RouteTableDef",
    "add_raw_websocket",
    "raw_websocket",
    "setup",
)

DecoratedHandler = TypeVar("DecoratedHandler", bound=SessionHandler)


def setup(
    app: web.Application,
    *,
    max_frame_size: int = DEFAULTS.max_frame_size,
    receive_limit: int = DEFAULTS.receive_limit,
    reject: Violation = DEFAULTS.reject,
    origins: Collection[OriginRule] | None = DEFAULTS.origins,
    extensions: Callable[[str], str | None] | None = DEFAULTS.extensions,
    linger: float = DEFAULTS.linger,
    reject_handshake: HandshakeRule = DEFAULTS.reject_handshake,
) -> None:
    """Install raw WebSockets on `app`, and put `add_raw_websocket` on its router.

    Call it on each application that adds raw routes, before that is added to another one as a
    sub-application. A second call with the same options changes nothing.

    The options hold for every raw route of the application that does not set them itself:

    - `max_frame_size`: the largest payload of a received frame, in bytes. 16 MiB by default.
    - `receive_limit`: the number of bytes of complete frames that may wait unread before reading
      pauses. 256 KiB by default.
    - `reject`: the rules of RFC 6455 whose violation ends receiving with a `ProtocolError`. All
      by default.
    - `origins`: the `Origin` headers to let in (RFC 6455 section 10.2). Each is a str to equal, a
      compiled pattern to match fully, or None for a request without one. None, the default, lets
      all in.
    - `extensions`: a function that takes the client's `Sec-WebSocket-Extensions` offer and
      returns the value for the 101, or None. None, the default, negotiates no extension.
    - `linger`: the seconds to wait for the peer's end of stream after the handler has returned.
      1 by default.
    - `reject_handshake`: the rules of the opening handshake whose violation is refused. All by
      default; `HandshakeRule.ALL & ~HandshakeRule.KEY_LENGTH` lets in devices that break that one.

    Raise RuntimeError for other options than at the first call, or a frozen application. Raise
    TypeError for an option of a wrong type, ValueError for one out of range.
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
    # A frozen application refuses this step; nothing has changed before it.
    try:
        app.on_startup.append(reorder)
    except RuntimeError as error:
        raise RuntimeError(
            "this application is frozen: call aiohttp_rawws.setup(app) before app.add_subapp() "
            "or app.add_domain() adds it to another one, and before it is started"
        ) from error
    app.on_shutdown.append(installed.shutdown)
    app[INSTALLED] = installed
    registrar = Registrar(app.router, RouteOrder(app.router), options)
    vars(app.router)[METHOD] = registrar.add_raw_websocket


def add_raw_websocket(
    router: web.UrlDispatcher,
    path: str | web.Resource,
    handler: SessionHandler,
    protocol: str | Sequence[str] | None = None,
    *,
    name: str | None = None,
    **overrides: Unpack[RouteOptions],
) -> RawWebSocketRoute:
    """Add a raw route to a router on whose application `setup` was called.

    - `path`: a path pattern of aiohttp, or a `web.Resource` whose path the route shares.
    - `handler`: `async def handler(session)`, called once for each connection.
    - `protocol`: the subprotocol that a client has to offer, or several to choose from. The first
      one in the client's order is taken and stands in `session.protocol`.
    - `name`: the name of the resource, for `url_for`.
    - `overrides`: the options of `setup`, for this route alone.

    Raw routes and ordinary ones may share a path, in any order of registration. An upgrade goes
    to the first raw route with a subprotocol that the client offers, else to the first one
    without a subprotocol. All other requests go to the ordinary routes.

    Raise RuntimeError before `setup` or on a frozen router. Raise TypeError if `handler` is not a
    coroutine function or an option is unknown, ValueError for a name that is taken.
    """
    if not isinstance(router, web.UrlDispatcher):
        raise TypeError(f"raw routes are added to a router, app.router, got {router!r}")
    add: Callable[..., RawWebSocketRoute] = vars(router).get(METHOD, not_installed)
    return add(path, handler, protocol, name=name, **overrides)


def not_installed(*arguments: object, **options: object) -> NoReturn:
    """Raise RuntimeError: `setup` was not called on the application of this router."""
    raise RuntimeError(
        "raw WebSockets are not installed on this router's application: "
        "call `aiohttp_rawws.setup(app)` first, on each sub-application with raw routes too"
    )


METHOD = "add_raw_websocket"

# Every router has this method until `setup` gives it one of its own. The AttributeError of a
# router without it would not say what to do.
setattr(web.UrlDispatcher, METHOD, not_installed)


def raw_websocket(
    path: str | web.Resource,
    handler: SessionHandler,
    protocol: str | Sequence[str] | None = None,
    *,
    name: str | None = None,
    **overrides: Unpack[RouteOptions],
) -> "RawWebSocketRouteDef":
    """Return a raw route for `app.add_routes([...])`, of the arguments of `add_raw_websocket`.

    Raise TypeError for an unknown option. All other arguments are checked when the route is
    added.
    """
    check_option_names(overrides)
    return RawWebSocketRouteDef(path, handler, protocol, name, overrides)


@dataclass(frozen=True, slots=True)
class RawWebSocketRouteDef(web.AbstractRouteDef):
    """The definition of a raw route that `raw_websocket` returns."""

    path: str | web.Resource
    handler: SessionHandler
    protocol: str | Sequence[str] | None
    name: str | None
    overrides: RouteOptions

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        """Add the route to a router, as `add_raw_websocket` does."""
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
        **overrides: Unpack[RouteOptions],
    ) -> Callable[[DecoratedHandler], DecoratedHandler]:
        """Define a raw route for the decorated handler, by the arguments of `add_raw_websocket`.

        Raise TypeError for an unknown option.
        """
        if callable(path):
            raise TypeError("a path is missing: decorate with @routes.raw_websocket(path)")
        check_option_names(overrides)

        def decorate(handler: DecoratedHandler) -> DecoratedHandler:
            self._items.append(raw_websocket(path, handler, protocol, name=name, **overrides))
            return handler

        return decorate


@dataclass(frozen=True, slots=True)
class Registrar:
    """The router and the options behind `app.router.add_raw_websocket`."""

    router: web.UrlDispatcher
    order: RouteOrder
    options: Options

    def add_raw_websocket(
        self,
        path: str | web.Resource,
        handler: SessionHandler,
        protocol: str | Sequence[str] | None = None,
        *,
        name: str | None = None,
        **overrides: Unpack[RouteOptions],
    ) -> RawWebSocketRoute:
        """Add a raw route, as `aiohttp_rawws.add_raw_websocket` does."""
        options = self.options.replace(**overrides)
        resource = RawWebSocketResource(self.router, path, handler, protocol, options, name=name)
        if self.router.frozen:
            raise RuntimeError(
                "Cannot register a resource into frozen router: add raw routes before the "
                "application is started, or added to another one"
            )
        self.order.register(resource)
        return resource.route


async def reorder(app: web.Application) -> None:
    """Put the raw resources first, after all sub-applications have their prefix."""
    raw_first(app.router)


def refuse_other_options(installed: Options, asked: Options) -> None:
    """Raise RuntimeError with the differences, if there are any."""
    differences = [
        f"{name}={getattr(installed, name)!r}, now {getattr(asked, name)!r}"
        for name in OPTION_NAMES
        if getattr(installed, name) != getattr(asked, name)
    ]
    if differences:
        raise RuntimeError(
            "aiohttp_rawws.setup was called on this application before, with "
            f"{'; '.join(differences)}: call it once, or with the same options"
        )
