"""aiohttp_rawws with its layers and permessage-deflate: whole messages, compressed both ways."""

from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame
from aiohttp_rawws.layers import MessageAssembler, PermessageDeflate, reply

from .rawws import run_rawws


async def echo(session: aiohttp_rawws.RawWebSocketSession) -> None:
    deflate = PermessageDeflate.of(session)
    messages = MessageAssembler()
    async for frame in session:
        message = messages.feed(deflate.decode(frame) if deflate else frame)
        if message is not None:
            data = message.data
            frame = Frame.text(data) if isinstance(data, str) else Frame.binary(data)
            await session.send(deflate.encode(frame) if deflate else frame)
            continue
        answer = reply(frame)
        if answer is not None:
            await session.send(answer)


if __name__ == "__main__":
    app = web.Application()
    aiohttp_rawws.setup(app, extensions=PermessageDeflate.accept)
    aiohttp_rawws.add_raw_websocket(app.router, "/", echo)
    run_rawws(app)
