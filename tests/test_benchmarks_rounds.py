"""Rounds of the benchmarks with samples that are made up."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from benchmarks.load import Case, LoadError, Sample
from benchmarks.peers import Peer
from benchmarks.rounds import Bench, as_json, from_json, measure

OURS, RIVAL, BROKEN = Peer("rawws", "", ours=True), Peer("picows", ""), Peer("broken", "")
CASE = Case(16, 1, 1)


@dataclass(frozen=True)
class MadeUp(Bench):
    asked: list[str] = field(default_factory=list)

    def sample(self, peer: Peer, case: Case, *, rate: float = 0.0) -> Sample:
        self.asked.append(peer.name)
        if peer == BROKEN:
            raise LoadError("broken: no echo")
        cpu = 0.001 * len(self.asked)
        return Sample(
            *(1000.0, 16_000, 1, 1, 1.0, cpu, 0.0, 1.0),
            held=0,
            delay99=0.0,
            p50=1e-6,
            p99=2e-6,
            p999=3e-6,
            server_memory=2**20,
        )


def bench(*peers: Peer, rounds: int) -> MadeUp:
    options = argparse.Namespace(
        cases=[(16, 1)],
        connections=[1],
        rounds=rounds,
        loop="uvloop",
        sleep=False,
        seconds=1.0,
        warmup=0.3,
    )
    return MadeUp(options, {"cpu": "one"}, [], [], dict.fromkeys(peers, "1.0"), core=0)


def test_each_round_begins_with_another_peer() -> None:
    made_up = bench(OURS, RIVAL, rounds=3)
    *_, results = measure(made_up)
    assert made_up.asked == ["rawws", "picows", "picows", "rawws", "rawws", "picows"]
    assert [result.costs for result in results] == [[1.0, 4.0, 5.0], [2.0, 3.0, 6.0]]


def test_there_are_results_after_each_round() -> None:
    found: Iterator[int] = (len(results[0].samples) for results in measure(bench(OURS, rounds=2)))
    assert list(found) == [1, 2]


def test_what_fails_ends_the_rounds() -> None:
    with pytest.raises(LoadError):
        list(measure(bench(OURS, BROKEN, rounds=2)))


def test_or_is_noted_and_not_tried_again() -> None:
    made_up, failures = bench(OURS, BROKEN, rounds=3), dict[tuple[Case, Peer], str]()
    *_, results = measure(made_up, failures)
    assert made_up.asked.count("broken") == 1
    assert failures == {(CASE, BROKEN): "broken: no echo"}
    assert [result.peer for result in results] == [OURS]
    (noted,) = json.loads(as_json(made_up, results, failures))["failures"]
    assert (noted["peer"], noted["reason"]) == ("broken", "broken: no echo")


def test_json_keeps_every_sample() -> None:
    made_up = bench(OURS, RIVAL, rounds=2)
    *_, results = measure(made_up)
    document = json.loads(as_json(made_up, results))
    assert (document["machine"], document["peers"]["picows"]) == ({"cpu": "one"}, "1.0")
    again = from_json(document)
    assert [result.samples for result in again] == [result.samples for result in results]
    assert [result.case for result in again] == [CASE, CASE]
    assert [result.peer.ours for result in again] == [True, False]
