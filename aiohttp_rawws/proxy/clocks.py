"""The clocks of a relay: how long it may be idle, how long it may last, and pings of its own."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from ..session.session import RawWebSocketSession, connection_of
from ..session.traffic import traffic_of
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from ..wire.names import Opcode

__all__ = ("Expired", "Heart", "PeerLost", "expire", "expire_when_idle")

#: How often the counters are read within the time that a relay may be idle.
LOOKS = 8

#: How many pings may wait for their pongs. A peer that sends data need not answer every ping.
KEPT = 100


class Expired(Exception):
    """The relay was idle, or has lasted, for as long as it may. The text tells which."""


class PeerLost(Exception):
    """The peer of `side` sent nothing in time after a ping of the relay's own."""

    def __init__(self, side: str, timeout: float) -> None:
        super().__init__(f"{side} sent nothing within {timeout:g} s after a ping")
        self.side = side


class Heart:
    """The pings of a relay to one side, and the pongs that answer them.

    The payload of a ping is random, so that no pong to another ping is taken for an answer.
    """

    def __init__(self, session: RawWebSocketSession, side: str) -> None:
        self._session = session
        self._side = side
        self._pings: deque[bytes] = deque(maxlen=KEPT)
        #: The bytes of these pongs on the wire.
        self.octets = 0

    def takes(self, frame: Frame) -> bool:
        """Return True for a pong to one of these pings, which the other side must not get."""
        if frame.opcode != Opcode.PONG or frame.payload not in self._pings:
            return False
        # RFC 6455 section 5.5.3: a pong answers the pings before its own, too.
        while self._pings.popleft() != frame.payload:
            pass
        self.octets += len(frame.encode())
        return True

    async def beat(self, interval: float, timeout: float) -> NoReturn:
        """Ping every `interval` seconds. Raise PeerLost if nothing comes within `timeout`."""
        connection = connection_of(self._session)
        sender = connection.sender
        while True:
            await asyncio.sleep(interval)
            if sender.unfinished:
                continue
            received = traffic_of(self._session).received
            payload = os.urandom(8)
            self._pings.append(payload)
            try:
                sender.send(Frame.ping(payload))
            except SessionClosed:
                # The directions see how this side has ended.
                continue
            connection.flush()
            await asyncio.sleep(timeout)
            if traffic_of(self._session).received == received and not connection.peer_ended:
                raise PeerLost(self._side, timeout)


async def expire(lifetime: float) -> NoReturn:
    """Raise Expired after so many seconds."""
    await asyncio.sleep(lifetime)
    raise Expired("lifetime")


async def expire_when_idle(counters: Callable[[], object], idle: float) -> NoReturn:
    """Raise Expired once the counters have not moved for `idle` seconds, or an eighth more."""
    loop = asyncio.get_running_loop()
    moved, since = counters(), loop.time()
    while loop.time() - since < idle:
        await asyncio.sleep(idle / LOOKS)
        now = counters()
        if now != moved:
            moved, since = now, loop.time()
    raise Expired("idle")
