"""permessage-deflate with other implementations: aiohttp, websockets, ws, Chromium.

`AIOHTTP_RAWWS_REQUIRE_NODE=1` makes the skip without Node, npm or the package `ws` a failure,
`AIOHTTP_RAWWS_REQUIRE_BROWSER=1` that without Chromium.
"""

import asyncio
import contextlib
import functools
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from aiohttp import web
from selenium import webdriver
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

from aiohttp_rawws import Frame, HandshakeRefused, Opcode, RawWebSocketSession, connect
from aiohttp_rawws.layers import PermessageDeflate
from tests.support import ROOT
from tests.support.loops import ONE_LOOP
from tests.support.servers import Serve, application, running
from tests.support.waiting import PATIENCE, patience

NPM = ROOT / "tests" / "support" / "npm"

ROWS = json.dumps([{"id": n, "name": f"name {n}", "even": n % 2 == 0} for n in range(60)])
NOISE = random.Random(7692).randbytes(5000)
MESSAGES: "list[str | bytes]" = ["", "Hello", ROWS, ROWS, NOISE, b"", NOISE, "x" * 100_000]

#: What a server is told to answer with.
ANSWERS: list[dict[str, Any]] = [
    {},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_max_window_bits": 9},
    {"client_max_window_bits": 9, "level": 9},
    {"client_max_window_bits": 8},
    {
        "server_no_context_takeover": True,
        "client_no_context_takeover": True,
        "server_max_window_bits": 10,
        "client_max_window_bits": 11,
        "mem_level": 1,
    },
]
#: What a client is told to offer.
OFFERS: list[dict[str, Any]] = [
    {},
    {"client_max_window_bits": None},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_max_window_bits": 9},
    {"client_max_window_bits": 9, "level": 9},
    {
        "server_no_context_takeover": True,
        "client_no_context_takeover": True,
        "server_max_window_bits": 10,
        "client_max_window_bits": 11,
        "mem_level": 1,
    },
]


def name(options: "dict[str, Any]") -> str:
    """A test's name for options."""
    return ",".join(f"{key}={value}" for key, value in options.items()) or "default"


#: zlib refuses to compress with 8 bits, and to these clients that is an error.
NINE = [answer for answer in ANSWERS if answer.get("client_max_window_bits") != 8]
EVERY_ANSWER = pytest.mark.parametrize("options", ANSWERS, ids=name)
EVERY_OFFER = pytest.mark.parametrize("options", OFFERS, ids=name)


class Echo:
    """Our server: each frame comes back compressed; what it has seen."""

    def __init__(self, options: "dict[str, Any]") -> None:
        self.app = application(
            self.handle, extensions=functools.partial(PermessageDeflate.accept, **options)
        )
        self.extensions: str | None = None
        self.compressed = 0
        self.fragments = 0

    async def handle(self, session: RawWebSocketSession) -> None:
        self.extensions = session.extensions
        codec = PermessageDeflate.of(session)
        assert codec is not None
        async for frame in session:
            self.compressed += frame.rsv1
            self.fragments += frame.opcode == Opcode.CONTINUATION
            answer = codec.encode(codec.decode(frame))
            assert answer.rsv1 == (answer.opcode in (Opcode.TEXT, Opcode.BINARY))
            await session.send(answer)


async def converse(url: str, options: "dict[str, Any]") -> str:
    """Have our client exchange messages with an echo; the server's answer to its offer."""
    async with (
        patience(),
        aiohttp.ClientSession() as client,
        connect(client, url, extensions=PermessageDeflate.offer(**options)) as session,
    ):
        codec = PermessageDeflate.of(session)
        assert codec is not None
        compressed = 0
        for size in (200_000, 1000):
            for message in MESSAGES:
                for frame in fragments(message, size):
                    await session.send(codec.encode(frame))
                opcode, parts = None, []
                while True:
                    frame = await session.receive()
                    compressed += frame.rsv1
                    frame = codec.decode(frame)
                    parts.append(frame.payload)
                    opcode = opcode or frame.opcode
                    if frame.fin:
                        break
                assert opcode == (Opcode.TEXT if isinstance(message, str) else Opcode.BINARY)
                assert b"".join(parts) == octets(message)
        assert compressed >= len(MESSAGES)
        await session.close()
        assert (await session.receive()).close_code == 1000
        return str(session.extensions)


