"""The log lines: bounded where a peer can cause them, and their attributes."""

import logging
from collections import defaultdict
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from aiohttp_rawws import setup
from aiohttp_rawws.server.logs import describe, warn
from aiohttp_rawws.server.ratelimit import RateLimit
from tests.support.octets import masked
from tests.support.servers import Serve, application, receive_on
from tests.support.wire import Wire, raw_bytes


@pytest.fixture(autouse=True)
def fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp_rawws.server.logs.LIMITS", defaultdict(RateLimit))


def installed() -> web.Application:
    app = web.Application()
    setup(app)
    return app


@pytest.mark.parametrize("make", [lambda: None, web.Application, installed])
def test_so_many_lines_of_a_kind(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    where = make()
    for number in range(1000):
        warn(where, "one kind: %d", number)
    warn(where, "another kind")
    assert [record.getMessage() for record in caplog.records] == [
        *(f"one kind: {number}" for number in range(20)),
        "another kind",
    ]
    assert {(record.name, record.levelno) for record in caplog.records} == {
        ("aiohttp_rawws", logging.WARNING)
    }
    assert {record.filename for record in caplog.records} == {"test_logs.py"}


def test_what_was_left_out_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: defaultdict[str, RateLimit] = defaultdict(lambda: RateLimit(2, clock=lambda: now))
    monkeypatch.setattr("aiohttp_rawws.server.logs.LIMITS", limits)
    now = 0.0
    for _ in range(5):
        warn(None, "again: %s", "x")
    now = 30.0
    warn(None, "again: %s", "y")
    assert [record.getMessage() for record in caplog.records] == [
        "again: x",
        "again: x",
        "again: y (and 3 more like this since the last such line)",
    ]


def test_each_application_has_its_own_limits(caplog: pytest.LogCaptureFixture) -> None:
    for app in (installed(), installed(), None):
        for _ in range(30):
            warn(app, "again")
    assert len(caplog.records) == 60


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (b"/ws", "GET /ws"),
        (b"/rooms/a%20b?token=secret", "GET /rooms/a%20b"),
        (b"//double", "GET //double"),
        (b"/" + b"x" * 5000, f"GET /{'x' * 199}..."),
        (b"/%0a%0dfake", "GET /%0a%0dfake"),
    ],
)
async def test_a_request_in_a_line(serve: Serve, target: bytes, told: str) -> None:
    lines: list[tuple[str, int]] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        lines.append((describe(request), request.transport.get_extra_info("peername")[1]))
        return web.Response()

    app = web.Application()
    app.router.add_get("/{tail:(?s:.*)}", handler)
    await raw_bytes(
        await serve(app), b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target
    )
    [(line, port)] = lines
    assert line == f"{told} from 127.0.0.1:{port}"


def test_octets_that_no_file_takes() -> None:
    request = make_mocked_request("GET", "/")
    request._rel_url = URL.build(path="/\udcff\x7f", encoded=True)
    assert describe(request).startswith(r"GET /\udcff\x7f from ")


@pytest.mark.parametrize(
    ("peername", "remote", "told"),
    [
        (("::1", 5, 0, 0), "::1", "[::1]:5"),
        (("127.0.0.1", 5), "203.0.113.9", "203.0.113.9"),
        ("", "", "a Unix socket"),
        (None, None, "a Unix socket"),
    ],
)
def test_a_peer_in_a_line(peername: Any, remote: Any, told: str) -> None:
    transport = Mock()
    transport.get_extra_info.side_effect = {"peername": peername}.get
    request = make_mocked_request("GET", "/ws", transport=transport).clone(remote=remote)
    request.protocol.peername = peername
    assert describe(request) == f"GET /ws from {told}"


async def test_a_peer_that_breaks_the_protocol_fills_no_disk(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    address = await serve(application(receive_on))
    for _ in range(30):
        wire = await Wire.upgrade(address, behind=masked(0x83))
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
        await wire.close()
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 20
