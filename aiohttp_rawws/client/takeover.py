"""How aiohttp's client hands a connection over.

What holds (aiohttp 3.13 and 3.14):

- The connection of a 101 belongs to its response, and ends when the response is closed or
  collected. So the session keeps the response.
- `protocol.set_parser` gives the bytes behind the 101. `transport.set_protocol` follows in the
  same tick, so that none come in between.
- `ClientTimeout(total=...)` acts on the task inside `request`, and no longer after it.
  `sock_read` acts on the connection, and has to be taken off.
- From then on aiohttp sees nothing of the connection. It must still hear of its loss, since
  `ClientSession.close()` waits for that without a limit. And it must be able to end the
  connection, by the object that it takes for the transport.
"""

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from multidict import MultiMapping

from ..session.connection import Connection
from ..session.ending import end
from ..session.options import Options
from ..session.session import RawClientSession, connection_of
from ..wire.handshake import chosen_protocol, extension_names
from ..wire.header_lists import lines

__all__ = ("close_connection", "take_over")


def take_over(response: aiohttp.ClientResponse, options: Options) -> RawClientSession:
    """Return a session over the connection of a 101.

    Raises aiohttp.ServerDisconnectedError if the connection is lost already.
    """
    protocol = response.connection.protocol if response.connection is not None else None
    transport = protocol.transport if protocol is not None else None
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ServerDisconnectedError("the connection was lost right behind the 101")
    protocol.read_timeout = None
    trailing = TrailingData()
    protocol.set_parser(trailing, None)
    extensions = negotiated_extensions(response.headers)
    connection = Connection(
        transport,
        options,
        is_client=True,
        extended=extensions is not None,
        write_paused=protocol.writing_paused,
    )
    session = RawClientSession(
        connection,
        request=None,
        response=response,
        protocol=chosen_protocol(response.headers),
        extensions=extensions,
    )
    detached = protocol.transport = DetachedTransport(session, protocol)
    connection.when_lost(detached.connection_lost)
    connection.start(bytes(trailing.data))
    return session


def negotiated_extensions(headers: MultiMapping[str]) -> str | None:
    """Return the extensions that are in use, None for a header that names none."""
    value = ", ".join(lines(headers, "Sec-WebSocket-Extensions"))
    return value if extension_names(headers) else None


def close_connection(response: aiohttp.ClientResponse, *, kept: bool = True) -> None:
    """Close the connection of a response, unless it was read to its end and may serve others.

    Where it is not `kept` it serves no others.
    """
    response.close()
    if (response.status == 101 or not kept) and response._protocol is not None:
        # A 101 without Upgrade is like any response to aiohttp: its connection is in the pool.
        response._protocol.close()


class TrailingData:
    """The bytes behind the 101, as aiohttp gives them to a parser."""

    def __init__(self) -> None:
        self.data = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Do nothing. aiohttp calls this when the connection is lost."""


class DetachedTransport(asyncio.Transport):
    """The transport as aiohttp sees it, once a session has the real one.

    aiohttp closes it in `ClientSession.close()` and in `response.close()`. The real transport
    would then wait for a peer that does not read, without a limit. The session ends within its
    `linger`.
    """

    def __init__(self, session: RawClientSession, protocol: ResponseHandler) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._session = session
        self._protocol = protocol
        self._ending: asyncio.Task[None] | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._session.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._session.closed

    def close(self) -> None:
        connection = connection_of(self._session)
        # aiohttp also calls this where it collects a response whose loop is closed.
        if not (self._session.closed and connection.link.lost):
            self._ending = self._loop.create_task(end(connection))

    def abort(self) -> None:
        self._session.abort()

    def connection_lost(self, error: BaseException | None) -> None:
        """Tell aiohttp that the connection is lost, and leave its connector."""
        self._protocol.connection_lost(error)
        self._session.response.close()
        # Python 3.10 would warn of a TLS transport that the peer closed and nobody here.
        connection_of(self._session).link.close()
