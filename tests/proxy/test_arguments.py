"""Mistakes in a call of `proxy` or `relay` raise before anything is dialled."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import proxy, relay
from tests.support.ends import both_ends
from tests.support.handshakes import Opening, answer, asks, request
from tests.support.servers import Serve, running
from tests.support.wire import ByHand, Wire, tell

URL = "ws://127.0.0.1:1/"


async def said(call: "Any") -> str:
    """What an application's handler is told that makes this call, as `Error: text`."""
    words: list[str] = []

    async def handler(asked: web.Request) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await call(asked)
        except (TypeError, ValueError, RuntimeError) as error:
            words.append(f"{type(error).__name__}: {error}")
            return web.Response(status=500)
        words.append(f"answered {response.status}")
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with running(app) as (_, address):
        await tell(address, request())
    [text] = words
    return text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("127.0.0.1:1", "write 'ws://127.0.0.1:1'"),
        ("localhost:8080/path", "write 'ws://localhost:8080/path'"),
        ("ftp://localhost/", "write 'ws://localhost/'"),
        ("ws://", "url must have a scheme (ws, wss, http or https) and a host"),
        ("/path", "url must have a scheme (ws, wss, http or https) and a host"),
        (b"ws://localhost", "TypeError: url must be a str or a yarl.URL, got bytes"),
    ],
)
async def test_a_url_that_leads_nowhere(
    bare: aiohttp.ClientSession, url: Any, expected: str
) -> None:
    text = await said(lambda asked: proxy(asked, bare, url))
    assert expected in text
    assert text.startswith("TypeError" if isinstance(url, bytes) else "ValueError")


async def test_arguments_of_another_kind(bare: aiohttp.ClientSession) -> None:
    call = "proxy(request, client_session, url)"
    assert await said(lambda asked: proxy(bare, asked, URL)) == (  # type: ignore[arg-type]
        f"TypeError: the request must be a web.Request, as in {call}; got ClientSession"
    )
    assert await said(lambda asked: proxy(asked, URL, bare)) == (  # type: ignore[arg-type]
        f"TypeError: the client session must be an aiohttp.ClientSession, as in {call}; got str"
    )


async def test_a_client_session_that_is_closed() -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as closed:
        pass
    assert (await said(lambda asked: proxy(asked, closed, URL))).startswith(
        "RuntimeError: the client session is closed"
    )


async def test_a_session_is_no_request(serve: Serve, bare: aiohttp.ClientSession) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(TypeError, match=r"got RawWebSocketSession; .*relay\(a, b\)"):
            await proxy(session, bare, URL)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="relay takes two sessions, got None"):
            await relay(session, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Length": "5"}, "ValueError: Content-Length is not for headers="),
        ({"content-length": "0"}, "ValueError: Content-Length is not for headers="),
        ({"Transfer-Encoding": "chunked"}, "ValueError: Transfer-Encoding is not for headers="),
        ({"Upgrade": None}, "ValueError: Upgrade is not for headers="),
        ([("Sec-WebSocket-Key", "x")], "ValueError: Sec-WebSocket-Key is not for headers="),
        ({"X-A": "1\r\nX-B: 2"}, r"ValueError: no header can hold '1\r\nX-B: 2', given for X-A"),
        ({"X-A": "\udcff"}, "ValueError: no header can hold"),
        ({"X A": "1"}, "ValueError: 'X A' is no name of a header"),
        ({"": "1"}, "ValueError: '' is no name of a header"),
        ({"X-A": 1}, "TypeError: headers= takes a str for each name, or None to remove"),
        ({"X-A": b"1"}, "TypeError: headers= takes a str for each name, or None to remove"),
    ],
)
async def test_headers_that_are_not_the_callers(
    bare: aiohttp.ClientSession, headers: Any, expected: str
) -> None:
    """The URL is that of nobody: a 502 would say that it was dialled."""
    text = await said(lambda asked: proxy(asked, bare, URL, headers=headers))
    assert text.startswith(expected)


async def test_none_removes_a_header_of_the_visitor(by_hand: ByHand, through: Serve) -> None:
    heard: list[Opening] = []

    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening))

    ours = await through(
        await by_hand(script), headers={"cookie": None, "X-Forwarded-For": None, "X-Own": "1"}
    )
    status, _ = await tell(ours, asks("Cookie: secret=1", "Accept: anything"))
    assert status == 101
    [opening] = heard
    assert "Cookie" not in opening.headers
    assert "X-Forwarded-For" not in opening.headers
    assert opening.headers["X-Own"] == "1"
    assert opening.headers["Accept"] == "anything"


async def test_deflate_makes_the_offer_itself(bare: aiohttp.ClientSession) -> None:
    text = await said(
        lambda asked: proxy(asked, bare, URL, deflate="decode", extensions=lambda offer: offer)
    )
    assert text == "ValueError: deflate= offers permessage-deflate itself: leave extensions= out"
