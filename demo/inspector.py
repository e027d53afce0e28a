"""A page that shows each frame of its own WebSocket as the server saw it.

Each visitor has two connections:

- `/watched/{visitor}`, a raw WebSocket, is observed. It carries only what the page asks for, so not
  the reports about itself.
- `/control`, an ordinary aiohttp WebSocket, carries the orders of the page and the reports.
"""

import asyncio
import contextlib
import itertools
import json
import secrets
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, web

import aiohttp_rawws
from aiohttp_rawws import (
    CloseCode,
    Frame,
    Opcode,
    ProtocolError,
    RawWebSocketSession,
    SessionClosed,
)

STATIC = Path(__file__).parent / "static"

#: The bytes of a data frame's payload that the page shows. Control frames are shown whole.
PREVIEW = 48
MAX_FRAGMENTS = 100


class Visitor:
    """One open page: its control channel, and its raw WebSocket while it has one."""

    def __init__(self, control: web.WebSocketResponse) -> None:
        self.control = control
        self.session: RawWebSocketSession | None = None
        self._numbers = itertools.count(1)

    async def tell(self, kind: str, **report: object) -> None:
        """Send the page a report. Does nothing if the page has gone."""
        with contextlib.suppress(ConnectionError):
            await self.control.send_json({"kind": kind, **report})

    async def show(self, direction: str, frame: Frame) -> None:
        number = next(self._numbers)
        await self.tell("frame", number=number, direction=direction, **describe(frame))

    async def send(self, frame: Frame) -> None:
        """Send a frame and show it. Raises SessionClosed without an open raw WebSocket."""
        if self.session is None:
            raise SessionClosed("the watched socket is not open: connect first")
        await self.session.send(frame)
        await self.show("sent", frame)

    async def close(self, code: int | None) -> None:
        """Send a Close and show it, unless one was sent or the connection is closed."""
        session = self.session
        if session is not None and session.close_sent is None and not session.closed:
            await self.send(Frame.close(code))


VISITORS = web.AppKey[dict[str, Visitor]]("VISITORS", dict)


async def watched(session: RawWebSocketSession) -> None:
    """Handle the raw WebSocket: show each frame, and do by hand what RFC 6455 asks for."""
    assert session.request is not None
    visitor = session.request.app[VISITORS].get(session.request.match_info["visitor"])
    if visitor is None:
        await session.close(CloseCode.POLICY_VIOLATION, "nobody watches here: open the page")
        return
    visitor.session = session
    try:
        async for frame in session:
            await visitor.show("received", frame)
            if frame.opcode == Opcode.CLOSE:
                await visitor.close(frame.close_code)  # section 5.5.1; then the loop ends
            elif frame.opcode == Opcode.PING and session.close_sent is None:
                await visitor.send(Frame.pong(frame.payload))  # section 5.5.2
    except ProtocolError as error:
        await visitor.tell("notice", text=f"The server fails the connection: {error}")
        await visitor.close(error.close_code)  # section 7.1.7
    except asyncio.CancelledError:
        await visitor.close(CloseCode.GOING_AWAY)  # section 7.4.1; the server stops
        raise
    finally:
        if visitor.session is session:
            visitor.session = None


async def control(request: web.Request) -> web.WebSocketResponse:
    """Handle the ordinary WebSocket. aiohttp does its duties."""
    channel = web.WebSocketResponse(heartbeat=20, timeout=1)
    await channel.prepare(request)
    visitors = request.app[VISITORS]
    name = secrets.token_urlsafe(9)
    visitor = visitors[name] = Visitor(channel)
    try:
        await visitor.tell("hello", path=f"watched/{name}", compiled=aiohttp_rawws.COMPILED)
        async for message in channel:
            if message.type is not web.WSMsgType.ERROR:  # the last message of the loop
                await obey(visitor, message.data)
    finally:
        del visitors[name]
        if visitor.session is not None:
            # A raw session has no timeout. Without its page it might wait for ever.
            visitor.session.abort()
    return channel


async def obey(visitor: Visitor, order: str | bytes) -> None:
    """Send the frames that an order of the page asks for, or report why not."""
    try:
        for frame in frames_for(json.loads(order)):
            await visitor.send(frame)
    except (ValueError, SessionClosed) as error:
        await visitor.tell("notice", text=f"The server refuses: {error}")


def frames_for(order: object) -> list[Frame]:
    """Return the frames that an order asks for. Raises ValueError for a wrong order."""
    match order:
        case {"action": "ping", "payload": str(payload)}:
            return [Frame.ping(payload.encode())]
        case {"action": "fragments", "text": str(text), "count": int(count)}:
            return fragments(text, count)
        case {"action": "close", "code": int() | None as code, "reason": str(reason)}:
            return [Frame.close(code, reason)]
        case _:
            raise ValueError(f"no such order: {order!r}")


def fragments(text: str, count: int) -> list[Frame]:
    """Cut a text into `count` frames, with a Ping behind the first (RFC 6455 section 5.4)."""
    if not 2 <= count <= MAX_FRAGMENTS:
        raise ValueError(f"a text goes in 2 to {MAX_FRAGMENTS} fragments, got {count}")
    data = text.encode()
    cuts = [len(data) * i // count for i in range(count + 1)]
    first, *middle, last = (data[start:end] for start, end in itertools.pairwise(cuts))
    return [
        Frame(Opcode.TEXT, first, fin=False),
        Frame.ping(b"between fragments"),
        *(Frame.continuation(part, fin=False) for part in middle),
        Frame.continuation(last),
    ]


def describe(frame: Frame) -> dict[str, Any]:
    """Return a frame as the page gets it, bytes in hexadecimal."""
    opcode = frame.opcode
    return {
        "opcode": opcode,
        "name": opcode.name if isinstance(opcode, Opcode) else "reserved",
        "fin": frame.fin,
        "rsv": [frame.rsv1, frame.rsv2, frame.rsv3],
        "mask": None if frame.mask is None else frame.mask.hex(),
        "length": len(frame.payload),
        "payload": (frame.payload if frame.is_control else frame.payload[:PREVIEW]).hex(),
    }


async def page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html")


async def dismiss(app: web.Application) -> None:
    """Close the control channels, which a shutdown of aiohttp would wait for."""
    channels = [visitor.control for visitor in app[VISITORS].values()]
    await asyncio.gather(*(channel.close(code=WSCloseCode.GOING_AWAY) for channel in channels))


def make_app() -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app)
    app[VISITORS] = {}
    app.on_shutdown.append(dismiss)
    app.add_routes(
        [
            web.get("/", page),
            web.static("/static", STATIC),
            web.get("/control", control),
            aiohttp_rawws.raw_websocket("/watched/{visitor}", watched),
        ]
    )
    return app
