"""The check, of peers that keep the rules and of peers that break them."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame, Opcode, RawWebSocketSession, Violation
from aiohttp_rawws.layers import reply
from aiohttp_rawws.testing import Grade, Report, Unexpected, check, check_client
from aiohttp_rawws.testing.conformance.catalogue import all_cases, select
from demo.conforming import echo_client, make_app
from tests.autobahn.peers import command
from tests.support.aiohttps import aiohttps_echo
from tests.support.command import complaint
from tests.support.handshakes import Opening, answer
from tests.support.loops import ONE_LOOP
from tests.support.servers import Contexts, Serve, application, running
from tests.support.waiting import PATIENCE, patience
from tests.support.wire import Address, ByHand, Wire

#: All that does not take long: of compression two sizes of each kind.
QUICK = ("[1-7].*", "10.*", "[a-z]*", "12.?.5", "13.?.5")


def all_well(report: Report) -> bool:
    """Tell whether all cases ran, and are OK if the rules say what that is."""
    return set(report.counts) <= {Grade.OK, Grade.INFORMATIONAL}


# -- peers that keep the rules -------------------------------------------------------------------


async def test_our_server_is_ok() -> None:
    async with running(make_app()) as (_, address):
        report = await check(address.url(""), cases=QUICK, timeout=PATIENCE)
    assert all_well(report), report.text()
    assert len(report.results) > 350


@ONE_LOOP
async def test_our_server_is_ok_over_tls(contexts: Contexts) -> None:
    patterns = ("1.*", "7.*", "end.*", "12.1.1")
    async with running(make_app(), contexts) as (_, address):
        url, context = address.url(""), address.ssl
        report = await check(url, cases=patterns, timeout=PATIENCE, ssl=context or True)
    skipped = {result.case.id for result in report.results if result.grade is Grade.SKIPPED}
    assert skipped
    assert all(name.startswith("end.fin") for name in skipped)
    assert set(report.counts) == {Grade.OK, Grade.INFORMATIONAL, Grade.SKIPPED}, report.text()


async def visit(url: str) -> None:
    """Go through the cases as a client that is told of them."""
    async with aiohttp.ClientSession() as client:
        async with aiohttp_rawws.connect(client, f"{url}/getCaseCount") as session:
            count = int((await session.receive()).payload)
        for number in range(1, count + 1):
            with contextlib.suppress(
                aiohttp.ClientError, aiohttp_rawws.ProtocolError, aiohttp_rawws.SessionClosed
            ):
                await echo_client(client, f"{url}/runCase?case={number}&agent=ours")
        async with aiohttp_rawws.connect(client, f"{url}/getCaseStatus?case=1&agent=a") as session:
            assert json.loads((await session.receive()).payload) == {"behavior": "OK"}


@ONE_LOOP
async def test_our_client_is_ok() -> None:
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    checking = asyncio.ensure_future(
        check_client(cases=QUICK, timeout=PATIENCE, on_url=url.set_result)
    )
    visiting = asyncio.ensure_future(visit(await url))
    report = await checking
    await visiting
    assert all_well(report), report.text()
    assert len(report.results) > 340


@ONE_LOOP
async def test_a_client_that_ends_is_started_again() -> None:
    program = """
