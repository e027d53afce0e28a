"""Bytes from the transport: parsed as they come, and when to read on."""

from asyncio import current_task

from ..wire.names import Violation
from ..wire.parser import Parser
from ..wire.partial import Forwarding
from ..wire.stops import Stop
from .link import Link
from .options import Options
from .sender import Sender
from .transports import read_kept
from .waiting import Waiter

__all__ = ("Consumer", "ReadCallbacks", "Reader")

AFTER_CLOSE = Violation.AFTER_CLOSE.value
LIMIT = Stop.LIMIT.value

#: How long a target takes nothing before whoever relays is told, in seconds.
STALL_NOTED = 1.0


class Consumer:
    """Takes the frames inside the read callback, in place of a task."""

    __slots__ = ()

    def run(self) -> bool:
        """Take the frames that wait. Return True to have the receiving task run, too."""
        raise NotImplementedError


class Reader:
    """The way of bytes from the transport to the parser, or to the sender of another connection.

    Reads of all the connections of a loop share one buffer: each is parsed before the next one
    begins. A task that waits for a frame is run inside the read callback, after everything that
    was read is parsed.
    """

    __slots__ = (
        "_resuming",
        "_stalling",
        "bytes_received",
        "consumer",
        "discarding",
        "eof_received",
        "link",
        "parser",
        "paused",
        "target",
        "waiter",
    )

    def __init__(self, link: Link, options: Options, is_client: bool, extended: bool) -> None:
        self.link = link
        self.parser = Parser(
            link.cork.buffer,
            is_client=is_client,
            max_frame_size=options.max_frame_size,
            limit=options.receive_limit,
            reject=options.reject,
            extended=extended,
        )
        self.waiter = Waiter(link.loop)
        self.consumer: Consumer | None = None
        #: How many bytes were read since the upgrade, frames that are not complete included.
        self.bytes_received = 0
        self.paused = False
        self.eof_received = False
        #: The connection ends: what comes is thrown away.
        self.discarding = False
        # A callback that reads on is scheduled.
        self._resuming = False
        #: The sender that gets the frames as they come.
        self.target: Sender | None = None
        self._stalling = False

    # -- the transport's reads -------------------------------------------------------------

    def start(self, data: bytes) -> None:
        """Begin with the bytes that came behind the handshake."""
        self._resume_transport()
        self.bytes_received = len(data)
        self.parser.feed(data)
        if self.parser.is_full():
            self.pause()

    def read(self, count: int) -> None:
        """Parse `count` bytes that stand in the memory which the parser has offered."""
        self.bytes_received += count
        parser = self.parser
        parser.written(count)
        if parser.is_full():
            self.pause()
            if self.target is not None:
                self.relieve()
        # This must be the last step of the callback: the task may re-enter or close the connection.
        self.wake()

    def wake(self) -> None:
        """Run the receiving task, if there is something for it to take."""
        if not (self.waiter.waiting and self.parser.is_ready()):
            return
        link = self.link
        cork = link.cork
        # A plain transport reads only when the loop calls it; TLS also while a task closes it.
        if cork.active or cork.orphaned or (link.fd < 0 and current_task(link.loop) is not None):
            self.waiter.wake(False)
            return
        cork.active = True
        try:
            if self.consumer is None or self.consumer.run():
                self.waiter.wake(True)
        except BaseException as error:
            # SystemExit, say. A transport would take it for a failure of its own: uvloop's ends the
            # connection, and keeps it from the program.
            link.loop.call_soon(reraise, error)
        finally:
            cork.release()

    def note_eof(self) -> None:
        """Note that the peer has ended its stream."""
        self.eof_received = True
        self.waiter.wake(False)

    def discard(self) -> None:
        """Throw away what comes from now on."""
        self.discarding = True
        if not self.link.is_lost():
            self.waiter.wake(False)

    def is_over(self) -> bool:
        """Return True if no more bytes will come to the parser."""
        return self.eof_received or self.discarding or self.link.is_lost()

    # -- when to read on -------------------------------------------------------------------

    def relieve(self) -> None:
        """Parse and read on once less than half of the limit waits, and the target can take it."""
        parser = self.parser
        target = self.target
        if target is not None and target.writer.paused and not target.link.lost:
            return
        if parser.queue.cost * 2 >= parser.limit and parser.queue.first is not None:
            return
        if parser.stop == LIMIT:
            # In a callback of its own: one connection's burst must not hold the loop.
            if self.link.is_orphaned():
                self._read_on()
            elif not self._resuming:
                self._resuming = True
                self.link.loop.call_soon(self._read_on)
        elif self.paused and not parser.is_full():
            self.resume()

    def _read_on(self) -> None:
        self._resuming = False
        parser = self.parser
        parser.resume()
        if self.target is not None:
            self.relieve()
        elif not parser.is_full():
            self.resume()
        if self.is_over():
            # The end was told while these bytes waited, and will not be told again.
            self.waiter.wake(False)
        else:
            self.wake()

    def pause(self) -> None:
        """Read no more, until `resume`."""
        if not (self.paused or self.eof_received or self.link.is_gone()):
            self.paused = True
            self.link.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        # After its EOF a stream must not be read again: it would end again.
        if self.paused and not (self.eof_received or self.link.is_gone()):
            self.paused = False
            self._resume_transport()

    def _resume_transport(self) -> None:
        link = self.link
        if link.keeps_input:
            # In a callback of its own: the caller may be in the middle of something.
            link.loop.call_soon(self._read_kept)
        else:
            link.transport.resume_reading()

    def _read_kept(self) -> None:
        if not (self.paused or self.link.is_gone()):
            read_kept(self.link.transport)

    # -- forwarding ------------------------------------------------------------------------

    def may_forward_to(self, target: Sender) -> bool:
        """Return True if frames may go on as they stand: masked as the target sends them."""
        # None may follow a Close, for that is taken as a frame.
        rules = self.parser.rules
        return rules.reject & AFTER_CLOSE != 0 and target.masking != rules.is_client

    def forward_to(self, target: Sender) -> Forwarding:
        """Give the frames that come to `target` as they stand. Only between two frames."""
        self.target = target
        target.writer.source = self
        forwarding = self.parser.forward_to(self._forward)
        self.relieve()
        return forwarding

    def stop_forwarding(self) -> None:
        """Give the frames that come to the queue again. At any point of a frame."""
        if self.target is not None:
            self.target.writer.source = None
        self.target = None
        self.parser.stop_forwarding()
        self.relieve()

    def end_forwarding(self) -> None:
        """Stop forwarding where the frame that is passing ends, and have whoever relays run."""
        forwarding = self.parser.forwarding
        if forwarding is not None and self.parser.left > 0:
            forwarding.on_rest = self.end_forwarding
        else:
            self.parser.stop_forwarding()
            self.waiter.wake(False)

    def _forward(self, data: bytearray, size: int) -> None:
        """Send `data[:size]`, which the parser has checked, to the target."""
        target = self.target
        assert target is not None
        target.forward_octets(data, size, self.parser.left)
        if target.writer.paused:
            self.pause()

    def target_paused(self) -> None:
        """Have whoever relays look after the target, if it still takes nothing in a while."""
        if not self._stalling:
            self._stalling = True
            self.link.loop.call_later(STALL_NOTED, self._tell_stall)

    def _tell_stall(self) -> None:
        self._stalling = False
        if self.target is not None and self.target.writer.paused:
            self.waiter.wake(False)


class ReadCallbacks:
    """Give the transport memory to read into, and have what was read parsed."""

    __slots__ = ("reader",)

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def get_buffer(self, sizehint: int) -> memoryview:
        reader = self.reader
        return reader.link.cork.buffer.view if reader.discarding else reader.parser.writable()

    def buffer_updated(self, nbytes: int) -> None:
        reader = self.reader
        if reader.discarding:
            reader.bytes_received += nbytes
        else:
            reader.read(nbytes)


def reraise(error: BaseException) -> None:
    """Raise an error in a callback, so that the loop does with it what it does with any."""
    raise error
