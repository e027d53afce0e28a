"""A side of a capture against live peers: the same, and the first difference."""

import asyncio
import base64
import json
import socket
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession, Violation, connect
from aiohttp_rawws.captures import CaptureError, Recorder, Replayed, replay
from aiohttp_rawws.layers import PermessageDeflate
from tests.support.captures import answer, record_octets, record_talk, talk
from tests.support.handshakes import request
from tests.support.octets import CLOSE, HELLO, masked
from tests.support.relays import listening
from tests.support.servers import Serve, application, echo
from tests.support.waiting import PATIENCE, soon
from tests.support.wire import Address, Wire

DEFLATED = pytest.mark.parametrize("compression", [None, "deflate"])


def playing(capture: Path, **options: Any) -> "tuple[asyncio.Task[Replayed], Address]":
    """Play the server; return the replay and its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.ensure_future(replay(capture, listener=listener, **options))
    return task, Address(*listener.getsockname())


@DEFLATED
async def test_both_sides_of_a_talk(serve: Serve, tmp_path: Path, compression: str | None) -> None:
    """Played against the program that it was recorded with, each is the same."""
    capture = tmp_path / "capture"
    await record_talk(capture, compression=compression)
    server = await serve(application(answer, extensions=PermessageDeflate.accept))
    assert (await soon(replay(capture, server.url()))).difference is None
    task, address = playing(capture)
    await talk(address, "/?token=5678", compression=compression)
    replayed = await soon(task)
    assert replayed.difference is None, str(replayed)
    assert replayed.compared == 6


async def test_another_payload(serve: Serve, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [("client", masked(0x81, b"Hello")), ("upstream", HELLO)])

    async def shout(session: RawWebSocketSession) -> None:
        async for frame in session:
            await session.send(frame.replace(payload=frame.payload.upper()))

    replayed = await soon(replay(capture, (await serve(application(shout))).url()))
    assert str(replayed) == (
        "another frame: payload (line 4)\n"
        "  captured: TEXT FIN 5 bytes b'Hello'\n"
        "  seen:     TEXT FIN 5 bytes b'HELLO'\n"
        "11 octets sent, 1 frames compared"
    )


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        (b"\x01\x05Hello", "another frame: fin"),
        (masked(0x81, b"Hello"), "another frame: mask"),
        (b"\x82\x05Hello", "another frame: opcode"),
        (b"\x81\x05He", "a frame did not come"),
        (b"\x81\xff" + b"\xff" * 8, "a frame did not come"),
        (HELLO + CLOSE, "a frame too many"),
    ],
)
async def test_what_a_server_does_otherwise(tmp_path: Path, answers: bytes, what: str) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [("client", masked(0x81)), ("upstream", HELLO)])
    end = capture.read_text().replace('"first":null', '"first":"upstream"')
    capture.write_text(end.replace("stopped", "lost"))
    async with listening(None) as (address, wires):
        task = asyncio.ensure_future(replay(capture, address.url()))
        wire = await soon(wires.get())
        assert await wire.read(6) == masked(0x81)
        wire.send(answers)
        wire.writer.write_eof()
        difference = (await soon(task)).difference
        await wire.close()
    assert difference is not None
    assert difference.what == what


async def test_what_a_proxy_has_stopped(serve: Serve, tmp_path: Path) -> None:
    """The peer had no part in that end, so none is expected of it."""
    capture = tmp_path / "capture"
    record_octets(capture, [("client", masked(0x81, b"Hello")), ("upstream", HELLO)])
    assert '"first":null,"reason":"stopped"' in capture.read_text()
    replayed = await soon(replay(capture, (await serve(application(echo))).url(), timeout=60.0))
    assert replayed.difference is None, str(replayed)


async def test_a_handshake_without_an_answer(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [])
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        task = asyncio.ensure_future(replay(capture, url, timeout=0.05))
        await asyncio.wait([task], timeout=PATIENCE)
        assert task.done()
        assert isinstance(task.exception(), asyncio.TimeoutError)


async def test_what_a_session_has_sent(serve: Serve, tmp_path: Path) -> None:
    """A client's session does not tell its masking keys. A replay masks all the same."""
    capture = tmp_path / "capture"
    server = await serve(application(echo))
    async with aiohttp.ClientSession() as http, connect(http, server.url()) as session:
        with Recorder(capture) as recorder, recorder.connection(session) as recording:
            await session.send(Frame.text("Hello"))
            recording.sent(Frame.text("Hello"))
            recording.received(await soon(session.receive()))
    replayed = await soon(replay(capture, server.url(), speed=None))
    assert (replayed.compared, replayed.difference) == (1, None)
    task, address = playing(capture)
    async with aiohttp.ClientSession() as http, connect(http, address.url()) as session:
        await session.send(Frame.text("Hello"))
        assert (await soon(session.receive())).payload == b"Hello"
    assert (await soon(task)).difference is None


