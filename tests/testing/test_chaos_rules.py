"""The text that tells which frames get a fault."""

import math
from typing import Any

import pytest

from aiohttp_rawws.testing import chaos
from aiohttp_rawws.testing.chaos.proxy import rules_of
from aiohttp_rawws.testing.chaos.rules import FAULTS, Rule, parse_rule
from aiohttp_rawws.wire.header import read_header


@pytest.mark.parametrize(
    ("fault", "text", "fields"),
    [
        ("drop", "5%", {"chance": 0.05}),
        ("drop", "0.5%", {"chance": 0.005}),
        ("drop", "all", {}),
        ("drop", "ping", {"kind": "ping"}),
        ("reset", "upstream:text:#3", {"direction": "upstream", "kind": "text", "nth": 3}),
        ("reset", "text:upstream:#3", {"direction": "upstream", "kind": "text", "nth": 3}),
        ("reset", "@2:client", {"connection": 2, "direction": "client"}),
        ("latency", "0.2", {"seconds": 0.2}),
        ("latency", "200ms+-50ms", {"seconds": 0.2, "jitter": 0.05}),
        ("latency", "ping:5%:1s±.5", {"kind": "ping", "chance": 0.05, "seconds": 1, "jitter": 0.5}),
        ("stall", "#1", {"nth": 1, "seconds": math.inf}),
        ("stall", "#1:2", {"nth": 1, "seconds": 2.0}),
        ("split", "close", {"kind": "close", "seconds": 0.01}),
        ("reorder", "data:10%:0.1", {"kind": "data", "chance": 0.1, "seconds": 0.1}),
    ],
)
def test_a_text_is_a_rule(fault: str, text: str, fields: dict[str, object]) -> None:
    if "nth" in fields:
        fields["chance"] = 0.0
    assert parse_rule(fault, text) == Rule(fault, text, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "text", "said"),
    [
        ("drop", "", "cannot read '': write [@CONNECTION:][client:|upstream:][KIND:][RATE], like "),
        ("drop", "0.05", "cannot read '0.05': write "),
        ("drop", "101%", "cannot read '101%'"),
        ("drop", "#0", "cannot read '#0'"),
        ("drop", "@0", "cannot read '@0'"),
        ("drop", "fast:5%", "cannot read 'fast' in 'fast:5%': write "),
        ("drop", "5%:ping", "'ping' is in the wrong place in '5%:ping': write "),
        ("drop", "5%:#3", "'#3' is in the wrong place"),
        ("drop", "ping:pong", "'pong' is in the wrong place"),
        ("drop", "client:upstream", "'upstream' is in the wrong place"),
        ("drop", "ping:0.5", "cannot read '0.5' in 'ping:0.5'"),
        ("latency", "ping", "no seconds, like 0.2 or 0.2+-0.1: 'ping'"),
        ("latency", "0.1+-0.2", "the jitter is longer than the time itself: '0.1+-0.2'"),
        ("latency", "0.1:5%", "'5%' is in the wrong place"),
        ("stall", "ping:1:2", "'2' is in the wrong place"),
    ],
)
def test_what_is_wrong_with_a_text(fault: str, text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_rule(fault, text)
    assert str(caught.value).startswith(said)


def test_faults_take_one_text_or_several_and_stand_in_one_order() -> None:
    none = dict.fromkeys(FAULTS, ())
    rules = rules_of({**none, "split": "ping", "drop": ["5%", "pong"], "latency": 0.5})
    assert [(rule.fault, rule.text) for rule in rules] == [
        ("latency", "0.5"),
        ("drop", "5%"),
        ("drop", "pong"),
        ("split", "ping"),
    ]
    with pytest.raises(ValueError, match=r"^drop: cannot read 'x'"):
        rules_of({**none, "drop": "x"})


@pytest.mark.parametrize(
    ("head", "kinds"),
    [
        (0x81, {"text", "data"}),
        (0x02, {"binary", "data"}),
        (0x80, {"continuation", "data"}),
        (0x88, {"close", "control"}),
        (0xC9, {"ping", "control"}),
        (0x8A, {"pong", "control"}),
        (0x83, {"data"}),
        (0x8B, {"control"}),
    ],
)
def test_the_kinds_of_a_frame(head: int, kinds: set[str]) -> None:
    header = read_header(bytes([head, 0]))
    assert header is not None
    words = ["text", "binary", "continuation", "close", "ping", "pong", "data", "control", "all"]
    assert {word for word in words if parse_rule("drop", word).means(header)} == kinds | {"all"}


def test_seconds_that_were_computed_are_a_rule() -> None:
    report = chaos("ws://h", latency=[0.1 + 0.2, 1e-5, 1], seed=1).report()
    assert report == "chaos --seed 1 --latency 0.3 --latency 0.00001 --latency 1: 0 faults"


@pytest.mark.parametrize("rule", [None, b"5%"])
def test_what_is_no_text_is_no_rule(rule: Any) -> None:
    with pytest.raises(TypeError, match=r"^drop is a rule like 'ping:5%', or a list of rules, got"):
        chaos("ws://h", drop=rule)
