"""Raw sessions for a test: both ends of a connection, and a client of an application."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame, HandshakeRefused, RawWebSocketSession
from aiohttp_rawws.testing import raw_client, raw_pair
from tests.support.servers import BOTH, Contexts, Serve
from tests.support.waiting import soon


async def echo(session: RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


def echo_app() -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/{path:.*}", echo, "chat")])
    return app


async def one_echo(session: RawWebSocketSession) -> None:
    await session.send(Frame.text("hello"))
    assert await soon(session.receive()) == Frame.text("hello")


async def test_a_pair() -> None:
    async with raw_pair() as (server, client):
        await client.send(Frame.text("hello"))
        got = await soon(server.receive())
        assert (got, got.mask is not None) == (Frame.text("hello"), True)
        await server.send(Frame.ping(b"1"))
        assert await soon(client.receive()) == Frame.ping(b"1")
    assert server.closed
    assert client.closed


async def test_a_pair_with_options(contexts: Contexts, tmp_path: Path) -> None:
    server_tls, client_tls = contexts
    options = {"protocols": ["chat"], "server_ssl": server_tls, "ssl": client_tls}
    async with raw_pair(server={"protocol": "chat"}, **options) as pair:
        assert (pair.server.protocol, pair.client.protocol) == ("chat", "chat")
        assert pair.client.get_extra_info("ssl_object") is not None
    async with raw_pair(unix_socket=str(tmp_path / "s")) as pair:
        await one_way(pair.client, pair.server)


async def one_way(one: RawWebSocketSession, other: RawWebSocketSession) -> None:
    await one.send(Frame.text("hello"))
    assert await soon(other.receive()) == Frame.text("hello")


@BOTH
async def test_a_client_of_an_application(contexts: Contexts, tls: bool) -> None:
    server_tls, client_tls = contexts if tls else (None, True)
    client = raw_client(
        echo_app(), "/a%2Fb?c", server_ssl=server_tls, ssl=client_tls, protocols=["chat"]
    )
    async with client as session:
        assert session.protocol == "chat"
        await one_echo(session)


async def test_a_client_on_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with raw_client(echo_app(), unix_socket=path, protocols=["chat"]) as session:
        await one_echo(session)
        async with raw_client("ws://h/", unix_socket=path, protocols=["chat"]) as other:
            await one_echo(other)


async def test_a_client_of_a_url(serve: Serve) -> None:
    address = await serve(echo_app())
    async with raw_client(address.url(), protocols=["chat"]) as session:
        await one_echo(session)
    with pytest.raises(HandshakeRefused, match="400"):
        async with raw_client(address.url(scheme="http")):
            raise AssertionError("not reached")


async def test_a_handler_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp_rawws.testing.joined.SHUTDOWN", 0.05)

    async def never(session: RawWebSocketSession) -> None:
        await asyncio.sleep(1000)

    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", never)])

    async def visit() -> None:
        async with raw_client(app, linger=0.05):
            pass

    await soon(visit())
