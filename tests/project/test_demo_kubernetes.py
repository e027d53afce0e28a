"""The channels of demo/kubernetes.py: a command, and who runs it."""

import logging
import os
import sys

import aiohttp
import pytest

from aiohttp_rawws import Frame, HandshakeRefused, connect
from demo import kubernetes
from demo.kubernetes import Result, run
from tests.support.servers import Serve, handler_tasks
from tests.support.waiting import patience, soon, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such commands")
SUCCESS = {"metadata": {}, "status": "Success"}


async def test_the_streams_of_a_command(
    serve: Serve, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    app = kubernetes.make_app("sh", "-c", "cat; echo oops >&2; exit 3")
    url = (await serve(app)).url()
    with caplog.at_level(logging.INFO, "demo.kubernetes"):
        result = await soon(run(http, url, b"hello"))
    assert result[:2] == (b"hello", b"oops\n")
    assert result.status["status"] == "Failure"
    assert result.status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert caplog.messages == ["the terminal is 80 x 24"]


async def test_stdin_has_no_end_before_version_5(serve: Serve, http: aiohttp.ClientSession) -> None:
    url = (await serve(kubernetes.make_app("head", "-c", "5"))).url()
    result = await soon(run(http, url, b"hello, world", protocols=["v4.channel.k8s.io"]))
    assert result == Result(b"hello", b"", SUCCESS)


async def test_more_than_a_pipe_holds(serve: Serve, http: aiohttp.ClientSession) -> None:
    url = (await serve(kubernetes.make_app())).url()
    data = os.urandom(2**20)
    assert await soon(run(http, url, data)) == Result(data, b"", SUCCESS)


async def test_a_command_whose_client_has_left_is_ended(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    def is_running() -> bool:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return False
        return True

    address = await serve(kubernetes.make_app("sh", "-c", "echo $$; exec cat"))
    async with patience():
        async with connect(http, address.url(), protocols=kubernetes.PROTOCOLS) as session:
            number = int((await session.receive()).payload[1:])
            assert is_running()
            session.abort()
        await until(lambda: not is_running())
        # The loop is told of the end of a process a moment later.
        await until(lambda: not handler_tasks())


@pytest.mark.parametrize("frame", [Frame.text("\x00hello"), Frame.binary(b"")], ids=repr)
async def test_a_message_without_a_channel(
    serve: Serve,
    http: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    frame: Frame,
) -> None:
    address = await serve(kubernetes.make_app())
    async with connect(http, address.url(), protocols=kubernetes.PROTOCOLS) as session:
        await session.send(frame)
        assert (await soon(session.receive())).close_code == 1011
        await session.close()
    await until(lambda: bool(caplog.messages))


async def test_pages_run_no_commands(serve: Serve, http: aiohttp.ClientSession) -> None:
    address = await serve(kubernetes.make_app())
    with pytest.raises(HandshakeRefused, match="403"):
        await connect(http, address.url(), protocols=kubernetes.PROTOCOLS, origin="http://a")
