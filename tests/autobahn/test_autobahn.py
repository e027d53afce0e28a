"""The program around the Autobahn|Testsuite, `python -m tests.autobahn`."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.autobahn import __main__ as program
from tests.autobahn import agree, octets, port, records, transparent, verdicts
from tests.autobahn.document import GROUPS, document
from tests.autobahn.peers import PEERS, ROOT, command, serving
from tests.autobahn.suite import ALIASES, Selection, Suite, SuiteError
from tests.autobahn.transparent import Counts, compare, count, is_illegal
from tests.autobahn.verdicts import Verdict, missing
from tests.support.loops import ONE_LOOP
from tests.support.servers import Serve
from tests.support.waiting import soon

GOOD = Verdict("1.1.1", "OK", "OK", 1000, "as expected", ended_by_peer=True)
DROP = replace(GOOD, behavior_close="FAILED", close_code=None)


def report(folder: Path, agent: str, case: str, **changes: Any) -> None:
    """A report as the suite writes it, with no more in it than is read."""
    found = {
        "agent": agent,
        "id": case,
        "behavior": "OK",
        "behaviorClose": "OK",
        "remoteCloseCode": 1000,
        "result": "the result",
        "resultClose": "the result of the closing",
        "droppedByMe": False,
    }
    folder.mkdir(exist_ok=True)
    name = f"{agent}_case_{case.replace('.', '_')}.json"
    (folder / name).write_text(json.dumps(found | changes))


# -- the port ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python2", "python3"),
    [
        ("   print\n", "   print()\n"),
        ("   print 'a', b\n", "   print('a', b, flush=True)\n"),
        ("print(t)\n", "print(t)\n"),
        ("except Exception, e:\n", "except Exception as e:\n"),
        ("if self.agents.has_key(agent):", "if (agent in self.agents):"),
        ("for i in xrange(3): unichr(i)", "for i in range(3): chr(i)"),
        ("binascii.b2a_hex(x) + binascii.hexlify(y)", "_hex(x) + _hex(y)"),
        ("class C(object, Case, ):", "class C(Case, ):"),
        ("import os, pkg_resources", "import os"),
        ('pkg_resources.resource_filename("autobahntestsuite", "web")', '_resource("web")'),
    ],
)
def test_the_port_changes_syntax(python2: str, python3: str) -> None:
    assert port._syntax(python2) == python3


def test_octets_in_a_source_become_escapes(tmp_path: Path) -> None:
    source = tmp_path / "case.py"
    source.write_bytes(b"# coding: utf-8\r\nx = '\xc3\xa4'\n")
    assert port._read(source) == "#\nx = '\\xc3\\xa4'\n"


def test_the_port_refuses_another_suite(tmp_path: Path) -> None:
    case = tmp_path / "case.py"
    case.write_text("pickle.loads(obj1) == pickle.loads(obj2)\n")
    with pytest.raises(port.PortError, match="occurs 0 times, not 1"):
        port._case(case)


def test_a_second_port_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / port.MARK).touch()
    (tmp_path / "fuzzing.py").write_text("print 'untouched'\n")
    port.port(tmp_path)
    assert (tmp_path / "fuzzing.py").read_text() == "print 'untouched'\n"


def test_octet_strings() -> None:
    assert octets._b("\xff") == b"\xff"
    assert octets._b(b"x") == b"x"
    assert octets._s(b"\xff") == octets._s(memoryview(b"\xff")) == "\xff"
    assert octets._s(None) is None
    assert octets._hex("\xff") == octets._hex(b"\xff") == "ff"
    assert octets._resource("octets.py") == octets.__file__


# -- cases and verdicts --------------------------------------------------------------------


def test_a_selection_knows_aliases_and_patterns() -> None:
    spec = Selection(["perf", "6.4.*"], ["9.7.*"]).spec()
    assert spec["cases"] == ["9.*", "6.4.*"]
    assert spec["exclude-cases"] == ["9.7.*"]
    assert Selection().spec()["cases"] == ["*"]
    assert len(ALIASES["deflate-quick"]) == 48


def test_verdicts_are_loaded_in_order(tmp_path: Path) -> None:
    report(tmp_path, "mine", "1.1.10", behavior="FAILED", remoteCloseCode=None, droppedByMe=True)
    report(tmp_path, "mine", "1.1.9")
    report(tmp_path, "other", "1.1.1")
    assert verdicts.load(tmp_path, "mine", ["1.1.10", "1.1.1", "1.1.9"]) == [
        missing("1.1.1"),
        Verdict("1.1.9", "OK", "OK", 1000, "the result of the closing", True),
        Verdict("1.1.10", "FAILED", "OK", None, "the result", False),
    ]


@pytest.mark.parametrize(
    ("behavior", "closing", "grade", "plain"),
    [
        ("OK", "OK", "OK", True),
        ("OK", "INFORMATIONAL", "OK", True),
        ("OK", "WRONG CODE", "OK", False),
        ("OK", "UNCLEAN", "FAILED", False),
        ("OK", "FAILED", "FAILED", False),
        ("NON-STRICT", "OK", "NON-STRICT", False),
        ("FAILED", "OK", "FAILED", False),
    ],
)
def test_a_grade_counts_the_closing(behavior: str, closing: str, grade: str, plain: bool) -> None:
    verdict = replace(GOOD, behavior=behavior, behavior_close=closing)
    assert verdict.grade == grade
    assert verdict.plain is plain


def test_the_summary_counts_and_names_what_is_not_plain() -> None:
    found = [GOOD, replace(GOOD, case="7.9.5", behavior="FAILED", reason="why"), missing("9.1.1")]
    lines = [line.split() for line in verdicts.summary(found).splitlines()]
    assert lines[1] == ["1", "1", "1", "0", "0", "0", "0", "0"]
    assert lines[4] == ["all", "3", "1", "0", "0", "0", "1", "1"]
    assert [line[0] for line in lines[5:]] == ["7.9.5", "9.1.1"]


# -- transparency --------------------------------------------------------------------------


class Script:
    """What the suite finds, round by round; `chosen` are the cases it was asked for."""

    def __init__(self, *rounds: "tuple[Sequence[Verdict], Sequence[Verdict]]") -> None:
        self.rounds = list(rounds)
        self.chosen: list[Sequence[str]] = []

    def __call__(self, chosen: Selection) -> "tuple[Sequence[Verdict], Sequence[Verdict]]":
        self.chosen.append(chosen.included)
        return self.rounds.pop(0)


def both(direct: Verdict, proxied: Verdict) -> "tuple[list[Verdict], list[Verdict]]":
    return [direct], [proxied]


STRICT = replace(GOOD, case="6.4.1")
LOOSE = replace(STRICT, behavior="NON-STRICT")


@pytest.mark.parametrize(
    "change",
    [{"behavior": "NON-STRICT"}, {"behavior_close": "UNCLEAN"}, {"close_code": 1001}],
    ids=["behavior", "closing", "code"],
)
def test_a_legal_case_must_be_equal(change: "dict[str, Any]") -> None:
    other = replace(GOOD, **change)
    assert count(compare(Script(both(other, other)), Selection(), 1)) == Counts(1, 0, {}, {})
    counts = count(compare(Script(*[both(GOOD, other)] * 3), Selection(), 3))
    assert (counts.equal, list(counts.different)) == (0, ["1.1.1"])


def test_only_what_is_not_good_runs_again() -> None:
    other = replace(GOOD, case="1.1.2")
    script = Script(([GOOD, STRICT], [GOOD, LOOSE]), both(LOOSE, STRICT), both(other, other))
    counts = count(compare(script, Selection(["core"]), 5))
    assert script.chosen == [["core"], ["6.4.1"]]
    assert counts.equal == 2
    assert list(counts.varying) == ["6.4.1"]


def test_what_only_the_proxy_shows_is_a_difference() -> None:
    # The same as directly the second time; but the first time is not explained by that.
    script = Script(both(STRICT, LOOSE), both(STRICT, STRICT))
    (found,) = compare(script, Selection(), 2)
    assert not found.good
    assert str(found) == (
        "6.4.1: NON-STRICT/OK/1000 (1), OK/OK/1000 (1); wanted as directly: OK/OK/1000 (2)"
    )


def test_a_case_that_did_not_run_is_not_equal() -> None:
    absent = missing("1.1.1")
    assert count(compare(Script(both(absent, absent)), Selection(), 1)).different


@pytest.mark.parametrize(
    ("proxied", "good"),
    [
        (DROP, True),
        (replace(DROP, close_code=1002), False),
        (replace(DROP, ended_by_peer=False), False),
        (missing("1.1.1"), False),
    ],
    ids=["dropped", "closed", "left open", "not run"],
)
def test_an_illegal_case_must_be_dropped(proxied: Verdict, good: bool) -> None:
    direct, proxied = replace(GOOD, case="3.1"), replace(proxied, case="3.1")
    (found,) = compare(Script(both(direct, proxied)), Selection(), 1)
    assert found.good is good
    counts = count([found])
    assert (counts.dropped, len(counts.different)) == (int(good), int(not good))
    assert "wanted a drop" in str(found)


def test_patterns_of_the_illegal_cases_match_whole_numbers() -> None:
    illegal = ("2.5", "3.7", "4.2.5", "5.1", "5.10", "5.18", "7.3.2", "7.9.9", "7.13.2")
    assert all(map(is_illegal, illegal))
    legal = ("2.4", "2.50", "5.3", "5.19", "5.20", "6.3.1", "7.1.2", "7.3.1", "7.7.9", "13.3.1")
    assert not any(map(is_illegal, legal))
    assert "5.1" in transparent.ILLEGAL


# -- records and the document --------------------------------------------------------------


def test_runs_with_one_peer_add_up(tmp_path: Path) -> None:
    folder = records.reports(tmp_path, "server", "aiohttp")
    report(folder, "aiohttp", "1.1.1")
    records.store(tmp_path, "server", "aiohttp", "aiohttp 3", ["1.1.1"])
    report(folder, "aiohttp", "1.1.2")
    records.store(tmp_path, "server", "aiohttp", "aiohttp 3", ["1.1.2"])
    (record,) = records.load(tmp_path)
    assert [verdict.case for verdict in record.verdicts] == ["1.1.1", "1.1.2"]
    assert (record.role, record.agent, record.about["peer"]) == ("server", "aiohttp", "aiohttp 3")
    # What another version did does not count.
    records.store(tmp_path, "server", "aiohttp", "aiohttp 4", ["1.1.2"])
    (record,) = records.load(tmp_path)
    assert [verdict.case for verdict in record.verdicts] == ["1.1.2"]


def test_transparency_is_stored(tmp_path: Path) -> None:
    counts = Counts(3, 2, {"6.4.1": "seen"}, {})
    records.store_transparency(tmp_path, "aiohttp", "aiohttp 3", counts)
    (found,) = records.load_transparency(tmp_path)
    assert (found.agent, found.about["peer"], found.counts) == ("aiohttp", "aiohttp 3", counts)


def record(agent: str, *found: Verdict, role: str = "server") -> records.Record:
    return records.Record(role, agent, records.circumstances(f"{agent} 1"), found)


def row(text: str, group: int) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {group} ")]
    return line.strip("| ").split(" | ")


def test_the_document_has_a_column_for_each_peer() -> None:
    failed = replace(GOOD, case="7.9.5", behavior="FAILED", reason="the wrong code")
    absent = replace(GOOD, case="12.1.1", behavior="UNIMPLEMENTED")
    loose = replace(GOOD, case="6.4.1", behavior="NON-STRICT", reason="late")
    text = document(
        [
            record("aiohttp", GOOD, failed, loose, absent),
            record("ours", GOOD, replace(GOOD, case="7.9.5"), loose, missing("12.1.1")),
        ],
        [],
    )
    assert row(text, 1) == [f"1 {GROUPS[1]}", "1", "1"]
    assert row(text, 6)[1:] == ["0 / 1 / 0 / 0"] * 2
    assert row(text, 7)[1:] == ["1", "0 / 0 / 0 / 1"]
    assert row(text, 12)[1:] == ["not run", "-"]
    assert "| all | 2 / 1 / 0 / 0, 1 did not run | 1 / 1 / 0 / 1, 1 - |" in text
    assert "- aiohttp, 7.9.5: FAILED: the wrong code\n" in text
    assert "- ours, 6.4.1: NON-STRICT: late\n" in text
    assert "- aiohttp, 6.4.1" not in text
    assert "With ours 1, aiohttp 1; suite" in text
    assert "As a client" not in text
    assert "Through the proxy" not in text


def test_the_document_tells_of_the_proxy() -> None:
    about = records.circumstances("aiohttp 3")
    counts = Counts(3, 2, {"6.4.1": "6.4.1: seen"}, {"1.1.1": "1.1.1: seen"})
    text = document([], [records.Transparency("aiohttp", about, counts)])
    assert "| aiohttp 3 | 3 | 2 | 1 | 1 |" in text
    assert "- aiohttp, varying 6.4.1: seen\n- aiohttp, different 1.1.1: seen\n" in text
    assert "2.5 a Ping of 126 bytes" in text


# -- the command line ----------------------------------------------------------------------


def test_a_command_stands_behind_dashes() -> None:
    options = program.parse(["client", "core", "6.4.*", "--", "python", "-m", "mine", "--", "x"])
    assert options.cases == ["core", "6.4.*"]
    assert options.command == ["python", "-m", "mine", "--", "x"]
    assert program.parse(["client", "aiohttp"]).command == []


def test_a_table_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.parse(["table"])
    assert "--out must name the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "found", "status"),
    [
        ([], GOOD, 0),
        ([], replace(GOOD, behavior="FAILED"), 1),
        ([], missing("1.1.1"), 1),
        (["--allow", "1.1.*"], replace(GOOD, behavior="FAILED"), 0),
        (["--allow", "1.1"], replace(GOOD, behavior="FAILED"), 1),
        ([], replace(GOOD, behavior="NON-STRICT"), 0),
        (["--strict"], replace(GOOD, behavior="NON-STRICT"), 1),
    ],
)
def test_the_verdicts_decide_the_status(
    arguments: "list[str]", found: Verdict, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    options = program.parse(["server", "ws://127.0.0.1:9/", *arguments])
    assert program.judged(options, [found]) == status
    assert f"1 cases, {status} fail the run." in capsys.readouterr().out
    assert program.judged(options, []) == 1


# -- the peers -----------------------------------------------------------------------------


async def echoes(url: str) -> None:
    async with aiohttp.ClientSession() as client, client.ws_connect(url, compress=15) as socket:
        for message in ("Grüße", "", "long" * 2**19):
            await socket.send_str(message)
            assert await socket.receive_str() == message
        await socket.send_bytes(b"\xff")
        assert await socket.receive_bytes() == b"\xff"


@ONE_LOOP
@pytest.mark.parametrize("name", PEERS)
async def test_a_server_echoes_directly_and_through_the_proxy(tmp_path: Path, name: str) -> None:
    with (
        serving(f"server_{name}", tmp_path) as direct,
        serving("proxy", tmp_path, AUTOBAHN_UPSTREAM=direct) as proxied,
    ):
        await soon(echoes(direct))
        await soon(echoes(proxied))


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"(?s)server_none did not start:.*No module named"),
        serving("server_none", tmp_path),
    ):
        pass


@ONE_LOOP
@pytest.mark.parametrize("name", PEERS)
async def test_a_client_echoes_in_every_case(serve: Serve, name: str) -> None:
    heard = []

    async def suite(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        if request.path == "/getCaseCount":
            await socket.send_str("2")
        else:
            await socket.send_str("Grüße" * 2**18)
            echo = await socket.receive_str()
            heard.append((request.query["case"], request.query["agent"], echo == "Grüße" * 2**18))
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/{tail:.*}", suite)
    address = await serve(app)
    process = await asyncio.create_subprocess_exec(
        *command(f"client_{name}"),
        cwd=ROOT,
        env={"AUTOBAHN_URL": address.url().rstrip("/"), "AUTOBAHN_AGENT": "mine"},
        stdout=subprocess.DEVNULL,
    )
    assert await soon(process.wait()) == 0
    assert heard == [("1", "mine", True), ("2", "mine", True)]


# -- the agreement with our own check ------------------------------------------------------


def run_of_check(**found: str) -> dict[str, Any]:
    """Return the report of a run with these grades, by Autobahn's numbers without points."""
    cases = [
        {"autobahn": ".".join(name[1:]), "grade": grade, "reason": ""}
        for name, grade in found.items()
    ]
    return {"peer": "server", "cases": [*cases, {"autobahn": None, "grade": "OK", "reason": ""}]}


