"""One upgrade, step by step, in an ordinary handler."""

import asyncio
import re

import pytest
from aiohttp import web

from aiohttp_rawws.server.refusals import Refused, refused
from aiohttp_rawws.server.upgrade import Upgrade
from aiohttp_rawws.wire.handshake import Refusal
from tests.support.accepting import CLOSE, FRAMES, HELLO, WebHandler, ordinary
from tests.support.handshakes import request
from tests.support.servers import BOTH, Serve, echo, running
from tests.support.waiting import soon
from tests.support.wire import Wire, only_response, raw_bytes


async def answer_of(serve: Serve, handler: WebHandler, tls: bool = False) -> bytes:
    """Return all that a handler answers to a handshake with much behind it."""
    return await raw_bytes(await serve(ordinary(handler), tls=tls), request() + FRAMES)


@BOTH
async def test_accepted_and_run(serve: Serve, tls: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        upgrade = Upgrade(request)
        with upgrade:
            session = await upgrade.accept()
        response = await upgrade.run(echo)
        assert session.response is response
        return response

    wire = await Wire.upgrade(await serve(ordinary(handler), tls=tls))
    wire.send(HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()


async def test_entered_once(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        upgrade = Upgrade(request)
        with upgrade, pytest.raises(RuntimeError, match="refused already"):
            upgrade.__enter__()
        with pytest.raises(RuntimeError, match="refused already"):
            upgrade.__enter__()
        with pytest.raises(RuntimeError, match="refused already"):
            Upgrade(request).__enter__()
        raise upgrade.refusal(Refusal(403, "No."))

    assert only_response(await answer_of(serve, handler)) == (403, b"No.")


async def test_entered_again_after_a_refusal(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        upgrade = Upgrade(request, protocols=("chat",))
        with pytest.raises(web.HTTPBadRequest):
            upgrade.__enter__()
        with pytest.raises(RuntimeError, match="refused already"):
            upgrade.__enter__()
        return web.Response(text="neither")

    assert only_response(await answer_of(serve, handler)) == (200, b"neither")


@BOTH
async def test_an_error_before_the_answer(serve: Serve, tls: bool) -> None:
    """Whatever the answer is, it is the last one, and what stood behind the request is gone."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            with Upgrade(request):
                raise LookupError
        except LookupError:
            return web.Response(text="Sorry.")

    assert only_response(await answer_of(serve, handler, tls)) == (200, b"Sorry.")


@BOTH
async def test_refused_by_an_exception_that_is_not_ours(serve: Serve, tls: bool) -> None:
    """As every HTTPException of aiohttp 4 is, which makes the response of it itself."""

    async def handler(request: web.Request) -> web.StreamResponse:
        upgrade = Upgrade(request)
        with upgrade:
            error = web.HTTPForbidden(text="No.")
            upgrade.refuse_with(error)
            raise error

    wire = await Wire.open(await serve(ordinary(handler), tls=tls))
    wire.send(request() + FRAMES[:100])
    data = await wire.read_to_end()
    assert only_response(data) == (403, b"No.")
    assert re.findall(rb"(?i)connection: (\w+)", data) == [b"close"]
    await wire.close()


def test_an_exception_that_is_no_response_is_refused_as_it_is() -> None:
    class OfAiohttp4(Exception):
        status_code = 403

    assert refused(OfAiohttp4) is OfAiohttp4
    assert issubclass(refused(web.HTTPForbidden), Refused)


async def test_a_shutdown_stops_who_waits_for_the_answer() -> None:
    began = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        upgrade = Upgrade(request)
        with upgrade:
            assert not upgrade.stopped
            upgrade.hold()
            began.set()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.Event().wait()
            assert upgrade.stopped
            raise upgrade.refusal(Refusal(503, "Stopped."))

    assert only_response(await answer_at_a_shutdown(handler, began)) == (503, b"Stopped.")


async def test_a_shutdown_does_not_cut_a_refusal_short() -> None:
    began = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        upgrade = Upgrade(request)
        with upgrade:
            upgrade.hold()
            error = upgrade.refusal(Refusal(502, "No answer."))
            began.set()
            await asyncio.sleep(0.1)
            assert not upgrade.stopped
            raise error

    assert only_response(await answer_at_a_shutdown(handler, began)) == (502, b"No answer.")


async def answer_at_a_shutdown(handler: WebHandler, began: asyncio.Event) -> bytes:
    """Return what a handler answers whose server stops once it has begun."""
    async with running(ordinary(handler)) as (runner, address):
        wire = await Wire.open(address)
        wire.send(request() + HELLO)
        await soon(began.wait())
        stopping = asyncio.create_task(runner.cleanup())
        data = await wire.read_to_end()
        await wire.close()
        await soon(stopping)
        return data
