"""The examples of README.md and of the pages that have no test of their own, run.

docs/layers.md, docs/push.md and docs/serving.md are run by the tests of what they show, those of
the proxy by test_docs_proxy.py.
"""

import ast
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

import aiohttp_rawws
from aiohttp_rawws import Frame, HandshakeRefused, RawWebSocketSession, layers
from tests.support import ROOT
from tests.support.examples import echo, echo_app, example, examples, exchange, run, serving

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


@pytest.fixture
async def client_session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client_session:
        yield client_session


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_shown_compiles_and_names_what_there_is(page: Path) -> None:
    for code in examples(page):
        tree = compile(code, str(page), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "aiohttp_rawws":
                assert {name.name for name in node.names} <= set(aiohttp_rawws.__all__)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module, name = node.value.id, node.attr
                assert module != "aiohttp_rawws" or name in aiohttp_rawws.__all__
                assert module != "session" or hasattr(RawWebSocketSession, name)


# -- README.md -------------------------------------------------------------------------------


async def test_the_first_handlers(client_session: aiohttp.ClientSession) -> None:
    names: dict[str, Any] = dict(vars(aiohttp_rawws))
    first = example("README.md", "web.run_app(app)")
    # The same in aiohttp takes 13.
    assert len(first.splitlines()) <= 13
    await run(first.replace("web.run_app(app)", ""), names)
    await run(example("README.md", "def frames"), names)
    sent = [Frame.text("hello"), Frame.ping(b"4711")]
    async with serving(names["app"]) as url:
        got = await exchange(client_session, f"{url}/ws", *sent)
        assert got == [Frame.text("got 'hello'"), Frame.pong(b"4711"), Frame.close(1000)]
        assert await exchange(client_session, f"{url}/raw", *sent) == [
            Frame.text("hello"),
            Frame.pong(b"4711"),
            Frame.close(1000),
        ]


async def test_the_routes(client_session: aiohttp.ClientSession) -> None:
    async def chat(session: RawWebSocketSession) -> None:
        await session.send(Frame.text(f"chat {session.protocol}"))

    async def any_chat(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("any chat"))

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="page")

    app = web.Application()
    names: dict[str, Any] = {
        "aiohttp_rawws": aiohttp_rawws,
        "app": app,
        "echo": echo,
        "chat": chat,
        "any_chat": any_chat,
        "page": page,
    }
    await run(example("README.md", "RouteTableDef"), names)
    app.add_routes(names["routes"])
    origin = {"origin": "https://example.com"}
    async with serving(app) as url:
        rooms = f"{url}/rooms/1"
        got = await exchange(client_session, rooms, protocols=["chat.v2"], **origin)
        assert got == [Frame.text("chat chat.v2")]
        assert await exchange(client_session, rooms, **origin) == [Frame.text("any chat")]
        assert await exchange(client_session, f"{url}/ws2", protocols=["b", "a"], **origin) == []
        async with client_session.get(rooms.replace("ws:", "http:")) as response:
            assert await response.text() == "page"
        with pytest.raises(HandshakeRefused, match="403"):
            await exchange(client_session, rooms)


async def test_accepting_by_hand(client_session: aiohttp.ClientSession) -> None:
    class Dialled:
        protocol = "b"

    async def dial(request: web.Request) -> Dialled:
        return Dialled()

    names: dict[str, Any] = {"aiohttp_rawws": aiohttp_rawws, "web": web, "dial": dial}
    await run(example("README.md", "accept("), names)
    app = web.Application()
    app.router.add_get("/", names["handler"])
    async with serving(app) as url:
        assert await exchange(client_session, url, Frame.text("hello"), protocols=["a", "b"]) == []
        with pytest.raises(HandshakeRefused, match="400"):
            await exchange(client_session, url, protocols=["a"])


@pytest.mark.parametrize("page", ["README.md", "docs/client.md"])
async def test_the_client(page: str, client_session: aiohttp.ClientSession) -> None:
    protocols = []

    async def greet(session: RawWebSocketSession) -> None:
        protocols.append(session.protocol)
        await session.send(Frame.text("hello"))
        await session.close()

    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/ws", greet, "chat")])
    names: dict[str, Any] = {"aiohttp_rawws": aiohttp_rawws, "client_session": client_session}
    async with serving(app) as url:
        code = example(page, 'protocols=["chat"]')
        await run(code.replace("wss://example.com", url), names)
        assert protocols == ["chat"]
        assert names["session"].close_received == Frame.close(1000)


async def test_the_ingress(client_session: aiohttp.ClientSession) -> None:
    names: dict[str, Any] = {
        "aiohttp_rawws": aiohttp_rawws,
        "web": web,
        "URL": URL,
        "client_session": client_session,
    }
    async with serving(echo_app()) as upstream:
        await run(example("README.md", "proxy(").replace("http://addon:8099", upstream), names)
        app = web.Application()
        app.router.add_get("/{path:.*}", names["ingress"])
        async with serving(app) as url:
            got = await exchange(client_session, f"{url}/a?b", Frame.ping(b"4711"))
    assert got == [Frame.ping(b"4711"), Frame.close(1000)]


