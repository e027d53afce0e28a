"""What the benchmarks count, and the guard's judgement of it: the parts that run no server."""

from dataclasses import replace

import pytest

from benchmarks.counting import columns, report
from benchmarks.guard import GuardError, Record, changes, comparison, differences, verdict
from benchmarks.guard import requirements as required
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
