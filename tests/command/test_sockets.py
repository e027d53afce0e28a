"""Unix sockets as LISTEN and UPSTREAM, TLS on LISTEN, and certificates of clients."""

import json
import re
import socket
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from aiohttp_rawws.command.addresses import destination, server_url
from tests.command.test_requests import application as telling
from tests.command.test_requests import told
from tests.command.test_usage import command_fails
from tests.support.command import proxying, sink, visit
from tests.support.forwarding import exchange, plain
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.servers import application, running
from tests.support.wire import Wire

# -- Unix sockets ----------------------------------------------------------------------------------


@ONE_LOOP
async def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    app = application(sink)
    app.router.add_route("*", "/base/{tail:.*}", told)
    here, there = tmp_path / "here", tmp_path / "there"
    # Of a process that was killed.
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(here))
    async with running(app, path=str(there)):
        options = ["--tap", "--socket-mode", "600"]
        async with proxying(f"unix:{there}", *options, listen=f"unix:{here}") as command:
            assert command.told == f"Listening on unix:{here}, forwarding to unix:{there}\n"
            assert stat.S_IMODE(here.stat().st_mode) == 0o600
            await visit(command)
            assert (await command.line()).startswith("#1 open: GET / from unix, no subprotocol")
            status, out, errors = command_fails(f"unix:{here}", f"unix:{there}")
            assert (status, out) == (1, "")
            assert errors.endswith("Address already in use\n")
            assert (await command.stop())[::2] == (0, "")
        assert not here.exists()
        async with proxying(f"unix:{there}:/base") as command:
            wire = await Wire.open(command.address)
            status, _, body = await exchange(wire, plain("/a%2Fb?c", "X-Forwarded-For: 1.2.3.4"))
            await wire.close()
    it = json.loads(body)
    assert (status, it["path"]) == (200, "/base/a%2Fb?c")
    assert it["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    output = command_fails(f"unix:{path}", "ws://127.0.0.1:1")
    assert output == (1, "", f"aiohttp-rawws: cannot listen on unix:{path}: File exists\n")
    assert path.read_text() == "kept"


@pytest.mark.parametrize(
    ("text", "path", "url"),
    [
        ("unix:/s", "/s", "http://localhost"),
        ("unix:/s:/", "/s", "http://localhost/"),
        ("http://unix:/s:/a/b", "/s", "http://localhost/a/b"),
        ("ws://unix:/a:b/s", "/a:b/s", "http://localhost"),
    ],
)
def test_upstreams_on_unix_sockets(text: str, path: str, url: str) -> None:
    found = destination(text)
    assert (found.path, str(found.url)) == (path, url)


@pytest.mark.parametrize(
    ("text", "path", "url"),
    [
        ("unix:/s:/a?x=1", "/s", "http://localhost/a?x=1"),
        ("ws://h/?x=unix:/s", "", "ws://h/?x=unix:/s"),
    ],
)
def test_a_server_may_have_a_query(text: str, path: str, url: str) -> None:
    server = server_url(text)
    assert (server.path, str(server.url)) == (path, url)


# -- TLS -------------------------------------------------------------------------------------------


@ONE_LOOP
async def test_certificates_of_both_sides_and_both_ends(
    authority: trustme.CA, client_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """Visitors and the proxy show one each, and neither gets in without."""
    ca, server, client = tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "client.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(server))
    proxy = authority.issue_cert("proxy.test")
    proxy.cert_chain_pems[0].write_to_path(str(client))
    proxy.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    demanding = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_cert_chain(str(server))
    visitor = ssl.create_default_context(cafile=str(ca))
    visitor.load_cert_chain(str(server))
    ours = ["--listen-cert", server, "--visitor-ca", ca, "--ca", ca]
    shown = ["--cert", client, "--key", tmp_path / "key.pem"]
    async with running(telling(), (demanding, visitor)) as (_, upstream):
        async with proxying(upstream, *ours, *shown, tls=visitor) as command:
            assert re.match(r"Listening on wss://127\.0\.0\.1:\d+, forward", command.told)
            wire = await Wire.open(command.address)
            status, _, body = await exchange(wire, plain("/"))
            assert (status, json.loads(body)["headers"]["x-forwarded-proto"]) == (200, "https")
            await wire.close()
            without = replace(command.address, ssl=client_tls)
            # TLS 1.3 has the client know only when it reads.
            stranger = await Wire.open(without)
            with pytest.raises((OSError, EOFError)):
                await exchange(stranger, plain("/"))
            await stranger.close()
            assert await command.stop() == (0, "", "")
        async with proxying(upstream, *ours, tls=visitor) as command:
            wire = await Wire.open(command.address)
            wire.send(request())
            assert (await wire.read_head())[0] == 502
            await wire.close()
