"""Observation of the proxied connections, whatever shows it."""

from datetime import datetime, timezone
from typing import Any, Protocol

from aiohttp import web

from ..proxy.proxy import can_upgrade
from ..proxy.relay import RelayStats
from ..wire.frames import Frame
from .text import address_of

__all__ = ("DIRECTIONS", "FLAGS", "Observer", "View")

#: A frame is named after its sender.
DIRECTIONS = ("client", "upstream")
#: The bits of a frame's first byte that are shown.
FLAGS = ("fin", "rsv1", "rsv2", "rsv3")


class View(Protocol):
    """Shows the frames and the events of all connections."""

    def frame(self, now: datetime, number: int, direction: str, frame: Frame) -> None: ...

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None: ...


class Observer:
    """Shows one request and its connection to each view. `number` counts requests from 1."""

    def __init__(self, views: list[View], number: int, request: web.Request) -> None:
        self._views = views
        self._number = number
        self._frames = dict.fromkeys(DIRECTIONS, 0)
        self._bytes = dict.fromkeys(DIRECTIONS, 0)
        self._otherwise = "refused" if can_upgrade(request) else "answered"
        self._request = {
            "method": request.method,
            "path": request.rel_url.raw_path_qs,
            "address": address_of(request.get_extra_info("peername")),
        }

    def answered(self, response: web.StreamResponse) -> None:
        """Show the opening of the connection, the refusal of one, or the answer to a request."""
        if response.status == 101:
            protocol = response.headers.get("Sec-WebSocket-Protocol")
            extensions = response.headers.get("Sec-WebSocket-Extensions")
            self._event("open", {**self._request, "protocol": protocol, "extensions": extensions})
        else:
            self._event(self._otherwise, {**self._request, "status": response.status})

    def tap(self, direction: str, frame: Frame) -> None:
        """Show a frame."""
        self._frames[direction] += 1
        self._bytes[direction] += len(frame.payload)
        now = datetime.now(timezone.utc)
        for view in self._views:
            view.frame(now, self._number, direction, frame)

    def ended(self, stats: RelayStats | None) -> None:
        """Show the end of the connection. Without `stats` the end of the command ended it."""
        error = stats.error if stats is not None else None
        fields = {
            "first": (stats.ended_first or None) if stats is not None else None,
            "reason": stats.reason if stats is not None else "stopped",
            "error": str(error) or type(error).__name__ if error is not None else None,
            "frames": self._frames,
            "bytes": self._bytes,
        }
        self._event("end", fields)

    def _event(self, event: str, fields: dict[str, Any]) -> None:
        now = datetime.now(timezone.utc)
        for view in self._views:
            view.event(now, self._number, event, fields)
