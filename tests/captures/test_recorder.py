"""What a Recorder keeps of relays, proxies and sessions."""

import io
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict

from aiohttp_rawws import Frame, RawWebSocketSession, connect, proxy, relay, setup
from aiohttp_rawws.captures import Answered, End, FrameLine, Opening, Recorder, read_capture
from tests.support.captures import ended, frames_in
from tests.support.octets import CLOSE, HELLO, MASK, masked
from tests.support.servers import Serve, application, echo
from tests.support.waiting import soon
from tests.support.wire import Wire


def of_kind(capture: Path, kind: Any) -> list[Any]:
    return [line for line in read_capture(capture) if isinstance(line, kind)]


async def test_a_relay(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    upstream = await serve(application(echo))
    with Recorder(path) as recorder:

        async def handler(session: RawWebSocketSession) -> None:
            async with (
                aiohttp.ClientSession() as http,
                connect(http, upstream.url("/?token=abc")) as other,
            ):
                with recorder.connection(session, other) as tap:
                    tap.ended(await relay(session, other, tap=tap))

        wire = await Wire.upgrade(await serve(application(handler)), "/?a=b")
        wire.send(masked(0x81, b"Hello") + masked(0x88, b"\x03\xe8"))
        assert await wire.read_to_end() == HELLO + CLOSE
        await wire.close()
        await ended(path)
    (opening,) = of_kind(path, Opening)
    assert (opening.path, opening.status, opening.address[:10]) == ("/?a=b", 101, "127.0.0.1:")
    assert opening.upstream.url.endswith("/?token=[redacted]")
    assert ("Upgrade", "websocket") in opening.client.response
    lines = frames_in(path)
    assert sorted((line.direction, line.frame.opcode, line.frame.mask) for line in lines) == [
        ("client", 1, MASK),
        ("client", 8, MASK),
        ("upstream", 1, None),
        ("upstream", 8, None),
    ]
    (end,) = of_kind(path, End)
    assert (end.first, end.reason, end.frames) == ("client", "close", {"client": 2, "upstream": 2})


@pytest.mark.parametrize("signal", [False, True])
async def test_a_proxy(serve: Serve, tmp_path: Path, signal: bool) -> None:
    """With the signal the answers are there, that of a plain request, too."""
    path = tmp_path / "capture"
    upstream = await serve(application(echo))
    recorder = Recorder(path)

    async def handler(request: web.Request) -> web.StreamResponse:
        with recorder.connection(request) as tap:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
                url = upstream.url(str(request.rel_url))
                response = await proxy(request, http, url, tap=tap)
            tap.ended(getattr(response, "relay_stats", None))
            return response

    app = web.Application()
    setup(app)
    app.router.add_get("/{tail:.*}", handler)
    if signal:
        app.on_response_prepare.append(recorder.answered)
    address = await serve(app)
    wire = await Wire.upgrade(address)
    wire.send(masked(0x88, b"\x03\xe8"))
    assert await wire.read_to_end() == CLOSE
    await wire.close()
    await ended(path)
    async with aiohttp.ClientSession() as http, http.get(address.url("/none", "http")) as answer:
        assert answer.status == 404
    recorder.close()
    (opening,) = of_kind(path, Opening)
    assert opening.status == 101
    assert (opening.client.response is not None) is signal
    assert [each.status for each in of_kind(path, Answered)] == ([404] if signal else [])
    assert [line.direction for line in frames_in(path)] == ["client", "upstream"]
    assert of_kind(path, End)[0].first == "client"


async def test_both_ends_of_a_session(serve: Serve) -> None:
    """A capture of the server's side, and one of the client's, into files that stay open."""
    server_side, client_side = io.BytesIO(), io.BytesIO()

    async def handler(session: RawWebSocketSession) -> None:
        with Recorder(server_side, show_secrets=True).connection(session) as recording:
            async for frame in session:
                recording.received(frame)

    address = await serve(application(handler))
    async with aiohttp.ClientSession() as http:
        headers = {"Cookie": "a=secret"}
        async with connect(http, address.url(), headers=headers) as session:
            with Recorder(client_side).connection(session) as recording:
                for frame in (Frame.text("a"), Frame.ping(b"b")):
                    await session.send(frame)
                    recording.sent(frame)
        await soon(session.wait_closed())
    captures = []
    for file in (server_side, client_side):
        file.seek(0)
        captures.append(list(read_capture(file)))
    for lines, secret in zip(captures, ["a=secret", "[redacted]"], strict=True):
        _, opening, first, second, end = lines
        assert isinstance(opening, Opening)
        assert ("Cookie", secret) in (opening.client.request or [])
        assert isinstance(first, FrameLine)
        assert isinstance(second, FrameLine)
        assert (first.direction, first.frame, second.frame) == (
            "client",
            Frame.text("a"),
            Frame.ping(b"b"),
        )
        assert isinstance(end, End)
        assert (end.first, end.reason) == ("client", "end of stream")


async def test_the_secrets_of_an_upstream(serve: Serve) -> None:
    """In the line of the start, and in both handshakes of a connection."""
    file = io.BytesIO()
    recorder = Recorder(file, upstream="ws://u:hidden@h/?token=hidden")
    address = await serve(application(echo))
    url = address.url("/?token=hidden").replace("//", "//u:hidden@")
    async with aiohttp.ClientSession() as http, connect(http, url) as session:
        with recorder.connection(session, session):
            pass
    assert file.getvalue().count(b"[redacted]") > 4
    assert b"hidden" not in file.getvalue()


def test_a_file_that_takes_nothing() -> None:
    """Neither a loop without an end, nor a line that is lost without a word."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "wb", buffering=0) as file:
        recording = Recorder(file).connection()
        recording.opened()
        with pytest.raises(BlockingIOError, match="a Recorder needs a blocking file"):
            recording("client", Frame.binary(bytes(2**20)))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_file_that_cannot_be_written_is_closed() -> None:
    with pytest.raises(OSError, match="No space"):
        Recorder("/dev/full")


def test_headers_of_any_kind() -> None:
    for headers in ([("A", "b")], {"A": "b"}, CIMultiDict(A="b"), iter([("A", "b")])):
        file = io.BytesIO()
        Recorder(file).connection().opened(response=headers, upstream={"request": {"C": "d"}})
        _, opening = read_capture(io.BytesIO(file.getvalue()))
        assert isinstance(opening, Opening)
        assert opening.client.response == [("A", "b")]
        assert opening.upstream is not None
        assert (opening.upstream.request, opening.upstream.status) == ([("C", "d")], None)


def test_what_no_capture_may_have() -> None:
    file: Any
    for file in (None, 5, io.StringIO()):
        with pytest.raises(TypeError, match="file must be a path or a binary file, got"):
            Recorder(file)
    with pytest.raises(ValueError, match="payload_limit must be at most 134217728, got"):
        Recorder(io.BytesIO(), payload_limit=2**30)
    recorder = Recorder(io.BytesIO())
    source: Any = "ws://h"
    with pytest.raises(TypeError, match="source must be a session or a request, got 'ws://h'"):
        recorder.connection(source)
    recording = recorder.connection()
    status: Any = "403"
    with pytest.raises(TypeError, match="status must be an int, got '403'"):
        recording.opened(status=status)
    with pytest.raises(ValueError, match="first is client or upstream or None, got 'server'"):
        recording.end("server", "close")
    with pytest.raises(ValueError, match=r"a reason is one of close, end of stream, .*, got 'bye'"):
        recording.end("client", "bye")


def test_what_must_be_known_before_a_frame() -> None:
    recording = Recorder(io.BytesIO()).connection()
    with pytest.raises(ValueError, match=r"call opened\(\) before the first frame"):
        recording("client", Frame.text("a"))
    recording.opened()
    with pytest.raises(ValueError, match="a direction is one of client, a->b, upstream, b->a"):
        recording.octets("server", b"")
    with pytest.raises(ValueError, match="Give connection"):
        recording.received(Frame.text("a"))
