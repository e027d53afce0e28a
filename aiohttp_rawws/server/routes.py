"""Which request belongs to which raw route: what aiohttp's router asks.

aiohttp asks the resources of the most explicit path first, and those of one path in the order of
its index. `raw_first` puts the raw ones to the front there, so that each has only to say whether
a request is its own. The first one to say no lets the rest of the router speak before it refuses.
"""

import contextvars
import copy
import functools
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler
from yarl import URL

from ..session.options import Options, cannot_take, protocol_names
from ..wire.handshake import Refusal, check_request
from . import accept as server
from .upgrade import handshake_of

__all__ = ("RawWebSocketResource", "RawWebSocketRoute", "raw_first")


class RawWebSocketRoute(web.ResourceRoute):
    """A route whose requests become raw WebSockets: `session_handler` gets the session.

    `protocol` is the subprotocol it asks for, a tuple of those to choose from, or None.
    TypeError if `session_handler` is not a coroutine function that takes a session.
    """

    def __init__(
        self,
        resource: "RawWebSocketResource",
        session_handler: server.Handler,
        protocol: str | Sequence[str] | None,
        options: Options,
    ) -> None:
        check_handler(session_handler)
        self.protocols = protocol_names(protocol)
        self.protocol = protocol if isinstance(protocol, str) else self.protocols or None
        self.session_handler = session_handler
        super().__init__("GET", endpoint(session_handler, options, self.protocols), resource)

    def claims(self, request: web.Request) -> bool:
        """Whether the request is an upgrade that this route answers, well formed or not."""
        if request.method != "GET" or request.version != HttpVersion11:
            return False
        handshake = handshake_of(request)
        return handshake.is_upgrade and handshake.offers(self.protocols)

    def __repr__(self) -> str:
        return f"<RawWebSocketRoute {self.resource!r} -> {self.session_handler!r}>"


def endpoint(
    session_handler: server.Handler, options: Options, protocols: tuple[str, ...]
) -> Handler:
    """The handler of one route, which looks like `session_handler` to tools that name it.

    It is one object per route: aiohttp caches a chain of middlewares for each.
    """

    async def handler(request: web.Request) -> web.StreamResponse:
        return await server.serve(request, session_handler, options, protocols)

    shown: Any = session_handler
    while isinstance(shown, functools.partial):
        shown = shown.func
    handler.__doc__ = shown.__doc__
    # An object with an async `__call__` has no name but that of its class.
    named = shown if hasattr(shown, "__qualname__") else type(shown)
    handler.__module__ = named.__module__
    handler.__name__ = named.__name__
    handler.__qualname__ = named.__qualname__
    return handler


