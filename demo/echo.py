"""A raw echo: each frame goes back as it came, except that a Ping is answered by its Pong."""

from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame, Opcode, RawWebSocketSession


async def echo(session: RawWebSocketSession) -> None:
    # The peer's Close is the last frame of the loop. Sent back, it is the reply.
    async for frame in session:
        ping = frame.opcode == Opcode.PING
        await session.send(Frame.pong(frame.payload) if ping else frame)


def make_app() -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", echo)])
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8080)
