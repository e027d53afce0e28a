"""The replies to control frames."""

import pytest

from aiohttp_rawws import Frame, Opcode
from aiohttp_rawws.layers import reply
from tests.support.ends import both_ends
from tests.support.messages import Item, pieces
from tests.support.octets import masked
from tests.support.servers import Serve


@pytest.mark.parametrize(
    ("received", "answer"),
    [
        (Frame.ping(), Frame.pong()),
        (Frame.ping(b"a" * 125), Frame.pong(b"a" * 125)),
        (Frame(Opcode.PING, b"half", fin=False, rsv1=True), Frame.pong(b"half")),
        (Frame(Opcode.PING, b"a" * 126), None),
        (Frame.pong(b"unasked"), None),
        (Frame.close(), Frame.close()),
        (Frame.close(1000), Frame.close(1000)),
        (Frame.close(4404, "not here"), Frame.close(4404)),
        (Frame(Opcode.CLOSE, b"\x03"), Frame.close(1002)),
        (Frame(Opcode.CLOSE, b"\x03\xed"), Frame.close(1002)),  # 1005
        (Frame(Opcode.CLOSE, b"\xff\xff"), Frame.close(1002)),
        (Frame(Opcode.CLOSE, b"\x03\xe8\xff"), Frame.close(1000)),
        (Frame.text("text"), None),
        (Frame.binary(b"data", fin=False), None),
        (Frame.continuation(b"more"), None),
        (Frame(3, b"reserved"), None),
        (Frame(11, b"reserved"), None),
        (pieces(Frame.binary(b"data"))[0], None),
    ],
)
def test_reply(received: Item, answer: Frame | None) -> None:
    assert reply(received) == answer


async def test_replies_reach_a_peer(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89, b"?") + masked(0x81, b"text") + masked(0x88, b"\x03\xe8bye"))
        async for frame in session:
            if (answer := reply(frame)) is not None:
                await session.send(answer)
        assert await wire.read_frame() == (0x8A, b"?")
        assert await wire.read_frame() == (0x88, b"\x03\xe8")
