"""The ways to end a connection."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from .connection import Connection
from .kernel import acknowledged, unsent

__all__ = ("Stall", "delivered", "end", "end_patiently", "peer_end", "reset")

#: How soon a connection that ends looks again whether the kernel has sent everything, in seconds
#: (later ever more seldom), and in how many turns of the loop it must have.
FLUSH_POLL = 0.01
FLUSH_TURNS = 10

#: How long a peer may take nothing, in lingers.
STALL_LINGERS = 10


async def end(connection: Connection) -> None:
    """End a connection as a handler's return does: what was sent still arrives.

    The sending half is shut, input is read and thrown away until the peer ends its stream or
    `linger` seconds pass: closing with unread input would make the kernel drop the output.
    """
    link = connection.link
    connection.discard_input()
    if link.lost:
        return
    try:
        if not link.transport.can_write_eof():
            await close_tls(connection)
        elif not shut_down(connection):
            await both_ends(connection)
    finally:
        if connection.writer.waiting() == 0:
            link.close()
        else:
            connection.abort()


async def end_patiently(connection: Connection) -> None:
    """End it so once the peer has taken what was sent. Reset it if the peer stops taking."""
    if await delivered(connection):
        await end(connection)
    else:
        connection.abort()


async def reset(connection: Connection) -> None:
    """End a connection with a reset, once the peer has taken what was sent, or stops."""
    try:
        await delivered(connection)
    finally:
        connection.abort()


async def delivered(connection: Connection) -> bool:
    """Wait until the peer's system has taken what was sent, however slow it is.

    Returns False if it takes nothing any more (see `Stall`): the kernel does not tell of a peer
    that was lost behind its end of stream.
    """
    connection.flush()
    return await flush_out(connection, Stall(connection).has_expired)


async def peer_end(connection: Connection) -> None:
    """Wait until the peer has ended its stream, or the connection is lost."""
    link = connection.link
    while not (connection.reader.eof_received or (link.is_gone() and link.lost)):
        await connection.changes.wait()


class Linger:
    """A block in which a connection waits for its peer, for `linger` seconds at most."""

    __slots__ = ("_connection", "_timer", "expired")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # A flag: a timer may fire a little before the clock says so.
        self.expired = False

    def __enter__(self) -> "Linger":
        connection = self._connection
        self._timer = connection.link.loop.call_later(connection.linger, self._expire)
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        self._timer.cancel()

    def has_expired(self) -> bool:
        return self.expired

    def _expire(self) -> None:
        self.expired = True
        self._connection.changes.notify()


class Stall:
    """Tells when a peer has taken nothing of what was sent for ten times `linger` seconds.

    Not sooner: the system of a peer that reads slowly tells of that in steps, as big as half of
    its buffer.
    """

    __slots__ = ("_connection", "_progress", "_since")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._progress = -1
        self._since = 0.0

    def has_expired(self) -> bool:
        """Look again. The answer is as exact as the calls are frequent."""
        connection = self._connection
        now, progress = connection.link.loop.time(), progress_of(connection)
        if progress != self._progress:
            self._progress, self._since = progress, now
        return now - self._since >= STALL_LINGERS * connection.linger


def shut_down(connection: Connection) -> bool:
    """End the sending half of a plain connection. Return True if the other one has ended too."""
    link = connection.link
    if not link.is_gone():
        if connection.writer.waiting():
            # With limits of 0 the transport tells when its buffer is empty.
            link.transport.set_write_buffer_limits(0)
        connection.write_eof()
    return has_ended(connection)


def has_ended(connection: Connection) -> bool:
    """Return True if nothing more comes or waits to leave, or the connection is lost."""
    if connection.link.lost:
        return True
    return connection.reader.eof_received and connection.writer.waiting() == 0


async def both_ends(connection: Connection) -> None:
    """Wait for the ends of both halves of a plain connection."""
    with Linger(connection) as linger:
        while not (linger.expired or has_ended(connection)):
            await connection.changes.wait()


async def close_tls(connection: Connection) -> None:
    """Close a TLS connection once everything was sent, and wait for the peer's end."""
    with Linger(connection) as linger:
        await close_within(connection, linger)


async def close_within(connection: Connection, linger: Linger) -> None:
    link = connection.link
    await flush_out(connection, linger.has_expired)
    # What comes behind our close_notify resets the connection, and costs the peer what it has not
    # read yet. So this waits until nothing comes any more, as far as that can be told.
    turns, received = 0, -1
    while turns < FLUSH_TURNS and not (linger.expired or link.is_gone()):
        turns = turns + 1 if connection.reader.bytes_received == received else 0
        received = connection.reader.bytes_received
        await asyncio.sleep(0)
    if connection.writer.waiting() == 0:
        link.close()
        while not (link.lost or linger.expired):
            await connection.changes.wait()
        # The peer does not answer the close_notify; no output is left to be dropped.
        link.transport.abort()


async def flush_out(connection: Connection, has_expired: Callable[[], bool]) -> bool:
    """Wait until the kernel has sent everything, or the connection ends. False if that expired."""
    # TLS says nothing of what the transport below the encryption still holds. That goes on in
    # every turn of the loop in which the kernel has room.
    turns, pause = 0, FLUSH_POLL
    while turns < FLUSH_TURNS and not connection.link.is_gone():
        if unsent_of(connection) == 0:
            turns += 1
            await asyncio.sleep(0)
        elif has_expired():
            return False
        else:
            turns = 0
            await asyncio.sleep(pause)
            pause = min(2 * pause, max(FLUSH_POLL, connection.linger / 10))
    return True


def unsent_of(connection: Connection) -> int:
    """Return how many bytes the peer's system has not taken, as far as anybody tells."""
    link = connection.link
    if link.is_gone():
        return 0
    return connection.writer.waiting() + unsent(link.get_extra_info("socket"))


def progress_of(connection: Connection) -> int:
    """Return a number that changes as the peer takes what was sent, once nothing more is sent."""
    count = acknowledged(connection.link.get_extra_info("socket"))
    return unsent_of(connection) if count is None else count
