"""Mistakes in a call of `connect`: each error says what to write instead."""

import asyncio
import gc
import inspect
import ssl
import warnings
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
from yarl import URL

from aiohttp_rawws import HandshakeRefused, RawWebSocketSession, connect
from tests.support.handshakes import Opening, answer
from tests.support.waiting import soon
from tests.support.wire import ByHand, Script, Wire

SOMEWHERE = "ws://127.0.0.1:1"


# -- the client session ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (SOMEWHERE, "str"),
        (URL(SOMEWHERE), "URL"),
        (None, "NoneType"),
        (aiohttp.ClientSession, "type"),
    ],
    ids=["a str", "a URL", "None", "the class"],
)
async def test_no_client_session(http: aiohttp.ClientSession, first: Any, kind: str) -> None:
    """Left out, in the other order, or something else."""
    message = rf"connect\(client_session, url\); got {kind}"
    for arguments in [(first,), (first, http), (first, SOMEWHERE)]:
        with pytest.raises(TypeError, match=message):
            connect(*arguments)


async def test_a_closed_client_session() -> None:
    http = aiohttp.ClientSession()
    await http.close()
    with pytest.raises(RuntimeError, match="the client session is closed: connect within"):
        connect(http, SOMEWHERE)


async def test_a_client_session_without_its_connector() -> None:
    connector = aiohttp.TCPConnector()
    http = aiohttp.ClientSession(connector=connector)
    http.detach()
    with pytest.raises(RuntimeError, match="closed"):
        connect(http, SOMEWHERE)
    await connector.close()


async def test_a_client_session_that_is_closed_between_the_call_and_the_connection() -> None:
    http = aiohttp.ClientSession()
    connecting = connect(http, SOMEWHERE)
    await http.close()
    with pytest.raises(RuntimeError, match="closed"):
        await connecting


# -- the URL ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("127.0.0.1:1", "ws://127.0.0.1:1"),
        ("localhost:8080/ws", "ws://localhost:8080/ws"),
        ("example.com/ws?a=b", "ws://example.com/ws?a=b"),
        ("[::1]:80/x", "ws://[::1]:80/x"),
        ("//example.com/ws", "ws://example.com/ws"),
        ("/path", "ws://example.com/path"),
        ("ftp://example.com/", "ws://example.com/"),
        ("file:///etc/hosts", "ws://example.com/etc/hosts"),
        ("example.com/?to=http://a", "ws://example.com/?to=http://a"),
        ("ws:/example.com/x", "ws://example.com/x"),
        ("https:example.com", "wss://example.com"),
        ("wss://", "wss://example.com/"),
        ("", "ws://example.com/"),
    ],
)
@pytest.mark.parametrize("kind", [str, URL])
async def test_urls_that_lead_nowhere(
    http: aiohttp.ClientSession, url: str, instead: str, kind: type
) -> None:
    with pytest.raises(ValueError, match="must have a scheme") as caught:
        connect(http, kind(url))
    assert f"got {str(kind(url))!r}" in str(caught.value)
    if kind is str:
        assert str(caught.value).endswith(f": write {instead!r}")


async def test_no_url_at_all(http: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match=r"got '': write 'ws://example\.com/'"):
        connect(http)


