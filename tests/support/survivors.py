"""Our own endpoints against peers that misbehave. Each tells in one line what it met."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from aiohttp_rawws import EndOfStream, Frame, ProtocolError, RawWebSocketSession
from aiohttp_rawws.layers import Heartbeat, WebSocketSession, close_handshake, reply

#: The interval and the timeout of a heartbeat, in seconds, for a peer that says nothing.
PULSE = (0.1, 0.2)

Use = Callable[[RawWebSocketSession, "Plan"], Awaitable[str]]


@dataclass(frozen=True)
class Plan:
    """How our side behaves: to the end, or until it closes after so many messages."""

    #: How many messages a raw session receives, and how many a WebSocketSession. -1 is all.
    frames: int = -1
    messages: int = -1
    pulse: bool = False
    #: How long the peer may take for its Close, in seconds.
    close_timeout: float = 10.0


def told(error: BaseException, code: "int | None" = None) -> str:
    """Return an error as a line: its kind, and what a program may ask of it."""
    if isinstance(error, ProtocolError):
        return f"{type(error).__name__} {error.violation.name or 'NONE'} {error.close_code:d}"
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"{type(error).__name__} {error.status}"
    if isinstance(error, asyncio.TimeoutError):
        return "TimeoutError"
    name = type(error).__name__
    return f"{name} {code}" if isinstance(error, EndOfStream) and code else name


async def frames(session: RawWebSocketSession, plan: Plan) -> str:
    """Use a raw session by hand: echo or ask, answer pings, close after some messages."""
    left = plan.frames

    async def talk(feed: Callable[[Frame], object]) -> str:
        nonlocal left
        if session.is_client:
            await session.send(Frame.text("Hello"))
        while left:
            frame = await session.receive()
            feed(frame)
            answer = reply(frame) if frame.opcode == 9 else None
            if frame.opcode in (0, 1, 2):
                left -= frame.fin
                answer = None if session.is_client else frame
            if answer is not None:
                await session.send(answer)
        close = await close_handshake(session, timeout=plan.close_timeout)
        return f"closed {close.close_code if close else None}"

    if not plan.pulse:
        return await talk(lambda frame: None)
    async with Heartbeat(session, *PULSE) as heartbeat:
        return await talk(heartbeat.feed)


async def messages(session: RawWebSocketSession, plan: Plan) -> str:
    """Use a WebSocketSession: echo or ask, and close after some messages."""
    left = plan.messages
    options = {"heartbeat": PULSE if plan.pulse else None, "close_timeout": plan.close_timeout}
    async with WebSocketSession(session, **options) as websocket:  # type: ignore[arg-type]
        if session.is_client:
            await websocket.send_str("Hello")
        try:
            while left:
                message = await websocket.receive()
                left -= 1
                if not session.is_client and isinstance(message.data, str):
                    await websocket.send_str(message.data)
                elif isinstance(message.data, bytes) and not session.is_client:
                    await websocket.send_bytes(message.data)
        except EndOfStream as error:
            return told(error, websocket.close_code)
        await websocket.close()
        return f"closed {websocket.close_code}"
