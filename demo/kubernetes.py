"""The channels of `kubectl exec`: the streams of a command over one WebSocket.

The first byte of each binary message names its channel (v4 and v5.channel.k8s.io). `run` is a
client, for an API server or for `make_app`, which runs one command for each client:

    python -m demo.kubernetes cat

It takes no connection from a page in a browser.
"""

import asyncio
import contextlib
import enum
import json
import logging
import sys
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws.layers import Message, WebSocketSession, websocket_handler

V5 = "v5.channel.k8s.io"
PROTOCOLS = (V5, "v4.channel.k8s.io")

log = logging.getLogger(__name__)


class Channel(enum.IntEnum):
    STDIN = 0
    STDOUT = 1
    STDERR = 2
    #: A `Status`, once the command has ended.
    ERROR = 3
    #: The size of the terminal: {"Width": 80, "Height": 24}.
    RESIZE = 4
    #: The byte behind it names a channel that has ended. Only v5 has it.
    CLOSE = 255


def on(channel: Channel, data: bytes) -> bytes:
    return bytes([channel]) + data


def taken_apart(message: Message) -> tuple[int, bytes]:
    if isinstance(message.data, str) or not message.data:
        raise ValueError("a message names its channel, in a byte")
    return message.data[0], message.data[1:]


# -- the client ------------------------------------------------------------------------------------


class Result(NamedTuple):
    stdout: bytes
    stderr: bytes
    status: dict[str, Any]


async def run(client: aiohttp.ClientSession, url: str, stdin: bytes, **options: Any) -> Result:
    """Run the command behind a URL. `options` are those of `connect`: headers, ssl and so on."""
    options.setdefault("protocols", PROTOCOLS)
    streams = {channel: bytearray() for channel in Channel}
    async with (
        aiohttp_rawws.connect(client, url, **options) as session,
        WebSocketSession(session) as websocket,
        websocket.task_group() as group,
    ):
        group.create_task(feed(websocket, stdin))
        async for message in websocket:
            channel, data = taken_apart(message)
            streams[Channel(channel)] += data
    status = json.loads(streams[Channel.ERROR] or b"{}")
    return Result(bytes(streams[Channel.STDOUT]), bytes(streams[Channel.STDERR]), status)


async def feed(websocket: WebSocketSession, stdin: bytes) -> None:
    await websocket.send_bytes(on(Channel.RESIZE, b'{"Width": 80, "Height": 24}'))
    await websocket.send_bytes(on(Channel.STDIN, stdin))
    if websocket.protocol == V5:
        await websocket.send_bytes(on(Channel.CLOSE, bytes([Channel.STDIN])))


# -- the server ------------------------------------------------------------------------------------


async def execute(websocket: WebSocketSession, command: tuple[str, ...]) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        async with websocket.task_group() as group:
            group.create_task(report(websocket, process))
            async for message in websocket:
                await obey(process, *taken_apart(message))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def obey(process: asyncio.subprocess.Process, channel: int, data: bytes) -> None:
    assert process.stdin is not None
    if channel == Channel.STDIN:
        # The command may have ended, or closed its stdin.
        with contextlib.suppress(ConnectionError):
            process.stdin.write(data)
            await process.stdin.drain()
    elif (channel, data) == (Channel.CLOSE, bytes([Channel.STDIN])):
        process.stdin.close()
    elif channel == Channel.RESIZE:
        # There is no terminal here.
        log.info("the terminal is %(Width)d x %(Height)d", json.loads(data))


async def report(websocket: WebSocketSession, process: asyncio.subprocess.Process) -> None:
    async def pump(channel: Channel, stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (data := await stream.read(64 * 1024)):
            await websocket.send_bytes(on(channel, data))

    await asyncio.gather(pump(Channel.STDOUT, process.stdout), pump(Channel.STDERR, process.stderr))
    status = status_of(await process.wait())
    await websocket.send_bytes(on(Channel.ERROR, json.dumps(status).encode()))
    await websocket.close()


def status_of(code: int) -> dict[str, Any]:
    """Return the `Status` for an exit code, as Kubernetes writes it."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def make_app(*command: str) -> web.Application:
    async def handler(websocket: WebSocketSession) -> None:
        await execute(websocket, command or ("cat",))

    app = web.Application()
    # Browsers name the origin of a page. None of them may run a command here.
    aiohttp_rawws.setup(app, origins=[None])
    app.add_routes([aiohttp_rawws.raw_websocket("/", websocket_handler(handler), PROTOCOLS)])
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    web.run_app(make_app(*sys.argv[1:]), host="127.0.0.1", port=8080)