def test_the_check_agrees() -> None:
    wrong_code = replace(GOOD, case="1.1.2", behavior_close="WRONG CODE")
    absent = replace(GOOD, case="1.1.3", behavior="UNIMPLEMENTED")
    dropped = replace(DROP, case="1.1.4")
    suite = [GOOD, wrong_code, absent, dropped, missing("1.1.5")]
    run = run_of_check(c111="OK", c112="NON-STRICT", c113="SKIPPED", c114="HUNG", c115="OK")
    assert agree.compare([suite], [run]) == agree.Agreement(4, {}, {})


def test_where_the_check_varies_or_differs() -> None:
    other = replace(GOOD, case="1.1.2")
    runs = [run_of_check(c111="OK", c112="FAILED"), run_of_check(c111="NON-STRICT", c112="HUNG")]
    found = agree.compare([[GOOD, other]], runs)
    assert found.equal == 0
    assert list(found.varying.values()) == [
        "1.1.1 suite: OK (as expected); check: NON-STRICT or OK"
    ]
    assert list(found.different) == ["1.1.2"]


def test_the_program_tells_of_the_agreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = records.reports(tmp_path, "server", "mine")
    report(folder, "mine", "1.1.1")
    records.store(tmp_path, "server", "mine", "mine 1.0", ["1.1.1"])
    file = tmp_path / "check.json"
    for grade, status in (("OK", 0), ("FAILED", 1)):
        file.write_text(json.dumps(run_of_check(c111=grade)))
        words = ["agree", "--suite", str(folder), "--check", str(file)]
        monkeypatch.setattr("sys.argv", ["autobahn", *words])
        with pytest.raises(SystemExit) as ended:
            program.main()
        assert ended.value.code == status
    out = capsys.readouterr().out
    assert "server mine 1.0: 1 equal, 0 varying, 0 different" in out
    assert "DIFFERENT 1.1.1 suite: OK (the result of the closing); check: FAILED" in out


# -- the suite -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_suite_is_installed_and_runs(tmp_path: Path) -> None:
    """From PyPI: this test needs the network."""
    suite = Suite.install(tmp_path / "venv")
    assert Suite.install(tmp_path / "venv") == suite
    selection, folder = Selection(["1.1.*", "3.1"], ["1.1.8"]), tmp_path / "reports"
    wanted = [*(f"1.1.{number}" for number in range(1, 8)), "3.1"]
    with serving("server_aiohttp", tmp_path) as url:
        assert suite.fuzz_servers({"server": url}, selection, folder) == wanted
    assert suite.fuzz_client("client", command("client_aiohttp"), selection, folder) == wanted
    for agent in ("server", "client"):
        assert all(verdict.plain for verdict in verdicts.load(folder, agent, wanted))
    for nobody in ([], ["99.*"]):
        with pytest.raises(SuiteError, match="no case is selected"):
            suite.fuzz_servers({"server": "ws://127.0.0.1:9/"}, Selection(nobody), folder)
    with pytest.raises(SuiteError, match="the client did not start"):
        suite.fuzz_client("client", ["./none"], selection, folder)
