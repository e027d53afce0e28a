"""accept() in ordinary handlers."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import Frame, FrameTooBig, Violation, accept, setup
from tests.support.accepting import CLOSE, HELLO, accepting_echo, ordinary
from tests.support.handshakes import ACCEPT, request
from tests.support.octets import masked
from tests.support.servers import BOTH, CANCELLATION, Serve
from tests.support.waiting import turns
from tests.support.wire import Wire


class EchoView(web.View):
    async def get(self) -> web.StreamResponse:
        return await accepting_echo(self.request)


@BOTH
@CANCELLATION
@pytest.mark.parametrize("handler", [accepting_echo, EchoView], ids=["handler", "view"])
async def test_accept_upgrades_by_hand(
    serve: Serve, handler: Any, tls: bool, handler_cancellation: bool
) -> None:
    address = await serve(ordinary(handler), tls=tls, handler_cancellation=handler_cancellation)
    wire = await Wire.open(address)
    wire.send(request() + HELLO)
    status, headers = await wire.read_head()
    assert (status, headers["Sec-WebSocket-Accept"]) == (101, ACCEPT)
    assert await wire.read_frame() == (0x81, b"Hello")
    wire.send(HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()


async def test_accept_after_the_handler_has_taken_its_time(serve: Serve) -> None:
    """It dials somewhere, and the client does not wait: nothing is lost, not all taken in."""
    dialled = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        await dialled.wait()
        async with accept(request) as session:
            number = 0
            async for frame in session:
                number += not frame.is_control
            await session.send(Frame.text(str(number)))
        return session.response

    wire = await Wire.open(await serve(ordinary(handler)))
    wire.send(request() + HELLO * 200_000 + CLOSE)
    await turns(100)
    dialled.set()
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x81, b"200000")
    await wire.close()


async def test_what_accept_is_told(serve: Serve) -> None:
    offers: list[str] = []

    def negotiate(offer: str) -> str:
        offers.append(offer)
        return "x-two"

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(
            request,
            protocol=["a", "b"],
            headers={"Set-Cookie": "a=1", "X-Mine": "yes"},
            max_frame_size=10,
            reject=Violation.NONE,
            extensions=negotiate,
        ) as session:
            assert session.request is request
            assert (session.protocol, session.extensions) == ("b", "x-two")
            assert session.max_frame_size == 10
            assert (await session.receive()).opcode == 3
            with pytest.raises(FrameTooBig):
                await session.receive()
        return session.response

    wire = await Wire.open(await serve(ordinary(handler)))
    changes = {"Sec-WebSocket-Protocol": "b, a", "Sec-WebSocket-Extensions": "x-one, x-two"}
    wire.send(request(**changes) + masked(0x83) + masked(0x82, bytes(11)))
    status, headers = await wire.read_head()
    assert status == 101
    assert headers["Sec-WebSocket-Protocol"] == "b"
    assert headers["Sec-WebSocket-Extensions"] == "x-two"
    assert (headers["Set-Cookie"], headers["X-Mine"]) == ("a=1", "yes")
    assert offers == ["x-one, x-two"]
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_accept_has_the_options_of_setup(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request, max_frame_size=20) as session:
            assert session.max_frame_size == 20
            assert (await session.receive()).violations == Violation.RESERVED_OPCODE
            await session.close()
        return session.response

    app = web.Application()
    setup(app, max_frame_size=10, reject=Violation.NONE)
    app.router.add_get("/", handler)
    wire = await Wire.upgrade(await serve(app), behind=masked(0x83))
    assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
    await wire.close()


async def test_accept_works_without_setup(serve: Serve) -> None:
    address = await serve(ordinary(accepting_echo, installed=False))
    wire = await Wire.upgrade(address, behind=HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_frame_sise": 5}, TypeError),
        ({"max_frame_size": 0}, ValueError),
        ({"protocol": "two words"}, ValueError),
        ({"protocol": []}, ValueError),
    ],
)
async def test_accept_checks_its_arguments(
    serve: Serve, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """At once, and whatever the request: nothing was sent yet."""

    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(error):
            accept(request, **arguments)
        return await accepting_echo(request)

    wire = await Wire.upgrade(await serve(ordinary(handler)), behind=CLOSE)
    assert await wire.read_to_end() == b"\x88\x00"
    await wire.close()


async def test_accept_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        accepting = accept(request)
        async with accepting as session:
            for again in (accepting, accept(request)):
                with pytest.raises(RuntimeError, match="already"):
                    await again.__aenter__()
            await session.send(Frame.text("once"))
        for again in (accepting, accept(request)):
            with pytest.raises((RuntimeError, ConnectionResetError)):
                await again.__aenter__()
        return session.response

    wire = await Wire.upgrade(await serve(ordinary(handler)))
    assert await wire.read_to_end() == b"\x81\x04once"
    await wire.close()
    assert not caplog.records
