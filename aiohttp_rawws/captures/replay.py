"""Playing one side of a captured connection against a live peer."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from ..session.checks import check_seconds
from ..session.deadline import in_time
from ..session.session import RawWebSocketSession
from ..wire.errors import EndOfStream, ProtocolError, SessionClosed
from ..wire.frames import Frame
from .comparing import Difference, FrameComparison, described
from .format import End, FrameLine, LeftOut, Octets, Opening, Start, other_side
from .inflation import inflaters_of
from .reading import CaptureError, Source, read_capture
from .segments import Segment, Segments, missing_of

__all__ = ("Conversation", "Replayed", "check_times", "load", "play")

#: Two reads of one frame are at least so many seconds apart, so that a peer reads twice, too.
READ_GAP = 0.001

#: The largest frame of a peer that can be compared, in bytes.
MAX_FRAME = 2**30

#: The largest message that is inflated to be compared, in bytes.
MAX_INFLATED = 16 * 2**20

#: What one side sends, and the frames of the other side, in the order of the capture.
Step: TypeAlias = Segment | FrameLine


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay went. `difference` is the first one, None if the peer did as captured."""

    #: The octets that were sent behind the handshake, and the peer's frames that were compared.
    sent: int
    compared: int
    difference: Difference | None

    def __str__(self) -> str:
        counts = f"{self.sent} octets sent, {self.compared} frames compared"
        return f"same: {counts}" if self.difference is None else f"{self.difference}\n{counts}"


@dataclass(slots=True)
class Conversation:
    """One connection of a capture, all of it in memory."""

    opening: Opening
    lines: list[FrameLine | Octets | LeftOut]
    end: End | None

    def largest(self) -> int:
        """Return the size of the biggest payload."""
        return max((line.length for line in self.lines if isinstance(line, FrameLine)), default=0)


def load(capture: Source, connection: int | None = None) -> Conversation:
    """Return one connection of a capture: the one with this number, in the last run that has it.

    Without a number it has to be the only one. Raises CaptureError if it is not there.
    """
    found: dict[int, Conversation] = {}
    run: dict[int, Conversation] = {}
    for line in read_capture(capture):
        if isinstance(line, Start):
            run = {}
        elif isinstance(line, Opening):
            if line.status == 101 and connection in (None, line.connection):
                run[line.connection] = found[line.connection] = Conversation(line, [], None)
        elif isinstance(line, LeftOut):
            for conversation in run.values():
                conversation.lines.append(line)
        elif line.connection in run and isinstance(line, End):
            run.pop(line.connection).end = line
        elif line.connection in run and isinstance(line, (FrameLine, Octets)):
            run[line.connection].lines.append(line)
    if connection is not None and connection not in found:
        raise CaptureError(f"there is no connection {connection} that was opened")
    if connection is None and len(found) != 1:
        numbers = ", ".join(map(str, sorted(found)[:10]))
        raise CaptureError(
            f"there are {len(found)} connections: choose one of {numbers}"
            if found
            else "there is no connection that was opened"
        )
    return next(iter(found.values()))


def steps_of(conversation: Conversation, side: str) -> list[Step]:
    """Return what `side` sends and what it is sent. Raises CaptureError for what was not kept."""
    steps: list[Step] = []
    segments = Segments()
    for line in conversation.lines:
        if isinstance(line, LeftOut):
            raise CaptureError("lines are missing here: this cannot be replayed", line.line)
        if line.direction == side:
            if missing_of(line):
                raise CaptureError("not all octets were kept: this cannot be replayed", line.line)
            steps += segments.add(line)
        else:
            steps += segments.rest()
            # Octets that are no frame are not compared.
            if isinstance(line, FrameLine):
                if line.length > MAX_FRAME:
                    said = f"a frame of {line.length} bytes is too long to be compared"
                    raise CaptureError(said, line.line)
                steps.append(line)
    return steps + segments.rest()


def check_times(speed: float | None, timeout: float) -> None:
    """Raise TypeError or ValueError for what is no number above 0."""
    if speed is not None:
        check_seconds("speed", speed, positive=True)
    check_seconds("timeout", timeout, positive=True)


