"""`python -m aiohttp_rawws chaos`."""

import json
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from aiohttp_rawws.__main__ import main
from tests.support import ROOT
from tests.support.command import CLOSE, name, proxying
from tests.support.handshakes import Opening, answer, request
from tests.support.loops import ONE_LOOP
from tests.support.octets import masked
from tests.support.servers import application, echo, running
from tests.support.wire import ByHand, Wire

TEXTS = masked(0x81, b"0") + masked(0x81, b"1") + masked(0x81, b"\x1b2")
DROPPED = "drop: TEXT fin 2 bytes b'\\x1b2'"


@ONE_LOOP
async def test_each_fault_is_a_line_with_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    rules = ["--duplicate", "client:text:#2", "--drop", "upstream:text:#4"]
    async with running(application(echo)) as (_, upstream):
        options = [*rules, "--seed", "7", "--json", path]
        async with proxying(upstream, *options, subcommand="chaos") as command:
            assert command.told.endswith(f", forwarding to {upstream.url('')}, with --seed 7\n")
            wire = await Wire.upgrade(command.address)
            wire.send(TEXTS + CLOSE)
            back = b"\x81\x010\x81\x011\x81\x011\x88\x02\x03\xe8"
            assert await wire.read_to_end() == back
            await wire.close()
            duplicate = "#1 client frame 2: duplicate: TEXT fin 1 bytes b'1'"
            drop = f"#1 upstream frame 4: {DROPPED}"
            begin = f"#1 open: GET / from {name(wire)}"
            end = "#1 end: upstream first, end of stream"
            wanted = [f"seed 7 {each}" for each in (begin, duplicate, drop, end)]
            assert await command.lines(4) == wanted
            ended = (0, "", "2 faults; the same again: --seed 7\n")
            assert await command.stop() == ended
    start, begun, *faults, over = [json.loads(line) for line in path.read_text().splitlines()]
    assert (start["event"], start["upstream"]) == ("start", upstream.url(""))
    assert start["rules"] == [["drop", "upstream:text:#4"], ["duplicate", "client:text:#2"]]
    assert (begun["event"], begun["connection"], begun["path"]) == ("open", 1, "/")
    assert (over["event"], over["first"], over["reason"]) == ("end", "upstream", "end of stream")
    assert {each.pop("seed") for each in [start, begun, *faults, over]} == {7}
    assert all(re.fullmatch(r"[\d-]+T[\d:.]+Z", each.pop("time")) for each in faults)
    assert faults[0] == {
        "connection": 1,
        "direction": "client",
        "number": 2,
        "fault": "duplicate",
        "detail": "",
        "frame": "TEXT fin 1 bytes b'1'",
    }


@ONE_LOOP
async def test_tls_on_both_sides_and_the_host_of_the_upstream(
    authority: trustme.CA, client_tls: ssl.SSLContext, by_hand: ByHand, tmp_path: Path
) -> None:
    ca, server = tmp_path / "ca.pem", tmp_path / "server.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(server))
    heard: list[Opening] = []

    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening) + b"\x81\x01a\x82\x01b")
        await wire.read_to_end()

    upstream = await by_hand(script, tls=True)
    options: list[Any] = ["--listen-cert", server, "--ca", ca, "--drop", "text", "--json", "-"]
    url = upstream.url("/base")
    async with proxying(url, *options, subcommand="chaos", tls=client_tls) as command:
        assert command.told.startswith("Listening on wss://127.0.0.1:")
        wire = await Wire.upgrade(command.address, "/a?b")
        assert await wire.read_frame() == (0x82, b"b")
        await wire.close()
        # A seed that is chosen is told.
        seed = int(command.told.split()[-1])
        assert heard[0].line == "GET /base/a?b HTTP/1.1"
        assert heard[0].headers["Host"] == f"127.0.0.1:{upstream.port}"
        lines = [json.loads(each) for each in await command.lines(4)]
        assert [each["seed"] for each in lines] == [seed] * 4
        assert lines[3]["event"] == "end"
        assert await command.stop() == (0, "", f"1 fault; the same again: --seed {seed}\n")


@ONE_LOOP
async def test_what_does_not_open_is_a_line_too(by_hand: ByHand) -> None:
    async def refuse(wire: Wire, opening: Opening) -> None:
        if opening.line.startswith("GET /no?token="):
            wire.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    upstream = await by_hand(refuse)
    async with proxying(upstream, "--seed", "7", subcommand="chaos") as command:
        for path in ("/no?token=a", "/\x1b"):
            wire = await Wire.open(command.address)
            wire.send(request(path))
            await wire.read_to_end()
            await wire.close()
        first, second = [re.sub(r":\d+:", ":", each) for each in await command.lines(2)]
        assert first == "seed 7 refused: GET /no?token=[redacted] from 127.0.0.1: 401"
        assert second.startswith(r"seed 7 refused: GET /\x1b from 127.0.0.1: no answer, upstream f")
    async with proxying("ws://127.0.0.1:1", "--seed", "7", subcommand="chaos") as command:
        wire = await Wire.open(command.address)
        wire.send(request("/"))
        assert b"502 Bad Gateway" in await wire.read_to_end()
        await wire.close()
        assert re.match(r"seed 7 refused: GET / from [^ ]+: 502, .*refused", await command.line())


@ONE_LOOP
async def test_a_client_certificate_towards_the_upstream(
    authority: trustme.CA, tmp_path: Path
) -> None:
    ca, own = tmp_path / "ca.pem", tmp_path / "own.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(str(own))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with running(application(echo), (context, context)) as (_, upstream):
        options = ["--ca", ca, "--cert", own]
        async with proxying(upstream, *options, subcommand="chaos") as command:
            wire = await Wire.upgrade(command.address)
            wire.send(TEXTS)
            assert await wire.read_frame() == (0x81, b"0")
            await wire.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("0 ws://h --drop 5", "argument --drop: cannot read '5': write [@CONNECTION:][client:|up"),
        ("0 ws://h --latency ping", "argument --latency: no seconds, like 0.2 or 0.2+-0.1: 'ping'"),
        ("0 ws://h --corrupt-header ping:x", "argument --corrupt-header: cannot read 'x' in 'ping"),
        ("0 ws://h --seed x", "argument --seed: invalid int value: 'x'"),
        ("0 ws://h --listen-key /none", "--listen-key needs --listen-cert"),
        ("0 ws://h --key /none", "--key needs --cert"),
        ("0 ftp://h", "argument UPSTREAM: not a ws, wss, http or https URL"),
    ],
)
def test_usage_errors(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["chaos", *arguments.split()])
    assert caught.value.code == 2
    assert f"aiohttp-rawws chaos: error: {said}" in capsys.readouterr().err


def test_the_help_tells_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["chaos", "--help"])
    documented = (ROOT / "docs" / "chaos.md").read_text()
    for option in re.findall(r"--[a-z-]+", capsys.readouterr().out):
        assert option == "--help" or f"`{option}" in documented
