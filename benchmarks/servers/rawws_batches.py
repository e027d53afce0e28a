"""aiohttp_rawws: all the frames that are ready at a time."""

import aiohttp_rawws

from .rawws import app_of, run_rawws


async def echo(session: aiohttp_rawws.RawWebSocketSession) -> None:
    async for frames in session.batches():
        for frame in frames:
            await session.send(frame)
    await session.close()


if __name__ == "__main__":
    run_rawws(app_of(echo))
