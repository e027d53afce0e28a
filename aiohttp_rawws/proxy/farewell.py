"""The end of a relay that neither peer has begun: a Close to each side, then the end of both."""

import asyncio
import contextlib

from ..session.connection import Connection
from ..session.deadline import in_time
from ..session.ending import end
from ..session.session import Stream
from ..wire.errors import ProtocolError, SessionClosed
from ..wire.frames import Frame
from .plan import Farewell

__all__ = ("Farewells", "say_goodbye")


class Farewells(Exception):
    """The relay ends with a Close to each side."""

    def __init__(
        self, source: Connection, to_source: Farewell, target: Connection, to_target: Farewell
    ) -> None:
        super().__init__()
        self.closes = ((source, to_source), (target, to_target))


async def say_goodbye(*farewells: "tuple[Connection, Farewell]") -> None:
    """Send each connection its Close, and end it after the peer's Close or `linger` seconds.

    One in the middle of a frame, or one that has sent a Close, is only ended.
    """
    await asyncio.gather(*(close_and_end(*each) for each in farewells))


async def close_and_end(connection: Connection, farewell: Farewell) -> None:
    if not connection.sender.unfinished:
        with contextlib.suppress(SessionClosed, TimeoutError, ProtocolError):
            connection.sender.send(Frame.close(*farewell))
            connection.flush()
            await in_time(drain(connection), connection.linger)
    await end(connection)


async def drain(connection: Connection) -> None:
    """Throw frames away until the peer's Close, or its end."""
    receiver = connection.receiver
    # The rest of a frame that was relayed in part cannot be read as frames.
    if receiver.close_received is None and not connection.reader.parser.left:
        async for _ in Stream(receiver, receiver.take_part, connection):
            pass
