"""What `python -m aiohttp_rawws proxy` does: a server on one address, each upgrade proxied."""

import argparse
import contextlib
import itertools
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from io import FileIO
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError
from yarl import URL

from ..proxy.relay import Tap
from ..proxy.websocket import proxy
from ..server.setup import setup
from .views import Capture, Lines, Output, Stop, View, Watch, address_of, plain

try:
    from uvloop import run as run_on_a_loop
except ImportError:
    from asyncio import run as run_on_a_loop

__all__ = ("EVENT_LOOP", "Failure", "run")

#: The module whose event loop runs.
EVENT_LOOP = run_on_a_loop.__module__.partition(".")[0]

SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: How long a shutdown waits for connections that do not end in their `linger`, in seconds.
SHUTDOWN_TIMEOUT = 5.0

#: Of the connection that the running task serves.
WATCH: ContextVar[Watch] = ContextVar("WATCH")


class Failure(Exception):
    """Why the command cannot go on, in a sentence for its user."""


def run(options: argparse.Namespace) -> None:
    """Proxy until a signal comes. Raises Failure."""
    logging.basicConfig(stream=sys.stderr)
    logging.root.handlers[0].setFormatter(Plain())
    fill_standard_files()
    run_on_a_loop(serve(options))


async def serve(options: argparse.Namespace) -> None:
    stop = Stop()
    end_on_signals(stop)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(*options.listen))
        views = [stack.enter_context(view) for view in views_of(options, stop)]
        async with aiohttp.ClientSession(
            # A visitor of a proxy waits for the upstream alone, not for other visitors.
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
    """The server's side: what is done with each request."""

    def __init__(
        self,
        options: argparse.Namespace,
        client_session: aiohttp.ClientSession,
        views: list[View],
    ) -> None:
        self._options = options
        self._client_session = client_session
        self._views = views
        self._numbers = itertools.count(1)
        self._base = str(options.upstream).rstrip("/")

    def make_app(self) -> web.Application:
        app = web.Application()
        setup(app, **({"max_frame_size": self._options.max_frame_size} if self._views else {}))
        app.router.add_route("*", "/{path:.*}", self.watch if self._views else self.answer)
        app.on_response_prepare.append(note_answer)
        return app

    async def watch(self, request: web.Request) -> web.StreamResponse:
        watch = Watch(self._views, next(self._numbers), request)
        WATCH.set(watch)
        response = await self.answer(request, tap=watch.tap)
        if response.status == 101:
            watch.ended(getattr(response, "relay_stats", None))
        return response

    async def answer(self, request: web.Request, tap: Tap | None = None) -> web.StreamResponse:
        options: dict[str, Any] = {"headers": self._options.headers, "tap": tap}
        if self._options.no_extensions:
            options["extensions"] = no_offer
        # As the visitor wrote it, whatever it means to the upstream.
        url = URL(self._base + request.rel_url.raw_path_qs, encoded=True)
        return await proxy(request, self._client_session, url, **options)


async def note_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Tell of an answer before it goes out, and before the first frame."""
    watch = WATCH.get(None)
    if watch is not None:
        watch.answered(response)


def no_offer(offer: str) -> None:
    """The extensions to offer to the upstream: none."""


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens on the first address of a host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        # UnicodeError: a name with labels that no name can have.
        shown = plain(address_of((host, port)))
        raise Failure(f"cannot listen on {shown}: {reason_of(error)}") from None
    with listener:
        yield listener


def views_of(
    options: argparse.Namespace, stop: Stop
) -> Iterator[contextlib.AbstractContextManager[View]]:
    if options.tap:
        yield lines(options.color, stop)
    if options.capture is not None:
        yield capture(options.capture, stop)


@contextlib.contextmanager
def lines(color: str, stop: Stop) -> Iterator[Lines]:
    with standard_output() as file:
        auto = file.isatty() and not os.environ.get("NO_COLOR")
        colour = color == "always" or (color == "auto" and auto)
        output = Output(file, "to standard output", stop, pipe=True)
        yield Lines(output, sys.stdout.encoding, colour=colour)


@contextlib.contextmanager
def capture(path: str, stop: Stop) -> Iterator[Capture]:
    if path == "-":
        with standard_output() as file:
            yield Capture(Output(file, "to standard output", stop, pipe=True))
        return
    try:
        file = open(path, "ab", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise Failure(f"cannot write {plain(path)}: {reason_of(error)}") from None
    with file:
        yield Capture(Output(file, plain(path), stop))


def standard_output() -> FileIO:
    """Standard output as it is: no buffer that could wait, or be written at the very end."""
    # Not there if the command was started with it closed.
    if sys.stdout is None:
        raise Failure("cannot write to standard output: it is closed")
    return FileIO(sys.stdout.fileno(), "w", closefd=False)


def end_on_signals(stop: Stop) -> None:
    """Have the first signal end the command cleanly, and the second at once."""

    def end(number: int, frame: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        stop.ask()

    # Not `add_signal_handler`: the loop would hear nothing while a write waits for its reader.
    for each in SIGNALS:
        signal.signal(each, end)


def fill_standard_files() -> None:
    """Keep sockets from the numbers of standard files that the command was started without."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def reason_of(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is None or isinstance(error, socket.gaierror):
        return getattr(error, "strerror", None) or str(error)
    # Without what `create_server` adds to it.
    return os.strerror(number)


class Plain(logging.Formatter):
    """Log records as lines in which what peers sent is harmless."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            # A visitor that does not speak HTTP; where aiohttp found out is of no use.
            return plain(f"{record.getMessage()}: {error.message}")
        return "\n".join(plain(line) for line in super().format(record).split("\n"))
