"""Keeping conversations: what passes, written as the lines of a capture."""

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from io import FileIO
from typing import Any, BinaryIO, Final
from weakref import WeakValueDictionary

from aiohttp import web

from ..proxy.relay import RelayStats
from ..server.upgrade import is_upgrade
from ..session.checks import check_int
from ..session.session import RawWebSocketSession
from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from ..wire.names import Opcode
from ..wire.pieces import Piece
from .format import (
    DIRECTIONS,
    MAX_PAYLOAD,
    REASONS,
    cut_to,
    event_line,
    frame_line,
    header_line,
    length_of,
    octets_line,
    other_side,
    start_line,
)
from .handshakes import HANDSHAKE, completed, handshake_of, pairs_of, request_of
from .octets import FrameScanner
from .redaction import Redaction

__all__ = ("Recorder", "Recording")

#: How `relay` and `proxy` name the directions, and what a capture says.
SIDES: Final = {"client": "client", "a->b": "client", "upstream": "upstream", "b->a": "upstream"}

#: In place of the masking key of a frame that had one.
NO_MASK: Final = bytes(4)


class Recorder:
    """Writes a capture of any number of connections.

        with Recorder("chat.jsonl") as recorder:
            with recorder.connection(session) as tap:
                tap.ended(await relay(session, upstream, tap=tap))

    `file` is a path, whose file is appended to, or a binary file, which stays open. Each line is
    written at once, and the event loop waits for it. Secrets of handshakes are redacted unless
    `show_secrets` is set. Of a payload at most `payload_limit` bytes are kept, up to 128 MiB.

    Raises OSError where the file cannot be written, also out of a tap.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        *,
        upstream: str | None = None,
        show_secrets: bool = False,
        payload_limit: int = 16 * 2**20,
    ) -> None:
        check_int("payload_limit", payload_limit, least=0)
        if payload_limit > MAX_PAYLOAD:
            raise ValueError(f"payload_limit must be at most {MAX_PAYLOAD}, got {payload_limit}")
        self.payload_limit: Final = payload_limit
        self.redaction: Final = Redaction(show_secrets=show_secrets)
        self._connections = 0
        #: Those whose answer is not known, by the requests. A recording that was dropped is gone.
        self._waiting: WeakValueDictionary[int, Recording] = WeakValueDictionary()
        with contextlib.ExitStack() as close:
            self._file: Any = file
            if isinstance(file, (str, os.PathLike)):
                self._file = close.enter_context(FileIO(file, "ab"))
            elif not hasattr(file, "write") or isinstance(self._file, io.TextIOBase):
                raise TypeError(f"file must be a path or a binary file, got {file!r}")
            self.write(start_line(None if upstream is None else self.redaction.path(upstream)))
            self._close = close.pop_all()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._close.close()

    def write(self, line: bytes) -> None:
        """Write a line of the format."""
        view = memoryview(line)
        while view:
            written = self._file.write(view)
            if written is None:
                said = "write() of the file returned None: a Recorder needs a blocking file"
                raise BlockingIOError(errno.EAGAIN, said)
            view = view[written:]

    def connection(
        self,
        source: "RawWebSocketSession | web.Request | None" = None,
        upstream: RawWebSocketSession | None = None,
    ) -> "Recording":
        """Return what records one connection: a tap, and a context manager.

        `source` tells the handshake: a session, or a request that is to be proxied. `upstream` is
        the other session of a relay. Without a `source` call `opened` before the first frame.
        """
        if source is not None and not isinstance(source, (RawWebSocketSession, web.BaseRequest)):
            raise TypeError(f"source must be a session or a request, got {source!r}")
        self._connections += 1
        recording = Recording(self, self._connections)
        if isinstance(source, RawWebSocketSession):
            recording.session = source
            recording.opened(**self._fields_of(source, upstream))
        elif source is not None:
            recording.request = source
            self._waiting[id(source)] = recording
        return recording

    async def answered(self, request: web.Request, response: web.StreamResponse) -> None:
        """Record the answer to a proxied request: for `app.on_response_prepare`.

        Without this a capture does not have the answers that visitors of `proxy` got.
        """
        recording = self._waiting.pop(id(request), None)
        if recording is not None:
            recording.answered(response.status, list(response.headers.items()))

    def forget(self, request: web.Request) -> None:
        """Wait for no answer to a request any more."""
        self._waiting.pop(id(request), None)

    def _fields_of(
        self, session: RawWebSocketSession, upstream: RawWebSocketSession | None
    ) -> dict[str, Any]:
        fields = handshake_of(session)
        if upstream is not None:
            other = handshake_of(upstream)
            fields["upstream"] = {key: other[key] for key in HANDSHAKE}
        return fields


def side_of(direction: str) -> str:
    """Return the sender as a capture names it."""
    if direction not in SIDES:
        raise ValueError(f"a direction is one of {', '.join(SIDES)}, got {direction!r}")
    return SIDES[direction]


class Recording:
    """Records one connection. Call it as the `tap` of `relay` or `proxy`.

    As a context manager it writes how the connection ended, unless `ended` did.
    """

    def __init__(self, recorder: Recorder, number: int) -> None:
        #: The number of the connection in the capture.
        self.number: Final = number
        self.session: RawWebSocketSession | None = None
        self.request: web.Request | None = None
        self._recorder = recorder
        self._is_open = False
        self._is_over = False
        #: Who sent the first Close: "client" or "upstream".
        self.first_close: str | None = None
        self._frames = dict.fromkeys(DIRECTIONS, 0)
        self._bytes = dict.fromkeys(DIRECTIONS, 0)
        self._scanners: dict[str, FrameScanner] = {}

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not self._is_over:
            self.end(**self._ending(error))

    def __call__(self, direction: str, frame: Frame | Piece) -> None:
        """Record a frame: a tap. `direction` is one of `relay`, or of `proxy`."""
        self._record(datetime.now(timezone.utc), side_of(direction), frame)

    # -- one session -----------------------------------------------------------------------

    def received(self, frame: Frame) -> None:
        """Record a frame that the session has received."""
        self._record(datetime.now(timezone.utc), self._peer(), frame)

    def sent(self, frame: Frame) -> None:
        """Record a frame that was sent. Zeros stand for the masking key of a client's session."""
        side = other_side(self._peer())
        if side == "client" and frame.mask is None:
            frame = frame.replace(mask=NO_MASK)
        self._record(datetime.now(timezone.utc), side, frame)

    def _peer(self) -> str:
        if self.session is None:
            raise ValueError("who has sent this? Give connection() the session")
        return "upstream" if self.session.is_client else "client"

    # -- octets ----------------------------------------------------------------------------

    def octets(self, direction: str, data: bytes | bytearray | memoryview) -> None:
        """Record what one read has brought behind the handshake, and the frames that end in it.

        So a capture has the reads of each frame. Call either this or the tap.
        """
        now = datetime.now(timezone.utc)
        side = side_of(direction)
        if side not in self._scanners:
            self._scanners[side] = FrameScanner(self._recorder.payload_limit)
        for frame, length_bits, reads, joined in self._scanners[side].feed(bytes(data), now):
            self._record(now, side, frame, length_bits, reads, joined)

    # -- events ----------------------------------------------------------------------------

    def opened(
        self,
        *,
        path: str = "/",
        method: str = "GET",
        address: str = "",
        url: str | None = None,
        request: Any = None,
        status: int = 101,
        response: Any = None,
        upstream: dict[str, Any] | None = None,
    ) -> None:
        """Record the handshake. `request` and `response` are headers, or pairs of them.

        `upstream` has the handshake behind a proxy: a dict of `url`, `request`, `status` and
        `response`. Any other status than 101 is a refusal.
        """
        shown = self._recorder.redaction
        check_int("status", status, least=0)
        response = pairs_of(response)
        client = {"request": pairs_of(request), "status": status, "response": response}
        handshakes = {
            "client": shown.handshake(client if url is None else {"url": url, **client}),
            "upstream": None if upstream is None else shown.handshake(completed(upstream)),
        }
        fields: dict[str, Any] = {"method": method, "path": shown.path(path), "address": address}
        event = "open" if status == 101 else "refused"
        if event == "open":
            headers = response or []
            fields["protocol"] = shown.protocol(header_line(headers, "sec-websocket-protocol"))
            fields["extensions"] = header_line(headers, "sec-websocket-extensions")
        else:
            fields["status"] = status
            self._is_over = True
        self._is_open = True
        self._event(event, {**fields, "handshakes": handshakes})

    def answered(self, status: int, response: list[tuple[str, str]] | None) -> None:
        """Record the answer to the request that is to be proxied, if none is recorded."""
        if self.request is None or self._is_open or self._is_over:
            return
        self._recorder.forget(self.request)
        asked = request_of(self.request)
        if status == 101 or is_upgrade(self.request):
            self.opened(**asked, status=status, response=response)
            return
        self._is_over = True
        path = self._recorder.redaction.path(asked["path"])
        fields = {"method": asked["method"], "path": path, "address": asked["address"]}
        self._event("answered", {**fields, "status": status})

    def ended(self, stats: RelayStats | None) -> None:
        """Record what `relay` has returned, or the `relay_stats` of a response of `proxy`."""
        if self._is_over:
            return
        if stats is None:
            self.end(None, "stopped")
            return
        self.answered(101, None)
        error = str(stats.error) or type(stats.error).__name__ if stats.error is not None else None
        first = {"a": "client", "b": "upstream"}.get(stats.ended_first, stats.ended_first)
        self._frames = {SIDES[name]: count for name, count in stats.frames.items()}
        self._bytes = {SIDES[name]: count for name, count in stats.bytes.items()}
        self.end(first or None, stats.reason, error)

    def end(self, first: str | None, reason: str, error: str | None = None) -> None:
        """Record how the connection ended: `reason` is one of those of the format."""
        if first not in (None, *DIRECTIONS):
            raise ValueError(f"first is {' or '.join(DIRECTIONS)} or None, got {first!r}")
        if reason not in REASONS:
            raise ValueError(f"a reason is one of {', '.join(REASONS)}, got {reason!r}")
        self._is_over = True
        if not self._is_open:
            # A request that nothing is known of came to nothing that could be told.
            if self.request is not None:
                self._recorder.forget(self.request)
            return
        for line in self._unfinished():
            self._recorder.write(line)
        fields = {"first": first, "reason": reason, "error": error}
        self._event("end", {**fields, "frames": self._frames, "bytes": self._bytes})

    # -- what is written -------------------------------------------------------------------

    def _record(
        self,
        now: datetime,
        side: str,
        frame: Frame | Piece,
        length_bits: int | None = None,
        reads: Any = None,
        joined: bool = False,
    ) -> None:
        if not self._is_open:
            self.answered(101, None)
            if not self._is_open:
                raise ValueError("call opened() before the first frame of a connection")
        if frame.opcode == Opcode.CLOSE and self.first_close is None:
            self.first_close = side
        self._frames[side] += 1
        self._bytes[side] += length_of(frame)
        limit = self._recorder.payload_limit
        line = frame_line(
            now,
            self.number,
            side,
            cut_to(frame, limit, length_of(frame)) if len(frame.payload) > limit else frame,
            length_bits=length_bits,
            reads=reads,
            joined=joined,
        )
        self._recorder.write(line)

    def _event(self, event: str, fields: dict[str, Any]) -> None:
        self._recorder.write(event_line(None, self.number, event, fields))

    def _ending(self, error: BaseException | None) -> dict[str, Any]:
        """Return how the connection ended, as far as that can be seen from here."""
        if self.first_close is not None:
            return {"first": self.first_close, "reason": "close", "error": None}
        if self.session is None:
            return {"first": None, "reason": "stopped", "error": None}
        if isinstance(error, ProtocolError):
            return {"first": self._peer(), "reason": "violation", "error": str(error)}
        if self.session.exception is not None:
            lost = self.session.exception
            said = str(lost) or type(lost).__name__
            return {"first": self._peer(), "reason": "lost", "error": said}
        first = self._peer() if self.session.peer_ended else other_side(self._peer())
        return {"first": first, "reason": "end of stream", "error": None}

    def _unfinished(self) -> Iterator[bytes]:
        now = datetime.now(timezone.utc)
        for side, scanner in self._scanners.items():
            rest = scanner.unfinished(now)
            if rest is not None:
                octets, missing, reads, joined = rest
                yield octets_line(
                    now, self.number, side, octets, missing=missing, reads=reads, joined=joined
                )
