"""uvicorn with an application of ASGI: `python -m tests.matrix.peers.server_uvicorn BACKEND`.

BACKEND is what uvicorn calls `--ws`: websockets, websockets-sansio, wsproto.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from .serving import HEARTBEAT, MOMENT, Visit, serve, visit

Message = MutableMapping[str, Any]


async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    if scope["type"] != "websocket":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    async with visit(scope["path"]) as visiting:
        await receive()
        await send({"type": "websocket.accept"})
        if visiting.closing:
            await asyncio.sleep(MOMENT)
            await send({"type": "websocket.close", "code": 1000})
        await echo(visiting, receive, send)


async def echo(
    visiting: Visit,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        data = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **data})
    visiting.over(f"closed {message.get('code')}")


async def start(listener: socket.socket) -> asyncio.Task[None]:
    beat: dict[str, Any] = {}
    if HEARTBEAT is not None:
        beat = {"ws_ping_interval": HEARTBEAT, "ws_ping_timeout": HEARTBEAT / 2}
    config = uvicorn.Config(application, ws=sys.argv[1], log_config=None, lifespan="off", **beat)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    return task


if __name__ == "__main__":
    serve("uvicorn", start)
