"""Scripted connections in captures."""

import contextlib
from collections.abc import Iterator

from ..captures.recorder import Recorder
from .errors import PeerEnded
from .http import HttpHead
from .wire import Wire

__all__ = ("WireRecording",)

HEAD_END = b"\r\n\r\n"
#: The octets that are kept until both sides of the handshake are there, in bytes.
MAX_WAITING = 2**20


class WireRecording:
    """Keeps one connection in a capture, octet by octet, from its handshake on.

    A connection without a whole handshake is not kept. What cannot be written does not disturb the
    connection: `error` tells, and nothing more is kept.
    """

    def __init__(self, recorder: Recorder, wire: Wire) -> None:
        self._recording = recorder.connection()
        self._sides = {"sent": "client", "seen": "upstream"}
        if not wire.is_client:
            self._sides = {"sent": "upstream", "seen": "client"}
        # What each side has sent: its handshake, and what stands behind it until both are there.
        self._waiting = {"client": bytearray(), "upstream": bytearray()}
        self._is_open = False
        self._is_refused = False
        self.error: OSError | None = None
        wire.on_octets = self._octets

    def _octets(self, direction: str, data: bytes) -> None:
        with self._kept():
            self._keep(direction, data)

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._is_open, self._is_refused = False, True
            self.error = error

    def _keep(self, direction: str, data: bytes) -> None:
        side = self._sides[direction]
        if self._is_refused:
            return
        if self._is_open:
            self._recording.octets(side, data)
            return
        waiting = self._waiting[side]
        waiting += data[: MAX_WAITING - len(waiting)]
        if all(HEAD_END in each for each in self._waiting.values()):
            self._open()

    def _open(self) -> None:
        heads, behind = {}, {}
        for side, octets in self._waiting.items():
            end = octets.index(HEAD_END) + len(HEAD_END)
            heads[side], behind[side] = HttpHead.of(bytes(octets[:end])), bytes(octets[end:])
        request, answer = heads["client"], heads["upstream"]
        self._recording.opened(
            method=request.line.partition(" ")[0],
            path=request.path or "/",
            request=list(request.headers.items()),
            status=answer.status,
            response=list(answer.headers.items()),
        )
        self._waiting.clear()
        self._is_open = answer.status == 101
        self._is_refused = not self._is_open
        for side, rest in behind.items():
            if rest and self._is_open:
                self._recording.octets(side, rest)

    def ended(self, ours: str | None, theirs: PeerEnded | None) -> None:
        """Note how the connection ended: by a "FIN" or "RST" of ours, or by the peer."""
        if self._is_open:
            with self._kept():
                self._end(ours, theirs)

    def _end(self, ours: str | None, theirs: PeerEnded | None) -> None:
        if self._recording.first_close is not None:
            self._recording.end(self._recording.first_close, "close")
        elif ours is None and theirs is not None:
            self._recording.end(self._sides["seen"], "lost" if theirs.reset else "end of stream")
        else:
            self._recording.end(self._sides["sent"], "lost" if ours == "RST" else "end of stream")
