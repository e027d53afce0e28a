"""The type parameter of aiohttp's WebSocket classes, as far as the aiohttp that runs has it."""

from typing import TYPE_CHECKING, Any, Literal

import aiohttp
from aiohttp import web

__all__ = ("ClientBase", "DecodeText", "ServerBase")

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    #: `Literal[False]` for texts that come as bytes.
    DecodeText = TypeVar("DecodeText", bound=bool, covariant=True, default=Literal[True])

    ClientBase = aiohttp.ClientWebSocketResponse
    ServerBase = web.WebSocketResponse

else:
    from typing import TypeVar

    DecodeText = TypeVar("DecodeText", bound=bool, covariant=True)

    class Plain:
        """A class that takes a type parameter and leaves it out: that of aiohttp 3.13 has none."""

        def __init__(self, kind: type) -> None:
            self._kind = kind

        def __getitem__(self, parameter: Any) -> type:
            return self._kind

    ClientBase = Plain(aiohttp.ClientWebSocketResponse)
    ServerBase = Plain(web.WebSocketResponse)
