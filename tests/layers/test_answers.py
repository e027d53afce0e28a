"""Peers that are slow to read: who receives from them goes on, and who leaves them is let go."""

import pytest

from aiohttp_rawws import Frame, RawWebSocketSession
from aiohttp_rawws.layers import WebSocketSession
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import Serve


def stuff(session: RawWebSocketSession) -> int:
    """Send more than the systems hold, and 2 MiB. Return what waits."""
    while session.write_backlog < 2 * 2**20:
        session.send_nowait(Frame.binary(bytes(2**20)))
    return session.write_backlog


async def test_receiving_waits_for_no_peer_to_read(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        backlog = stuff(session)
        wire.send(1000 * masked(0x89, 100 * b"?") + masked(0x81, b"hello"))
        assert await websocket.receive_str() == "hello"
        assert session.write_backlog <= backlog
        session.abort()


async def test_a_block_that_fails_waits_for_linger_only(serve: Serve) -> None:
    async with both_ends(serve, linger=0.1) as (session, _):
        with pytest.raises(ZeroDivisionError):
            async with WebSocketSession(session):
                stuff(session)
                raise ZeroDivisionError
        assert session.closed
