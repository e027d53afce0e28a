"""The lines of --tap, and their colours."""

import asyncio
import base64
import contextlib
import json
import os
import pty
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aiohttp_rawws import Frame, RawWebSocketSession
from aiohttp_rawws.captures.addresses import address_of
from tests.support.command import BACK, PAYLOADS, THERE, name, proxying, sink, visit
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.octets import MASK, masked
from tests.support.servers import Serve, application, echo
from tests.support.sockets import reset
from tests.support.wire import Wire

# -- the lines of --tap ----------------------------------------------------------------------------


CLOSES = [
    (b"", "CLOSE         FIN       0"),
    (b"\x0f\xa0", 'CLOSE         FIN       2  4000 ""'),
    (b"\x03\xe8bye \xc3\xa4", 'CLOSE         FIN       8  1000 "bye ä"'),
    (b"\x03\xe9\x1b]0;x\x07\n", r'CLOSE         FIN       9  1001 "\x1b]0;x\x07\n"'),
]


@ONE_LOOP
async def test_each_kind_of_frame_has_its_line(serve: Serve) -> None:
    async with proxying(await serve(application(sink)), "--tap") as command:
        for number, (payload, close) in enumerate(CLOSES, 1):
            frames = PAYLOADS if number == 1 else PAYLOADS[:1]
            wire = await Wire.upgrade(command.address, "/?a=%1b")
            wire.send(b"".join(frame for frame, _ in frames) + masked(0x88, payload))
            assert await wire.read_to_end() == bytes([0x88, len(payload)]) + payload
            address = name(wire)
            await wire.close()
            sizes = sum(len(frame_payload(frame)) for frame, _ in frames) + len(payload)
            assert await command.lines(len(frames) + 4) == [
                f"#{number} open: GET /?a=%1b from {address}, no subprotocol, no extensions",
                *(f"#{number} {THERE}  {line}" for _, line in frames),
                f"#{number} {THERE}  {close}",
                f"#{number} {BACK}  {close}",
                f"#{number} end: visitor first, close; "
                f"{THERE} {len(frames) + 1} frames, {sizes} bytes; "
                f"{BACK} 1 frames, {len(payload)} bytes",
            ]
        assert await command.stop() == (0, "", "")


def frame_payload(frame: bytes) -> bytes:
    """The payload, still masked, of what `masked` made."""
    return frame[8:] if frame[1] == 0xFE else frame[6:]


@ONE_LOOP
async def test_a_line_begins_with_the_time_of_the_day(serve: Serve) -> None:
    async with proxying(await serve(application(sink)), "--tap") as command:
        await visit(command)
        assert command.process.stdout is not None
        line = (await command.process.stdout.readline()).decode()
    shown = datetime.strptime(line.split()[0], "%H:%M:%S.%f")
    late = (datetime.now() - shown).total_seconds() % timedelta(days=1).total_seconds()
    assert late < 60


@ONE_LOOP
async def test_who_ended_first_and_why(serve: Serve) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        frame = await session.receive()
        if frame.payload == b"reset":
            session.abort()
        elif frame.payload != b"wait":
            session.write(frame.payload)
        else:
            await session.wait_closed()

    async with proxying(await serve(application(handler)), "--tap") as command:
        for last, end in [
            (b"reset", r"upstream first, lost \(.*\)"),
            (b"", r"upstream first, end of stream"),
            (b"\xc1\x00", r"upstream first, violation \(a reserved bit .*\)"),
            (b"wait", r"visitor first, lost \(.*\)"),
        ]:
            wire = await Wire.upgrade(command.address)
            wire.send(masked(0x82, last))
            await command.lines(2)
            if last == b"wait":
                reset(wire)
            else:
                with contextlib.suppress(ConnectionResetError):
                    await wire.read_to_end()
                await wire.close()
            assert re.match(rf"#\d end: {end}; {THERE} 1 frames", await command.line())
        status, out, errors = await command.stop()
    assert (status, out) == (0, "")
    assert re.fullmatch(
        r"Relay dropped: upstream of GET \S+ from \S+ broke the protocol: .*\n", errors
    )


def test_a_visitor_who_has_gone_has_no_address() -> None:
    assert address_of(None) == ""


@ONE_LOOP
async def test_refusals_and_answers_have_a_line_too(serve: Serve, unused_tcp_port: int) -> None:
    async with proxying(await serve(application(echo)), "--tap") as command:
        for data, shown in [
            (request("/none"), "refused: GET /none from ADDRESS: 404"),
            (b"POST / HTTP/1.1\r\nHost: h\r\n\r\n", "answered: POST / from ADDRESS: 405"),
            (b"GET /\\ HTTP/1.1\r\nHost: h\r\n\r\n", r"answered: GET /\\ from ADDRESS: 404"),
            (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "answered: GET / from ADDRESS: 426"),
        ]:
            wire = await Wire.open(command.address)
            wire.send(data)
            await wire.read_head()
            line = await command.line()
            assert line.replace(name(wire), "ADDRESS").endswith(f" {shown}")
            await wire.close()
        assert await command.stop() == (0, "", "")
    async with proxying(f"ws://127.0.0.1:{unused_tcp_port}", "--tap") as command:
        wire = await Wire.open(command.address)
        wire.send(request())
        assert (await wire.read_head())[0] == 502
        assert (await command.line()).endswith(": 502")
        await wire.close()
        _, _, errors = await command.stop()
    assert re.fullmatch(r"Proxy: ws://\S+ cannot be reached: .*\n", errors)


