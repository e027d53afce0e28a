"""`ws_connect`: that of an `aiohttp.ClientSession`, over a raw session."""

import warnings
from collections.abc import Coroutine, Generator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import aiohttp
from aiohttp import ClientWSTimeout
from aiohttp.typedefs import LooseHeaders, Query, StrOrURL
from multidict import CIMultiDict

from ..client.connect import connect
from ..layers.deflate import PermessageDeflate
from ..layers.deflate_negotiation import Parameters, answer_of
from ..session.options import Unpack
from ..session.session import RawClientSession
from .conversation import Conversation, Settings
from .generic import ClientBase, DecodeText
from .interface import Interface

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ("ClientWebSocketResponse", "ws_connect")


class ClientWebSocketResponse(Interface, ClientBase[DecodeText]):
    """`aiohttp.ClientWebSocketResponse` over a raw session. `ws_connect` makes it.

    `session` is the raw session below: its frames can be sent and received between two messages.
    """

    def __init__(self, session: RawClientSession, settings: Settings) -> None:
        # Nothing of aiohttp's WebSocket is used, but for its class.
        self._session = session
        self._conversation = Conversation(session, settings, session.response.close)
        self._agreed: Parameters | None = answer_of(session.extensions)

    @property
    def session(self) -> RawClientSession:
        """The raw session below."""
        return self._session

    @property
    def protocol(self) -> str | None:
        """The subprotocol that was negotiated, None without one."""
        return self._session.protocol

    @property
    def compress(self) -> int:
        """The window with which messages are compressed, in bits; 0 if they are not."""
        return 0 if self._agreed is None else self._agreed.client_max_window_bits or 15

    @property
    def client_notakeover(self) -> bool:
        """True if each of our messages is compressed on its own."""
        return self._agreed is not None and self._agreed.client_no_context_takeover

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if self._session.response.connection is None:
            return default
        return self._session.get_extra_info(name, default)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


class ConnectOptions(TypedDict, total=False):
    """The options of `ws_connect` but for `decode_text`: those of aiohttp's."""

    method: str
    protocols: Iterable[str]
    timeout: "ClientWSTimeout | float"
    receive_timeout: float | None
    autoclose: bool
    autoping: bool
    heartbeat: float | None
    auth: aiohttp.BasicAuth | None
    origin: str | None
    params: Query
    headers: LooseHeaders | None
    proxy: StrOrURL | None
    proxy_auth: aiohttp.BasicAuth | None
    ssl: "SSLContext | bool | aiohttp.Fingerprint"
    verify_ssl: bool | None
    fingerprint: bytes | None
    ssl_context: "SSLContext | None"
    server_hostname: str | None
    proxy_headers: LooseHeaders | None
    compress: int
    max_msg_size: int


if TYPE_CHECKING:

    @overload
    def ws_connect(
        client_session: aiohttp.ClientSession,
        url: StrOrURL,
        *,
        decode_text: Literal[True] = ...,
        **options: Unpack[ConnectOptions],
    ) -> "Opening[Literal[True]]": ...

    @overload
    def ws_connect(
        client_session: aiohttp.ClientSession,
        url: StrOrURL,
        *,
        decode_text: Literal[False],
        **options: Unpack[ConnectOptions],
    ) -> "Opening[Literal[False]]": ...

    @overload
    def ws_connect(
        client_session: aiohttp.ClientSession,
        url: StrOrURL,
        *,
        decode_text: bool = ...,
        **options: Unpack[ConnectOptions],
    ) -> "Opening[bool]": ...


def ws_connect(
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
    *,
    decode_text: bool = True,
    **options: Unpack[ConnectOptions],
) -> "Opening[Any]":
    """Open a WebSocket as `client_session.ws_connect(url, **options)` does, over a raw session.

        async with ws_connect(client_session, "wss://example.com/ws") as websocket:
            async for message in websocket:
                print(message.data)

    The options are aiohttp's, with its defaults: `compress=15` offers compression. A refusal is a
    `HandshakeRefused`, which is an `aiohttp.WSServerHandshakeError` with the body of the answer.
    It can be awaited, too: `websocket = await ws_connect(...)`.

    Raises, once it is awaited, what `connect` raises. docs/compat.md lists the differences.
    """
    return Opening(open_websocket(client_session, url, decode_text=decode_text, **options))


