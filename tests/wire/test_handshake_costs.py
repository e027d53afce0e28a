"""The cost of one opening handshake: long lists are refused, others are split once."""

from collections.abc import Iterable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import MultiMapping

from aiohttp_rawws import HandshakeRefused, accept, add_raw_websocket, connect, setup
from aiohttp_rawws.layers import PermessageDeflate
from aiohttp_rawws.wire import handshake, header_lists
from aiohttp_rawws.wire.header_lists import LIST_ELEMENTS, LIST_SIZE
from tests.support.handshakes import Opening, answer, asks, request
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application, echo, ingress
from tests.support.wire import NOWHERE, ByHand, Wire, only_response, raw_bytes

#: As much as aiohttp's server takes: 128 header lines of 8190 bytes.
LINES = 115
LISTS = ["Connection", "Upgrade", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]
EVERY_LIST = pytest.mark.parametrize("name", LISTS)


def flood(name: str, element: str = "a,", lines: int = LINES) -> bytes:
    """An opening handshake with so many more lines of a list."""
    return asks(*[f"{name}: {element * (8000 // len(element))}"] * lines)


class Work:
    """How many lists were split, and how many elements they had."""

    def __init__(self) -> None:
        self.lists = 0
        self.elements = 0

    def count(self, headers: MultiMapping[str], name: str) -> tuple[str, ...]:
        found = TOKENS(headers, name)
        self.lists += 1
        self.elements += len(found)
        return found


TOKENS = header_lists.tokens


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    for module in (handshake, header_lists):
        monkeypatch.setattr(module, "tokens", work.count)
    return work


def many_routes(*, page: bool = False, **options: Any) -> web.Application:
    """Twenty raw routes on one path, and maybe an ordinary one."""

    async def show(request: web.Request) -> web.Response:
        return web.Response(text="page")

    app = web.Application()
    setup(app, **options)
    for number in range(20):
        add_raw_websocket(app.router, "/", echo, f"v{number}")
    if page:
        app.router.add_get("/", show)
    return app


def by_hand() -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            await echo(session)
        return session.response

    app = web.Application()
    app.router.add_get("/", handler)
    return app


APPS = {
    "a route": lambda: application(echo),
    "a route that compresses": lambda: application(echo, extensions=PermessageDeflate.accept),
    "a route with a protocol": lambda: application(echo, "chat"),
    "twenty routes": many_routes,
    "accept": by_hand,
}


@EVERY_LIST
@pytest.mark.parametrize("make", APPS.values(), ids=APPS)
async def test_a_list_that_no_honest_client_sends(
    serve: Serve, make: Any, name: str, work: Work
) -> None:
    answer = await raw_bytes(await serve(make()), flood(name))
    status, body = only_response(answer)
    assert status == 400
    assert body.startswith(f"{name} is too long: it may have 1000 elements, and 65536 ".encode())
    assert work.elements < LIST_ELEMENTS
    assert work.lists < 10


