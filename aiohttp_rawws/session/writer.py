"""Bytes to the system: gathered while the cork is active, held back while the peer takes none."""

from ..wire.native import Output, write_some
from .backlog import Backlog, Source
from .cork import Corked
from .limits import BREATH, COPY_LIMIT, CORK_LIMIT, HIGH_WATER, LOW_WATER, WRITE_COST
from .link import Link

__all__ = ("Writer",)


# Over twenty methods: gathering, handing over and waiting all turn on what the transport holds.
class Writer(Corked):
    """The way of bytes to the system.

    Plain TCP is written past the transport while nothing waits in the transport. What the system
    does not take at once goes to the transport, one chunk at a time; the rest waits here.
    """

    __slots__ = (
        "_backlog",
        "_breath",
        "_choked",
        "link",
        "out",
        "paused",
        "source",
        "written",
    )

    def __init__(self, link: Link, paused: bool) -> None:
        super().__init__()
        self.link = link
        #: The bytes that were sent since the last write.
        self.out = Output()
        #: How many bytes were handed over.
        self.written = 0
        self._backlog: Backlog | None = None
        # The transport takes no more: over plain TCP as soon as it holds anything.
        self._choked = paused
        #: A sender has to wait: too much waits, or it is time to let the loop run.
        self.paused = paused
        self._breath = BREATH
        #: The receiver whose frames are forwarded to this writer.
        self.source: Source | None = None

    def start(self) -> None:
        """Have a plain transport tell as soon as it holds anything, and once it holds nothing."""
        if self.link.fd >= 0 and not self.link.is_closing():
            self.link.transport.set_write_buffer_limits(0)

    # -- gathering -------------------------------------------------------------------------

    def put(self, data: bytes) -> None:
        """Send bytes."""
        if len(data) > COPY_LIMIT:
            self.flush_with(data)
        else:
            self.out.put(data, None)
            self.flush_later()

    def put_alone(self, data: bytes) -> None:
        """Send bytes that need not be copied if nothing else is gathered with them."""
        if len(self.out) or self.link.cork.active:
            self.put(data)
        else:
            self.flush_with(data)

    def put_octets(self, data: bytearray, size: int) -> None:
        """Send `data[:size]` at once, behind what waits already."""
        if len(self.out) or self._is_held():
            if size > COPY_LIMIT:
                self.flush_with(bytes(memoryview(data)[:size]))
            else:
                self.out.put_some(data, size)
                self.flush()
            return
        self._count(size)
        sent = write_some(self.link.fd, data, size) if self._is_direct() else 0
        if sent < size:
            self._hand_over(bytes(memoryview(data)[sent:size]))

    def flush_later(self) -> None:
        """Hand over what was sent: at once, or when the cork is released."""
        cork = self.link.cork
        if not cork.active or len(self.out) >= CORK_LIMIT:
            self.flush()
        elif not self.corked:
            cork.hold(self)

    # -- handing over ----------------------------------------------------------------------

    def flush(self) -> None:
        """Hand over what was sent."""
        out = self.out
        size = len(out)
        if size == 0 or self.link.lost:
            return
        if self._is_held():
            if size >= CORK_LIMIT:
                self._put_behind(out.take())
            self._check_high_water()
            return
        self._count(size)
        if not (self._is_direct() and out.write(self.link.fd)):
            self._hand_over(out.take())

    def flush_with(self, payload: bytes) -> None:
        """Hand over what was sent, and a payload behind it that is too big to copy."""
        out = self.out
        if self._is_held():
            if len(out):
                self._put_behind(out.take())
            self._put_behind(payload)
            self._check_high_water()
            return
        self._count(len(out) + len(payload))
        sent = out.write_with(self.link.fd, payload) if self._is_direct() else 0
        if len(out):
            self._hand_over(out.take())
        if sent < len(payload):
            self._hand_over(memoryview(payload)[sent:])

    def flush_all(self) -> None:
        """Have the transport hold all that waits: nothing can be handed over behind the end."""
        self.flush()
        if len(self.out):
            self._put_behind(self.out.take())
        backlog = self._backlog
        if backlog is not None:
            self._backlog = None
            self._count(backlog.size)
            self.link.transport.writelines(backlog.take_all())

    def drop(self) -> None:
        """Throw away what was not handed over."""
        self.out.clear()
        self._backlog = None
        if self.link.fd >= 0:
            self._choked = False

    def _hand_over(self, data: "bytes | memoryview") -> None:
        """Give the transport what could not be written past it."""
        if self.link.is_lost():
            return
        self.link.transport.write(data)
        if self.link.fd >= 0:
            self._check_limits()
            self._check_high_water()

    def _is_direct(self) -> bool:
        """Return True if bytes may be written past the transport: none wait in it."""
        # Its descriptor is closed no sooner than the loss was told, if the loop runs here.
        return self.link.fd >= 0 and not self._choked and self.link.is_here()

    def _count(self, size: int) -> None:
        """Note that so many bytes are handed over."""
        self.written += size
        if self.link.fd < 0:
            self._breath -= WRITE_COST + size
            if self._breath < 0 and not self.paused:
                self.paused = True
                self.link.loop.call_soon(self._breathe)

    def _breathe(self) -> None:
        self._breath = BREATH
        if not self._choked:
            self.resume()

    # -- backpressure ----------------------------------------------------------------------

    def waiting(self) -> int:
        """Return how many bytes were accepted but not yet handed to the system."""
        if self.link.is_lost():
            return 0
        size = len(self.out)
        if self._backlog is not None:
            size += self._backlog.size
        # A plain transport has told whether it holds anything.
        if (self._choked or self.link.fd < 0) and not self.link.has_failed():
            size += self.link.transport.get_write_buffer_size()
        return size

    def pause(self) -> None:
        """Note that the transport takes no more."""
        self._choked = True
        if self.link.fd < 0:
            self._pause_senders()

    def resume(self) -> None:
        """Note that the transport takes more: a plain one holds nothing now."""
        self._choked = False
        if self.link.fd >= 0:
            self._check_limits()
            if not self._choked:
                self._send_backlog()
            if self._choked and self.waiting() > LOW_WATER:
                return
        self.paused = False
        self.link.notify()
        if self.source is not None:
            self.source.relieve()

    def _pause_senders(self) -> None:
        self.paused = True
        if self.source is not None:
            self.source.target_paused()

    def _check_limits(self) -> None:
        """Have a plain transport tell once it holds nothing. Others may have set its limits."""
        if not self._choked and self.link.transport.get_write_buffer_size() > 0:
            self._choked = True
            self.link.transport.set_write_buffer_limits(0)

    def _check_high_water(self) -> None:
        if self._choked and not self.paused and self.waiting() > HIGH_WATER:
            self._pause_senders()

    def _is_held(self) -> bool:
        """Return True if output has to wait here, behind what a plain transport holds."""
        return self._choked and self.link.fd >= 0

    def _put_behind(self, data: bytes) -> None:
        if self._backlog is None:
            self._backlog = Backlog()
        self._backlog.put(data)

    def _send_backlog(self) -> None:
        """Hand over what has waited, until the transport holds some of it."""
        if self.link.is_closing():
            # Somebody else has closed it and has not waited. asyncio's transport takes no more.
            self.drop()
            return
        while self._backlog is not None and not self._choked:
            data = self._backlog.take()
            if self._backlog.size == 0:
                self._backlog = None
            self._count(len(data))
            self._hand_over(data)
        self.flush()