#: The headers of a handshake, with the option of `connect` that sets each. Without one, what is
#: given is what `connect` sends.
HEADERS = {
    "Origin": "origin",
    "Sec-WebSocket-Protocol": "protocols",
    "Sec-WebSocket-Extensions": "extensions",
    "Connection": None,
    "Upgrade": None,
    "Sec-WebSocket-Key": None,
}


async def open_websocket(
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
    *,
    decode_text: bool,
    method: str = "GET",
    protocols: Iterable[str] = (),
    timeout: ClientWSTimeout | float | None = None,
    receive_timeout: float | None = None,
    autoclose: bool = True,
    autoping: bool = True,
    heartbeat: float | None = None,
    origin: str | None = None,
    headers: LooseHeaders | None = None,
    compress: int = 0,
    max_msg_size: int = 4 * 1024 * 1024,
    **request_options: Any,
) -> "ClientWebSocketResponse[Any]":
    if method.upper() != "GET":
        raise ValueError(f"an opening handshake is a GET (RFC 6455 4.1), got {method}")
    times = timeouts(timeout, receive_timeout)
    given: CIMultiDict[str] = CIMultiDict(headers or ())
    handshake: dict[str, Any] = {}
    for name, option in HEADERS.items():
        lines = given.popall(name, None)
        if lines is not None and option is not None:
            handshake[option] = ", ".join(lines)
    if "protocols" in handshake:
        handshake["protocols"] = [name.strip() for name in handshake["protocols"].split(",")]
    if protocols:
        handshake["protocols"] = tuple(protocols)
    if origin is not None:
        handshake["origin"] = origin
    if compress:
        handshake["extensions"] = PermessageDeflate.offer(server_max_window_bits=window(compress))
    session = await connect(client_session, url, headers=given, **handshake, **request_options)
    settings = Settings(
        close_timeout=times.ws_close,
        receive_timeout=times.ws_receive,
        autoclose=autoclose,
        autoping=autoping,
        heartbeat=heartbeat,
        max_msg_size=max_msg_size,
        decode_text=decode_text,
    )
    return ClientWebSocketResponse(session, settings)


def window(compress: int) -> int:
    """Return the window to ask the server for, in bits."""
    if not 9 <= compress <= 15:
        raise ValueError(f"compress must be 0, or 9 to 15 (bits of the window), got {compress}")
    return compress


def timeouts(timeout: ClientWSTimeout | float | None, receive_timeout: float | None) -> Any:
    """Return the `ClientWSTimeout` of both options, which may be seconds for a while yet."""
    if timeout is None:
        timeout = ClientWSTimeout(ws_receive=None, ws_close=10.0)
    elif not isinstance(timeout, ClientWSTimeout):
        deprecated(
            "parameter 'timeout' of type 'float' is deprecated, "
            "please use 'timeout=ClientWSTimeout(ws_close=...)'"
        )
        timeout = ClientWSTimeout(ws_receive=None, ws_close=timeout)
    if receive_timeout is not None:
        deprecated(
            "float parameter 'receive_timeout' is deprecated, "
            "please use parameter 'timeout=ClientWSTimeout(ws_receive=...)'"
        )
        timeout = ClientWSTimeout(ws_receive=receive_timeout, ws_close=timeout.ws_close)
    return timeout


def deprecated(message: str) -> None:
    warnings.warn(message, DeprecationWarning, stacklevel=4)


class Opening(Coroutine[Any, Any, ClientWebSocketResponse[DecodeText]]):
    """A WebSocket of `ws_connect`, to be awaited or entered, once. It is a coroutine, too."""

    __slots__ = ("_coroutine", "_websocket")

    def __init__(
        self, coroutine: "Coroutine[Any, Any, ClientWebSocketResponse[DecodeText]]"
    ) -> None:
        self._coroutine = coroutine
        self._websocket: ClientWebSocketResponse[DecodeText] | None = None

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> "Generator[Any, Any, ClientWebSocketResponse[DecodeText]]":
        return self._coroutine.__await__()

    async def __aenter__(self) -> "ClientWebSocketResponse[DecodeText]":
        self._websocket = await self._coroutine
        return self._websocket

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._websocket is not None
        await self._websocket.close()
