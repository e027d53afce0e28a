"""aiohttp_rawws with its layers: whole messages, pings and closes answered, as aiohttp does."""

import aiohttp_rawws
from aiohttp_rawws import Frame
from aiohttp_rawws.layers import MessageAssembler, reply

from .rawws import app_of, run_rawws


async def echo(session: aiohttp_rawws.RawWebSocketSession) -> None:
    messages = MessageAssembler()
    async for frame in session:
        message = messages.feed(frame)
        if message is not None:
            data = message.data
            await session.send(Frame.text(data) if isinstance(data, str) else Frame.binary(data))
            continue
        answer = reply(frame)
        if answer is not None:
            await session.send(answer)


if __name__ == "__main__":
    run_rawws(app_of(echo))
