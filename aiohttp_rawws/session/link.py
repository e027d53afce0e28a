"""The transport of a connection, and what is known of it."""

import asyncio
import sys
from asyncio import _get_running_loop as running_loop
from functools import partial
from typing import Any

from .changes import Changes
from .cork import cork_of
from .transports import has_failed, is_closing, keeps_input, plain_descriptor

__all__ = ("Link",)


class Link:
    """The transport of a connection: whether it is there, and in which thread and process.

    `fd` is the descriptor to which bytes may be written past the transport, or -1 (over TLS).
    """

    __slots__ = (
        "_peername",
        "_sockname",
        "changes",
        "cork",
        "exception",
        "fd",
        "is_closing",
        "keeps_input",
        "loop",
        "lost",
        "sslcontext",
        "transport",
    )

    def __init__(self, transport: asyncio.Transport, peername: object = None) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.cork = cork_of(self.loop)
        self.fd = plain_descriptor(transport)
        #: Return True once somebody has closed the transport. It is asked for each frame.
        self.is_closing = transport.is_closing
        if self.fd < 0 and sys.version_info < (3, 11):
            self.is_closing = partial(is_closing, transport)
        self.keeps_input = keeps_input(transport)
        #: Tasks that wait for a change of the connection; None until one does.
        self.changes: Changes | None = None
        #: The loss was told.
        self.lost = False
        self.exception: BaseException | None = None
        # A lost transport does not tell these any more.
        self._peername = peername or transport.get_extra_info("peername")
        self.sslcontext = None if self.fd >= 0 else transport.get_extra_info("sslcontext")
        # A plain transport can still be asked for it then.
        tls = self.sslcontext is not None
        self._sockname = transport.get_extra_info("sockname") if tls else None

    def notify(self) -> None:
        """Wake the tasks that wait for a change: of a stream's end, the loss, or a write pause."""
        if self.changes is not None:
            self.changes.notify()

    def note_loss(self, exception: "BaseException | None") -> None:
        """Note that the transport has told of its loss."""
        if self._sockname is None:
            self._sockname = self.transport.get_extra_info("sockname")
        self.lost = True
        self.exception = exception

    def is_lost(self) -> bool:
        """Return True if the transport has told of its loss, or is no longer there to tell."""
        if not self.lost and not self.is_here() and self.is_orphaned():
            self.lost = True
            self.exception = RuntimeError(
                "the event loop of the connection is closed, or runs in the process that this one "
                "was forked from"
            )
        return self.lost

    def is_gone(self) -> bool:
        """Return True if the connection is lost or closing."""
        return self.is_lost() or self.is_closing()

    def is_orphaned(self) -> bool:
        """Return True if the loop is closed, or another process has the connection."""
        return self.cork.orphaned or self.loop.is_closed()

    def is_here(self) -> bool:
        """Return True if the loop runs in this thread, so that the descriptor is good.

        A loop that is closed may have closed the descriptor behind the transport's back, and its
        number may be another socket's by now. A loop in another thread may do so at any time. While
        the loop runs here, only a program does that closes descriptors which are not its own
        (`os.close`, `os.closerange`): neither the transport nor this package can notice that.
        """
        cork = self.cork
        return cork.active or (running_loop() is self.loop and not cork.orphaned)

    def is_reachable(self) -> bool:
        """Return True if the connection is not lost.

        RuntimeError in another thread than the one where the loop runs.
        """
        if self.is_here():
            return True
        if self.is_lost():
            return False
        if self.loop.is_running():
            raise RuntimeError(
                "a session can only be used where its event loop runs, not in another thread: "
                "use loop.call_soon_threadsafe() or asyncio.run_coroutine_threadsafe()"
            )
        return True

    def has_failed(self) -> bool:
        """Return True if the transport cannot be asked any more, though it told of no loss."""
        return self.fd < 0 and has_failed(self.transport)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport tells. Once it is lost only what was kept is known."""
        if not self.is_lost() and not self.has_failed():
            return self.transport.get_extra_info(name, default)
        kept = {
            "peername": self._peername,
            "sockname": self._sockname,
            "sslcontext": self.sslcontext,
        }
        value = kept.get(name)
        return default if value is None else value

    def close(self) -> None:
        """Close the transport, once: a second time asyncio's TLS would lose its protocol."""
        if not self.is_closing():
            self.transport.close()
