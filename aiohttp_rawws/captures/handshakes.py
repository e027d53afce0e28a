"""Handshakes as `Recording.opened` takes them."""

from typing import Any

import aiohttp
from aiohttp import web

from ..session.session import RawWebSocketSession
from .addresses import visitor_of

__all__ = ("HANDSHAKE", "completed", "handshake_of", "pairs_of", "request_of")

#: What is kept of a handshake with an upstream.
HANDSHAKE = ("url", "request", "status", "response")


def pairs_of(headers: Any) -> list[tuple[str, str]] | None:
    """Return headers as pairs, None for those that are not known."""
    return None if headers is None else list(getattr(headers, "items", lambda: headers)())


def completed(handshake: dict[str, Any]) -> dict[str, Any]:
    """Return a handshake with all of its fields."""
    fields: dict[str, Any] = {**dict.fromkeys(HANDSHAKE), **handshake}
    return fields | {key: pairs_of(fields[key]) for key in ("request", "response")}


def handshake_of(session: RawWebSocketSession) -> dict[str, Any]:
    """Return what `Recording.opened` takes."""
    response = session.response
    fields: dict[str, Any] = {"status": response.status, "response": response.headers.items()}
    if session.request is not None:
        return {**request_of(session.request), **fields}
    assert isinstance(response, aiohttp.ClientResponse)
    info = response.request_info
    return {
        "method": info.method,
        "path": info.url.raw_path_qs,
        "url": str(info.url),
        "request": info.headers.items(),
        **fields,
    }


def request_of(request: web.Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.rel_url.raw_path_qs,
        "address": visitor_of(request),
        "url": None,
        "request": request.headers.items(),
    }
