"""The lines of --capture."""

import asyncio
import base64
import errno
import json
import os
import re
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import Frame, accept
from aiohttp_rawws.command.capture import CaptureView
from aiohttp_rawws.command.output import FileOutput
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.command import CLOSE, PAYLOADS, name, proxying, sink, visit
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.octets import MASK, masked
from tests.support.servers import Serve, application, echo
from tests.support.sockets import reset
from tests.support.waiting import patience
from tests.support.wire import Wire


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
    start, *records = [json.loads(line) for line in lines]
    assert (start["event"], start["version"], start["connection"]) == ("start", 1, None)
    assert start["upstream"] == upstream.url("")
    handshakes = [record.pop("handshakes") for record in records if "handshakes" in record]
    assert [each["client"]["status"] for each in handshakes] == [101, 400]
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
        start, first, second = map(json.loads, await command.lines(3))
        assert (start["event"], first["event"]) == ("start", "open")
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
        view = CaptureView(FileOutput(file, print))
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
    assert len(path.read_text().splitlines()) == 5


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
            if where == "stdout":
                wire = await Wire.upgrade(command.address)
                assert await wire.read_to_end() == b"\x88\x02\x03\xe9"
                await wire.close()
            status, out, errors = await command.wait()
    assert (status, out) == (1, "")
    assert errors == f"aiohttp-rawws: cannot write {named}: {os.strerror(errno.ENOSPC)}\n"
