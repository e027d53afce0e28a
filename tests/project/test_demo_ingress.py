"""The demo of the ingress: ours keeps every promise, and each probe fails on a proxy that does not.

The proxies run in processes of their own, on uvloop where it is installed.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiohttp
import pytest
from yarl import URL

from demo.ingress import __main__ as command
from demo.ingress import figures, probes
from demo.ingress.line import Line, upstream_server
from demo.ingress.probes import PROBES, Probe, Verdict, judge
from demo.ingress.process import LOOPS, Proxy, running
from tests.support import ROOT
from tests.support.waiting import PATIENCE

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

OURS = "demo.ingress.ours"
USUAL = "demo.ingress.usual"
BROKEN = "tests.support.broken_ingress"

Result = TypeVar("Result")

PROMISES = [probe.run.__name__ for probe in PROBES]
BY_NAME = dict(zip(PROMISES, PROBES, strict=True))

#: What each fault breaks, and what is seen of it.
FAULTS = [
    ("ping()", "ping_payloads", "upstream got PING '' for PING '4711'"),
    ("pong()", "ping_payloads", "visitor got PONG '' for PONG '4711'"),
    ("close 1000", "close_of_the_upstream", "CLOSE 1000 no room for CLOSE 4404 no room"),
    ("close 1000", "close_of_the_visitor", "CLOSE 1000 tab closed for CLOSE 4001 tab closed"),
    ("no reason", "close_of_the_upstream", "CLOSE 4404 for CLOSE 4404 no room"),
    ("no reason", "close_of_the_visitor", "CLOSE 4001 for CLOSE 4001 tab closed"),
    ("first subprotocol", "subprotocol", "graphql-ws here, graphql-transport-ws there"),
    ("502", "refusal", "visitor got a 502"),
    ("no headers", "refusal", "visitor did not get its headers"),
    ("no body", "refusal", "visitor did not get its body"),
    ("early 101", "refusal", "visitor got a 101, then an end"),
    ("16 MiB at most", "big_message", "an end for BINARY of 20 MiB"),
    ("reassembled", "fragments", "upstream got PING '' for TEXT 'fra'..."),
    ("no empty fragments", "fragments", "CONTINUATION 'gments' for CONTINUATION ''..."),
    ("FIN for a reset", "reset_by_the_upstream", "visitor got a FIN for a reset"),
    ("FIN for a reset", "reset_by_the_visitor", "upstream got a FIN for a reset"),
    ("a Close of its own", "reset_by_the_upstream", "CLOSE 1001, which nobody sent"),
    ("a Close of its own", "reset_by_the_visitor", "CLOSE 1001, which nobody sent"),
    ("a Close of its own", "end_without_a_close", "CLOSE 1001, which nobody sent"),
    ("reset for a FIN", "end_without_a_close", "visitor got a reset for a FIN"),
    ("deaf", "end_without_a_close", "visitor did not hear of it"),
    ("both halves", "end_without_a_close", "upstream got an end for TEXT 'one more thing'"),
    ("cookie jar", "cookies", "the second visitor came with the first one's"),
    ("no cookies", "cookies", "upstream got '' for 'theme=dark'"),
]


def run(work: Coroutine[Any, Any, Result]) -> Result:
    result: Result = LOOPS.run(work)
    return result


#: By fault and probe.
Verdicts: TypeAlias = dict[tuple[str, str], Verdict]


async def verdicts(module: str, cases: list[tuple[str, str]]) -> Verdicts:
    """The verdicts of probes on a proxy with faults."""
    async with (
        upstream_server() as upstream,
        visitors() as client,
        running(module, upstream.url) as proxy,
    ):
        line = Line(proxy, upstream, client)
        return {(fault, name): await judge(BY_NAME[name], at(fault, line)) for fault, name in cases}


def visitors() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


def at(fault: str, line: Line) -> Line:
    proxy = Proxy(line.proxy.url / fault if fault else line.proxy.url, line.proxy.pid)
    return Line(proxy, line.upstream, line.client)


@pytest.fixture(scope="session", autouse=True)
def hurry() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "ROUNDS", 1)
        patch.setattr(figures, "ROUND", 0.02)
        patch.setattr(figures, "WARM_UP", 0.0)
        yield


@pytest.fixture(scope="session")
def of_ours(hurry: None) -> Verdicts:
    return run(verdicts(OURS, [("", name) for name in PROMISES]))


@pytest.fixture(scope="session")
def of_the_usual(hurry: None) -> Verdicts:
    return run(verdicts(USUAL, [("", name) for name in PROMISES]))


@pytest.fixture(scope="session")
def of_the_broken(hurry: None) -> Verdicts:
    cases = [("none", name) for name in PROMISES] + [(fault, name) for fault, name, _ in FAULTS]
    return run(verdicts(BROKEN, cases))


@pytest.mark.parametrize("name", PROMISES)
def test_ours_keeps_every_promise(of_ours: Verdicts, name: str) -> None:
    kept, seen = of_ours["", name]
    assert kept, seen


@pytest.mark.parametrize("name", PROMISES)
def test_what_the_usual_loop_is_known_to_lose(of_the_usual: Verdicts, name: str) -> None:
    assert not of_the_usual["", name].kept


def test_each_promise_can_be_broken() -> None:
    assert {name for _, name, _ in FAULTS} == set(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_the_broken_ingress_is_right_without_a_fault(of_the_broken: Verdicts, name: str) -> None:
    kept, seen = of_the_broken["none", name]
    assert kept, seen


@pytest.mark.parametrize(("fault", "name", "seen"), FAULTS)
def test_a_fault_is_seen(of_the_broken: Verdicts, fault: str, name: str, seen: str) -> None:
    verdict = of_the_broken[fault, name]
    assert not verdict.kept
    assert seen in verdict.seen


def test_a_proxy_that_is_gone_passes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone() -> list[Verdict]:
        async with upstream_server() as upstream, visitors() as client:
            async with running(OURS, upstream.url) as proxy:
                pass
            line = Line(proxy, upstream, client)
            return [await judge(probe, line) for probe in PROBES]

    monkeypatch.setattr(probes, "PROBE_TIMEOUT", 2.0)
    assert [verdict.kept for verdict in run(gone())] == [False] * len(PROBES)


def test_a_probe_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def for_ever(line: Line) -> None:
        await asyncio.Event().wait()

    async def late() -> Verdict:
        async with upstream_server() as upstream, visitors() as client:
            line = Line(Proxy(upstream.url, 0), upstream, client)
            return await judge(Probe("an answer", for_ever), line)

    monkeypatch.setattr(probes, "PROBE_TIMEOUT", 0.01)
    assert run(late()) == (False, "not done within 0 s")


# The command.


def test_the_command_prints_both_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PROBES", [BY_NAME["subprotocol"], BY_NAME["refusal"]])
    assert exit_status() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "aiohttp" in lines[0]
    assert re.fullmatch(r"the subprotocol.* FAIL  pass  usual: graphql-ws here, .*", lines[3])
    assert re.fullmatch(r"the upstream's 403.* FAIL  pass  usual: visitor got a 101, .*", lines[4])
    assert re.fullmatch(r" +0 +2  of 2", lines[5])
    assert [re.sub(r"( +\d+\.\d+){3}$", "", line) for line in lines[8:11]] == [
        "256 bytes, 32 in flight",
        "256 bytes, 1 in flight",
        "1 MiB, 1 in flight",
    ]


def test_the_command_fails_with_a_promise_that_ours_does_not_keep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MODULES", (USUAL, USUAL))
    monkeypatch.setattr(command, "PROBES", [BY_NAME["subprotocol"]])
    monkeypatch.setattr(command, "FIGURES", ())
    assert exit_status() == 1
    assert "usual: graphql-ws here" in capsys.readouterr().out


def exit_status() -> object:
    with pytest.raises(SystemExit) as stop:
        command.main()
    return stop.value.code


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command.word(Verdict(True, "")) == "  pass"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert command.word(Verdict(False, "")) == "\033[31m  FAIL\033[0m"


@LINUX
def test_an_interrupt_leaves_no_process_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "demo.ingress"],
        # A shell's background job, as this may be, ignores SIGINT, and so would the command.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "403" not in process.stdout.readline():
            pass
        task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        proxies = [Path("/proc", pid) for pid in task.read_text().split()]
        assert len(proxies) == 2
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said == ""
    # They end because it has ended, so a moment later.
    late = time.monotonic() + PATIENCE
    while any(proxy.exists() for proxy in proxies):
        assert time.monotonic() < late, "a proxy was left behind"
        time.sleep(0.01)


@LINUX
def test_a_proxy_ends_with_who_started_it() -> None:
    code = (
        "import asyncio, os\n"
        "from demo.ingress.process import running\n"
        "async def main():\n"
        f"    async with running({OURS!r}, 'http://127.0.0.1:9') as proxy:\n"
        "        print(proxy.pid, flush=True)\n"
        "        os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=20
    )
    until = time.monotonic() + 20
    while Path("/proc", done.stdout.strip()).exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_proxy_that_does_not_start() -> None:
    async def start() -> None:
        async with running("demo.no_such_module", URL("http://127.0.0.1:9")):
            pass

    with pytest.raises(RuntimeError, match=r"demo\.no_such_module did not start"):
        run(start())


def test_where_the_system_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "elsewhere")
    proxy = Proxy(URL("http://127.0.0.1:9"), os.getpid())
    assert proxy.cpu_seconds() is None