def octets(message: "str | bytes") -> bytes:
    return message.encode() if isinstance(message, str) else message


def fragments(message: "str | bytes", size: int) -> Iterator[Frame]:
    payload = octets(message)
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    for start in range(0, len(payload) or 1, size):
        last = start + size >= len(payload)
        yield Frame(0 if start else opcode, payload[start : start + size], last)


def has_settings(extensions: "str | None", options: "dict[str, Any]") -> bool:
    """Whether an answer says what a server was told to say."""
    wanted = {
        key if value is True else f"{key}={value}"
        for key, value in options.items()
        if not key.endswith("level")
    }
    return extensions is not None and wanted <= set(extensions.split("; "))


# aiohttp.


@pytest.mark.parametrize("options", NINE, ids=name)
@pytest.mark.parametrize("bits", [9, 12, 15])
async def test_aiohttp_as_client(serve: Serve, options: dict[str, Any], bits: int) -> None:
    echo = Echo(options)
    url = (await serve(echo.app)).url()
    async with (
        patience(),
        aiohttp.ClientSession() as client,
        client.ws_connect(url, compress=bits, max_msg_size=0) as socket,
    ):
        for message in MESSAGES * 2:
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_bytes(message)
            assert (await socket.receive()).data == message
    limit = min(bits, options.get("server_max_window_bits", 15))
    assert has_settings(
        echo.extensions, options | ({"server_max_window_bits": limit} if limit < 15 else {})
    )
    assert echo.compressed == len(MESSAGES * 2)


@EVERY_OFFER
@pytest.mark.parametrize("compress", [True, False])
async def test_aiohttp_as_server(serve: Serve, options: dict[str, Any], compress: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=compress, max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", handler)
    url = (await serve(app)).url()
    if compress:
        await converse(url, options)
    else:
        async with (
            patience(),
            aiohttp.ClientSession() as client,
            connect(client, url, extensions=PermessageDeflate.offer(**options)) as session,
        ):
            assert PermessageDeflate.of(session) is None


# websockets.


@pytest.mark.parametrize("options", NINE, ids=name)
@pytest.mark.parametrize("theirs", [0, 1, 2])
async def test_websockets_as_client(serve: Serve, options: dict[str, Any], theirs: int) -> None:
    offered: Any = [
        ClientPerMessageDeflateFactory(client_max_window_bits=True),
        ClientPerMessageDeflateFactory(True, True, 12, 13),
        ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9),
    ][theirs]
    echo = Echo(options)
    async with (
        patience(),
        websockets.asyncio.client.connect(
            (await serve(echo.app)).url(), compression=None, extensions=[offered], max_size=None
        ) as socket,
    ):
        for message in MESSAGES:
            await socket.send(message)
            assert await socket.recv() == message
        for text in MESSAGES:
            if len(text) > 3:
                await socket.send([text[:3], text[3:]])
                assert await socket.recv() == text
    assert echo.compressed > len(MESSAGES)
    assert echo.fragments > 0


