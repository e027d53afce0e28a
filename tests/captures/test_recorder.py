"""What a Recorder keeps of relays, proxies and sessions."""

import io
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

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


def test_what_must_be_known_before_a_frame() -> None:
    recording = Recorder(io.BytesIO()).connection()
    with pytest.raises(ValueError, match=r"call opened\(\) before the first frame"):
        recording("client", Frame.text("a"))
    recording.opened()
    with pytest.raises(ValueError, match="a direction is one of client, a->b, upstream, b->a"):
        recording.octets("server", b"")
    with pytest.raises(ValueError, match="Give connection"):
        recording.received(Frame.text("a"))
