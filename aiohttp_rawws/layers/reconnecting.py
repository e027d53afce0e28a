"""Connections one after another: the next one where the last one has ended, or did not come."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import aiohttp
from multidict import MultiMapping

from ..session.checks import check_int, check_seconds
from ..wire.arguments import shown
from ..wire.errors import EndOfStream
from ..wire.names import CloseCode

__all__ = ("is_transient", "reconnecting")

Session = TypeVar("Session")

logger = logging.getLogger("aiohttp_rawws")

#: The longest `Retry-After` that is waited out, in seconds.
MAX_RETRY_AFTER = 3600.0

#: The seconds within which a client comes back after a 1012 or 1013, at random, as the registry of
#: close codes asks.
RESTART_DELAYS = 5.0, 30.0

#: The failures of TLS. aiohttp takes them for errors of a connection.
TLS_FAILURES = (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch, ssl.SSLError)

#: How often the delay doubles at most: 2 ** 32 seconds are over any limit.
MAX_DOUBLINGS = 32


def is_transient(error: Exception) -> bool:
    """Return True for an error of `connect` that the next try may not meet.

    True where no connection came about or it was lost (any OSError), for a timeout, and for a
    refusal with 429 or a 5xx status: a HandshakeRefused, or another `aiohttp.ClientResponseError`.
    False for other statuses, a wrong 101, an answer that is no HTTP, and a failure of TLS.
    """
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status == 429 or error.status >= 500
    if isinstance(error, TLS_FAILURES):
        return False
    kinds = (OSError, asyncio.TimeoutError, aiohttp.ClientConnectionError, EndOfStream)
    return isinstance(error, kinds)


def reconnecting(
    connect: Callable[..., AbstractAsyncContextManager[Session]],
    /,
    *args: Any,
    delay: float = 5.0,
    max_delay: float = 60.0,
    reset_after: float = 10.0,
    attempts: int | None = None,
    retry: Callable[[Exception], bool] = is_transient,
    **options: Any,
) -> AsyncGenerator[Session, None]:
    """Iterate over connections: the next one when the loop goes on, for as long as you like.

        async for session in reconnecting(connect, client_session, "wss://example.com/ws"):
            try:
                ...
            except SessionClosed:
                continue

    Each round of the loop has a connection of its own, which is `connect(*args, **options)`,
    entered and left. It ends with the round, and a little later where the loop is left by `break`
    or an exception. `connect` may be any function that returns an asynchronous context manager,
    `client_session.ws_connect` of aiohttp among them.

    Before the next try it waits, `delay` seconds at most after the first end or failure, twice as
    much after each that follows, never over `max_delay`. The wait itself is a random part of that,
    so that many clients do not come back at one time. A connection that has lasted `reset_after`
    seconds begins anew.

    - After a Close 1012 (service restart) or 1013 (try again later) the wait is 5 to 30 seconds.
    - The `Retry-After` of a refusal is waited out, up to an hour, also where `max_delay` is less.

    `retry(error)` tells if an error of `connect`, entered or left, is worth another try; by default
    `is_transient` does: connections that fail or are lost, timeouts, and refusals with 429 or a
    5xx status. Any other error is raised, and so is that of the last of `attempts` tries in a row
    that brought no connection (None: no limit). Each failure that is waited out is an INFO in the
    log `aiohttp_rawws`. What the body of the loop raises is not caught.

    TypeError or ValueError for options of a wrong type or out of range.
    """
    check_function("connect", connect)
    check_function("retry", retry)
    check_seconds("delay", delay)
    check_seconds("max_delay", max_delay)
    check_seconds("reset_after", reset_after)
    if attempts is not None:
        check_int("attempts", attempts)
    pauses = Pauses(float(delay), max_delay, reset_after)
    return connections(lambda: connect(*args, **options), pauses, attempts, retry)


def check_function(name: str, value: object) -> None:
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {shown(value)}")


async def connections(
    connect: Callable[[], AbstractAsyncContextManager[Session]],
    pauses: "Pauses",
    attempts: int | None,
    retry: Callable[[Exception], bool],
) -> AsyncGenerator[Session, None]:
    failures = 0
    while True:
        try:
            connecting = connect()
            session = await connecting.__aenter__()
        except Exception as error:
            failures += 1
            if not retry(error) or failures == attempts:
                raise
            pause = pauses.after_error(error)
            logger.info("no connection: %s; the next try is in %.1f s", describe(error), pause)
        else:
            failures = 0
            began = time.monotonic()
            try:
                yield session
            finally:
                await leave(connecting, retry)
            pause = pauses.after_end(close_code_of(session), time.monotonic() - began)
            # Nothing keeps what has ended, however long the wait.
            del session, connecting
        await asyncio.sleep(pause)


async def leave(
    connecting: AbstractAsyncContextManager[Session], retry: Callable[[Exception], bool]
) -> None:
    """End a connection. Raise an error of that which is not worth another try."""
    try:
        await connecting.__aexit__(None, None, None)
    except Exception as error:
        if not retry(error):
            raise
        logger.info("a connection ended by an error: %s", describe(error))


class Pauses:
    """The waits between connections, in seconds: exponential, with jitter."""

    __slots__ = ("_delay", "_doublings", "_max_delay", "_reset_after")

    def __init__(self, delay: float, max_delay: float, reset_after: float) -> None:
        self._delay = delay
        self._max_delay = max_delay
        self._reset_after = reset_after
        self._doublings = 0

    def after_error(self, error: Exception) -> float:
        """Return how long to wait after a failure."""
        pause = self._next()
        if isinstance(error, aiohttp.ClientResponseError) and error.headers is not None:
            # With the jitter behind it: others were told the same.
            pause += min(retry_after(error.headers), MAX_RETRY_AFTER)
        return pause

    def after_end(self, code: int | None, seconds: float) -> float:
        """Return how long to wait after a connection that lasted so long and ended with `code`."""
        if seconds >= self._reset_after:
            self._doublings = 0
        pause = self._next()
        if code in (CloseCode.SERVICE_RESTART, CloseCode.TRY_AGAIN_LATER):
            soonest, latest = RESTART_DELAYS
            scale = min(1.0, self._max_delay / latest)
            pause = max(pause, random.uniform(soonest * scale, latest * scale))
        return pause

    def _next(self) -> float:
        limit = min(self._max_delay, self._delay * 2**self._doublings)
        self._doublings = min(self._doublings + 1, MAX_DOUBLINGS)
        return random.uniform(0, limit)


def describe(error: Exception) -> str:
    """Return the text of an error for the log, without the URL, which may hold a secret."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status}, {error.message}"
    return str(error) or type(error).__name__


def close_code_of(session: object) -> int | None:
    """Return the code of the peer's Close, None without one."""
    # A session, what stands on one, or aiohttp's.
    frame = getattr(getattr(session, "session", session), "close_received", None)
    return getattr(session, "close_code", None) if frame is None else frame.close_code


def retry_after(headers: MultiMapping[str]) -> float:
    """Return the seconds that a `Retry-After` asks for, 0 without one (RFC 9110 section 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    until = seconds_since_epoch(value)
    if until is None:
        return 0.0
    # The server's own clock tells how long that is.
    now = seconds_since_epoch(headers.get("Date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def seconds_since_epoch(date: str) -> float | None:
    """Return the time of an HTTP date, None for anything else."""
    try:
        moment = parsedate_to_datetime(date.strip())
        # The form of asctime names no zone. All are UTC.
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
