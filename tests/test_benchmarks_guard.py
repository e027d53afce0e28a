"""What the benchmarks count, and the guard's judgement of it: the parts that run no server."""

import argparse
import json
from dataclasses import replace

import pytest

from benchmarks import memory, page
from benchmarks.counting import Counts, Meter, as_json, columns, countable, report
from benchmarks.guard import GuardError, Record, changes, comparison, differences, verdict
from benchmarks.guard import requirements as required
from benchmarks.instructions import Callgrind
from benchmarks.load import Case
from benchmarks.memory import raise_limit
from benchmarks.peers import SERVERS, ServerError
from benchmarks.syscalls import Strace, calls

RECORDED = Record({"aiohttp": "3.14.5", "uvloop": "0.23.0"}, {"echo": 1000, "relay": 200})


def counts(echo: float, relay: float = 200) -> Record:
    return replace(RECORDED, instructions={"echo": echo, "relay": relay})


def test_calls_are_read_from_the_table_of_strace() -> None:
    summary = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.11    0.034512           4      8005           read
 49.89    0.034361           4      8001        12 epoll_pwait
  0.00    0.000000           0         1         1 pread64
------ ----------- ----------- --------- --------- ----------------
100.00    0.068873           4     16007        13 total
"""
    assert calls(summary) == {"read": 8005, "epoll_pwait": 8001, "pread64": 1}


def test_calls_of_nothing_are_none() -> None:
    assert calls("") == {}


def test_columns_are_what_is_frequent_in_any_peer() -> None:
    assert columns([{"read": 3, "futex": 0.004}, {"write": 2, "read": 1}]) == ["read", "write"]


def test_rare_calls_are_in_the_total() -> None:
    text = report(Strace, Case(256, 1, 1), {SERVERS[0]: {"read": 1, "futex": 0.004}})
    assert text.splitlines()[2].split() == ["peer", "read", "system", "calls/msg"]
    assert text.splitlines()[4].split() == ["rawws", "1.000", "1.004"]


@pytest.mark.parametrize(
    ("kind", "counts", "row"),
    [
        (Callgrind, {"instructions": 5000.0}, "| **rawws** | 5,000.00 | 1.00 |"),
        (Strace, {"read": 1.0, "futex": 0.25}, "| **rawws** | 1.25 | 1.00 |"),
    ],
)
def test_the_page_shows_what_was_counted(kind: type[Meter], counts: Counts, row: str) -> None:
    options = argparse.Namespace(loop="uvloop", role="echo", messages=8000)
    peers = {SERVERS[0]: "1.0"}
    results = {Case(256, 32, 4): {SERVERS[0]: counts}}
    text = page.plain_section(json.loads(as_json(kind, {}, peers, options, results)))
    assert "**256 B, 32 in flight on each of 4 connections**" in text
    assert f"| peer | {kind.what} per message | rawws = 1 |" in text
    assert row in text
    assert text.count("rawws**") == 1


def test_the_page_shows_memory() -> None:
    options = argparse.Namespace(loop="uvloop", connections=10_000)
    samples = {SERVERS[0]: [memory.Sample(5000.0, 6000.0), memory.Sample(5200.0, 6200.0)]}
    text = page.plain_section(json.loads(memory.as_json({}, {SERVERS[0]: "1.0"}, options, samples)))
    assert text.count("**10,000 connections**") == 2
    assert "| peer | bytes when upgraded | rawws = 1 |" in text
    assert "| **rawws** | 6,100.00 | 1.00 |" in text


def test_what_compiles_while_it_runs_is_not_counted_by_callgrind() -> None:
    (node,) = [peer for peer in SERVERS if not peer.native]
    peers = {SERVERS[0]: "1.0", node: "8.0"}
    options = argparse.Namespace(peers=None)
    assert list(countable(Strace, peers, options)) == [SERVERS[0], node]
    assert list(countable(Callgrind, peers, options)) == [SERVERS[0]]
    options.peers = ["npm-ws"]
    with pytest.raises(ServerError, match="npm-ws: valgrind is no measure"):
        countable(Callgrind, peers, options)


def test_a_change_is_a_share_of_what_is_recorded() -> None:
    assert changes(RECORDED, counts(1100, 190)) == pytest.approx({"echo": 0.1, "relay": -0.05})


@pytest.mark.parametrize("echo", [1000, 1049, 960])
def test_what_is_within_the_limit_passes_without_a_word(echo: int) -> None:
    assert verdict(RECORDED, counts(echo)) == (True, "")


def test_a_loss_fails_and_tells_what_to_do() -> None:
    passed, reason = verdict(RECORDED, counts(1051))
    assert not passed
    assert "benchmarks.instructions" in reason
    assert "--record" in reason
    assert "+5.1% LOSS" in comparison(RECORDED, counts(1051))


def test_a_gain_elsewhere_does_not_make_up_for_a_loss() -> None:
    passed, _ = verdict(RECORDED, counts(1051, 100))
    assert not passed


def test_a_gain_passes_and_asks_to_be_recorded() -> None:
    passed, reason = verdict(RECORDED, counts(900))
    assert passed
    assert "--record" in reason


def test_a_loss_with_another_uvloop_is_told_and_passes() -> None:
    now = replace(counts(1051), environment={"aiohttp": "3.14.5", "uvloop": "0.24.0"})
    passed, reason = verdict(RECORDED, now)
    assert passed
    assert "uvloop: 0.23.0 then, 0.24.0 now" in reason
    assert "aiohttp:" not in reason


def test_what_only_one_of_two_environments_tells_is_a_difference() -> None:
    now = replace(RECORDED, environment={"uvloop": "0.23.0", "machine": "x86_64"})
    assert differences(RECORDED, now) == [
        "aiohttp: 3.14.5 then, None now",
        "machine: None then, x86_64 now",
    ]


def test_other_cases_than_recorded_must_be_recorded() -> None:
    with pytest.raises(GuardError, match="--record"):
        changes(RECORDED, replace(RECORDED, instructions={"echo": 1000}))


def test_a_record_survives_being_written() -> None:
    assert Record.read(RECORDED.write()) == RECORDED


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"surprise": 1}'])
def test_a_broken_record_is_told(text: str) -> None:
    with pytest.raises(GuardError, match="record anew"):
        Record.read(text)


def test_the_packages_of_the_record_are_for_pip() -> None:
    assert required(RECORDED) == "aiohttp==3.14.5 uvloop==0.23.0"


def test_too_many_connections_for_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    with pytest.raises(ServerError, match=r"need 10100 descriptors, but 4096 are allowed.*ulimit"):
        raise_limit(10_000)