import asyncio, os
from tests.autobahn.peers.client_ours import count, echo
url = os.environ["AUTOBAHN_URL"]
asyncio.run(count(f"{url}/getCaseCount"))
asyncio.run(echo(f"{url}/runCase?case=1&agent=one"))
"""
    report = await check_client(
        [sys.executable, "-c", program], cases=["1.1.[12]"], timeout=PATIENCE
    )
    assert report.counts == {Grade.OK: 2}, report.text()


# -- peers that break them -----------------------------------------------------------------------


async def echo_all(session: RawWebSocketSession) -> None:
    """Echo each frame, and end behind a Close."""
    async for frame in session:
        await session.send(frame)
        if frame.opcode == Opcode.CLOSE:
            break


async def test_a_server_that_checks_nothing(serve: Serve) -> None:
    address = await serve(application(echo_all, reject=Violation.NONE))
    wanted = {
        "1.1.2": Grade.OK,
        "2.5": Grade.FAILED,
        "3.1": Grade.FAILED,
        "5.9": Grade.FAILED,
        "6.3.1": Grade.FAILED,
        "mask.text-without": Grade.FAILED,
        "length.5-in-16-bits": Grade.NON_STRICT,
        "12.1.1": Grade.SKIPPED,
    }
    report = await check(address.url(""), cases=list(wanted), timeout=PATIENCE)
    assert {result.case.id: result.grade for result in report.results} == wanted
    assert not report.is_ok
    told = report.text()
    assert "FAILED        6.3.1: Text with a surrogate is refused. (RFC 6455 8.1)" in told
    assert r"-> TEXT '\u03ba\u1f79\u03c3\u03bc\u03b5\xed\xa0\x80edited'" in told
    assert "the peer goes on: text" in told


async def listening(attend: Any) -> "tuple[asyncio.Server, str]":
    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    return server, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_a_server_that_hangs_ends_the_check_soon() -> None:
    over = asyncio.Event()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server, url = await listening(attend)
    report = await check(url, timeout=0.05)
    over.set()
    server.close()
    assert set(report.counts) == {Grade.HUNG, Grade.NOT_RUN}
    assert report.counts[Grade.HUNG] < 60
    assert "cases: the server hangs in all cases so far" in report.text()


@ONE_LOOP
async def test_a_path_without_a_websocket(serve: Serve) -> None:
    address = await serve(application(echo_all))
    url = address.url("/elsewhere")
    with pytest.raises(Unexpected, match=r"answers 404 to a right .* a WebSocket at /elsewhere\?"):
        await check(url)
    run = [sys.executable, "-m", "aiohttp_rawws", "check", url]
    process = await asyncio.create_subprocess_exec(*run, stderr=asyncio.subprocess.PIPE)
    async with patience():
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert f"cannot check {url}: the server answers 404" in errors.decode()


@web.middleware
async def needing_credentials(request: web.Request, handler: Any) -> web.StreamResponse:
    if "Authorization" not in request.headers:
        raise web.HTTPUnauthorized
    response: web.StreamResponse = await handler(request)
    return response


async def test_headers_for_a_server_that_needs_some() -> None:
    names = ["1.1.2", "opening.unknown-protocol", "opening.small-letters"]
    headers = {"Authorization": "a", "Sec-WebSocket-Protocol": "a, b"}
    app = aiohttps_echo(needing_credentials, protocols=["b"], compress=False)
    async with running(app) as (_, address):
        url = address.url("")
        report = await check(url, cases=names, headers=headers, timeout=PATIENCE)
        assert report.counts == {Grade.OK: 3}, report.text()
        # One name or pattern alone is no list of letters.
        report = await check(url, cases="1.1.2", headers=headers, timeout=PATIENCE)
        assert report.counts == {Grade.OK: 1}, report.text()
        wrong: Any = {"a": 1}
        with pytest.raises(ValueError, match="not a header: 'a': 1"):
            await check(url, headers=wrong)
        with pytest.raises(Unexpected, match=r"answers 401 .*: it needs a header, Authorization"):
            await check(url, cases=names)


Attend = Callable[[Wire, Opening], Awaitable[None]]


async def greets(wire: Wire, opening: Opening) -> None:
    wire.send(answer(opening) + b"\x81\x02hi")
    await wire.read_to_end()


async def closes(wire: Wire, opening: Opening) -> None:
    wire.send(answer(opening) + b"\x88\x02\x03\xf0")
    await wire.read_to_end()


async def pongs(wire: Wire, opening: Opening) -> None:
    wire.send(answer(opening) + b"\x8a\x05probe")
    await wire.read_to_end()


async def leaves(wire: Wire, opening: Opening) -> None:
    wire.send(answer(opening))


async def answers_nothing(wire: Wire, opening: Opening) -> None:
    pass


async def redirects(wire: Wire, opening: Opening) -> None:
    wire.send(b"HTTP/1.1 301 Gone\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")


@ONE_LOOP
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (greets, r"the server does not echo: text 'hi' came back for text 'Is this an echo\?'"),
        (closes, "the server does not echo: it closes with 1008"),
        (pongs, "the server does not echo: it answers a Ping, and no message came back within"),
        (leaves, "the server does not echo: it ends the connection"),
        (answers_nothing, r"ends the connection in place of an answer to the hand.*with wss\."),
        (redirects, "the server answers 301 to a right .*: it redirects to '/there'"),
    ],
)
async def test_a_server_that_does_not_echo(script: Attend, said: str, by_hand: ByHand) -> None:
    address = await by_hand(script)
    # One that answers Pings alone is waited for.
    timeout = 1.5 if script is pongs else PATIENCE
    with pytest.raises(Unexpected, match=said):
        await check(address.url(""), cases=["1.1.1"], timeout=timeout)


@ONE_LOOP
async def test_an_echo_of_the_wrong_kind_is_a_fault(serve: Serve) -> None:
    async def as_binary(session: RawWebSocketSession) -> None:
        async for frame in session:
            is_text = frame.opcode == Opcode.TEXT
            answer = Frame.binary(frame.payload) if is_text else reply(frame)
            assert answer is not None
            await session.send(answer)

    address = await serve(application(as_binary))
    report = await check(address.url(""), cases="1.1.2", timeout=PATIENCE)
    assert report.counts == {Grade.FAILED: 1}, report.text()


@ONE_LOOP
async def test_what_a_server_sends_reaches_no_terminal_as_it_came(by_hand: ByHand) -> None:
    async def paints(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 101 \x1b[31m\x9b" + b"x" * 999 + answer(opening)[32:])

    address = await by_hand(paints)
    report = await check(address.url(""), cases=["opening.no-upgrade"], timeout=PATIENCE)
    line = next(line for line in report.results[0].log if line.startswith("<- HTTP"))
    assert line.startswith(r"<- HTTP/1.1 101 \x1b[31m\x9bxxx")
    assert len(line) < 220


@ONE_LOOP
async def test_what_needs_no_echo_is_checked_without_one(by_hand: ByHand) -> None:
    address = await by_hand(leaves)
    report = await check(address.url(""), cases=["opening.no-upgrade"], timeout=PATIENCE)
    assert report.counts == {Grade.FAILED: 1}, report.text()


@ONE_LOOP
async def test_unix_sockets(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with running(make_app(), path=str(path)):
        report = await check("ws://h/", unix_socket=str(path), cases="1.1.1", timeout=PATIENCE)
        assert report.counts == {Grade.OK: 1}, report.text()
        assert report.target == f"unix:{path}:/"
        run = [sys.executable, "-m", "aiohttp_rawws", "check", f"unix:{path}:/", "--cases", "1.1.1"]
        process = await asyncio.create_subprocess_exec(*run, stdout=asyncio.subprocess.PIPE)
        async with patience():
            out, _ = await process.communicate()
        assert b"1 case in " in out
        assert process.returncode == 0

    async def visit_both(url: str) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client:
            await echo_client(client, f"{url}/runCase?case=1&agent=a")

    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    checking = asyncio.ensure_future(
        check_client(cases="1.1.1", unix_socket=str(path), timeout=PATIENCE, on_url=url.set_result)
    )
    await visit_both(await url)
    report = await checking
    assert report.counts == {Grade.OK: 1}, report.text()
    assert not path.exists()


async def test_a_server_that_is_silent_once_open_hangs() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        await websocket.prepare(request)
        await over.wait()
        return websocket

    over = asyncio.Event()
    app = web.Application()
    app.router.add_get("/", silent)
    async with running(app) as (_, address):
        report = await check(address.url(""), cases=["1.1.1", "2.1", "3.1", "13.1.1"], timeout=0.2)
        over.set()
    grades = {result.case.id: result.grade for result in report.results}
    assert grades == {
        "1.1.1": Grade.HUNG,
        "2.1": Grade.HUNG,
        "3.1": Grade.HUNG,
        "13.1.1": Grade.SKIPPED,
    }


async def test_a_client_that_takes_any_answer_fails() -> None:
    async def visit_blindly(url: str) -> None:
        address = Address("127.0.0.1", int(url.rpartition(":")[2]))
        for number in (1, 2):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(
                f"GET /runCase?case={number}&agent=a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            # One answers what it got with a Pong, the other ends the connection.
            writer.write(b"\x8a\x80\0\0\0\0" if number == 1 else b"")
            await reader.readuntil(b"\r\n\r\n")
            if number == 1:
                await reader.read()
            writer.close()
            await writer.wait_closed()

    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    names = ["opening.answer-200", "opening.answer-no-accept"]
    checking = asyncio.ensure_future(check_client(cases=names, timeout=0.5, on_url=url.set_result))
    await visit_blindly(await url)
    report = await checking
    assert sorted(result.grade.value for result in report.results) == ["FAILED", "OK"]


# -- the cases -----------------------------------------------------------------------------------


def test_the_cases_of_autobahn_are_all_there() -> None:
    cases = all_cases()
    names = [case.id for case in cases]
    assert len(set(names)) == len(names)
    groups = Counter(name.split(".")[0] for name in names if name[0].isdigit())
    sizes = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}
    assert groups == {str(group): size for group, size in sizes.items()}
    assert all(case.sentence.endswith((".", "?")) and case.section for case in cases)
    assert not any(case.performance for case in select("server"))
    assert all(case.peers == ("client",) for case in cases if case.answer.refused)


def test_a_pattern_without_a_case_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no case for a server is called 'mask\.text-with'"):
        select("server", ["1.*", "mask.text-with"])


# -- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "give the URL of a server, or --as-server"),
        ("ws://h ws://i", "give the URL of a server, or --as-server"),
        ("--cases 1.* ws://h", "give the URL of a server, ahead of --cases, or --as-server"),
        ("ftp://h", "not a ws, wss, http or https URL, nor unix:PATH: 'ftp://h'"),
        ("ws://a:b@h", "no user or password in the URL: give a header, Authorization"),
        ("ws://h --header a", "argument --header: not NAME:VALUE: 'a'"),
        ("ws://h --header upgrade:a", "upgrade is set by the check"),
        ("ws://h --key /none", "--key needs --cert"),
        ("ws://h --listen-cert /none", "--listen-cert and --listen-key are for --as-server"),
        ("ws://h --json /no/such/folder/a", "cannot write /no/such/folder/a: "),
        ("--as-server node client.js", "nor unix:PATH: 'node'; a COMMAND stands behind --"),
        ("--as-server --header a:b", "--header, --ca, --insecure, --cert and --key are for a ser"),
        ("ws://h --cases 99.*", "no case for a server is called '99.*'"),
        ("ws://h --timeout 0", "not a number of seconds above 0"),
        ("--as-server unix:/no/such/folder/a", "cannot listen on unix:/no/such/folder/a: "),
        ("unix:/no/such/folder/a", "cannot connect to unix:/no/such/folder/a: "),
        ("ws://127.0.0.1:1", "cannot connect to ws://127.0.0.1:1: "),
        ("--as-server -- /no/such/client", "cannot run /no/such/client: "),
    ],
)
def test_usage(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, errors = complaint(capsys, "check", *arguments.split())
    assert (status, out) == (2, "")
    assert said in errors


def test_the_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = complaint(capsys, "check", "--list", "--cases", "1.1.1", "mask.ping-*")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["1.1.1", "mask.ping-without"]
    assert "A text message of 0 bytes is echoed." in out


def test_the_report_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    client = command("client_ours")
    words = ["--as-server", "--cases", "1.1.2", "opening.answer-200", "--timeout", str(PATIENCE)]
    status, out, _ = complaint(capsys, "check", *words, "--json", str(file), "--", *client)
    assert status == 0, out
    assert "2 cases in " in out
    report = json.loads(file.read_text())
    assert report["peer"] == "client"
    assert report["counts"] == {"OK": 2}
    first = report["cases"][0]
    assert (first["autobahn"], first["grade"], first["section"]) == ("1.1.2", "OK", "5.6")
    assert {"-> CLOSE 1000", "<- CLOSE 1000"} < set(first["frames"])
    assert report["cases"][1]["autobahn"] is None


def test_what_did_not_run_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    client = [sys.executable, "-c", "raise SystemExit(3)"]
    status, out, _ = complaint(capsys, "check", "--as-server", "--cases", "1.1.1", "--", *client)
    assert status == 1
    assert "NOT RUN       1 cases: the client ended with status 3 before it" in out


@ONE_LOOP
async def test_what_a_client_has_started_ends_with_it() -> None:
    came: asyncio.Queue[Wire] = asyncio.Queue()
    server, url = await listening(lambda *streams: came.put_nowait(Wire(*streams)))
    port = url.split(":")[2].strip("/")
    code = f"import socket as s; c = s.create_connection(('127.0.0.1', {port})); c.recv(1)"
    # Its shell does not take its own place.
    command = ["sh", "-c", '"$0" -c "$1"; true', sys.executable, code]
    checking = asyncio.ensure_future(check_client(command, cases="1.1.1"))
    async with patience():
        wire = await came.get()
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking
        assert await wire.read_to_end() == b""
    await wire.close()
    server.close()


@ONE_LOOP
async def test_the_limit_is_told() -> None:
    report = await check_client(cases="1.1.1", limit=0.01)
    assert "NOT RUN       1 cases: the run was over before its turn, after 0.01 s" in report.text()


@ONE_LOOP
async def test_strict(serve: Serve) -> None:
    address = await serve(application(echo_all, reject=Violation.NONE))
    report = await check(address.url(""), cases=["length.5-in-16-bits"], timeout=PATIENCE)
    assert report.is_ok
    assert [result.reason for result in report.bad(strict=True)] == ["the peer takes it"]
