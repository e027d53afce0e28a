"""`python -m aiohttp_rawws proxy`: a server on one address that proxies each request."""

import contextlib
import itertools
import sys
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from ..proxy.plan import Tap
from ..proxy.prefix import strip_prefix
from ..proxy.proxy import proxy
from ..server.setup import setup
from .ending import Failure, Stop, stop_on_signals
from .handshakes import Handshakes
from .listening import listen, name_of
from .logs import log_to_standard_error
from .loop import run_loop
from .observer import Observer, View, show_answer, watch_upstream
from .output import fill_standard_files
from .proxy_arguments import Options
from .text import escaped
from .views import tap_limit_of, views_of

__all__ = ("run",)

#: A shutdown waits so long for connections that do not end within their `linger`, in seconds.
SHUTDOWN_TIMEOUT = 5.0


def run(options: Options) -> None:
    """Proxy until the end is requested. Raises Failure."""
    fill_standard_files()
    with log_to_standard_error():
        run_loop(serve(options))


async def serve(options: Options) -> None:
    stop = Stop()
    stop_on_signals(stop)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(options.listen, options.socket_mode))
        views = [stack.enter_context(view) for view in views_of(options, stop)]
        async with client_session_for(options, views) as client_session:
            runner = web.AppRunner(
                Ingress(options, client_session, views).make_app(),
                access_log=None,
                shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
            await runner.setup()
            try:
                here = name_of(listener, tls=options.listen_tls is not None)
                await web.SockSite(runner, listener, ssl_context=options.listen_tls).start()
                there = escaped(options.upstream.text)
                print(f"Listening on {here}, forwarding to {there}", file=sys.stderr)
                await stop.wait()
            finally:
                await runner.cleanup()
    if stop.failure:
        raise Failure(stop.failure)


def client_session_for(options: Options, views: list[View]) -> aiohttp.ClientSession:
    """Return the session of the requests to the upstream."""
    connector: aiohttp.BaseConnector
    # Without a limit: a visitor does not wait until other visitors have left.
    if options.upstream.path:
        connector = aiohttp.UnixConnector(options.upstream.path, limit=0)
    else:
        connector = aiohttp.TCPConnector(limit=0, ssl=options.tls)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=options.timeout),
        middlewares=(watch_upstream,) if views else (),
    )


class Ingress:
    """The server. Answers each request by `proxy`, and shows it to the views, if there are any."""

    def __init__(
        self, options: Options, client_session: aiohttp.ClientSession, views: list[View]
    ) -> None:
        self._options = options
        self._client_session = client_session
        self._views = views
        self._numbers = itertools.count(1)
        self._base = str(options.upstream.url).rstrip("/")

    def make_app(self) -> web.Application:
        app = web.Application()
        setup(app)
        app.router.add_route("*", "/{path:.*}", self._observe if self._views else self._answer)
        app.on_response_prepare.append(show_answer)
        return app

    async def _observe(self, request: web.Request) -> web.StreamResponse:
        handshakes = Handshakes(request, show_secrets=self._options.show_secrets)
        observer = Observer(self._views, next(self._numbers), request, handshakes)
        observer.begin()
        stats = None
        try:
            limit = tap_limit_of(self._options, request)
            response = await self._answer(request, tap=observer.tap, tap_limit=limit)
            stats = getattr(response, "relay_stats", None)
        finally:
            if observer.is_open:
                observer.ended(stats)
        return response

    async def _answer(
        self, request: web.Request, tap: Tap | None = None, tap_limit: int | None = None
    ) -> web.StreamResponse:
        given = self._options
        try:
            target = strip_prefix(request, given.strip_prefix)
        except ValueError:
            raise web.HTTPNotFound from None
        options: dict[str, Any] = {"extensions": no_offer} if given.no_extensions else {}
        return await proxy(
            request,
            self._client_session,
            # `encoded` keeps the path and the query as the visitor wrote them.
            URL(self._base + target, encoded=True),
            headers=given.headers,
            host=given.host,
            trusted=given.trusted,
            tap=tap,
            tap_limit=tap_limit,
            idle=given.idle,
            lifetime=given.lifetime,
            **options,
        )


def no_offer(offer: str) -> None:
    """Offer no extensions to the upstream."""
