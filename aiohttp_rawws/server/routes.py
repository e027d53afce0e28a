"""Raw routes, and how aiohttp's router finds the one that answers a request.

aiohttp asks the resources with the most explicit path first, and those of one path in the order
of its index. `route_order` puts the raw resources in front. A raw resource answers the upgrades
that its route claims. For any other request it searches the router a second time, without the
raw resources, and refuses the request only if nothing else answers it.
"""

import contextvars
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import HttpVersion11, web
from yarl import URL

from ..session.options import Options, protocol_names
from ..wire.handshake import Refusal, check_request
from .endpoint import check_handler, endpoint
from .handler_run import SessionHandler
from .route_order import raw_first
from .upgrade import Upgrade, handshake_of

__all__ = ("RawWebSocketResource", "RawWebSocketRoute")


class RawWebSocketRoute(web.ResourceRoute):
    """A route that upgrades its requests and calls `session_handler` with each session.

    `protocol` is the subprotocol that a client has to offer, a tuple of several to choose from,
    or None. Raise TypeError if `session_handler` is not a coroutine function that takes a
    session.
    """

    def __init__(
        self,
        resource: "RawWebSocketResource",
        session_handler: SessionHandler,
        protocol: str | Sequence[str] | None,
        options: Options,
    ) -> None:
        check_handler(session_handler)
        self.protocols = protocol_names(protocol)
        self.protocol = protocol if isinstance(protocol, str) else self.protocols or None
        self.session_handler = session_handler
        super().__init__("GET", endpoint(session_handler, options, self.protocols), resource)

    def claims(self, request: web.Request) -> bool:
        """Return True for an upgrade that this route answers, by a 101 or by a refusal."""
        if request.method != "GET" or request.version != HttpVersion11:
            return False
        handshake = handshake_of(request)
        return handshake.is_upgrade and handshake.offers(self.protocols)

    def __repr__(self) -> str:
        return f"<RawWebSocketRoute {self.resource!r} -> {self.session_handler!r}>"


class RawWebSocketResource(web.Resource):
    """The resource of one raw route. Other resources may have the same path.

    `path` is a path pattern of aiohttp, or a `web.Resource` whose path this one shares. Like any
    `web.Resource` it may get routes for other methods, as aiohttp-cors adds one for OPTIONS. They
    answer if no ordinary resource of the path does.

    Raise ValueError for a pattern that aiohttp does not take, TypeError for anything but a path.
    """

    def __init__(
        self,
        router: web.UrlDispatcher,
        path: str | web.Resource,
        session_handler: SessionHandler,
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
        """Return the match of a request, or None, and the methods of this resource."""
        parts = self._match(request.rel_url.path_safe)
        if parts is None:
            return None, set()
        if self.route.claims(request):
            return web.UrlMappingMatchInfo(parts, self.route), {self.route.method}
        methods = {route.method for route in self}
        search = SEARCH.get()
        if search is not None and search.request is request:
            search.note(self, parts)
            return None, methods
        return await self._search_router(request, parts), methods

    async def _search_router(
        self, request: web.Request, parts: dict[str, str]
    ) -> web.UrlMappingMatchInfo:
        """Return the match of another resource, or the refusal if there is none."""
        search = RouterSearch(request, self.router)
        token = SEARCH.set(search)
        try:
            found = await self.router.resolve(request)
        finally:
            SEARCH.reset(token)
        error = found.http_exception
        if error is None:
            return found
        if search.found is not None:
            return search.found
        allow = error.allowed_methods if isinstance(error, web.HTTPMethodNotAllowed) else set()
        refusal = check_request(
            handshake_of(request),
            wanted=search.wanted(),
            reject=self._reject,
            allow={"GET"} | allow,
        )
        # Never None: a route claims every request that has nothing wrong here.
        return RefusedMatchInfo(parts, self._refusal, cast(Refusal, refusal))

    def other_route(self, method: str) -> web.ResourceRoute | None:
        """Return the first other route of this resource that answers a method, or None."""
        others = (route for route in self if route is not self.route)
        return next((route for route in others if route.method in (method, "*")), None)

    @property
    def path(self) -> web.Resource:
        """The resource that matches the path and builds URLs; no other one shares it."""
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
    def raw_rank(self) -> int:
        """The place among the resources of one path: those with a subprotocol come first."""
        return 0 if self.route.protocols else 1

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
        """Return False, or aiohttp adds the next ordinary route of the path to this resource."""
        return False

    def freeze(self) -> None:
        self._path.freeze()
        # aiohttp freezes the resources one by one. The first raw one puts all in order.
        kind = type(self)
        if self is next(each for each in self.router.resources() if isinstance(each, kind)):
            raw_first(self.router)

    def __repr__(self) -> str:
        name = "" if self.name is None else f"{self.name!r} "
        return f"<RawWebSocketResource {name}{self.canonical}>"


class RefusedMatchInfo(web.UrlMappingMatchInfo):
    """The match of a request that is refused, with the refusal."""

    __slots__ = ("refusal",)

    def __init__(self, parts: dict[str, str], route: web.AbstractRoute, refusal: Refusal) -> None:
        super().__init__(parts, route)
        self.refusal = refusal


@dataclass(slots=True)
class RouterSearch:
    """A second search of the router for one request, in which no raw resource answers.

    `protocols` collects the subprotocols of each raw route on the way. `found` is the first route
    that was added to a raw resource of this router for the method of the request.
    """

    request: web.Request
    router: web.UrlDispatcher
    protocols: list[tuple[str, ...]] = field(default_factory=list)
    found: web.UrlMappingMatchInfo | None = None

    def note(self, resource: RawWebSocketResource, parts: dict[str, str]) -> None:
        """Note the subprotocols and the other routes of a raw resource on the way."""
        self.protocols.append(resource.route.protocols)
        # A match of a sub-application's router would have to name that application.
        if self.found is None and resource.router is self.router:
            route = resource.other_route(self.request.method)
            self.found = web.UrlMappingMatchInfo(parts, route) if route is not None else None

    def wanted(self) -> tuple[str, ...]:
        """Return the subprotocols of all raw routes on the way, each once."""
        return tuple(dict.fromkeys(name for names in self.protocols for name in names))


#: The second search that is under way in this task.
SEARCH: contextvars.ContextVar[RouterSearch | None] = contextvars.ContextVar("SEARCH", default=None)


async def refuse(request: web.Request) -> web.StreamResponse:
    """Raise the refusal that the router has found; one handler serves all raw resources.

    aiohttp caches its middlewares by the handler.
    """
    raise Upgrade(request).refusal(cast(RefusedMatchInfo, request.match_info).refusal)


def path_of(path: object) -> web.Resource:
    """Return a new resource at `path`, to match paths and to build URLs."""
    if isinstance(path, str):
        return web.UrlDispatcher().add_resource(path)
    if isinstance(path, RawWebSocketResource):
        path = path.path
    if isinstance(path, web.Resource) and {"path", "pattern"} & path.get_info().keys():
        return copy.copy(path)
    raise TypeError(f"path must be a path pattern or a web.Resource that has one, got {path!r}")
