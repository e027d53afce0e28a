"""A conforming echo with compression, as a server and as a client: the layers of docs/layers.md.

The Autobahn|Testsuite judges both, see docs/conformance.md.
"""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame, Piece, ProtocolError, RawWebSocketSession
from aiohttp_rawws.layers import MessageAssembler, PermessageDeflate, close_handshake, reply


async def echo(session: RawWebSocketSession) -> None:
    deflate = PermessageDeflate.of(session)
    messages = MessageAssembler()
    try:
        async for item in received(session, deflate):
            answer = reply(item)
            if answer is not None:
                await session.send(answer)
            message = messages.feed(item)
            if message is not None:
                data = message.data
                frame = Frame.text(data) if isinstance(data, str) else Frame.binary(data)
                await session.send(deflate.encode(frame) if deflate else frame)
    except ProtocolError as error:
        await close_handshake(session, error.close_code)


async def received(
    session: RawWebSocketSession, deflate: PermessageDeflate | None
) -> AsyncIterator[Frame | Piece]:
    """Iterate over what the session receives, decompressed.

    Without compression frames come in pieces, so that a text fails at its first wrong byte.
    """
    if deflate is None:
        async for item in session.pieces():
            yield item
    else:
        async for frame in session:
            yield deflate.decode(frame)


async def echo_client(client: aiohttp.ClientSession, url: str) -> None:
    """Echo what a server sends, until the connection ends."""
    async with aiohttp_rawws.connect(client, url, extensions=PermessageDeflate.offer()) as session:
        await echo(session)


def make_app() -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app, extensions=PermessageDeflate.accept)
    app.add_routes([aiohttp_rawws.raw_websocket("/", echo)])
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8080)
