"""Handshakes of a scripted peer: what is on the wire, right or wrong."""

import re

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import HttpHead, Played, Script, play_client, script_server
from tests.support import sockets
from tests.support.handshakes import ACCEPT, KEY, Opening, answer, request
from tests.support.octets import HELLO
from tests.support.scripted import address_of
from tests.support.waiting import soon, until
from tests.support.wire import ByHand, Wire, raw_bytes, tell

RIGHT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n"
)


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        (Script(), RIGHT + b"\r\n"),
        (Script().answer(), RIGHT + b"\r\n"),
        (
            Script().answer(protocol="chat", extensions="x", behind=HELLO),
            RIGHT + b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\n\r\n" + HELLO,
        ),
        (Script().answer(accept="no"), RIGHT.replace(ACCEPT.encode(), b"no") + b"\r\n"),
        (
            Script().answer(headers={"upgrade": "", "connection": "x"}),
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "
            + ACCEPT.encode()
            + b"\r\nconnection: x\r\n\r\n",
        ),
        (Script().answer(headers=[("A", "1"), ("A", "2")]), RIGHT + b"A: 1\r\nA: 2\r\n\r\n"),
        (
            Script().answer(401, body=b"no", headers={"WWW-Authenticate": "Basic"}),
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n"
            b"WWW-Authenticate: Basic\r\n\r\nno",
        ),
        (Script().answer(418), b"HTTP/1.1 418\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        (Script().answer(raw=b"SSH-2.0"), b"SSH-2.0"),
        (Script().answer(raw=lambda head: head.key.encode()), KEY.encode()),
        (Script().answer(cut=8), b"HTTP/1.1"),
        (Script().answer(split="each"), RIGHT + b"\r\n"),
    ],
    ids=lambda value: "",
)
async def test_answers(script: Script, sent: bytes) -> None:
    async with script_server(script) as server:
        assert await raw_bytes(address_of(server), request()) == sent
        (played,) = await server.ended()
    played.check()
    assert played.head is not None
    assert played.head.key == KEY


async def test_an_answer_and_what_stands_behind_it_are_noted_apart() -> None:
    async with script_server(Script().answer(behind=HELLO)) as server:
        await raw_bytes(address_of(server), request())
        (played,) = await server.ended()
    sent = [entry.what for entry in played.transcript.entries if entry.direction == "sent"]
    assert isinstance(sent[0], HttpHead)
    assert sent[1:] == [HELLO]


async def test_no_request() -> None:
    async with script_server(Script(timeout=0.05)) as server:
        wire = await Wire.open(address_of(server))
        assert await wire.read_to_end() == b""
        await wire.close()
        (played,) = await server.ended()
    assert re.sub(r"seed \d+", "seed", str(played)) == (
        """script 'script' (server, seed) failed at the handshake: answer 101: \
no head of HTTP came within 0.05 s
    expected   seen
  > a request  nothing"""
    )
    assert played.step == 0


async def asked(by_hand: ByHand, script: Script, data: bytes | None = None) -> tuple[str, Played]:
    """Play a client; return what it asked, and how it went."""
    heard: list[Opening] = []

    async def serve(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening) if data is None else data)
        await wire.read_to_end()

    address = await by_hand(serve)
    played = await soon(play_client(script, address.url("/a%2Fb?c"), seed=1))
    lines = [heard[0].line, *(f"{name}: {value}" for name, value in heard[0].headers.items())]
    return "\n".join(lines).replace(f":{address.port}", ":PORT"), played


