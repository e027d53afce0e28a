"""Observation of the proxied connections, whatever shows it."""

from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from ..captures.addresses import visitor_of
from ..captures.format import DIRECTIONS, length_of
from ..proxy.proxy import can_upgrade
from ..proxy.relay import RelayStats
from ..wire.frames import Frame
from ..wire.pieces import Piece
from .handshakes import Handshakes

__all__ = (
    "Observer",
    "View",
    "show_answer",
    "watch_upstream",
)


class View(Protocol):
    """Shows the frames and the events of all connections. A Piece is the start of a frame."""

    def frame(self, now: datetime, number: int, direction: str, frame: Frame | Piece) -> None: ...

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None: ...


class Observer:
    """Shows one request and its connection to each view. `number` counts requests from 1."""

    def __init__(
        self, views: list[View], number: int, request: web.Request, handshakes: Handshakes
    ) -> None:
        #: Those of this request.
        self.handshakes = handshakes
        #: A 101 was shown, and no end of the connection yet.
        self.is_open = False
        self._views = views
        self._number = number
        self._frames = dict.fromkeys(DIRECTIONS, 0)
        self._bytes = dict.fromkeys(DIRECTIONS, 0)
        self._is_upgrade = can_upgrade(request)
        self._request = {
            "method": request.method,
            "path": handshakes.redaction.path(request.rel_url.raw_path_qs),
            "address": visitor_of(request),
        }

    def begin(self) -> None:
        """Observe what the running task does from here on."""
        OBSERVER.set(self)

    def answered(self, response: web.StreamResponse) -> None:
        """Show the opening of the connection, the refusal of one, or the answer to a request."""
        if response.status == 101:
            self.is_open = True
            protocol = response.headers.get("Sec-WebSocket-Protocol")
            fields = {
                "protocol": self.handshakes.redaction.protocol(protocol),
                "extensions": response.headers.get("Sec-WebSocket-Extensions"),
                "handshakes": self.handshakes.fields(response),
            }
            self._event("open", {**self._request, **fields})
        elif self._is_upgrade:
            refused = {**self._request, "status": response.status}
            self._event("refused", {**refused, "handshakes": self.handshakes.fields(response)})
        else:
            self._event("answered", {**self._request, "status": response.status})

    def tap(self, direction: str, frame: Frame | Piece) -> None:
        """Show a frame, or the start of one."""
        self._frames[direction] += 1
        self._bytes[direction] += length_of(frame)
        now = datetime.now(timezone.utc)
        for view in self._views:
            view.frame(now, self._number, direction, frame)

    def ended(self, stats: RelayStats | None) -> None:
        """Show the end of the connection. Without `stats` the end of the command ended it."""
        self.is_open = False
        error = stats.error if stats is not None else None
        fields = {
            "first": (stats.ended_first or None) if stats is not None else None,
            "reason": stats.reason if stats is not None else "stopped",
            "error": str(error) or type(error).__name__ if error is not None else None,
            # Of a frame that was cut off the start may have been shown, and not all has passed.
            "frames": stats.frames if stats is not None else self._frames,
            "bytes": stats.bytes if stats is not None else self._bytes,
        }
        self._event("end", fields)

    def _event(self, event: str, fields: dict[str, Any]) -> None:
        now = datetime.now(timezone.utc)
        for view in self._views:
            view.event(now, self._number, event, fields)


#: The observer of the request that the running task serves.
OBSERVER: ContextVar[Observer] = ContextVar("OBSERVER")


async def show_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Show an answer before it is sent, and so before the first frame: a signal of the server."""
    observer = OBSERVER.get(None)
    if observer is not None:
        observer.answered(response)


async def watch_upstream(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep the handshake with the upstream: a client middleware."""
    observer = OBSERVER.get(None)
    if observer is None:
        return await handler(request)
    observer.handshakes.asked(request)
    answer = await handler(request)
    observer.handshakes.answered(answer)
    return answer
