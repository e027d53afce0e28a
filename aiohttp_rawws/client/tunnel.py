"""A tunnel through an HTTP proxy to a plain server (RFC 6455 section 4.1, step 3).

aiohttp asks a proxy for a tunnel only for TLS. For a plain request it sends the proxy the absolute
URL, `GET ws://host/`. Proxies refuse that, or answer without the upgrade.

What holds (aiohttp 3.13 and 3.14):

- A middleware gets the request with its proxy, whether that comes from `proxy=`, the client
  session, or the environment.
- The handler takes a connection to the proxy and calls the request's `send` with it. So the
  request can ask for the tunnel first, within all timeouts and limits of aiohttp.
- A parser that was set with `set_parser` gets all bytes. After `set_parser(None, None)` aiohttp's
  own parser gets them again.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict

from ..wire.header_lists import raw_lines

__all__ = ("tunnel",)

#: How much of a proxy's answer may come before its head ends, in bytes.
HEAD_LIMIT = 64 * 1024

#: RFC 9112 section 4.
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
HEAD_END = b"\r\n\r\n"


async def tunnel(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a plain request that has a proxy through a tunnel: a client middleware, the last one.

    Raises aiohttp.ClientHttpProxyError if the proxy refuses, as aiohttp does for TLS.
    """
    if request.proxy is None or request.is_ssl():
        return await handler(request)
    return await handler(cast(aiohttp.ClientRequest, TunnelledRequest(request)))


class TunnelledRequest:
    """A request that asks the proxy for a tunnel before it is sent."""

    def __init__(self, request: aiohttp.ClientRequest) -> None:
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    async def send(self, connection: Connection) -> aiohttp.ClientResponse:
        assert connection.protocol is not None
        # From the pool it would be taken for a connection to the proxy itself.
        connection.protocol.force_close()
        with without_proxy(self._request) as headers:
            await open_tunnel(self._request, connection, connection.protocol, headers)
            return await self._request.send(connection)


@contextlib.contextmanager
def without_proxy(request: aiohttp.ClientRequest) -> Iterator["CIMultiDict[str]"]:
    """Make the request one to the server itself in the block. Yield the headers for the proxy."""
    proxy, authorization = request.proxy, raw_lines(request.headers, "Proxy-Authorization")
    headers = CIMultiDict(request.proxy_headers or {})
    # aiohttp has made the Proxy-Authorization of it.
    headers.popall("Authorization", None)
    if authorization:
        headers["Proxy-Authorization"] = authorization[-1]
    request.proxy = None
    request.headers.popall("Proxy-Authorization", None)
    try:
        yield headers
    finally:
        # A middleware may send the request again.
        request.proxy = proxy
        request.headers.extend([("Proxy-Authorization", each) for each in authorization])


async def open_tunnel(
    request: aiohttp.ClientRequest,
    connection: Connection,
    protocol: ResponseHandler,
    headers: "CIMultiDict[str]",
) -> None:
    """Ask the proxy for a tunnel to the server of the request (RFC 9110 section 9.3.6).

    aiohttp.ClientHttpProxyError if it refuses.
    """
    headers["Host"] = f"{request.url.host_subcomponent}:{request.url.port}"
    asking = aiohttp.ClientRequest(
        "GET",
        request.url,
        headers=headers,
        loop=asyncio.get_running_loop(),
        session=request.session,
    )
    # A request that begins as a GET has no header of a body.
    asking.method = "CONNECT"
    answer = ProxyAnswer(protocol)
    protocol.set_parser(answer, answer)
    try:
        response = await asking.send(connection)
        if await answer.opened:
            return
    finally:
        answer.hand_over()
    # aiohttp gets it as the answer to the CONNECT: it keeps no cookies and follows no redirect.
    await response.start(connection)
    response.close()
    raise aiohttp.ClientHttpProxyError(
        response.request_info,
        (),
        status=response.status,
        message=response.reason or "",
        headers=response.headers,
    )


class ProxyAnswer:
    """The answer to a CONNECT, as far as it is needed to decide on the tunnel.

    The head of a 2xx opens the tunnel and is dropped, whatever it says of a body. All other bytes
    go to aiohttp. For aiohttp's protocol this is both the parser and the payload.
    """

    def __init__(self, protocol: ResponseHandler) -> None:
        #: True for a tunnel; False for none, a lost connection, and a timeout.
        self.opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._protocol: ResponseHandler | None = protocol
        self._data = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        searched = max(0, len(self._data) - len(HEAD_END))
        self._data += data
        while (end := self._data.find(HEAD_END, searched)) >= 0:
            status = status_of(self._data)
            if not is_interim(status) and not is_success(status):
                self._decide(False)
                break
            del self._data[: end + len(HEAD_END)]
            if is_success(status):
                self._decide(True)
                break
            searched = 0
        else:
            if len(self._data) > HEAD_LIMIT or not is_http(self._data):
                self._decide(False)
        return False, b""

    def feed_eof(self) -> None:
        """Decide against the tunnel. aiohttp calls this when the connection is lost."""
        self._settle(False)

    def set_exception(self, error: BaseException, cause: "BaseException | None" = None) -> None:
        """Decide against the tunnel. aiohttp calls this when `sock_read` has passed."""
        self._settle(False)

    def is_eof(self) -> bool:
        return False

    def _decide(self, opened: bool) -> None:
        self.hand_over()
        self._settle(opened)

    def _settle(self, opened: bool) -> None:
        if not self.opened.done():
            self.opened.set_result(opened)

    def hand_over(self) -> None:
        """Give aiohttp's own parser the bytes that came, and those to come."""
        protocol, self._protocol = self._protocol, None
        if protocol is None:
            return
        protocol.set_parser(None, None)
        if self._data:
            protocol.data_received(bytes(self._data))


def status_of(head: bytearray) -> int:
    """Return the status in the head of an answer, 0 if there is none."""
    match = STATUS.match(head)
    return 0 if match is None else int(match[1])


def is_success(status: int) -> bool:
    return 200 <= status < 300


def is_interim(status: int) -> bool:
    """Tell whether another answer follows (RFC 9110 section 15.2). After a 101 none does."""
    return 100 <= status < 200 and status != 101


def is_http(data: bytearray) -> bool:
    """Tell whether `data` may be the beginning of an answer."""
    return data.startswith(b"HTTP/"[: len(data)])