ASKED = """GET /a%2Fb?c HTTP/1.1
Host: 127.0.0.1:PORT
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: KEY"""


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (Script(), ""),
        (Script().request(), ""),
        (Script().request("/x"), "GET /x HTTP/1.1"),
        (Script().request(method="POST", version="HTTP/1.0"), "POST /a%2Fb?c HTTP/1.0"),
        (Script().request(host="h"), "Host: h"),
        (Script().request(protocols=["a", "b"]), "Sec-WebSocket-Protocol: a, b"),
        (Script().request(extensions="x; y"), "Sec-WebSocket-Extensions: x; y"),
        (Script().request(headers={"Origin": "http://o"}), "Origin: http://o"),
        (Script().request(headers=[("Cookie", "a=b")], split=[10], gap=0.01), "Cookie: a=b"),
    ],
    ids=lambda value: "",
)
async def test_requests(by_hand: ByHand, script: Script, line: str) -> None:
    text, played = await asked(by_hand, script)
    played.check()
    assert line in text
    if not line:
        assert re.sub(r"(Key: )\S{24}", r"\1KEY", text) == ASKED


async def test_the_key_follows_from_the_seed(by_hand: ByHand) -> None:
    (one, _), (two, _) = await asked(by_hand, Script()), await asked(by_hand, Script())
    assert one == two


@pytest.mark.parametrize(
    ("script", "data", "failure"),
    [
        (Script().request(status=401), b"HTTP/1.1 401 No\r\n\r\n", None),
        (Script().request(status=None), b"HTTP/1.1 500 No\r\n\r\n", None),
        (Script().request(status=0), b"", None),
        (Script(), b"HTTP/1.1 200 OK\r\n\r\n", "request /a%2Fb?c: got 'HTTP/1.1 200 OK'"),
        (
            Script(),
            b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: x\r\n\r\n",
            "request /a%2Fb?c: the Sec-WebSocket-Accept is 'x'",
        ),
    ],
    ids=lambda value: "",
)
async def test_answers_to_a_client(
    by_hand: ByHand, script: Script, data: bytes, failure: str | None
) -> None:
    _, played = await asked(by_hand, script, data)
    assert played.failure == failure


async def test_the_octets_of_a_request() -> None:
    """Behind the handshake a whole other server may be spoken to."""
    script = Script().expect("text").send(Frame.text("Hello"))
    async with script_server(script) as server:
        raw = request("/x")
        ask = Script().request(raw=raw, behind=b"\x81\x80abcd").expect("text")
        (await soon(play_client(ask, server.url))).check()
        (played,) = await server.ended()
        played.check()
        assert played.head is not None
        assert played.head.raw == raw
        # Cut anywhere.
        await soon(
            play_client(Script().request(raw=raw, cut=20, status=0).half_close(), server.url)
        )
    assert "in the middle of" in str(server.played[1].failure)


async def test_the_other_sides_handshake(by_hand: ByHand) -> None:
    async with script_server(Script().request()) as server:
        await tell_nothing(server.url)
        (played,) = await server.ended()
        assert played.failure == (
            "request /: a script that requests is a client's, but this peer is a server"
        )
        played = await soon(play_client(Script().answer(), server.url))
        assert str(played.failure).endswith("is a server's, but this peer is a client")
        assert played.step == 1


async def tell_nothing(url: str) -> None:
    await soon(play_client(Script(handshake=False), url))


async def test_an_accept_of_nothing_and_headers_of_an_iterator() -> None:
    script = Script().answer(accept="", headers=iter([("A", "1"), ("A", "2")]))
    async with script_server(script) as server:
        for _ in range(2):
            status, headers = await tell(address_of(server), request())
            assert (status, headers["Sec-WebSocket-Accept"]) == (101, "")
            assert headers.getall("A") == ["1", "2"]


async def test_a_peer_that_ends_in_its_handshake() -> None:
    async with script_server(Script()) as server:
        wire = await Wire.open(address_of(server))
        wire.send(b"GET")
        await until(lambda: server.connections == 1)
        sockets.reset(wire)
        (played,) = await server.ended()
    assert (played.end, played.transcript.expected) == ("RST", [("a request", "RST")])


async def test_statuses_are_read_by_others() -> None:
    async with script_server(Script().answer(301, headers={"Location": "/x"})) as server:
        status, headers = await tell(address_of(server), request())
    assert (status, headers["Location"]) == (301, "/x")