async def test_a_payload_of_the_peer_that_was_cut(serve: Serve, tmp_path: Path) -> None:
    """What the capture cannot tell is not compared: the rest, and what refers to it."""
    capture = tmp_path / "capture"
    server = await serve(application(answer, extensions=PermessageDeflate.accept))
    await record_talk(capture, compression="deflate")
    lines = [json.loads(line) for line in capture.read_text().splitlines()]
    first = next(line for line in lines if line.get("direction") == "upstream")
    first["payload"] = base64.b64encode(base64.b64decode(first["payload"])[:9]).decode()
    capture.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    replayed = await soon(replay(capture, server.url()))
    assert replayed.difference is None, str(replayed)
    first["length"] = 10**19
    capture.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(CaptureError, match=f"a frame of {10**19} bytes is too long to be compared"):
        await replay(capture, server.url())


async def test_nothing_comes(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [("upstream", HELLO)])
    async with listening(None) as (address, wires):
        replayed = await soon(replay(capture, address.url(), timeout=0.05, linger=0.0))
        await (await soon(wires.get())).close()
    assert "seen:     nothing within 0.05 seconds" in str(replayed)


@pytest.mark.parametrize(
    ("path", "headers", "what"),
    [
        ("/other", {}, "another handshake: path"),
        ("/chat", {"Sec_WebSocket_Extensions": "x"}, "another handshake: extensions"),
        ("/chat", {"Sec_WebSocket_Version": "12"}, "no such handshake"),
    ],
)
async def test_another_handshake(tmp_path: Path, path: str, headers: Any, what: str) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [], path="/chat")
    task, address = playing(capture)
    wire = await Wire.open(address)
    wire.send(request(path, **headers))
    assert (await wire.read_head())[0] in (400, 426)
    await wire.close()
    difference = (await soon(task)).difference
    assert difference is not None
    assert difference.what == what


async def test_a_server_that_refuses(serve: Serve, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [], path="/nowhere")
    replayed = await soon(replay(capture, (await serve(application(echo))).url()))
    assert replayed.difference is not None
    assert replayed.difference.seen.startswith("404: ")


async def test_what_is_illegal_is_sent_as_it_stood(serve: Serve, tmp_path: Path) -> None:
    """Masking keys, lengths that are too long, and a frame that does not end."""
    sent = [
        masked(0x81, b"first")[:3],
        masked(0x81, b"first")[3:] + b"\x8b\x7e\x00\x05short",
        masked(0xF3, b"reserved"),
        masked(0x89, bytes(200)),
        masked(0x88, b"\x03\xee"),
        masked(0x81, b"behind the Close") + b"\x82\xff\xff",
    ]
    capture = tmp_path / "capture"
    record_octets(capture, [("client", data) for data in sent])
    async with listening(None) as (address, wires):
        task = asyncio.ensure_future(replay(capture, address.url(), speed=None))
        wire = await soon(wires.get())
        assert await wire.read(sum(map(len, sent))) == b"".join(sent)
        await wire.close()
        assert (await soon(task)).difference is None


