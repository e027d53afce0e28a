"""One upgraded connection: its two halves, and the callbacks of its transport.

A connection is its transport's own protocol, so that nothing stands between the socket and the
handler. Nothing waits here.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from .changes import Changes
from .kernel import reset_on_close
from .link import Link
from .options import Options
from .reader import ReadCallbacks, Reader
from .receiver import Receiver
from .sender import Sender
from .writer import Writer

__all__ = ("Connection",)

#: The protocol of a transport whose connection has ended.
NOBODY = asyncio.BufferedProtocol()


class Connection(ReadCallbacks, asyncio.BufferedProtocol):
    """A connection that was upgraded: a `receiver`, a `sender`, and the `link` that both share."""

    __slots__ = (
        "_end_callbacks",
        "_on_lost",
        "codec",
        "linger",
        "link",
        "receiver",
        "sender",
        "writer",
    )

    #: uvloop would keep that of the protocol before.
    data_received = None

    def __init__(
        self,
        transport: asyncio.Transport,
        options: Options,
        *,
        is_client: bool,
        extended: bool,
        write_paused: bool,
        peername: object = None,
    ) -> None:
        self.link = link = Link(transport, peername)
        ReadCallbacks.__init__(self, Reader(link, options, is_client, extended))
        self.receiver = Receiver(link, self.reader)
        self.writer = Writer(link, write_paused)
        self.sender = Sender(link, self.writer, is_client)
        #: The state of the compression, if a layer has asked for it: one for all layers.
        self.codec: Any = None
        #: How long the connection waits for its peer at its end, in seconds.
        self.linger = options.linger
        self._on_lost: Callable[[BaseException | None], None] | None = None
        self._end_callbacks: list[Callable[[], object]] | None = None

    def start(self, data: bytes) -> None:
        """Take the transport over. `data` came behind the handshake."""
        self.link.transport.set_protocol(self)
        self.writer.start()
        self.reader.start(data)

    # -- the transport's callbacks ---------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Never called: the connection was made long before the upgrade."""

    def eof_received(self) -> bool:
        self.reader.note_eof()
        self.link.notify()
        self._schedule_end_callbacks()
        # Plain TCP stays open for sending; TLS has no halves and closes itself.
        return self.link.transport.can_write_eof()

    def connection_lost(self, exc: "BaseException | None") -> None:
        self.link.note_loss(exc)
        self.writer.drop()
        self.receiver.waiter.wake(False)
        self.link.notify()
        self._leave()
        self._schedule_end_callbacks()
        if self.writer.source is not None:
            # What still comes for this one need not wait for it any more.
            self.writer.source.relieve()
        self._schedule_on_lost()

    def pause_writing(self) -> None:
        self.writer.pause()

    def resume_writing(self) -> None:
        self.writer.resume()

    def _leave(self) -> None:
        """Have a TLS transport forget this protocol, which would be kept in a cycle with it."""
        if self.link.fd < 0:
            # asyncio's has nothing left to forget, nor to ask, after a second close().
            with contextlib.suppress(AttributeError):
                self.link.transport.set_protocol(NOBODY)

    @property
    def changes(self) -> Changes:
        """The end of the peer's stream, of the connection, or of a write pause."""
        link = self.link
        if link.changes is None:
            link.changes = Changes(link.loop)
        return link.changes

    # -- its end ---------------------------------------------------------------------------

    @property
    def peer_ended(self) -> bool:
        """True once the peer's Close or the end of its stream came, or the peer was lost."""
        reader = self.reader
        return reader.parser.after_close or reader.eof_received or self.link.is_gone()

    @property
    def end_is_known(self) -> bool:
        """True once the connection is lost or closing, or the peer's Close was received here."""
        return self.link.is_gone() or self.receiver.close_received is not None

    def add_end_callback(self, callback: Callable[[], object]) -> None:
        """Call back, in a loop iteration of its own, once `peer_ended` is true."""
        if self._end_callbacks is None:
            self._end_callbacks = []
            self.reader.parser.on_close = self._schedule_end_callbacks
        self._end_callbacks.append(callback)
        if self.peer_ended:
            self.link.loop.call_soon(callback)

    def remove_end_callback(self, callback: Callable[[], object]) -> None:
        """Do not call back any more."""
        callbacks = self._end_callbacks or []
        self._end_callbacks = [other for other in callbacks if other != callback] or None
        if self._end_callbacks is None:
            self.reader.parser.on_close = None

    def _schedule_end_callbacks(self) -> None:
        for callback in self._end_callbacks or ():
            self.link.loop.call_soon(callback)

    def when_lost(self, callback: Callable[[BaseException | None], None]) -> None:
        """Call back, in a loop iteration of its own, once the connection is lost."""
        self._on_lost = callback
        self._schedule_on_lost()

    def _schedule_on_lost(self) -> None:
        link = self.link
        if link.lost and self._on_lost is not None and not link.is_orphaned():
            link.loop.call_soon(self._on_lost, link.exception)
            self._on_lost = None

    def abort(self) -> None:
        """Drop the connection at once, unsent bytes included. Plain TCP sends a RST."""
        link = self.link
        if link.is_lost():
            return
        self.writer.drop()
        if link.sslcontext is None and not link.is_closing():
            reset_on_close(link.transport.get_extra_info("socket"))
        link.transport.abort()

    def write_eof(self) -> None:
        """End the sending half. RuntimeError on TLS."""
        transport = self.link.transport
        if not transport.can_write_eof():
            raise RuntimeError("TLS has no half-closed connections: use close() and return")
        if self.sender.eof_sent or self.link.is_gone():
            return
        self.writer.flush_all()
        self.sender.eof_sent = True
        try:
            transport.write_eof()
        except OSError:
            # The peer was reset and asyncio has not noticed: it reads no more after an EOF.
            transport.abort()

    def discard_input(self) -> None:
        """Send what was sent, and throw away what comes from now on."""
        self.reader.discard()
        self.flush()
        self.reader.resume()

    def flush(self) -> None:
        """Hand over now what was sent, if the connection is not lost."""
        if not self.link.is_lost():
            self.writer.flush()