@EVERY_OFFER
@pytest.mark.parametrize("theirs", [0, 1, 2])
async def test_websockets_as_server(options: dict[str, Any], theirs: int) -> None:
    answering: Any = [
        ServerPerMessageDeflateFactory(),
        ServerPerMessageDeflateFactory(True, True, 12, 13),
        ServerPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9),
    ][theirs]

    async def echo(socket: websockets.asyncio.server.ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    async with websockets.asyncio.server.serve(
        echo, "127.0.0.1", 0, compression=None, extensions=[answering], max_size=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await converse(f"ws://127.0.0.1:{port}/", options)


# ws, on Node.


@contextlib.asynccontextmanager
async def script(
    node: dict[str, str], *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", *arguments, cwd=NPM, env=node, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


#: What `ws` calls the parameters.
WS_NAMES = {
    "serverNoContextTakeover": "server_no_context_takeover",
    "clientNoContextTakeover": "client_no_context_takeover",
    "serverMaxWindowBits": "server_max_window_bits",
    "clientMaxWindowBits": "client_max_window_bits",
}


@ONE_LOOP
@EVERY_ANSWER
@pytest.mark.parametrize(
    "theirs",
    [
        {},
        {"serverNoContextTakeover": True, "clientNoContextTakeover": True},
        {"serverMaxWindowBits": 10, "clientMaxWindowBits": 9},
    ],
    ids=str,
)
async def test_ws_as_client(
    serve: Serve, node: dict[str, str], options: dict[str, Any], theirs: dict[str, Any]
) -> None:
    echo = Echo(options)
    url = (await serve(echo.app)).url()
    async with patience(), script(node, "echo-client.js", url, json.dumps(theirs)) as process:
        out, errors = await process.communicate()
    assert (process.returncode, out) == (0, b"permessage-deflate\n"), errors
    # No more than either side wants.
    asked = {WS_NAMES[key]: value for key, value in theirs.items()}
    for key, value in asked.items():
        asked[key] = value if value is True else min(value, options.get(key, 15))
    assert has_settings(echo.extensions, {**options, **asked})
    assert echo.compressed >= 16
    assert echo.fragments == 8


@ONE_LOOP
@EVERY_OFFER
@pytest.mark.parametrize(
    "theirs",
    [
        {},
        {"serverNoContextTakeover": True, "clientNoContextTakeover": True},
        {"serverMaxWindowBits": 10, "clientMaxWindowBits": 9},
    ],
    ids=str,
)
async def test_ws_as_server(
    node: dict[str, str], options: dict[str, Any], theirs: dict[str, Any]
) -> None:
    async with script(node, "echo-server.js", json.dumps(theirs)) as process:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
        url = f"ws://127.0.0.1:{port}/"
        if not declines(theirs, options):
            await converse(url, options)
            return
        async with aiohttp.ClientSession() as client:
            with pytest.raises(HandshakeRefused) as caught:
                await connect(client, url, extensions=PermessageDeflate.offer(**options))
        assert caught.value.status == 400


def declines(theirs: dict[str, Any], options: dict[str, Any]) -> bool:
    """Whether `ws` refuses us: it wants to limit a window, and is not let, or not to so little."""
    limits = "clientMaxWindowBits" in theirs
    window = options.get("server_max_window_bits", 15)
    return bool(
        (limits and options.get("client_max_window_bits", 15) is None)
        or theirs.get("serverMaxWindowBits", 0) > window
    )


# Chromium.

VISIT = """
const [url, texts, done] = arguments;
const socket = new WebSocket(url);
socket.binaryType = "arraybuffer";
const noise = crypto.getRandomValues(new Uint8Array(5000));
const messages = [...texts, noise, new Uint8Array(0), noise];
const waiting = [...messages];
socket.onopen = () => messages.forEach((message) => socket.send(message));
socket.onmessage = ({data}) => {
  const expected = waiting.shift();
  const same = typeof data === "string" ? data === expected
    : new Uint8Array(data).toString() === expected.toString();
  if (!same) done(`other data came back: message ${messages.length - waiting.length - 1}`);
  if (waiting.length === 0) socket.close(1000);
};
socket.onclose = ({code}) => done(`${code} ${waiting.length} ${socket.extensions}`);
"""


@EVERY_ANSWER
@ONE_LOOP
async def test_chromium(browser: webdriver.Chrome, options: dict[str, Any]) -> None:
    echo = Echo(options)
    texts = [message for message in MESSAGES if isinstance(message, str)]
    async with running(echo.app) as (_, address):
        # Any page of the server; this one is a 426.
        await asyncio.to_thread(browser.get, address.url(scheme="http"))
        url = address.url()
        result = await asyncio.to_thread(browser.execute_async_script, VISIT, url, texts * 2)
    assert result == f"1000 0 {echo.extensions}"
    assert has_settings(echo.extensions, options)
    assert echo.compressed > 0
