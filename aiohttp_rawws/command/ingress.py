"""`python -m aiohttp_rawws proxy`: a server on one address that proxies each upgrade."""

import contextlib
import itertools
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError
from yarl import URL

from ..proxy.plan import Tap
from ..proxy.prefix import strip_prefix
from ..proxy.proxy import proxy
from ..server.setup import setup
from .arguments import Options
from .capture import CaptureView
from .ending import Failure, Stop, stop_on_signals
from .loop import run_loop
from .observer import Observer, View
from .output import Output, fill_standard_files, open_to_append, reason_of, standard_output
from .tap import TapView
from .text import address_of, escaped

__all__ = ("run",)

#: A shutdown waits so long for connections that do not end within their `linger`, in seconds.
SHUTDOWN_TIMEOUT = 5.0

#: The observer of the request that the running task serves.
OBSERVER: ContextVar[Observer] = ContextVar("OBSERVER")


def run(options: Options) -> None:
    """Proxy until the end is requested. Raises Failure."""
    logging.basicConfig(stream=sys.stderr)
    logging.root.handlers[0].setFormatter(EscapingFormatter())
    fill_standard_files()
    run_loop(serve(options))


async def serve(options: Options) -> None:
    stop = Stop()
    stop_on_signals(stop)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(*options.listen))
        views = [stack.enter_context(view) for view in views_of(options, stop)]
        async with aiohttp.ClientSession(
            # Without a limit: a visitor does not wait until other visitors have left.
            connector=aiohttp.TCPConnector(limit=0, ssl=options.tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=options.timeout),
        ) as client_session:
            runner = web.AppRunner(
                Ingress(options, client_session, views).make_app(),
                access_log=None,
                shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
            await runner.setup()
            try:
                await web.SockSite(runner, listener).start()
                here = f"ws://{address_of(listener.getsockname())}"
                print(f"Listening on {here}, forwarding to {options.upstream}", file=sys.stderr)
                await stop.wait()
            finally:
                await runner.cleanup()
    if stop.failure:
        raise Failure(stop.failure)


class Ingress:
    """The server. Answers each request by `proxy`, and shows it to the views, if there are any."""

    def __init__(
        self, options: Options, client_session: aiohttp.ClientSession, views: list[View]
    ) -> None:
        self._options = options
        self._client_session = client_session
        self._views = views
        self._numbers = itertools.count(1)
        self._base = str(options.upstream).rstrip("/")

    def make_app(self) -> web.Application:
        app = web.Application()
        if self._views:
            setup(app, max_frame_size=self._options.max_frame_size)
            app.router.add_route("*", "/{path:.*}", self._observe)
        else:
            # No frame is put together: frames of any size pass.
            setup(app)
            app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_response_prepare.append(show_answer)
        return app

    async def _observe(self, request: web.Request) -> web.StreamResponse:
        observer = Observer(self._views, next(self._numbers), request)
        OBSERVER.set(observer)
        response = await self._answer(request, tap=observer.tap)
        if response.status == 101:
            observer.ended(getattr(response, "relay_stats", None))
        return response

    async def _answer(self, request: web.Request, tap: Tap | None = None) -> web.StreamResponse:
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
            idle=given.idle,
            lifetime=given.lifetime,
            **options,
        )


async def show_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Show an answer before it is sent, and so before the first frame."""
    observer = OBSERVER.get(None)
    if observer is not None:
        observer.answered(response)


def no_offer(offer: str) -> None:
    """Offer no extensions to the upstream."""


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on the first address of a host. Raises Failure."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        # UnicodeError: the host has a label that no name can have, such as one of 64 characters.
        shown = escaped(address_of((host, port)))
        raise Failure(f"cannot listen on {shown}: {reason_of(error)}") from None
    with listener:
        yield listener


def views_of(options: Options, stop: Stop) -> Iterator[contextlib.AbstractContextManager[View]]:
    if options.tap:
        yield tap_view(options.color, stop)
    if options.capture is not None:
        yield capture_view(options.capture, stop)


@contextlib.contextmanager
def tap_view(color: str, stop: Stop) -> Iterator[TapView]:
    with standard_output() as file:
        auto = file.isatty() and not os.environ.get("NO_COLOR")
        colour = color == "always" or (color == "auto" and auto)
        output = Output(file, "to standard output", stop, pipe=True)
        yield TapView(output, sys.stdout.encoding, colour=colour)


@contextlib.contextmanager
def capture_view(path: str, stop: Stop) -> Iterator[CaptureView]:
    if path == "-":
        with standard_output() as file:
            yield CaptureView(Output(file, "to standard output", stop, pipe=True))
    else:
        with open_to_append(path) as file:
            yield CaptureView(Output(file, escaped(path), stop))


class EscapingFormatter(logging.Formatter):
    """Formats log records as lines in which nothing that a peer sent controls a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            # The visitor does not speak HTTP. A traceback of aiohttp's parser would not help.
            return escaped(f"{record.getMessage()}: {error.message}")
        return "\n".join(escaped(line) for line in super().format(record).split("\n"))
