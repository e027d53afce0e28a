"""Sessions in a forked process."""

import os
import subprocess
import sys

import pytest

from tests.support.loops import LOOPS

FORKED = """
import asyncio, os, sys, aiohttp
from aiohttp import web
from aiohttp_rawws import (
    EndOfStream, Frame, SessionClosed, add_raw_websocket, connect, setup
)
from aiohttp_rawws.session.cork import cork_of

async def use(session):
    try:
        while True:
            await session.receive()
    except EndOfStream:
        pass
    await session.wait_closed()
    await session.close()

def in_the_child(session):
    assert session.closed
    assert "closed" in repr(session)
    assert session.write_backlog == 0
    for call in (session.send_nowait, session.write):
        try:
            call(Frame.text("from the child") if call == session.send_nowait else b"child")
        except SessionClosed as error:
            assert "forked" in str(error.__cause__)
        else:
            raise AssertionError
    session.abort()
    try:
        session.send(Frame.text("from the child")).send(None)
    except SessionClosed:
        pass
    {loop}.run(use(session))

def fork(session):
    pid = os.fork()
    if pid == 0:
        try:
            in_the_child(session)
        except BaseException as error:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

async def handler(session):
    async for frame in session:
        await session.send(Frame.text("before"))
        fork(session)  # inside the read callback
        await session.send(frame)

async def main():
    app = web.Application()
    setup(app)
    add_raw_websocket(app.router, "/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as http, connect(http, f"ws://{{host}}:{{port}}") as session:
        for number in range(3):
            await session.send(Frame.text(str(number)))
            fork(session)  # in a task that the loop runs
            print(*[(await session.receive()).payload.decode() for _ in range(2)])
    await runner.cleanup()

import {loop}
{loop}.run(main())
"""

FORKED_KEYS = """
import asyncio, os
from aiohttp_rawws.session.cork import cork_of
loop = asyncio.new_event_loop()
cork_of(loop).keys.next()
if os.fork() == 0:
    print(cork_of(loop).keys.next().hex(), flush=True)
    os._exit(0)
os.wait()
print(cork_of(loop).keys.next().hex())
"""


def output_of(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.split()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_forked_process_leaves_the_connections_alone(loop: str) -> None:
    assert output_of(FORKED.format(loop=loop)) == ["before", "0", "before", "1", "before", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_has_keys_of_its_own() -> None:
    child, parent = output_of(FORKED_KEYS)
    assert child != parent