@ONE_LOOP
async def test_what_peers_have_others_told_about_them_is_harmless(serve: Serve) -> None:
    """What is logged on standard error, too."""

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 \x1b]0;x\x07\x9b1m\r\nA: \x1b[31m\x00\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(upstream, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with proxying(f"ws://127.0.0.1:{port}") as command:
            wire = await Wire.open(command.address)
            wire.send(request())
            await wire.read_to_end()
            await wire.close()
            garbage = await Wire.open(command.address)
            garbage.send(b"GET /\x1b[31m HTTP/1.1\r\nA\x1b[31m\r\n: b\r\n\r\n")
            await garbage.read_to_end()
            await garbage.close()
            status, out, errors = await command.stop()
    assert (status, out) == (0, "")
    # What of the upstream is wrong with it, aiohttp 3.13.0 lets pass.
    assert len(errors.splitlines()) in (1, 2)
    assert errors.isascii()
    assert errors.replace("\n", "").isprintable()
    assert "Traceback" not in errors


@ONE_LOOP
async def test_frames_of_any_size_are_shown_by_their_start(serve: Serve, tmp_path: Path) -> None:
    """The start is shown while the rest has not come."""
    upstream = await serve(application(echo))
    path = tmp_path / "capture"
    payload = b"x" * 79 + "ä".encode() + bytes(2**20)
    frame = Frame(2, payload, mask=MASK).encode()
    shown = f'BINARY        FIN  {len(payload)}  "{"x" * 79}"...'
    async with proxying(upstream, "--tap") as command:
        wire = await Wire.upgrade(command.address)
        wire.send(frame[:200])
        assert (await command.lines(2))[1] == f"#1 {THERE}  {shown}"
        wire.send(frame[200:])
        assert await wire.read_frame() == (0x82, payload)
        assert await command.line() == f"#1 {BACK}  {shown}"
        await wire.close()
        await command.stop()
    options = ["--tap", "--whole", "--payload-limit", "1k", "--capture", path]
    async with proxying(upstream, *options) as command:
        wire = await Wire.upgrade(command.address)
        for size in (1024, 1025):
            wire.send(masked(0x81, b"y" * size))
            assert await wire.read_frame() == (0x81, b"y" * size)
        lines = await command.lines(5)
        whole = f'"{"y" * 1024}"'
        assert lines[1].endswith(f"  1024  {whole}")
        assert lines[4].endswith(f"  1025  {whole}...")
        await wire.close()
        await command.stop()
    frames = [json.loads(line) for line in path.read_text().splitlines() if "opcode" in line]
    sizes = [(each["length"], len(base64.b64decode(each["payload"]))) for each in frames]
    assert sizes == [(1024, 1024)] * 2 + [(1025, 1024)] * 2


# -- colours ---------------------------------------------------------------------------------------


@ONE_LOOP
@pytest.mark.parametrize(
    ("terminal", "option", "env", "coloured"),
    [
        (True, [], {"NO_COLOR": ""}, True),
        (True, [], {"NO_COLOR": "1"}, False),
        (True, ["--color=never"], {"NO_COLOR": ""}, False),
        (False, [], {"NO_COLOR": ""}, False),
        (False, ["--color=always"], {"NO_COLOR": "1"}, True),
    ],
)
async def test_colours_are_for_terminals(
    serve: Serve, terminal: bool, option: list[str], env: dict[str, str], coloured: bool
) -> None:
    upstream = await serve(application(sink))
    ours, theirs = pty.openpty() if terminal else os.pipe()
    try:
        async with proxying(upstream, "--tap", *option, stdout=theirs, env=env) as command:
            await visit(command)
            assert await command.stop() == (0, "", "")
        shown = os.read(ours, 65536).replace(b"\r\n", b"\n")
    finally:
        os.close(ours)
        os.close(theirs)
    frame = b"\x1b[36mvisitor -> upstream\x1b[0m  CLOSE         FIN       2  1000 "
    assert (b"\x1b[1mopen\x1b[0m: GET / from" in shown) == coloured
    assert (frame in shown) == coloured
    assert (b"\x1b[33mupstream -> visitor\x1b[0m  CLOSE" in shown) == coloured
    assert (b"\x1b" in shown) == coloured
    assert len(shown.splitlines()) == 4


@ONE_LOOP
async def test_a_terminal_that_knows_few_characters(serve: Serve) -> None:
    """0x9b alone, as the end of a character of UTF-8 is, would begin an escape in Latin-1."""
    env = {"PYTHONIOENCODING": "latin-1"}
    async with proxying(await serve(application(sink)), "--tap", env=env) as command:
        await visit(command, masked(0x81, "ě".encode()))
        assert (await command.lines(2))[1].endswith(r'"\u011b"')
