"""Compressed payloads, inflated for display."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect as websockets_connect
from websockets.asyncio.server import serve as websockets_serve

from aiohttp_rawws import Frame
from aiohttp_rawws.captures import to_har
from aiohttp_rawws.captures.inflation import CUT, inflaters_of
from aiohttp_rawws.layers import PermessageDeflate
from aiohttp_rawws.wire.pieces import Piece
from tests.support.command import proxying
from tests.support.loops import ONE_LOOP

WORDS = b"many words that come again and again, " * 40


@ONE_LOOP
async def test_what_passes_is_compressed_and_what_is_shown_is_not(tmp_path: Path) -> None:
    """The second message refers to the first. The capture holds what has passed."""

    async def handler(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    path = tmp_path / "capture"
    async with websockets_serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        options = ["--tap", "--capture", path]
        async with proxying(f"http://127.0.0.1:{port}", *options) as command:
            async with websockets_connect(command.address.url()) as client:
                for _ in range(2):
                    await client.send(WORDS.decode())
                    assert await client.recv() == WORDS.decode()
            status, out, errors = await command.stop()
    assert (status, errors) == (0, "")
    shown = f'"{WORDS[:80].decode()}"... (inflated, {len(WORDS)} bytes)'
    sizes = re.findall(r"TEXT +FIN RSV1 +(\d+)  (.*)", out)
    assert [text for _, text in sizes] == [shown] * 4
    records = [json.loads(line) for line in path.read_text().splitlines()]
    frames = [each for each in records if each.get("rsv1")]
    assert [str(each["length"]) for each in frames] == [size for size, _ in sizes]
    assert all(len(base64.b64decode(each["payload"])) < 200 for each in frames)
    # What the command has written can be converted.
    har = io.BytesIO()
    assert to_har(path, har) == 1
    (entry,) = json.loads(har.getvalue())["log"]["entries"]
    texts = [each["data"] for each in entry["_webSocketMessages"] if each["opcode"] == 1]
    assert texts == [WORDS.decode()] * 4


def deflate(*, fresh: bool) -> PermessageDeflate:
    return PermessageDeflate(is_client=True, client_no_context_takeover=fresh)


def start_of(frame: Frame, size: int) -> Piece:
    head = (frame.opcode, frame.fin, frame.rsv1, False, False)
    return Piece(*head, len(frame.payload), 0, frame.payload[:size], False)


def test_starts_and_what_comes_behind_them() -> None:
    for fresh in (False, True):
        encode = deflate(fresh=fresh).encode
        parameters = "; client_no_context_takeover" if fresh else ""
        inflater = inflaters_of(f"permessage-deflate{parameters}", 10_000)["client"]
        first = encode(Frame.text(WORDS.decode(), fin=False))
        assert inflater.inflate(first) == (WORDS, "inflated, 1520 bytes")
        assert inflater.inflate(Frame.ping(b"?")) == (b"?", "")
        second = encode(Frame.continuation(bytes(range(256)) * 2, fin=False))
        inflated, note = inflater.inflate(start_of(second, 200))
        assert note == "inflated, its start"
        assert (bytes(range(256)) * 2).startswith(inflated)
        last = encode(Frame.continuation(b"x"))
        assert inflater.inflate(last) == (last.payload, CUT)
        assert inflater.inflate(Frame.text("plain")) == (b"plain", "")
        again = encode(Frame.text(WORDS.decode()))
        inflated, note = inflater.inflate(again)
        assert (inflated, note) == (
            (WORDS, "inflated, 1520 bytes") if fresh else (again.payload, CUT)
        )


def test_what_cannot_be_inflated_is_shown_as_it_is() -> None:
    inflaters = inflaters_of("permessage-deflate", 100)
    bomb = deflate(fresh=False).encode(Frame.binary(bytes(10**6)))
    assert inflaters["client"].inflate(bomb) == (bomb.payload, "not inflated: over 100 bytes")
    bad = Frame(1, b"\xff\xff", rsv1=True)
    payload, note = inflaters["upstream"].inflate(bad)
    assert payload == b"\xff\xff"
    assert note.startswith("not inflated: a message is no DEFLATE stream")
    for other in (None, "x-test", "permessage-deflate, permessage-deflate"):
        assert inflaters_of(other, 100) == {}