class RawWebSocketResource(web.Resource):
    """The path of one raw route, its own even where other resources have the same path.

    `path` is a path pattern of aiohttp, or a resource of it whose path is taken. ValueError for
    a pattern that aiohttp does not take, TypeError for anything else. Like any `web.Resource` it
    may get routes for other methods, as aiohttp-cors adds one for OPTIONS; they answer where no
    ordinary resource of the path does.
    """

    def __init__(
        self,
        router: web.UrlDispatcher,
        path: str | web.Resource,
        session_handler: server.Handler,
        protocol: str | Sequence[str] | None,
        options: Options,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.router = router
        self._path = path_of(path)
        self.route = RawWebSocketRoute(self, session_handler, protocol, options)
        self.register_route(self.route)
        self._reject = options.reject_handshake
        self._refusal = web.ResourceRoute("*", refuse, self)

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        parts = self._match(request.rel_url.path_safe)
        if parts is None:
            return None, set()
        methods = {route.method for route in self}
        if self.route.claims(request):
            return web.UrlMappingMatchInfo(parts, self.route), methods
        inquiry = INQUIRY.get()
        if inquiry is not None and inquiry.request is request:
            inquiry.note(self, parts)
            return None, methods
        return await self._ask_the_others(request, parts), methods

    async def _ask_the_others(
        self, request: web.Request, parts: dict[str, str]
    ) -> web.UrlMappingMatchInfo:
        inquiry = Inquiry(request, self.router)
        token = INQUIRY.set(inquiry)
        try:
            found = await self.router.resolve(request)
        finally:
            INQUIRY.reset(token)
        error = found.http_exception
        if error is None:
            return found
        if inquiry.found is not None:
            return inquiry.found
        allow = error.allowed_methods if isinstance(error, web.HTTPMethodNotAllowed) else set()
        refusal = check_request(
            handshake_of(request),
            wanted=inquiry.wanted(),
            reject=self._reject,
            allow={"GET"} | allow,
        )
        # Never None: whoever finds nothing wrong with the request here claims it.
        return RefusedMatchInfo(parts, self._refusal, cast(Refusal, refusal))

    def other_route(self, method: str) -> web.ResourceRoute | None:
        """The route that was added for another method, None if there is none."""
        others = (route for route in self if route is not self.route)
        return next((route for route in others if route.method in (method, "*")), None)

    @property
    def path(self) -> web.Resource:
        """The resource of its own that matches the path, and builds URLs."""
        return self._path

    def _match(self, path: str) -> dict[str, str] | None:
        info = self._path.get_info()
        if "path" in info:
            return {} if info["path"] == path else None
        match = info["pattern"].fullmatch(path)
        if match is None:
            return None
        # aiohttp matches against `path_safe`, which leaves these two quoted.
        return {
            name: part.replace("%2F", "/").replace("%25", "%")
            for name, part in match.groupdict().items()
        }

    @property
    def canonical(self) -> str:
        return self._path.canonical

    def url_for(self, **parts: str) -> URL:
        return self._path.url_for(**parts)

    def get_info(self) -> Any:
        return self._path.get_info()

    def add_prefix(self, prefix: str) -> None:
        self._path.add_prefix(prefix)

    def raw_match(self, path: str) -> bool:
        """Never, or aiohttp would add the next ordinary route of this path to this resource."""
        return False

    def freeze(self) -> None:
        self._path.freeze()
        # aiohttp freezes one by one; the first raw resource sees to it for all.
        if self is next(filter(is_raw, self.router.resources())):
            raw_first(self.router)

    def __repr__(self) -> str:
        name = "" if self.name is None else f"{self.name!r} "
        return f"<RawWebSocketResource {name}{self.canonical}>"


class RefusedMatchInfo(web.UrlMappingMatchInfo):
    """A path that is there, and why this request does not get it."""

    __slots__ = ("refusal",)

    def __init__(self, parts: dict[str, str], route: web.AbstractRoute, refusal: Refusal) -> None:
        super().__init__(parts, route)
        self.refusal = refusal


@dataclass(slots=True)
class Inquiry:
    """A second walk through the router, on which no raw resource answers.

    `protocols` gathers what each raw route on the way asks for, `found` is the first route of a
    raw resource of this router that was added for the method of the request.
    """

    request: web.Request
    router: web.UrlDispatcher
    protocols: list[tuple[str, ...]] = field(default_factory=list)
    found: web.UrlMappingMatchInfo | None = None

    def note(self, resource: RawWebSocketResource, parts: dict[str, str]) -> None:
        """Note what a raw resource on the way has."""
        self.protocols.append(resource.route.protocols)
        # A sub-application would have to be noted in the match.
        if self.found is None and resource.router is self.router:
            route = resource.other_route(self.request.method)
            self.found = web.UrlMappingMatchInfo(parts, route) if route is not None else None

    def wanted(self) -> tuple[str, ...]:
        """The subprotocols of all routes that were asked, each once."""
        return tuple(dict.fromkeys(name for names in self.protocols for name in names))


#: Set while the router walks for the second time, on behalf of the resource that set it.
INQUIRY: contextvars.ContextVar[Inquiry | None] = contextvars.ContextVar("INQUIRY", default=None)


async def refuse(request: web.Request) -> web.StreamResponse:
    """The handler of all refusals: aiohttp caches a chain of middlewares for each handler."""
    server.refuse(request, cast(RefusedMatchInfo, request.match_info).refusal)


def raw_first(router: web.UrlDispatcher) -> None:
    """Index the resources of one path anew: raw with a protocol, raw without, ordinary.

    Those of one kind stay in the order of their registration. aiohttp indexes at registration,
    and again whenever a sub-application is added under a prefix.
    """
    # A resource with a rule, of a Domain, stands apart from the index.
    indexed = [resource for resource in router.resources() if "rule" not in resource.get_info()]
    for resource in indexed:
        router.unindex_resource(resource)
    for resource in sorted(indexed, key=rank):
        router.index_resource(resource)


def rank(resource: web.AbstractResource) -> int:
    if is_raw(resource):
        return 0 if resource.route.protocols else 1
    return 2


def is_raw(resource: web.AbstractResource) -> TypeGuard[RawWebSocketResource]:
    return isinstance(resource, RawWebSocketResource)


def path_of(path: object) -> web.Resource:
    """A resource of our own at `path`, to match, to prefix and to build URLs with."""
    if isinstance(path, str):
        return web.UrlDispatcher().add_resource(path)
    if isinstance(path, RawWebSocketResource):
        path = path.path
    if isinstance(path, web.Resource) and {"path", "pattern"} & path.get_info().keys():
        return copy.copy(path)
    raise TypeError(f"path must be a path pattern or a web.Resource that has one, got {path!r}")


def check_handler(handler: Any) -> None:
    wanted = f"a raw WebSocket handler is `async def handler(session)`, got {handler!r}"
    if not is_coroutine_function(handler):
        raise TypeError(wanted)
    if reason := cannot_take(handler, "the session"):
        raise TypeError(f"{wanted}, which can not be called with a session alone: {reason}")


def is_coroutine_function(function: object) -> bool:
    """Whether it is one itself, a partial of one, or an object with an async `__call__`."""
    if isinstance(function, functools.partial):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    return callable(function) and inspect.iscoroutinefunction(type(function).__call__)