async def test_the_messages(
    client_session: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await run(example("README.md", "send_json"), {**vars(layers), "session": session})

    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", handler)])
    async with serving(app) as url:
        got = await exchange(client_session, url, Frame.text("hello"))
    assert got == [Frame.text('{"hello": "world"}'), Frame.close(1000)]
    assert capsys.readouterr().out == "hello None\n"


async def test_the_replies(client_session: aiohttp.ClientSession) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await run(example("README.md", "reply(frame)"), {**vars(layers), "session": session})

    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", handler)])
    async with serving(app) as url:
        got = await exchange(client_session, url, Frame.text("hello"), Frame.ping(b"4711"))
    assert got == [Frame.pong(b"4711"), Frame.close(1000)]


# -- docs/ -----------------------------------------------------------------------------------


async def test_a_session(
    client_session: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = dict(vars(aiohttp_rawws))
    await run(example("docs/sessions.md", "async def handler"), names)
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", names["handler"])])
    async with serving(app) as url:
        got = await exchange(client_session, url, Frame(1, b"hello", mask=b"mask"))
    assert got == 2 * [Frame.text("thanks")]
    assert " True False b'mask' b'hello'\n" in capsys.readouterr().out


async def test_frames_read_and_changed() -> None:
    await run(example("docs/sessions.md", "frame.payload_text"), dict(vars(aiohttp_rawws)))


async def test_a_function_for_each_frame(client_session: aiohttp.ClientSession) -> None:
    names: dict[str, Any] = dict(vars(aiohttp_rawws))
    await run(example("docs/sessions.md", "for_each"), names)
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", names["echo"])])
    async with serving(app) as url:
        got = await exchange(client_session, url, Frame.text("hello"))
    assert got == [Frame.text("hello"), Frame.close(1000)]


async def test_a_redirect_by_hand(client_session: aiohttp.ClientSession) -> None:
    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(upstream.replace("ws:", "http:"))

    app = web.Application()
    app.router.add_get("/ws", redirect)
    async with serving(echo_app()) as upstream, serving(app) as url:
        names = {**vars(aiohttp_rawws), "client_session": client_session}
        await run(example("docs/client.md", "Location").replace("wss://example.com", url), names)
        assert not names["session"].closed
        names["session"].abort()


@pytest.mark.parametrize("path", ["chat", "ws", "feed"])
async def test_compression(path: str, client_session: aiohttp.ClientSession) -> None:
    async def chat(websocket: layers.WebSocketSession) -> None:
        await websocket.send_str(await websocket.receive_str())

    app = web.Application()
    names: dict[str, Any] = {
        **vars(aiohttp_rawws),
        **vars(layers),
        "aiohttp_rawws": aiohttp_rawws,
        "app": app,
        "chat": chat,
        "feed": echo,
        "partial": functools.partial,
        "client_session": client_session,
    }
    *servers, client = examples("docs/compression.md")
    for code in servers:
        await run(code, names)
    async with serving(app) as url:
        names["url"] = f"{url}/{path}"
        await run(
            client
            + "    frame = Frame.text('hello' * 100)\n"
            + "    await session.send(deflate.encode(frame))\n"
            + "    got = deflate.decode(await session.receive())\n"
            + "    extensions = session.extensions\n",
            names,
        )
    assert names["got"] == Frame.text("hello" * 100)
    assert ("no_context_takeover" in names["extensions"]) == (path == "feed")


# -- docs/streams.md -------------------------------------------------------------------------


async def test_streams(client_session: aiohttp.ClientSession) -> None:
    names: dict[str, Any] = {}
    await run(example("docs/streams.md", "def shout"), names)
    async with serving(names["app"]) as url:
        got = await exchange(client_session, url, Frame.binary(b"hello"), Frame.ping())
    assert got == [Frame.binary(b"HELLO"), Frame.pong(), Frame.close(1000)]


async def test_files(
    client_session: aiohttp.ClientSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"hel"
        yield b"lo"

    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.ping())
        await names["send_path"](session, path)
        await names["upload"](session, 5, chunks())

    names: dict[str, Any] = {}
    await run(example("docs/streams.md", "def send_path"), names)
    await run(example("docs/streams.md", "def upload"), names)
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", handler)])
    async with serving(app) as url, aiohttp_rawws.connect(client_session, url) as session:
        for size in (300_000, 5):
            with (tmp_path / "copy").open("wb") as file:
                await names["download"](session, file)
            assert (tmp_path / "copy").stat().st_size == size
    printed = capsys.readouterr().out
    assert "sent 3 of 5 bytes\nsent 5 of 5 bytes\n" in printed
    assert "received 300,000 of 300,000 bytes\n" in printed


# -- docs/reconnecting.md --------------------------------------------------------------------


async def test_following(client_session: aiohttp.ClientSession) -> None:
    async def news(session: RawWebSocketSession) -> None:
        topics.append((await session.receive()).payload_text)
        await session.send(Frame.text("news"))
        codes.append((await session.receive()).close_code)

    async def unasked(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("news"))
        await session.close()

    async def handle(message: layers.Message) -> None:
        raise LookupError(message.data)

    topics: list[str] = []
    codes: list[int | None] = []
    names: dict[str, Any] = {}
    for code in examples("docs/reconnecting.md"):
        await run(code, names)
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", news)])
    app.add_routes([aiohttp_rawws.raw_websocket("/unasked", unasked)])
    async with serving(app) as url:
        assert await names["first_message"](client_session, url) == "news"
        assert await names["last_message"](client_session, url) == "news"
        assert codes[-1] == 1000
        assert topics == ['{"subscribe": "news"}'] * 2
        with pytest.raises(LookupError, match="news"):
            await names["follow"](f"{url}/unasked", handle)
    assert names["retry"](ConnectionResetError())
    assert not names["retry"](ValueError())