@pytest.mark.parametrize("speed", [2.0, None])
async def test_pauses_and_reads_are_those_of_the_capture(
    tmp_path: Path, speed: float | None
) -> None:
    """One read of two frames is one write. Reads of one frame are writes apart."""
    capture = tmp_path / "capture"
    whole = masked(0x81, b"one") + masked(0x81, b"two")
    parts = [whole + b"\x82", b"\xff", b"\xff"]
    with pytest.MonkeyPatch.context() as patch:
        clock = iter([0.0, 0.05, 0.1, 0.1, 0.1])
        patch.setattr("aiohttp_rawws.captures.recorder.datetime", moments(clock))
        record_octets(capture, [("client", part) for part in parts])
    reads: list[bytes] = []
    begun = time.monotonic()
    async with listening(None) as (address, wires):
        task = asyncio.ensure_future(replay(capture, address.url(), speed=speed))
        wire = await soon(wires.get())
        for _ in parts:
            reads.append(await soon(wire.reader.read(1000)))
        await wire.close()
        await soon(task)
    assert reads == parts
    assert speed is None or time.monotonic() - begun >= 0.05


def moments(clock: Any) -> Any:
    """Return a class whose `now` is one moment after the other."""
    from datetime import datetime, timedelta, timezone

    first = datetime.now(timezone.utc)

    class Moments(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return first + timedelta(seconds=next(clock))

    return Moments


async def test_the_end_is_that_of_the_capture(serve: Serve, tmp_path: Path) -> None:
    """A client that was reset is reset again; one that ended without a Close ends so."""
    causes: asyncio.Queue[Any] = asyncio.Queue()

    async def handler(session: RawWebSocketSession) -> None:
        try:
            while True:
                await session.receive()
        except EndOfStream as end:
            causes.put_nowait(type(end.__cause__))

    server = await serve(application(handler, reject=Violation.NONE))
    for reason, cause in (("lost", ConnectionResetError), ("end of stream", type(None))):
        capture = tmp_path / reason
        record_octets(capture, [("client", masked(0x81))])
        text = capture.read_text().replace('"first":null', '"first":"client"')
        capture.write_text(text.replace("stopped", reason))
        assert (await soon(replay(capture, server.url()))).difference is None
        assert await soon(causes.get()) is cause


async def test_which_connection(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    for text in (b"a", b"b"):
        record_octets(capture, [("client", masked(0x81, text))])
    two = capture.read_text()
    with pytest.raises(CaptureError, match="there is no connection 2 that was opened"):
        await replay(capture, "ws://localhost", connection=2)
    # Of two runs the last one counts.
    async with listening(None) as (address, wires):
        task = asyncio.ensure_future(replay(capture, address.url(), connection=1))
        wire = await soon(wires.get())
        assert await wire.read(7) == masked(0x81, b"b")
        await wire.close()
        await soon(task)
    other = two.replace('"connection":1', '"connection":2').splitlines(keepends=True)[1:]
    capture.write_text(two + "".join(other))
    with pytest.raises(CaptureError, match="there are 2 connections: choose one of 1, 2"):
        await replay(capture, "ws://localhost")
    cut = two.replace('"payload":"Yg=="', '"payload":""')
    capture.write_text(cut)
    with pytest.raises(CaptureError, match="line 7: not all octets were kept"):
        await replay(capture, "ws://localhost")
    left_out = '{"time":"2026-01-31","event":"left out","lines":7}\n'
    capture.write_text(left_out.join(two.splitlines(keepends=True)[:3]))
    with pytest.raises(CaptureError, match="line 4: lines are missing here"):
        await replay(capture, "ws://localhost")


async def test_what_is_no_argument() -> None:
    """Told before anything is read or sent."""
    options: Any
    for options, said in (
        ({}, "either a url"),
        ({"listener": "127.0.0.1:0"}, "listener must be a socket that listens, got '127.0.0.1:0'"),
        ({"url": "ws://h", "connection": "1"}, "connection must be an int, got '1'"),
        ({"url": "ws://h", "speed": 0}, "speed must be finite and positive, got 0"),
        ({"url": "ws://h", "timeout": None}, "timeout must be a number of seconds, got None"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            await replay("nowhere", **options)
