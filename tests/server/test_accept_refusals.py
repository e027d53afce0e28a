"""Requests that accept() and raw routes refuse."""

import pytest
from aiohttp import web

from aiohttp_rawws import accept
from tests.support.accepting import FRAMES, HELLO, accepting_echo, ordinary
from tests.support.handshakes import request
from tests.support.servers import BOTH, Serve, application, echo
from tests.support.waiting import turns
from tests.support.wire import Wire, only_response, raw_bytes

REFUSED: dict[str, tuple[bytes, int]] = {
    "not GET": (request(method="POST"), 405),
    "no upgrade": (request(Connection="", Upgrade=""), 426),
    "more than websocket": (request(Upgrade="websocket, h2c"), 400),
    "another version": (request(Sec_WebSocket_Version="8"), 426),
    "no key": (request(Sec_WebSocket_Key=""), 400),
    "a short key": (request(Sec_WebSocket_Key="c2hvcnQ="), 400),
    "HTTP/1.0": (request(version="1.0"), 400),
    "no protocol": (request(Sec_WebSocket_Protocol=""), 400),
    "another protocol": (request(Sec_WebSocket_Protocol="Chat"), 400),
    "another origin": (request(Sec_WebSocket_Protocol="chat", Origin="http://b"), 403),
}


@BOTH
@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
async def test_accept_refuses_with_an_http_exception(
    serve: Serve, data: bytes, status: int, tls: bool
) -> None:
    errors: list[web.HTTPException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with accept(request, protocol="chat", origins=["http://a"]):
                raise AssertionError("not reached")
        except web.HTTPException as error:
            errors.append(error)
            raise

    answer = await raw_bytes(await serve(ordinary(handler), tls=tls), data)
    [error] = errors
    assert error.status == status
    assert only_response(answer)[0] == status


UPGRADES = {
    name: (data, status)
    for name, (data, status) in REFUSED.items()
    if name not in ("not GET", "no upgrade", "more than websocket")
}


@BOTH
@pytest.mark.parametrize(("data", "status"), UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("by_hand", [False, True], ids=["route", "accept"])
async def test_frames_behind_a_refused_request(
    serve: Serve, by_hand: bool, data: bytes, status: int, tls: bool
) -> None:
    """Exactly one clean response, then the end of the stream."""

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request, protocol="chat", origins=["http://a"]):
            raise AssertionError("not reached")

    app = ordinary(handler) if by_hand else application(echo, "chat", origins=["http://a"])
    answer = await raw_bytes(await serve(app, tls=tls), data + FRAMES)
    assert only_response(answer)[0] == status


@BOTH
@pytest.mark.parametrize("together", [False, True], ids=["behind", "in the same segment"])
@pytest.mark.parametrize("name", [name for name in REFUSED if name not in UPGRADES])
async def test_frames_behind_what_aiohttp_does_not_take_for_an_upgrade(
    serve: Serve, name: str, together: bool, tls: bool
) -> None:
    """It may find no HTTP in them before the request is handled, but answers once."""
    data, status = REFUSED[name]
    wire = await Wire.open(await serve(application(echo, "chat"), tls=tls))
    wire.send(data + FRAMES * together)
    await turns(20 * (not together))
    wire.send(FRAMES * (not together))
    answered, _ = only_response(await wire.read_to_end())
    assert answered in ({status, 400} if together else {status})
    await wire.close()


@BOTH
async def test_a_refused_client_that_sends_on_gets_its_answer(serve: Serve, tls: bool) -> None:
    """Megabytes of frames that nobody reads do not cost it."""
    wire = await Wire.open(await serve(application(echo), tls=tls))
    wire.send(request(Sec_WebSocket_Version="8"))
    wire.send(FRAMES * 300)
    assert only_response(await wire.read_to_end())[0] == 426
    await wire.close()


@BOTH
@pytest.mark.parametrize("behind", [b"", FRAMES], ids=["alone", "with frames"])
async def test_a_refusal_may_be_answered_otherwise(serve: Serve, behind: bytes, tls: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with accept(request) as session:
                await echo(session)
        except web.HTTPException as error:
            return web.Response(status=200, text=f"no WebSocket: {error.status}")
        return session.response

    address = await serve(ordinary(handler), tls=tls)
    answer = await raw_bytes(address, request(Sec_WebSocket_Version="8") + behind)
    assert only_response(answer) == (200, b"no WebSocket: 426")


async def test_an_ordinary_request_may_be_answered_otherwise(serve: Serve) -> None:
    """A refusal of what is no upgrade leaves the connection as it is."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await accepting_echo(request)
        except web.HTTPException as error:
            return web.Response(text=f"no WebSocket: {error.status}")

    wire = await Wire.open(await serve(ordinary(handler)))
    for _ in range(2):
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.read_head())[0] == 200
        assert await wire.read(17) == b"no WebSocket: 426"
    wire.send(request() + HELLO)
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x81, b"Hello")
    await wire.close()


async def test_accept_after_a_refusal(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(web.HTTPBadRequest):
            await accept(request, protocol="chat").__aenter__()
        with pytest.raises(RuntimeError, match="refused already"):
            await accept(request).__aenter__()
        return web.Response(text="neither")

    answer = await raw_bytes(await serve(ordinary(handler)), request() + FRAMES)
    assert only_response(answer) == (200, b"neither")
