"""Raw and ordinary routes side by side, and requests for them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from aiohttp_rawws import RawWebSocketSession
from aiohttp_rawws.server.handler_run import SessionHandler
from aiohttp_rawws.server.routes import RawWebSocketRoute, RefusedMatchInfo
from aiohttp_rawws.server.setup import add_raw_websocket, setup
from aiohttp_rawws.wire.frames import Frame
from tests.support.handshakes import KEY, request
from tests.support.wire import Address, Wire

Order = tuple[str, ...]

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
PLAIN = {"Connection": "", "Upgrade": ""}
FRAMES = (Frame.ping(b"GET / HTTP/1.1\r\n\r\n").encode() + b"\x00\xff") * 3


class Answer(NamedTuple):
    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def text(self) -> str:
        """The text of the response, or of the one short Text frame behind a 101."""
        return self.body[2 if self.status == 101 else 0 :].decode()


def raw(tag: str) -> SessionHandler:
    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text(f"raw {tag} {session.protocol}"))

    return handler


def ordinary(tag: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"ordinary {tag}")

    return handler


def application() -> web.Application:
    app = web.Application()
    setup(app)
    return app


async def upgrade(
    address: Address,
    path: str,
    protocol: str = "",
    *,
    behind: bytes = b"",
    version: str = "1.1",
    **changes: str,
) -> Answer:
    """Return the answer to one upgrade request, up to the end of the connection if it closes."""
    changes = {"Sec-WebSocket-Protocol": protocol} | changes
    wire = await Wire.open(address)
    try:
        wire.send(request(path, version=version, **changes) + behind)
        status, headers = await wire.read_head()
        # To close is what HTTP/1.0 does unless told otherwise.
        connection = headers.get("Connection", "close" if version == "1.0" else "")
        if status == 101 or "close" in connection:
            return Answer(status, headers, await wire.read_to_end())
        return Answer(status, headers, await wire.read(int(headers["Content-Length"])))
    finally:
        await wire.close()


async def ask(address: Address, path: str, **changes: Any) -> Answer:
    """Return the answer to an ordinary request."""
    return await upgrade(address, path, **PLAIN | changes)


ADD: dict[str, Callable[[web.UrlDispatcher, str, str], object]] = {
    "chat": lambda router, path, tag: add_raw_websocket(router, path, raw(tag), "chat"),
    "any": lambda router, path, tag: add_raw_websocket(router, path, raw(tag)),
    "get": lambda router, path, tag: router.add_get(path, ordinary(tag)),
    "post": lambda router, path, tag: router.add_post(path, ordinary(tag)),
    "all": lambda router, path, tag: router.add_route(
        "*", path.rpartition("/")[0] + "/{tail:.*}", ordinary(tag)
    ),
}


def told(answer: Answer) -> tuple[int, str]:
    if answer.status == 405:
        return 405, answer.headers["Allow"]
    if answer.status in (400, 426):
        return answer.status, answer.headers.get("Upgrade", "")
    return answer.status, answer.text


async def told_by(app: web.Application, request: web.Request) -> int:
    match = await app.router.resolve(request)
    if isinstance(match, RefusedMatchInfo):
        return match.refusal.status
    return 101 if isinstance(match.route, RawWebSocketRoute) else 200