@pytest.mark.parametrize("url", ["ws://h:99999/", "ws://[::1", "ws://:80/"])
async def test_what_is_no_url(http: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(ValueError, match="is not a URL: "):
        connect(http, url)


@pytest.mark.parametrize("url", [None, b"ws://h/", 5, ["ws://h/"]], ids=repr)
async def test_what_is_no_url_by_its_type(http: aiohttp.ClientSession, url: Any) -> None:
    with pytest.raises(TypeError, match=f"a str or a yarl.URL, got {type(url).__name__}"):
        connect(http, url)


async def test_urls_relative_to_that_of_the_client_session(
    by_hand: ByHand, heard: list[Opening], upstream: Script
) -> None:
    base = (await by_hand(upstream)).url("/api/")
    async with aiohttp.ClientSession(base) as http:
        for url in ("chat", "/chat", ""):
            async with connect(http, url):
                pass
        async with connect(http):
            pass
        for url in ("localhost:8080/ws", "//127.0.0.1/ws"):
            with pytest.raises(ValueError, match="a scheme"):
                connect(http, url)
    assert [each.line.split()[1] for each in heard] == ["/api/chat", "/chat", "/api/", "/api/"]


async def test_schemes_of_a_connector(http: aiohttp.ClientSession) -> None:
    """A connector may speak more than HTTP's, and knows them itself."""

    class Special(aiohttp.TCPConnector):
        allowed_protocol_schema_set = frozenset({"special"})

    async with aiohttp.ClientSession(connector=Special()) as special:
        with pytest.raises(aiohttp.ClientError):
            await connect(special, "special://127.0.0.1:1/")
        with pytest.raises(ValueError, match="scheme"):
            connect(special, SOMEWHERE)
    with pytest.raises(ValueError, match="scheme"):
        connect(http, "special://127.0.0.1:1/")


# -- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heartbeat": 1}, r"no heartbeat: use layers\.Heartbeat"),
        ({"autoping": False}, r"no autoping: .* layers\.reply"),
        ({"autoclose": False}, r"no autoclose: .* layers\.reply"),
        ({"compress": 15}, r"no compress: .*extensions=PermessageDeflate\.offer\(\)"),
        ({"max_msg_size": 0}, "no max_msg_size: max_frame_size="),
        ({"receive_timeout": 5}, r"no receive_timeout: use asyncio\.timeout"),
        ({"decode_text": False}, "no decode_text: frames hold bytes"),
        ({"timeout": aiohttp.ClientWSTimeout()}, "timeout must be an aiohttp.ClientTimeout"),
        ({"nonsense": 1}, r"no option 'nonsense', nor has aiohttp's ClientSession\.request"),
        ({"max_frame_siz": 1}, "no option 'max_frame_siz'"),
        ({"ssl": None, "protocol": "a"}, "no option 'protocol'"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
async def test_options_that_there_are_not(
    http: aiohttp.ClientSession, options: dict[str, Any], message: str
) -> None:
    """Those of `ws_connect` are answered by what a raw WebSocket has instead."""
    with pytest.raises(TypeError, match=message):
        connect(http, SOMEWHERE, **options)


async def test_every_option_of_a_request_is_taken(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], upstream: Script
) -> None:
    """Those that this aiohttp has, whatever they are, but for those that need a body."""
    url = (await by_hand(upstream)).url()
    parameters = inspect.signature(aiohttp.ClientSession._request).parameters.values()
    given = {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}
    own = {"chunked", "compress", "data", "expect100", "headers", "json", "raise_for_status"}
    async with connect(http, url, **{name: given[name] for name in given.keys() - own}):
        pass
    assert len(heard) == 1


async def test_a_client_session_of_another_class(
    by_hand: ByHand, heard: list[Opening], upstream: Script
) -> None:
    """One that wraps every request, as caches and retries do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        class Wrapping(aiohttp.ClientSession):
            async def _request(self, *arguments: Any, **options: Any) -> Any:
                return await super()._request(*arguments, **options)

    url = (await by_hand(upstream)).url()
    async with Wrapping() as http, connect(http, url, params={"a": "b"}):
        pass
    assert heard[0].line == "GET /?a=b HTTP/1.1"


# -- once, and awaited -----------------------------------------------------------------------


async def test_never_awaited(http: aiohttp.ClientSession) -> None:
    """As Python warns of a coroutine; nothing else complains."""
    with pytest.warns(RuntimeWarning, match="never awaited: write `async with connect") as caught:
        connect(http, SOMEWHERE)
    assert len(caught) == 1


async def test_what_failed_at_the_call_is_not_to_be_awaited(http: aiohttp.ClientSession) -> None:
    with pytest.raises(TypeError):
        connect(http, SOMEWHERE, nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="linger"):
        connect(http, SOMEWHERE, linger=-1)
    gc.collect()


async def awaited(connecting: Awaitable[RawWebSocketSession]) -> None:
    session = await connecting
    session.abort()


async def entered(connecting: Any) -> None:
    async with connecting:
        pass


USES = pytest.mark.parametrize("use", [awaited, entered])


@USES
@pytest.mark.parametrize("again", [awaited, entered])
async def test_used_twice(
    by_hand: ByHand, http: aiohttp.ClientSession, upstream: Script, use: Any, again: Any
) -> None:
    connecting = connect(http, (await by_hand(upstream)).url())
    await use(connecting)
    with pytest.raises(RuntimeError, match=r"call connect\(\) for each"):
        await again(connecting)


@USES
async def test_used_twice_at_the_same_time(
    by_hand: ByHand, http: aiohttp.ClientSession, upstream: Script, use: Any
) -> None:
    connecting = connect(http, (await by_hand(upstream)).url())
    results = await soon(asyncio.gather(use(connecting), use(connecting), return_exceptions=True))
    assert [type(result) for result in results] == [type(None), RuntimeError]


@USES
async def test_used_again_after_a_failure(
    by_hand: ByHand, http: aiohttp.ClientSession, use: Any
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        await wire.read_to_end()

    connecting = connect(http, (await by_hand(script)).url())
    with pytest.raises(HandshakeRefused):
        await use(connecting)
    with pytest.raises(RuntimeError, match="once"):
        await use(connecting)


async def test_made_outside_of_the_loop_that_awaits_it(
    by_hand: ByHand, client_tls: ssl.SSLContext
) -> None:
    """In a plain function, and awaited by another task."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await wire.read_to_end()

    url = (await by_hand(script, tls=True)).url()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls)) as http:
        connecting = await asyncio.to_thread(connect, http, url)
        session = await soon(asyncio.ensure_future(connecting))
        session.abort()
        await soon(session.wait_closed())
