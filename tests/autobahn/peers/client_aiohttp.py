"""aiohttp's client, with compression, without a limit."""

import contextlib

import aiohttp

from . import attend


async def count(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as connection:
        return int(await connection.receive_str())


async def echo(url: str) -> None:
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=0, compress=15) as connection,
        ):
            async for message in connection:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await connection.send_str(message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    await connection.send_bytes(message.data)


if __name__ == "__main__":
    attend(count, echo)
