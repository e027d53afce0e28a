"""The command passes frames on, with the options of its connection to the upstream."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from websockets.asyncio.client import connect as websockets_connect
from websockets.asyncio.server import serve as websockets_serve

from aiohttp_rawws import accept
from tests.support.command import CLOSE, never, opened, proxying, sink, visit
from tests.support.forwarding import exchange, plain
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.octets import masked
from tests.support.servers import Serve, application, echo
from tests.support.wire import Wire

# -- what passes -----------------------------------------------------------------------------------


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


# -- options of the connection to the upstream -----------------------------------------------------


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


@ONE_LOOP
async def test_plain_requests_are_forwarded(serve: Serve) -> None:
    """With the path, the query and the body as they are."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=request.raw_path.encode() + await request.read())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with proxying((await serve(app)).url("/base"), "--tap") as command:
        wire = await Wire.open(command.address)
        data = plain("/a%2Fb/../?c=%7E", "Content-Length: 2", method="POST", body=b"Hi")
        status, _, body = await exchange(wire, data)
        await wire.close()
        assert (status, body) == (200, b"/base/a%2Fb/../?c=%7EHi")
        assert re.match(
            r"#1 answered: POST /a%2Fb/\.\./\?c=%7E from \S+: 200", await command.line()
        )
        assert await command.stop() == (0, "", "")