@BOTH
@EVERY_LIST
async def test_frames_behind_it(serve: Serve, tls: bool, name: str) -> None:
    """One clean response, as to any upgrade that is refused."""
    behind = (masked(0x81, b"x") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") * 300
    address = await serve(many_routes(), tls=tls)
    status, _ = only_response(await raw_bytes(address, flood(name) + behind))
    assert status == 400


@EVERY_LIST
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_with_another_method(serve: Serve, name: str, method: str, work: Work) -> None:
    data = flood(name).replace(b"GET", method.encode(), 1)
    assert only_response(await raw_bytes(await serve(many_routes()), data))[0] == 405
    assert work.elements < LIST_ELEMENTS


@EVERY_LIST
async def test_with_an_ordinary_route_on_the_path(serve: Serve, name: str, work: Work) -> None:
    """That one is none of ours: it answers, as it does to an upgrade for another protocol."""
    wire = await Wire.open(await serve(many_routes(page=True)))
    wire.send(flood(name))
    assert (await wire.read_head())[0] == 200
    await wire.close()
    assert work.elements < LIST_ELEMENTS


@pytest.mark.parametrize("page", [False, True])
async def test_lists_are_split_once_a_request(serve: Serve, page: bool, work: Work) -> None:
    """However many routes ask for them; so the answer to a list that is long, but not too long."""
    elements = ", ".join(f"w{number}" for number in range(900))
    wire = await Wire.open(await serve(many_routes(page=page)))
    wire.send(request(Sec_WebSocket_Protocol=elements, Connection=f"{elements}, upgrade"))
    assert (await wire.read_head())[0] == (200 if page else 400)
    await wire.close()
    assert work.elements <= 2 * 901 + 1
    assert work.lists <= 4


async def test_a_clone_of_a_request_is_looked_at_anew(serve: Serve) -> None:
    """A middleware may have changed its headers."""

    @web.middleware
    async def change(request: web.Request, handler: Any) -> web.StreamResponse:
        headers = request.headers.copy()
        headers["Sec-WebSocket-Protocol"] = "v7"
        async with accept(request.clone(headers=headers), protocol="v7") as session:
            assert session.protocol == "v7"
        response: web.StreamResponse = session.response
        return response

    app = many_routes()
    app.middlewares.append(change)
    wire = await Wire.open(await serve(app))
    wire.send(request(Sec_WebSocket_Protocol="v1"))
    status, headers = await wire.read_head()
    assert (status, headers["Sec-WebSocket-Protocol"]) == (101, "v7")
    await wire.close()


@pytest.mark.parametrize(
    "lines",
    [
        [f"Sec-WebSocket-Protocol: chat, {'t' * 8000}"],
        [f"Sec-WebSocket-Protocol: {'t' * 8000}"] * 8 + ["Sec-WebSocket-Protocol: chat"],
        ["Sec-WebSocket-Protocol: " + ",".join(["chat"] * LIST_ELEMENTS)],
    ],
    ids=["a token of 8 KB", "64 KB of tokens", "a thousand"],
)
async def test_what_is_not_too_long(serve: Serve, lines: Iterable[str]) -> None:
    """As who passes its credentials in a subprotocol sends."""
    wire = await Wire.open(await serve(application(echo, "chat")))
    wire.send(asks(*lines))
    status, headers = await wire.read_head()
    assert (status, headers["Sec-WebSocket-Protocol"]) == (101, "chat")
    await wire.close()


@pytest.mark.parametrize(
    "value", ["a," * LIST_ELEMENTS, "," * LIST_ELEMENTS], ids=["elements", "empty ones"]
)
async def test_what_is_a_little_too_long(serve: Serve, value: str) -> None:
    data = request(Sec_WebSocket_Protocol=value)
    assert only_response(await raw_bytes(await serve(application(echo)), data))[0] == 400


async def test_the_origin_is_judged_before_extensions_are_negotiated(serve: Serve) -> None:
    offers: list[str] = []
    app = application(echo, origins=["https://a"], extensions=offers.append)
    address = await serve(app)
    data = request(Origin="https://b", Sec_WebSocket_Extensions="permessage-deflate")
    assert only_response(await raw_bytes(address, data))[0] == 403
    assert offers == []


async def test_an_offer_is_bounded(serve: Serve) -> None:
    """Whatever a function of the application does with it."""
    offers: list[int] = []

    def negotiate(offer: str) -> None:
        offers.append(len(offer))

    address = await serve(application(echo, extensions=negotiate))
    line = f"Sec-WebSocket-Extensions: {'x' * 8100}"
    wire = await Wire.open(address)
    wire.send(asks(*[line] * 8))
    assert (await wire.read_head())[0] == 101
    await wire.close()
    assert only_response(await raw_bytes(address, asks(*[line] * 9)))[0] == 400
    assert offers == [8 * 8100 + 7 * 2]
    assert offers[0] <= LIST_SIZE + 100


# -- the client's side -----------------------------------------------------------------------


@EVERY_LIST
async def test_a_server_whose_101_has_a_long_list(by_hand: ByHand, name: str, work: Work) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening)[:-2])
        wire.send(f"{name}: {'a,' * 4000}\r\n".encode() * LINES + b"\r\n")
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(HandshakeRefused, match=f"{name} is too long"):
            await connect(http, url)
    assert work.elements == 0


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"])
async def test_what_is_said_of_a_wrong_answer_is_short(by_hand: ByHand, name: str) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        value = ",".join(f"unasked{number}" for number in range(500))
        wire.send(answer(opening, **{name: value}))
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(HandshakeRefused, match="not offered") as caught:
            await connect(http, url)
    assert len(caught.value.message) < 200


@EVERY_LIST
async def test_a_visitor_of_a_proxy(
    serve: Serve, bare: aiohttp.ClientSession, name: str, work: Work
) -> None:
    """It is refused before anything is dialled."""
    data = await raw_bytes(await serve(ingress(bare, NOWHERE)), flood(name))
    assert only_response(data)[0] == 400
    assert work.elements < LIST_ELEMENTS


@EVERY_LIST
async def test_the_upstream_of_a_proxy(
    by_hand: ByHand, through: Serve, name: str, work: Work
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening)[:-2])
        wire.send(f"{name}: {'a,' * 4000}\r\n".encode() * LINES + b"\r\n")
        await wire.read_to_end()

    data = await raw_bytes(await through(await by_hand(script)), request())
    assert only_response(data)[0] == 502
    assert work.elements < LIST_ELEMENTS
