"""permessage-deflate on real sessions, and its zlib."""

import functools
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import Frame, ProtocolError, RawWebSocketSession, connect
from aiohttp_rawws.layers import PermessageDeflate
from tests.support.deflate import HELLO, HELLO_AGAIN, NAME, accept, deflated, offer
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import Serve, application
from tests.support.waiting import patience
from tests.support.wire import Wire

# -- The backend. ----------------------------------------------------------------------------------


def modules(code: str, **blocked: None) -> str:
    code = f"import sys; sys.modules.update({blocked!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_which_zlib_is_taken() -> None:
    code = "from aiohttp_rawws.layers import deflate_coding; print(deflate_coding.zlib.__name__)"
    assert modules(code) == "zlib_ng.zlib_ng"
    assert modules(code, zlib_ng=None) == "zlib"


# -- On real sessions. -----------------------------------------------------------------------------


async def echo(session: RawWebSocketSession) -> None:
    """Echo messages compressed, if that was agreed on."""
    codec = PermessageDeflate.of(session, max_size=10**6)
    try:
        async for frame in session:
            if codec is not None:
                frame = codec.encode(codec.decode(frame))
            await session.send(frame)
    except ProtocolError as error:
        await session.close(error.close_code)


async def test_a_server_by_hand(serve: Serve) -> None:
    answering = functools.partial(accept, server_no_context_takeover=True)
    wire = await Wire.open(await serve(application(echo, extensions=answering)))
    offers = "permessage-deflate; unknown, permessage-deflate"
    wire.send(request(Sec_WebSocket_Extensions=offers))
    status, headers = await wire.read_head()
    assert status == 101
    assert headers["Sec-WebSocket-Extensions"] == f"{NAME}; server_no_context_takeover"
    for _ in range(2):
        wire.send(masked(0xC1, HELLO))  # 1100 0001: FIN, RSV1, TEXT
        assert await wire.read_frame() == (0xC1, HELLO)
    wire.send(masked(0x81, b"plain") + masked(0xC1, HELLO_AGAIN) + masked(0xC1, b"\xff"))
    assert await wire.read_frame() == (0xC1, deflated(b"plain"))
    assert await wire.read_frame() == (0xC1, HELLO)
    assert await wire.read_frame() == (0x88, b"\x03\xef")  # 1007
    await wire.close()


async def test_a_client_without_an_offer_is_served_without(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(application(echo, extensions=accept)))
    wire.send(masked(0x81, b"plain"))
    assert await wire.read_frame() == (0x81, b"plain")
    await wire.close()


async def test_the_level_of_an_offer_survives_aiohttp(serve: Serve) -> None:
    """Also a redirect, which copies what was asked for."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/")

    app = application(echo, extensions=functools.partial(accept, level=0))
    app.router.add_get("/elsewhere", redirect)
    address = await serve(app)
    for path in ("/", "/elsewhere"):
        async with (
            patience(),
            aiohttp.ClientSession() as client,
            connect(client, address.url(path), extensions=offer(level=0)) as session,
        ):
            codec = PermessageDeflate.of(session)
            assert codec is not None
            sent = codec.encode(Frame.text("a" * 1000))
            assert b"a" * 1000 in sent.payload
            await session.send(sent)
            got = await session.receive()
            assert b"a" * 1000 in got.payload
            assert codec.decode(got) == Frame.text("a" * 1000)


async def test_a_server_that_answers_wrong(serve: Serve) -> None:
    def wrong(offered: str) -> str:
        return f"{NAME}; client_max_window_bits=10"

    async def handler(session: RawWebSocketSession) -> None:
        [frame] = [frame async for frame in session]
        assert frame == Frame.close(1002)

    async with (
        patience(),
        aiohttp.ClientSession() as client,
        connect(
            client,
            (await serve(application(handler, extensions=wrong))).url(),
            extensions=offer(client_max_window_bits=None),
        ) as session,
    ):
        with pytest.raises(ProtocolError, match="client_max_window_bits was not offered") as caught:
            PermessageDeflate.of(session)
        await session.close(caught.value.close_code)
