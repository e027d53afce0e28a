"""The command `python -m aiohttp_rawws`: the real one, as a process between real peers."""

import asyncio
import base64
import contextlib
import errno
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from importlib import metadata
from io import FileIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from websockets.asyncio.client import connect as websockets_connect
from websockets.asyncio.server import serve as websockets_serve

from aiohttp_rawws import Frame, RawWebSocketSession, __version__, accept, add_raw_websocket
from aiohttp_rawws.__main__ import main
from aiohttp_rawws.command.capture import CaptureView
from aiohttp_rawws.command.ending import Stop
from aiohttp_rawws.command.output import Output
from aiohttp_rawws.command.text import address_of
from aiohttp_rawws.wire.handshake import accept_key

from .conftest import Serve
from .ends import application, echo, narrow, patience, reset
from .wire import MASK, PATIENCE, Address, Wire, masked, request

#: The command is another process, with a loop of its own.
ONE_LOOP = pytest.mark.asyncio(loop_factories=["asyncio"])

TIME = r"\d\d:\d\d:\d\d\.\d{6} "
THERE = "visitor -> upstream"
BACK = "upstream -> visitor"
CLOSE = masked(0x88, b"\x03\xe8")

End = tuple[int, str, str]


class Command:
    """The command while it runs."""

    def __init__(self, process: "asyncio.subprocess.Process", told: str) -> None:
        self.process = process
        self.told = told
        found = re.match(r"Listening on ws://(\S+):(\d+), forwarding to ", told)
        assert found is not None, told
        self.address = Address(found[1].strip("[]"), int(found[2]))

    async def line(self) -> str:
        """The next line of its standard output, without the time; "" at its end."""
        assert self.process.stdout is not None
        async with patience():
            line = (await self.process.stdout.readline()).decode()
        return re.sub(f"^{TIME}", "", line.rstrip("\n"))

    async def lines(self, number: int) -> list[str]:
        return [await self.line() for _ in range(number)]

    async def stop(self, number: int = signal.SIGTERM) -> End:
        """Send a signal, and wait: the exit status, the rest of its output, its errors."""
        self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> End:
        async with patience():
            out, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, (out or b"").decode(), (errors or b"").decode()


@contextlib.asynccontextmanager
async def proxying(
    upstream: "Address | str",
    *options: object,
    listen: str = "0",
    stdout: Any = subprocess.PIPE,
    env: "dict[str, str] | None" = None,
) -> AsyncIterator[Command]:
    """The command, in front of an upstream."""
    url = upstream if isinstance(upstream, str) else upstream.url("")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "aiohttp_rawws", "proxy", listen, url),
        *map(str, options),
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stderr is not None
        async with patience():
            told = (await process.stderr.readline()).decode()
        yield Command(process, told)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def sink(session: RawWebSocketSession) -> None:
    """An upstream that answers nothing but a Close."""
    async for frame in session:
        if session.close_received is not None:
            await session.send(frame)


