"""A pytest plugin for the tests of aiohttp: they get the classes of `compat`.

Some of these tests look at private attributes of aiohttp. They get what answers the same question
here. Nothing else is changed.
"""

from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import WSMessage, WSMsgType, web

import aiohttp_rawws.compat.client
import aiohttp_rawws.compat.conversation
from aiohttp_rawws import compat
from aiohttp_rawws.compat.sending import Sending
from aiohttp_rawws.session.session import RawWebSocketSession, connection_of


class Reader:
    """`_reader`: aiohttp's queue of messages."""

    def __init__(self, session: RawWebSocketSession) -> None:
        self._session = session
        self._buffer = ()

    @property
    def _stalled_reader(self) -> "Reader | None":
        """Not None while reading is held back."""
        return self if self._session.reading_paused else None

    async def read(self) -> WSMessage:
        """Return the next frame, with nothing done about it."""
        frame = await self._session.receive()
        return WSMessage(WSMsgType(frame.opcode), frame.payload, "")

    def feed_eof(self) -> None:
        """Do nothing. It is replaced, so that the end of the connection is not told."""


class Server(compat.WebSocketResponse):
    """The class of the server, with the attributes below."""


class Client(compat.ClientWebSocketResponse):
    """The class of the client, with the attributes below."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._response = self.session.response


def reader(websocket: Any) -> Reader:
    if "queue" not in vars(websocket):
        websocket.queue = Reader(websocket.session)
    queue: Reader = websocket.queue
    return queue


class Writer(Sending):
    """`_writer`: it has the transport, too."""

    def __init__(self, session: RawWebSocketSession, *arguments: Any) -> None:
        super().__init__(session, *arguments)
        self.transport = connection_of(session).link.transport


def ws_connect(client_session: aiohttp.ClientSession, url: Any, **options: Any) -> Any:
    return compat.ws_connect(client_session, url, **options)


PRIVATE: dict[str, Callable[[Any], Any]] = {
    "_writer": lambda websocket: websocket._conversation.sending,
    "_parser": lambda websocket: websocket._conversation._inbox,
    "_loop": lambda websocket: connection_of(websocket.session).link.loop,
    "_reader": reader,
}
for private, answer in PRIVATE.items():
    for kind in (Server, Client):
        setattr(kind, private, property(answer))

owner: Any
value: Any
for owner, name, value in (
    (Client, "_conn", property(lambda websocket: websocket.session.response.connection)),
    (aiohttp_rawws.compat.conversation, "Sending", Writer),
    (web, "WebSocketResponse", Server),
    (aiohttp_rawws.compat.client, "ClientWebSocketResponse", Client),
    (aiohttp.ClientSession, "ws_connect", ws_connect),
):
    setattr(owner, name, value)