async def play(
    conversation: Conversation,
    session: RawWebSocketSession,
    *,
    speed: float | None = 1.0,
    timeout: float = 10.0,
) -> Replayed:
    """Play the side of a conversation that `session` is, and compare what the peer sends.

    Each pause is as long as it was, divided by `speed`; with None there is none. What the peer
    had sent before something was sent has to come before that is sent again: up to `timeout`
    seconds are waited for it. The session must let everything pass: `reject=Violation.NONE`.
    """
    check_times(speed, timeout)
    player = Player(conversation, session, speed, timeout)
    difference = await player.run()
    return Replayed(player.sent, player.compared, difference)


class Player:
    """Plays the steps of one conversation on a session."""

    def __init__(
        self,
        conversation: Conversation,
        session: RawWebSocketSession,
        speed: float | None,
        timeout: float,
    ) -> None:
        self.sent = 0
        self.compared = 0
        self._side = "client" if session.is_client else "upstream"
        self._conversation = conversation
        self._session = session
        self._speed = speed
        self._timeout = timeout
        self._now = conversation.opening.time
        peer = other_side(self._side)
        inflaters = (
            inflaters_of(extensions, MAX_INFLATED).get(peer)
            for extensions in (conversation.opening.extensions, session.extensions)
        )
        self._comparison = FrameComparison(*inflaters)

    async def run(self) -> Difference | None:
        """Play all, and return the first difference, which ends it."""
        for step in steps_of(self._conversation, self._side):
            if isinstance(step, Segment):
                difference = await self._send(step)
            else:
                difference = await self._expect(step)
            if difference is not None:
                return difference
        end = self._conversation.end
        return await self._end(end) if end is not None else None

    async def _send(self, segment: Segment) -> Difference | None:
        await self._pause(segment.time, READ_GAP if segment.is_inside else 0.0)
        try:
            self._session.write(segment.octets)
            self.sent += len(segment.octets)
            await in_time(self._session.drain(), self._timeout)
        except SessionClosed:
            expected = f"{len(segment.octets)} octets more are sent to it"
            return Difference(
                "the peer has gone", expected, "the end of the connection", segment.line
            )
        except TimeoutError:
            seen = f"it takes nothing for {self._timeout:g} seconds"
            return Difference("the peer does not read", "all is read", seen, segment.line)
        return None

    async def _pause(self, time: datetime, least: float) -> None:
        seconds = 0.0
        if self._speed is not None:
            seconds = (time - self._now).total_seconds() / self._speed
        self._now = max(self._now, time)
        if max(seconds, least) > 0:
            await asyncio.sleep(max(seconds, least))

    async def _expect(self, line: FrameLine) -> Difference | None:
        self._now = max(self._now, line.time)
        seen = await self._receive()
        if isinstance(seen, Frame):
            self.compared += 1
            return self._comparison.compare(line, seen)
        expected = described(line.frame, length=line.length)
        return Difference("a frame did not come", expected, seen, line.line)

    async def _receive(self) -> Frame | str:
        """Return the next frame, or a text that tells why there is none."""
        try:
            return await in_time(self._session.receive(), self._timeout)
        except EndOfStream as end:
            return f"the end of the connection ({end.__cause__ or 'a FIN'})"
        except ProtocolError as error:
            return f"what cannot be read: {error}"
        except TimeoutError:
            return f"nothing within {self._timeout:g} seconds"

    async def _end(self, end: End) -> Difference | None:
        if end.first == self._side and end.reason == "lost":
            self._session.abort()
            return None
        if end.first == self._side and end.reason == "end of stream":
            self._write_eof()
        if end.first is None:
            # The peer had no part in it: a proxy was stopped, or nothing is known.
            seen = self._receive_nowait()
        elif self._side == "client" or (end.first == "client" and end.reason != "close"):
            seen = await self._receive()
        else:
            # After both Closes the server ends the connection (RFC 6455 section 7.1.1).
            seen = self._receive_nowait()
        if isinstance(seen, Frame):
            return Difference("a frame too many", "the end", described(seen), end.line)
        if seen.startswith("nothing within"):
            return Difference("no end", "the end of the connection", seen, end.line)
        return None

    def _write_eof(self) -> None:
        try:
            self._session.write_eof()
        except (RuntimeError, SessionClosed):
            # TLS has no halves: the caller ends the connection.
            return

    def _receive_nowait(self) -> Frame | str:
        try:
            return self._session.receive_nowait() or ""
        except (EndOfStream, ProtocolError):
            return ""
