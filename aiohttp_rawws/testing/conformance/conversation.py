"""One connection with the peer: the steps of a case are taken, and what comes is noted."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import Callable

from ...session.deadline import in_time
from ...wire.errors import ProtocolError
from ...wire.frames import Frame
from ...wire.names import Opcode, Violation
from ..ending import end_tasks
from ..errors import PeerEnded, PeerSilent
from ..wire import Wire
from .case import (
    Case,
    CutAt,
    Ending,
    Event,
    HalfClose,
    Part,
    Reset,
    Rounds,
    Send,
    Slice,
    Step,
    Until,
    Wait,
    close,
    message,
    ping,
)
from .codec import Codec
from .judge import could_become, matches
from .opening import write_chopped
from .seen import Seen

__all__ = ("Conversation",)

#: The pause between two writes that are to be read as two, in seconds.
GAP = 0.001
PROBE = b"still there?"
#: How many events, and bytes of a message, a peer may send.
MAX_EVENTS = 50_000
MAX_MESSAGE = 64 * 2**20


class Conversation:
    """Take the steps of a case on an open connection. `seen` is what the peer does meanwhile.

    `patience` is how long the peer may take to do what it has to, in seconds. `steps` are those
    that are left, if some have been taken.
    """

    def __init__(
        self,
        wire: Wire,
        case: Case,
        seen: Seen,
        patience: float,
        codec: Codec | None = None,
        steps: tuple[Step, ...] | None = None,
    ) -> None:
        self.seen = seen
        self._wire = wire
        self._case = case
        self._steps = case.steps if steps is None else steps
        self._patience = patience
        self._codec = codec
        self._changed = asyncio.Event()
        self._has_closed = False
        # The kind of the message that is being received, and its fragments.
        self._kind = ""
        self._fragments: list[bytes] = []
        self._size = 0
        self._is_compressed = False

    async def run(self) -> None:
        """Take the steps, and see the connection to its end. Raises nothing of the peer's."""
        reading = asyncio.ensure_future(self._read())
        try:
            await self._talk()
        except PeerSilent:
            self.seen.deaf = True
        except ConnectionError:
            # The reader tells how the connection ended, if there is more to tell.
            await self._until(lambda: self.seen.end is not None)
            self.seen.end = self.seen.end or "reset"
        finally:
            await end_tasks([reading])

    async def _talk(self) -> None:
        with contextlib.suppress(ConnectionError):
            # The peer may end the connection before all is sent: what it did before counts.
            for step in self._steps:
                if not await self._take(step):
                    break
        if self._case.ending is not Ending.GONE and not self.seen.skipped:
            await self._settle()

    # -- sending ---------------------------------------------------------------------------

    async def _take(self, step: Step) -> bool:
        """Take a step. False if there is no use in those that follow."""
        if isinstance(step, Send):
            await self._send(step)
        elif isinstance(step, CutAt):
            self.seen.sent(step.parts)
            self._note_close(step.parts)
            self.seen.note(f"   cut before octet {step.octet}")
            await self._wire.write(self._encode(step.parts), split=[step.octet], gap=GAP)
        elif isinstance(step, Slice):
            await self._send_slice(step)
        elif isinstance(step, Wait):
            seconds = step.seconds + step.share * self._patience
            await self._until(lambda: self.seen.is_over, seconds)
            if step.mark and not self.seen.is_over:
                self.seen.events.append(("open", step.mark))
            return not self.seen.is_over
        elif isinstance(step, Until):
            await self._until(lambda: self._is_off() or len(self.seen.events) >= step.count)
            return not self._is_off() and len(self.seen.events) >= step.count
        elif isinstance(step, Rounds):
            return await self._rounds(step)
        elif isinstance(step, HalfClose):
            if not self._wire.transport.can_write_eof():
                self.seen.skipped = "TLS has no half-closed connections"
                return False
            self.seen.note("-> FIN")
            self._wire.half_close()
        elif isinstance(step, Reset):
            self.seen.note("-> RST")
            self._wire.reset()
        return True

    async def _send(self, step: Send) -> None:
        self.seen.sent(step.parts)
        self._note_close(step.parts)
        if step.each:
            for part in step.parts:
                await self._wire.write(part.encode(self._wire.is_client))
                await asyncio.sleep(0)
        else:
            await write_chopped(self._wire, self._encode(step.parts), step.chop)

    async def _send_slice(self, step: Slice) -> None:
        if step.start == 0:
            self.seen.sent(step.parts)
        data = self._encode(step.parts)
        # The offsets are those of a masked frame with a length in 7 bits.
        less = 0 if self._wire.is_client else 4
        start = max(step.start - less, 2) if step.start else 0
        stop = len(data) if step.stop is None else max(step.stop - less, 1)
        self.seen.note(f"   octets {start} to {stop} of {len(data)}")
        await self._wire.write(data[start:stop])

    def _note_close(self, parts: tuple[Part, ...]) -> None:
        if self._case.ending is not Ending.FAILS:
            self._has_closed |= any(part.opcode == Opcode.CLOSE for part in parts)

    def _encode(self, parts: tuple[Part, ...]) -> bytes:
        return b"".join(part.encode(self._wire.is_client) for part in parts)

    async def _send_close(self, part: Part) -> None:
        if not self._has_closed:
            self._has_closed = True
            self.seen.sent((part,))
            await self._wire.write(self._encode((part,)))

    async def _rounds(self, step: Rounds) -> bool:
        """Send each message once the one before has come back."""
        number = 0
        for number, sent in enumerate(step.messages(), 1):
            parts = self._fragmented(sent, step.fragment)
            if number <= 3:
                self.seen.sent(parts)
            await write_chopped(self._wire, self._encode(parts), step.chop)
            await self._until(lambda: self.seen.is_over or bool(self.seen.events))
            if self.seen.events != [sent]:
                self.seen.lost = f"message {number} did not come back as it was sent"
                return False
            self.seen.events.clear()
        self.seen.note(f"   {number} messages came back")
        return True

    def _fragmented(self, sent: Event, size: int) -> tuple[Part, ...]:
        kind, payload = sent
        rsv = 0
        if self._codec is not None:
            payload, rsv = self._codec.compress(payload), 4
        if not size or len(payload) < size:
            return (message(kind, payload, rsv=rsv),)
        # The last one is empty if the others are full, as Autobahn has it.
        cuts = range(0, len(payload) + 1, size)
        return tuple(
            message(
                kind if start == 0 else "more",
                payload[start : start + size],
                start + size > len(payload),
                rsv=rsv if start == 0 else 0,
            )
            for start in cuts
        )

    # -- the end ---------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Give the peer the time that it has, then close and see it end the connection."""
        ending, seen = self._case.ending, self.seen
        if ending is Ending.ENDS:
            await self._until(lambda: seen.end is not None)
            return
        await self._until(self._is_settled)
        if ending is Ending.FAILS and not seen.is_over and could_become(self._case, seen.events):
            with contextlib.suppress(ConnectionError):
                await self._probe()
        if ending in (Ending.GOES_ON, Ending.EITHER) and not seen.is_over:
            await self._send_close(close(1000))
            await self._until(lambda: seen.is_over)
        if seen.close is None or seen.end is not None:
            return
        if self._wire.is_client:
            await self._until(lambda: seen.end is not None)

    def _is_off(self) -> bool:
        """Tell whether the peer has closed, or does something else than it should."""
        return self.seen.is_over or not could_become(self._case, self.seen.events)

    def _is_settled(self) -> bool:
        if self.seen.is_over or self.seen.lost:
            return True
        if self._case.ending in (Ending.REPLIES, Ending.REJECTS):
            return False
        if not could_become(self._case, self.seen.events):
            return True
        return self._case.ending is not Ending.FAILS and matches(self._case, self.seen)

    async def _probe(self) -> None:
        """Ask the peer that did nothing whether it is still there."""
        self.seen.answers = False
        self.seen.sent((ping(PROBE),))
        await self._wire.write(self._encode((ping(PROBE),)))
        await self._until(lambda: self.seen.answers is True or self.seen.is_over)

    async def _until(self, done: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until something is true of what was seen, for so long, or as `patience` has it."""
        limit = time.monotonic() + (self._patience if seconds is None else seconds)
        while not done():
            left = limit - time.monotonic()
            self._changed.clear()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                await in_time(self._changed.wait(), left)

    # -- receiving -------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            while len(self.seen.events) < MAX_EVENTS:
                try:
                    frame = await self._wire.read_frame()
                except PeerSilent:
                    continue
                await self._saw(frame)
                self._changed.set()
            self.seen.faults.append(f"more than {MAX_EVENTS} messages and pongs")
        except PeerEnded as end:
            self.seen.end = "reset" if end.reset else "fin"
            self.seen.partial = end.partial
            self.seen.note("<- RST" if end.reset else "<- FIN")
            if end.partial and self.seen.close is None:
                self.seen.faults.append("the peer ended TCP in the middle of a frame")
        except ProtocolError as error:
            self.seen.faults.append(str(error))
        except ConnectionError:
            self.seen.end = "reset"
        finally:
            self._changed.set()

    async def _saw(self, frame: Frame) -> None:
        seen = self.seen
        seen.saw(frame)
        self._check(frame)
        if frame.opcode == Opcode.CLOSE:
            if seen.close is None:
                seen.close = frame.payload
                seen.closed_first = not self._has_closed
                with contextlib.suppress(ConnectionError, PeerSilent):
                    await self._send_close(close(seen.code if is_sendable(seen.code) else None))
        elif frame.opcode == Opcode.PONG and frame.payload == PROBE:
            seen.answers = True
        elif frame.opcode in (Opcode.PING, Opcode.PONG):
            seen.events.append(("ping" if frame.opcode == Opcode.PING else "pong", frame.payload))
        else:
            self._saw_data(frame)

    def _check(self, frame: Frame) -> None:
        """Note the rules that a frame breaks."""
        broken = frame.violations
        is_first = frame.opcode in (Opcode.TEXT, Opcode.BINARY)
        if self._codec is not None and is_first and not (frame.rsv2 or frame.rsv3):
            broken &= ~Violation.RESERVED_BITS
        if broken:
            self.seen.faults.append(f"a frame of the peer is illegal: {broken.name or broken}")

    def _saw_data(self, frame: Frame) -> None:
        if frame.opcode != Opcode.CONTINUATION:
            self._kind = "text" if frame.opcode == Opcode.TEXT else "binary"
            self._is_compressed = frame.rsv1
            self._fragments.clear()
            self._size = 0
        self._size += len(frame.payload)
        if self._size > MAX_MESSAGE:
            self.seen.faults.append(f"a message of more than {MAX_MESSAGE} bytes")
            self._fragments.clear()
            return
        self._fragments.append(frame.payload)
        if not frame.fin:
            return
        payload = b"".join(self._fragments)
        self._fragments.clear()
        if self._is_compressed and self._codec is not None:
            try:
                payload = self._codec.decompress(payload)
            except zlib.error as error:
                self.seen.faults.append(f"a compressed message of the peer is broken: {error}")
                return
        self.seen.events.append((self._kind, payload))


def is_sendable(code: int | None) -> bool:
    return code is not None and (1000 <= code <= 1003 or 1007 <= code <= 1014 or code >= 3000)