async def never(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(10 * PATIENCE)
    raise AssertionError("not reached")


async def visit(command: Command, *data: bytes, path: str = "/") -> Wire:
    """Send bytes through the proxy, a Close last, and wait for the end."""
    wire = await Wire.upgrade(command.address, path)
    wire.send(b"".join(data) + CLOSE)
    assert (await wire.read_to_end()).endswith(b"\x88\x02\x03\xe8")
    await wire.close()
    return wire


def name(wire: Wire) -> str:
    return "{}:{}".format(*wire.writer.get_extra_info("sockname")[:2])


def opened(line: str) -> str:
    """An open line without the address, which must be one of this machine."""
    short, found = re.subn(r" from 127\.0\.0\.1:\d+,", "", line)
    assert found == 1, line
    return short


# -- what passes -----------------------------------------------------------------------------


@ONE_LOOP
async def test_paths_queries_and_frames_pass_as_they_stand(serve: Serve) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        async with accept(request) as session:
            await echo(session)
        response: web.StreamResponse = session.response
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    upstream = await serve(app)
    path = "/a%2Fb/../%c3%a4;x?x=%20+y&&z"
    frames = [masked(0x81, b"hi"), masked(0x89, b"?"), masked(0x02, b"\0" * 70), masked(0x80)]
    for base in ("", "/base/"):
        async with proxying(upstream.url(base)) as command:
            for asking in (path, "http://other.example" + path):
                wire = await Wire.upgrade(command.address, asking)
                for frame in frames:
                    wire.send(frame)
                    head, size = await wire.read(2)
                    assert head == frame[0]
                    await wire.read(size)
                wire.send(CLOSE)
                assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
                await wire.close()
            assert await command.stop() == (0, "", "")
        assert command.told == (
            f"Listening on ws://127.0.0.1:{command.address.port}, "
            f"forwarding to {upstream.url(base)}\n"
        )
    assert asked == [path, path, "/base" + path, "/base" + path]


@ONE_LOOP
async def test_between_a_client_and_a_server_of_the_websockets_package() -> None:
    async def handler(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets_serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with proxying(f"http://127.0.0.1:{port}", "--tap") as command:
            async with websockets_connect(command.address.url()) as client:
                for message in ("hi", b"\0" * 100_000):
                    await client.send(message)
                    assert await client.recv() == message
            status, out, errors = await command.stop()
    assert (status, errors) == (0, "")
    assert "extensions permessage-deflate" in out
    assert "TEXT          FIN RSV1" in out
    assert 'CLOSE         FIN       2  1000 ""' in out


@ONE_LOOP
async def test_on_an_address_of_ipv6(serve: Serve) -> None:
    upstream = await serve(application(echo))
    async with proxying(upstream, "--tap", listen="[::1]:0") as command:
        assert command.told.startswith("Listening on ws://[::1]:")
        await visit(command)
        assert re.match(r"#1 open: GET / from \[::1\]:\d+, no", await command.line())
        await command.stop()


@ONE_LOOP
async def test_more_connections_than_a_client_of_aiohttp_makes(serve: Serve) -> None:
    async with proxying(await serve(application(echo))) as command:
        wires = await asyncio.gather(*(Wire.upgrade(command.address) for _ in range(120)))
        for wire in wires:
            wire.send(CLOSE)
            assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
            await wire.close()
        assert await command.stop() == (0, "", "")


# -- options of the connection to the upstream -----------------------------------------------


@ONE_LOOP
@pytest.mark.parametrize("hidden", [False, True])
async def test_extensions_are_offered_unless_told_not_to(serve: Serve, hidden: bool) -> None:
    offers: list[str] = []

    def choose(offer: str) -> str:
        offers.append(offer)
        return "x-test; a=1"

    upstream = await serve(application(sink, "chat", extensions=choose))
    options = ["--no-extensions"] if hidden else []
    async with proxying(upstream, "--tap", *options) as command:
        wire = await Wire.open(command.address)
        headers = {"Sec_WebSocket_Extensions": "x-test", "Sec_WebSocket_Protocol": "chat"}
        wire.send(request(**headers) + masked(0xC1, b"x") * (not hidden) + CLOSE)
        _, answer = await wire.read_head()
        await wire.read_to_end()
        await wire.close()
        line = opened(await command.line())
        await command.stop()
    assert answer.get("Sec-WebSocket-Extensions") == (None if hidden else "x-test; a=1")
    assert offers == [] if hidden else ["x-test"]
    shown = "no extensions" if hidden else "extensions x-test; a=1"
    assert line == f"#1 open: GET / subprotocol chat, {shown}"


@ONE_LOOP
async def test_headers_are_set(serve: Serve) -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers)
        return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/", handler)
    options = ["--header", "X-One:  1 ", "--header", "X-Two: a:b", "--header", "X-Two:c"]
    async with proxying(await serve(app), *options, "--header=Cookie:") as command:
        wire = await Wire.open(command.address)
        wire.send(request(X_Two="visitor's", Cookie="a=b"))
        assert (await wire.read_head())[0] == 404
        await wire.close()
        assert await command.stop() == (0, "", "")
    assert seen[0]["X-One"] == "1"
    assert seen[0].getall("X-Two") == ["a:b", "c"]
    assert seen[0]["Cookie"] == ""
    assert seen[0]["X-Forwarded-For"] == "127.0.0.1"


@ONE_LOOP
async def test_the_timeout_of_the_dial_ends_with_it(serve: Serve) -> None:
    app = application(echo)
    app.router.add_get("/slow", never)
    upstream = await serve(app, handler_cancellation=True)
    async with proxying(upstream, "--timeout", "0.3", "--tap") as command:
        wire = await Wire.upgrade(command.address)
        late = await Wire.open(command.address)
        late.send(request("/slow"))
        assert (await late.read_head())[0] == 504
        await late.close()
        wire.send(masked(0x81, b"still there"))
        assert await wire.read_frame() == (0x81, b"still there")
        lines = await command.lines(2)
        assert re.fullmatch(r"#2 refused: GET /slow from \S+: 504", lines[1])
        await wire.close()


@ONE_LOOP
async def test_certificates_are_checked(
    serve: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    upstream = await serve(application(sink), tls=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for options in (["--insecure"], ["--ca", tmp_path / "ca.pem"]):
        async with proxying(upstream, *options) as command:
            await visit(command)
            assert await command.stop() == (0, "", "")
    async with proxying(upstream) as command:
        wire = await Wire.open(command.address)
        wire.send(request())
        assert (await wire.read_head())[0] == 502
        await wire.close()
        status, out, errors = await command.stop()
    assert (status, out) == (0, "")
    assert re.fullmatch(r"Proxy: wss://\S+ cannot be reached: .*CERTIFICATE_VERIFY.*\n", errors)


# -- the lines of --tap ----------------------------------------------------------------------

LONG = "ä" * 60
PAYLOADS = [
    (masked(0x81, b"hello"), 'TEXT          FIN       5  "hello"'),
    (masked(0x81), "TEXT          FIN       0"),
    (masked(0x81, b"a\tb\r\n\\ \"'"), r'TEXT          FIN       9  "a\tb\r\n\\ ' + '"\'"'),
    (masked(0x81, "\u202eä\u2028".encode()), r'TEXT          FIN       8  "\u202eä\u2028"'),
    (masked(0x81, b"\x1b[31m"), "TEXT          FIN       5  1b 5b 33 31 6d"),
    (masked(0x81, b"\xc2\x9b1m"), "TEXT          FIN       4  c2 9b 31 6d"),
    (masked(0x81, b"y" + LONG.encode()), f'TEXT          FIN     121  "y{LONG[:39]}"...'),
    (masked(0x81, b"x" * 80), f'TEXT          FIN      80  "{"x" * 80}"'),
    (masked(0x81, b"\xff" * 3 + b"x" * 80), f"TEXT          FIN      83  ff ff ff{' 78' * 29}..."),
    (masked(0x82, b"\x00\xff"), "BINARY        FIN       2  00 ff"),
    (masked(0x82, bytes(32)), f"BINARY        FIN      32  00{' 00' * 31}"),
    (masked(0x82, bytes(33)), f"BINARY        FIN      33  00{' 00' * 31}..."),
    (masked(0x82, b"text"), 'BINARY        FIN       4  "text"'),
    (masked(0x82, bytes(2**17 - 65536 - 1)), f"BINARY        FIN   65535  00{' 00' * 31}..."),
    (masked(0x01, b"\xc3"), "TEXT          -         1  c3"),
    (masked(0x00, b"\xa4"), "CONTINUATION  -         1  a4"),
    (masked(0x89, b"ping"), 'PING          FIN       4  "ping"'),
    (masked(0x80), "CONTINUATION  FIN       0"),
    (masked(0x8A), "PONG          FIN       0"),
]
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
async def test_refusals_have_a_line_too(serve: Serve, unused_tcp_port: int) -> None:
    async with proxying(await serve(application(echo)), "--tap") as command:
        for data, shown in [
            (request("/none"), "GET /none from ADDRESS: 404"),
            (b"POST /x HTTP/1.1\r\nHost: h\r\n\r\n", "POST /x from ADDRESS: 405"),
            (b"GET /\\ HTTP/1.1\r\nHost: h\r\n\r\n", r"GET /\\ from ADDRESS: 426"),
        ]:
            wire = await Wire.open(command.address)
            wire.send(data)
            await wire.read_to_end()
            line = await command.line()
            assert line.replace(name(wire), "ADDRESS").endswith(f" refused: {shown}")
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
async def test_the_largest_frame(serve: Serve) -> None:
    upstream = await serve(application(sink))
    async with proxying(upstream, "--tap", "--max-frame-size", "1k") as command:
        await visit(command, masked(0x82, bytes(1024)))
        await command.lines(5)
        wire = await Wire.upgrade(command.address)
        wire.send(masked(0x82, bytes(1025)))
        with contextlib.suppress(ConnectionResetError):
            assert await wire.read_to_end() == b""
        await wire.close()
        line = (await command.lines(2))[1]
        assert line.startswith("#2 end: visitor first, violation (a frame of 1025 bytes is over")
        _, _, errors = await command.stop()
        assert errors.startswith("Relay dropped: client of GET / from 127.0.0.1:")
        assert "broke the protocol: a frame of 1025 bytes" in errors
        assert errors.count("\n") == 1
    async with proxying(upstream, "--max-frame-size", "1") as command:
        await visit(command, masked(0x82, bytes(65535)))
        assert await command.stop() == (0, "", "")


# -- colours ---------------------------------------------------------------------------------


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


# -- the lines of --capture ------------------------------------------------------------------


def frames_of(records: list[dict[str, Any]], direction: str) -> list[Frame]:
    """The frames that a capture holds."""
    frames = []
    for record in records:
        if record.get("direction") == direction:
            mask = record["mask"] and bytes.fromhex(record["mask"])
            payload = base64.b64decode(record["payload"])
            assert record["length"] == len(payload)
            flags = {flag: record[flag] for flag in ("fin", "rsv1", "rsv2", "rsv3")}
            frames.append(Frame(record["opcode"], payload, mask=mask, **flags))
    return frames


async def written(path: Path, text: str) -> None:
    async with patience():
        while text not in path.read_text():  # noqa: ASYNC240
            await asyncio.sleep(0.01)


@ONE_LOOP
async def test_a_capture_holds_the_exact_frames(serve: Serve, tmp_path: Path) -> None:
    upstream = await serve(application(echo, "chat", extensions=lambda offer: "x-test"))
    sent = [frame for frame, _ in PAYLOADS[:-1]]
    sent += [masked(0xC1, b"rsv1"), masked(0x32, b"rsv2, rsv3"), masked(0x80), CLOSE]
    path = tmp_path / "capture.jsonl"
    path.write_text("earlier\n")
    before = datetime.now(timezone.utc)
    async with proxying(upstream, "--capture", path) as command:
        wire = await Wire.open(command.address)
        headers = {"Sec_WebSocket_Extensions": "x-test", "Sec_WebSocket_Protocol": "chat"}
        wire.send(request("/?b", **headers))
        assert (await wire.read_head())[0] == 101
        wire.send(b"".join(sent))
        answer = await wire.read_to_end()
        address = name(wire)
        await wire.close()
        await written(path, '"end"')
        refused = await Wire.open(command.address)
        refused.send(request("/?c"))
        assert (await refused.read_head())[0] == 400
        other = name(refused)
        await refused.close()
        assert await command.stop() == (0, "", "")
    earlier, *lines = path.read_text().splitlines()
    assert earlier == "earlier"
    assert all(line.isascii() and line.isprintable() for line in lines)
    records = [json.loads(line) for line in lines]
    times = [record.pop("time") for record in records]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time) for time in times)
    assert times == sorted(times)
    assert before <= datetime.fromisoformat(times[0].replace("Z", "+00:00"))
    there, back = frames_of(records, "client"), frames_of(records, "upstream")
    assert b"".join(frame.encode() for frame in there) == b"".join(sent)
    assert {frame.mask for frame in there} == {MASK}
    assert b"".join(frame.encode() for frame in back) == answer
    assert {frame.mask for frame in back} == {None}
    counts = {"client": len(sent), "upstream": len(sent)}
    size = sum(len(frame.payload) for frame in there)
    assert [record for record in records if "event" in record] == [
        {
            "connection": 1,
            "event": "open",
            "method": "GET",
            "path": "/?b",
            "address": address,
            "protocol": "chat",
            "extensions": "x-test",
        },
        {
            "connection": 1,
            "event": "end",
            "first": "client",
            "reason": "close",
            "error": None,
            "frames": counts,
            "bytes": {"client": size, "upstream": size},
        },
        {
            "connection": 2,
            "event": "refused",
            "method": "GET",
            "path": "/?c",
            "address": other,
            "status": 400,
        },
    ]


@ONE_LOOP
async def test_a_capture_on_standard_output(serve: Serve) -> None:
    async with proxying(await serve(application(sink)), "--capture", "-") as command:
        wire = await Wire.upgrade(command.address)
        wire.send(masked(0x81, b"hello"))
        first, second = map(json.loads, await command.lines(2))
        assert first["event"] == "open"
        del second["time"]
        assert second == {
            "connection": 1,
            "direction": "client",
            "opcode": 1,
            "fin": True,
            "rsv1": False,
            "rsv2": False,
            "rsv3": False,
            "mask": "37fa213d",
            "length": 5,
            "payload": "aGVsbG8=",
        }
        await wire.close()
        await command.stop()


@ONE_LOOP
async def test_no_control_stands_in_a_capture(tmp_path: Path) -> None:
    with FileIO(tmp_path / "capture", "w") as file:
        view = CaptureView(Output(file, "x", Stop()))
        view.event(datetime.now(timezone.utc), 1, "open", {"path": "\x7f\x1b\x9b\u202e\n\udcff"})
    written = (tmp_path / "capture").read_text()
    assert written.isascii()
    assert written[:-1].isprintable()
    assert json.loads(written)["path"] == "\x7f\x1b\x9b\u202e\n\udcff"


@ONE_LOOP
async def test_a_visitor_that_goes_before_the_answer(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        reset(wire)
        await asyncio.sleep(0.2)
        async with accept(request) as session:
            pass
        response: web.StreamResponse = session.response
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with proxying(await serve(app), "--tap") as command:
        wire = await Wire.open(command.address)
        wire.send(request())
        lines = await command.lines(2)
        assert re.match(r"#1 end: visitor first, lost", lines[1])
        assert await command.stop() == (0, "", "")


@ONE_LOOP
async def test_an_upstream_whose_headers_cannot_be_passed_on() -> None:
    """A control that may not be sent, one that may, one in what was not offered."""

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"(?i)sec-websocket-key: (\S+)", head)
        assert key is not None
        accepted = accept_key(key[1]).encode()
        writer.write(
            b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Extensions: " + bad.pop(0) + b"\r\n"
            b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
        )
        writer.close()

    bad = [b"x-test;a=\x1b[31m", b"x-test;a=\xc2\x9b1m", b"\x1b[31m"]
    async with await asyncio.start_server(upstream, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with proxying(f"ws://127.0.0.1:{port}", "--tap") as command:
            for _ in range(3):
                wire = await Wire.open(command.address)
                wire.send(request(Sec_WebSocket_Extensions="x-test"))
                await wire.read_to_end()
                await wire.close()
            _, out, errors = await command.stop()
    events = [("1", "refused"), ("2", "end"), ("2", "open"), ("3", "refused")]
    assert sorted(re.findall(r"#(\d) (\w+)", out)) == events
    assert r"no subprotocol, extensions x-test;a=\x9b1m" in out
    assert errors.count("not printable UTF-8") == 2
    assert (out + errors).replace("\n", "").isprintable()


@ONE_LOOP
async def test_a_tap_and_a_capture(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    async with proxying(await serve(application(sink)), "--tap", "--capture", path) as command:
        await visit(command)
        assert len(await command.lines(4)) == 4
        await written(path, '"end"')
        assert await command.stop() == (0, "", "")
    assert len(path.read_text().splitlines()) == 4


@ONE_LOOP
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("where", ["capture", "stdout"])
async def test_a_disk_that_is_full(serve: Serve, where: str) -> None:
    upstream = await serve(application(echo))
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230
        if where == "capture":
            process, named = proxying(upstream, "--capture", "/dev/full"), "/dev/full"
        else:
            process, named = proxying(upstream, "--tap", stdout=full), "to standard output"
        async with process as command:
            wire = await Wire.upgrade(command.address)
            assert await wire.read_to_end() == b""
            await wire.close()
            status, out, errors = await command.wait()
    assert (status, out) == (1, "")
    assert errors == f"aiohttp-rawws: cannot write {named}: {os.strerror(errno.ENOSPC)}\n"


# -- its end ---------------------------------------------------------------------------------


@ONE_LOOP
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_all_connections(
    serve: Serve, loop: str, number: int, tmp_path: Path
) -> None:
    """With a FIN each, also where a visitor does not read, or its upstream has not answered."""
    ended = asyncio.Event()

    async def flood(session: RawWebSocketSession) -> None:
        await session.send(Frame.binary(bytes(2**20)))
        try:
            while True:
                await session.send(Frame.binary(bytes(2**16)))
        finally:
            ended.set()

    async def slow(request: web.Request) -> web.StreamResponse:
        dialled.set()
        return await never(request)

    dialled = asyncio.Event()
    env = without_uvloop(tmp_path) if loop == "asyncio" else {}
    app = application(sink)
    add_raw_websocket(app.router, "/flood", flood)
    app.router.add_get("/slow", slow)
    upstream = await serve(app, handler_cancellation=True)
    async with proxying(upstream, "--tap", "--capture", tmp_path / "c", env=env) as command:
        reading = await Wire.upgrade(command.address)
        other = await Wire.upgrade(command.address, "/flood")
        narrow(other.transport)
        other.transport.pause_reading()
        waiting = await Wire.open(command.address)
        waiting.send(request("/slow"))
        async with patience():
            await dialled.wait()
        while True:
            size = (tmp_path / "c").stat().st_size
            await asyncio.sleep(0.1)
            if size == (tmp_path / "c").stat().st_size:
                break
        async with patience():
            stopping = asyncio.create_task(command.stop(number))
            assert await reading.read_to_end() == b""
            assert (await waiting.read_head())[0] == 503
            await asyncio.wait_for(stopping, 8)
            await ended.wait()
        for wire in (reading, other, waiting):
            await wire.close()
        status, out, errors = stopping.result()
    assert (status, errors) == (0, "")
    lines = [re.sub(f"^{TIME}", "", line) for line in out.splitlines()]
    assert (
        "#1 end: the proxy was stopped; "
        f"{THERE} 0 frames, 0 bytes; {BACK} 0 frames, 0 bytes" in lines
    )
    assert [line for line in lines if line.startswith("#2 end: the proxy was stopped; ")]
    assert [line for line in lines if line.startswith("#3 refused: ") and line.endswith(": 503")]
    ends = [json.loads(line) for line in (tmp_path / "c").read_text().splitlines()[-3:]]
    assert {end["event"] for end in ends} == {"end", "refused"}
    assert {end.get("reason") for end in ends} == {"stopped", None}


def without_uvloop(folder: Path) -> dict[str, str]:
    """An environment in which uvloop cannot be imported."""
    (folder / "uvloop.py").write_text("raise ImportError")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


@ONE_LOOP
async def test_a_second_signal_ends_it_at_once(serve: Serve) -> None:
    async def flood(session: RawWebSocketSession) -> None:
        while True:
            await session.send(Frame.binary(bytes(2**16)))

    async with proxying(await serve(application(flood))) as command:
        wire = await Wire.upgrade(command.address)
        narrow(wire.transport)
        wire.transport.pause_reading()
        other = await Wire.open(command.address)
        await asyncio.sleep(0.2)
        command.process.send_signal(signal.SIGINT)
        # It has begun to stop: this one is closed, while the other lingers.
        assert await other.read_to_end() == b""
        assert await command.stop(signal.SIGINT) == (-signal.SIGINT, "", "")
        await wire.close()
        await other.close()


@ONE_LOOP
async def test_a_reader_that_has_gone_ends_it_quietly(serve: Serve) -> None:
    """As `head` does."""
    ours, theirs = os.pipe()
    async with proxying(await serve(application(echo)), "--tap", stdout=theirs) as command:
        os.close(theirs)
        wire = await Wire.upgrade(command.address)
        assert b" open: GET / " in os.read(ours, 65536)
        os.close(ours)
        wire.send(masked(0x81, b"hello"))
        assert await wire.read_to_end() in (b"", b"\x81\x05hello")
        await wire.close()
        assert await command.wait() == (0, "", "")


@ONE_LOOP
async def test_a_reader_that_does_not_read_holds_no_end_up(serve: Serve) -> None:
    """It slows the frames, as a slow visitor does."""
    ours, theirs = os.pipe()
    try:
        async with proxying(await serve(application(sink)), "--tap", stdout=theirs) as command:
            wire = await Wire.upgrade(command.address)
            wire.send(masked(0x81, b"hello") * 10_000)
            await asyncio.sleep(0.5)
            assert command.process.returncode is None
            async with patience():
                assert await command.stop() == (0, "", "")
            await wire.close()
    finally:
        os.close(ours)
        os.close(theirs)


# -- errors ----------------------------------------------------------------------------------


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> End:
    """What the command ends with, in this process."""
    try:
        status: Any = main([*arguments])
    except SystemExit as error:
        status = error.code
    out, errors = capsys.readouterr()
    return status, out, errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("65536 ws://h", "LISTEN: not PORT, :PORT, HOST:PORT or [IPV6]:PORT with a port from 0"),
        ("http ws://h", "LISTEN: not PORT,"),
        ("::1:80 ws://h", "LISTEN: not PORT,"),
        ("[h:80 ws://h", "LISTEN: not PORT,"),
        ("\u0661 ws://h", "LISTEN: not PORT,"),
        ("0 ftp://h", "UPSTREAM: not a ws, wss, http or https URL: 'ftp://h'"),
        ("0 h:80", "UPSTREAM: not a ws, wss, http or https URL: 'h:80'"),
        ("0 ws:///x", "UPSTREAM: not a ws, wss, http or https URL: 'ws:///x'"),
        ("0 ws://h:port", "UPSTREAM: "),
        ("0 ws://h?x", "UPSTREAM: the query is the visitor's, leave it out: 'ws://h?x'"),
        ("0 ws://h/?", "UPSTREAM: the query is the visitor's"),
        ("0 ws://h#x", "UPSTREAM: the query is the visitor's"),
        ("0 ws://u:p@h", "UPSTREAM: no user or password here: use --header Authorization:"),
        ("0 ws://h --header X", "--header: not NAME:VALUE: 'X'"),
        ("0 ws://h --header :x", "--header: not NAME:VALUE: ':x'"),
        ("0 ws://h --header X:a\nb", "--header: not NAME:VALUE: 'X:a\\nb'"),
        ("0 ws://h --header te:x", "--header: te is set by the proxy"),
        ("0 ws://h --header sec-websocket-KEY:x", "sec-websocket-KEY is set by the proxy"),
        ("0 ws://h --timeout 0", "--timeout: not a number of seconds above 0: '0'"),
        ("0 ws://h --timeout nan", "--timeout: not a number of seconds above 0: 'nan'"),
        ("0 ws://h --timeout inf", "--timeout: not a number"),
        ("0 ws://h --timeout soon", "--timeout: not a number"),
        ("0 ws://h --max-frame-size 0", "--max-frame-size: not a number of bytes, like 65536"),
        ("0 ws://h --max-frame-size 1T", "--max-frame-size: not a number of bytes"),
        ("0 ws://h --color sometimes", "--color: invalid choice: 'sometimes'"),
        ("0 ws://h --tap --capture -", "--tap and --capture - would both write to standard output"),
        ("0 ws://h --ca /none", "--ca: cannot read '/none': No such file or directory"),
        (f"0 ws://h --ca {__file__}", f"--ca: cannot read {__file__!r}: no certificates in it"),
        ("0", "the following arguments are required: UPSTREAM"),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], arguments: str, said: str) -> None:
    status, out, errors = complaint(capsys, "proxy", *arguments.split(" "))
    assert (status, out) == (2, "")
    *usage, error = errors.splitlines()
    assert usage[0].startswith("usage: aiohttp-rawws proxy ")
    assert error.startswith("aiohttp-rawws proxy: error: ")
    assert said in error


def test_no_certificates_and_which_to_trust(
    capsys: pytest.CaptureFixture[str], authority: trustme.CA
) -> None:
    with authority.cert_pem.tempfile() as path:
        output = complaint(capsys, "proxy", "0", "ws://h", "--insecure", "--ca", path)
    assert output[0] == 2
    assert "--ca: not allowed with argument --insecure" in output[2]


def command_fails(*arguments: str, shell: str = "") -> End:
    command = [sys.executable, "-W", "error", "-m", "aiohttp_rawws", "proxy", *arguments]
    if shell:
        command = ["sh", "-c", shell, "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("listen", [":{}", "localhost:{}"])
def test_a_port_that_is_taken(listen: str) -> None:
    host = "localhost" if "localhost" in listen else "127.0.0.1"
    # The first address of localhost may be one of IPv6.
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.create_server(address, family=family) as taken:
        port = taken.getsockname()[1]
        status, out, errors = command_fails(listen.format(port), "ws://127.0.0.1:1")
    assert (status, out) == (1, "")
    said = f"cannot listen on {host}:{port}: {os.strerror(errno.EADDRINUSE)}"
    assert errors == f"aiohttp-rawws: {said}\n"


@pytest.mark.parametrize("listen", ["192.0.2.1:0", "a..b:0", "[nothing]:0"])
def test_an_address_that_is_none_of_ours(listen: str) -> None:
    status, out, errors = command_fails(listen, "ws://127.0.0.1:1")
    assert (status, out) == (1, "")
    assert re.fullmatch(r"aiohttp-rawws: cannot listen on \S+:0: .+\n", errors)


def test_a_capture_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "none" / "capture"
    status, out, errors = command_fails("0", "ws://127.0.0.1:1", "--capture", str(path))
    assert (status, out) == (1, "")
    assert errors == f"aiohttp-rawws: cannot write {path}: {os.strerror(errno.ENOENT)}\n"


@pytest.mark.parametrize("option", ["--tap", "--capture=-"])
def test_a_standard_output_that_is_closed(option: str) -> None:
    """Its number may be that of a socket."""
    output = command_fails("0", "ws://127.0.0.1:1", option, shell='exec "$@" >&-')
    assert output == (1, "", "aiohttp-rawws: cannot write to standard output: it is closed\n")


# -- help ------------------------------------------------------------------------------------


def test_its_help_tells_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(capsys)[0] == 2
    status, out, errors = complaint(capsys, "--help")
    assert (status, errors) == (0, "")
    assert "proxy" in out
    status, out, errors = complaint(capsys, "proxy", "--help")
    assert (status, errors) == (0, "")
    documented = (Path(__file__).parent.parent / "docs" / "command.md").read_text()
    for option in re.findall(r"--[a-z-]+", out):
        assert option == "--help" or f"`{option}" in documented
    assert "uvloop" in out


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_its_version_tells_what_runs(loop: str, tmp_path: Path) -> None:
    env = {**os.environ, **(without_uvloop(tmp_path) if loop == "asyncio" else {})}
    command = [sys.executable, "-m", "aiohttp_rawws", "--version"]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(
        rf"aiohttp_rawws {re.escape(__version__)} \((compiled|interpreted), {loop}\), "
        rf"aiohttp {re.escape(aiohttp.__version__)}, Python \S+",
        # argparse breaks a long line.
        " ".join(out.split()),
    )


def test_it_is_a_script_too() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="aiohttp-rawws")
    assert script.load() is main
    found = shutil.which("aiohttp-rawws", path=str(Path(sys.executable).parent))
    if found is not None:
        subprocess.run([found, "--version"], check=True, capture_output=True)
