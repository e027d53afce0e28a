"""Captures of historic bugs: when one is replayed, our own client sees the fault."""

import asyncio
import re
import socket

import aiohttp
import pytest

from aiohttp_rawws import Frame, ProtocolError, Violation, connect
from aiohttp_rawws.captures import replay
from aiohttp_rawws.layers import PermessageDeflate
from tests.support import ROOT
from tests.support.captures import frames_in
from tests.support.waiting import soon

CAPTURES = ROOT / "demo" / "captures"

#: By the name of the capture: what its server breaks, and the close code for that.
BUGS = {
    "rsv1-on-continuations": (Violation.RESERVED_BITS, 1002),
    "close-1006": (Violation.CLOSE_PAYLOAD, 1002),
    "ping-of-200-bytes": (Violation.LONG_CONTROL, 1002),
}


def test_each_is_described() -> None:
    assert {path.stem for path in CAPTURES.glob("*.jsonl")} == set(BUGS)
    page = (ROOT / "docs" / "captures.md").read_text()
    assert set(re.findall(r"\(\.\./demo/captures/(\S+)\.jsonl\)", page)) == set(BUGS)


@pytest.mark.parametrize("name", BUGS)
async def test_our_client_sees_the_fault(name: str) -> None:
    """The server of the capture is played. What the client sends is that of the capture, too."""
    capture = CAPTURES / f"{name}.jsonl"
    sent = [line.frame for line in frames_in(capture) if line.direction == "client"]
    listener = socket.create_server(("127.0.0.1", 0))
    playing = asyncio.ensure_future(replay(capture, listener=listener))
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
    compressed = name.startswith("rsv1")
    offer = "permessage-deflate; client_max_window_bits" if compressed else None
    async with (
        aiohttp.ClientSession() as http,
        connect(http, url, extensions=offer) as session,
    ):
        deflate = PermessageDeflate.of(session)

        async def receive() -> Frame:
            frame = await soon(session.receive())
            return deflate.decode(frame) if deflate is not None else frame

        await session.send(sent[0])
        with pytest.raises(ProtocolError) as caught:
            for frame in sent[1:]:
                await receive()
                await session.send(frame)
            await receive()
            await receive()
        assert (caught.value.violation, caught.value.close_code) == BUGS[name]
    await soon(playing)
