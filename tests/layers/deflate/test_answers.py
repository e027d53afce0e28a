"""permessage-deflate: the answer of a server to what a client offers."""

import contextlib
import functools
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from aiohttp_rawws import ProtocolError
from aiohttp_rawws.layers import deflate_negotiation as deflate
from tests.support.deflate import NAME, accept, of


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        # one offer
        ("permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate; client_max_window_bits=15", ""),
        ("permessage-deflate; client_max_window_bits=10", "client_max_window_bits=10"),
        ("permessage-deflate; client_max_window_bits=8", "client_max_window_bits=8"),
        ("permessage-deflate; server_max_window_bits=15", "server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=9", "server_max_window_bits=9"),
        ("permessage-deflate; server_no_context_takeover", "server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "client_no_context_takeover"),
        (
            "permessage-deflate; client_max_window_bits=11; server_max_window_bits=12; "
            "client_no_context_takeover; server_no_context_takeover",
            "server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=12; client_max_window_bits=11",
        ),
        # as it may be written
        ('permessage-deflate; server_max_window_bits="10"', "server_max_window_bits=10"),
        (r'permessage-deflate; server_max_window_bits="1\0"', "server_max_window_bits=10"),
        ("permessage-deflate;server_max_window_bits=10", "server_max_window_bits=10"),
        ("\t permessage-deflate \t;\tserver_max_window_bits = 10 ", "server_max_window_bits=10"),
        (", ,permessage-deflate,", ""),
        ('other; a="; permessage-deflate, \\" ,"; b=1, permessage-deflate', ""),
        # several, in order of preference
        (
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "server_max_window_bits=10",
        ),
        ("permessage-deflate, permessage-deflate; server_max_window_bits=10", ""),
        ("x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", ""),
        # zlib cannot; the client's next best is taken
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", ""),
        # what is wrong with an offer declines that offer alone
        ("permessage-deflate; unknown, permessage-deflate", ""),
        ("permessage-deflate; server_max_window_bits=16, permessage-deflate", ""),
    ],
)
def test_an_answer(offered: str, answer: str) -> None:
    assert accept(offered) == "; ".join(filter(None, [NAME, answer]))


@pytest.mark.parametrize(
    "offered",
    [
        "",
        ", ,",
        "permessage-bzip2",
        "Permessage-Deflate",
        "permessage-deflate-2",
        # parameters
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; Server_No_Context_Takeover",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        # values
        "permessage-deflate; server_no_context_takeover=1",
        'permessage-deflate; server_no_context_takeover=""',
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=1_0",
        'permessage-deflate; server_max_window_bits=" 10"',
        'permessage-deflate; server_max_window_bits=""',
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=099",
        'permessage-deflate; client_max_window_bits=""',
        # what is no list of extensions holds no offer at all (RFC 6455 section 9.1)
        "permessage-deflate;",
        "permessage-deflate; ;",
        "permessage-deflate; =1",
        "permessage-deflate; server_max_window_bits=",
        'permessage-deflate; server_max_window_bits="10',
        "permessage-deflate=1",
        "permessage-deflate x",
        "permessage-deflate, ; a",
        "; permessage-deflate",
        "permessage-deflate, @",
        "permessage-deflate; server_max_window_bits=\u0661\u0660",
        'permessage-deflate, other; a="',
    ],
)
def test_nothing_to_take(offered: str) -> None:
    assert accept(offered) is None


@pytest.mark.parametrize(
    ("options", "offered", "answer"),
    [
        ({"server_no_context_takeover": True}, "", "server_no_context_takeover"),
        ({"client_no_context_takeover": True}, "", "client_no_context_takeover"),
        ({"server_max_window_bits": 10}, "", "server_max_window_bits=10"),
        (
            {"server_max_window_bits": 10},
            "; server_max_window_bits=12",
            "server_max_window_bits=10",
        ),
        (
            {"server_max_window_bits": 12},
            "; server_max_window_bits=10",
            "server_max_window_bits=10",
        ),
        # section 7.1.2.2: only where it was offered
        ({"client_max_window_bits": 10}, "", ""),
        ({"client_max_window_bits": 8}, "; client_max_window_bits", "client_max_window_bits=8"),
        (
            {"client_max_window_bits": 12},
            "; client_max_window_bits=10",
            "client_max_window_bits=10",
        ),
        (
            {"client_max_window_bits": 10},
            "; client_max_window_bits=12",
            "client_max_window_bits=10",
        ),
        ({"level": 1, "mem_level": 1}, "", ""),
    ],
)
def test_an_answer_with_settings(options: dict[str, Any], offered: str, answer: str) -> None:
    answering: Callable[[str], str | None] = functools.partial(accept, **options)
    assert answering(NAME + offered) == "; ".join(filter(None, [NAME, answer]))


def test_a_header_of_any_length_takes_no_time() -> None:
    for bad in ("permessage-deflate" + "; a" * 50_000 + "=", "a" * 10**5 + '; a="' + "\\" * 10**5):
        assert accept(bad) is None
    assert accept("a" + " " * 10**5 + ", permessage-deflate") == NAME


class Counting:
    """A compiled pattern that counts its matches."""

    def __init__(self, pattern: "re.Pattern[str]") -> None:
        self.pattern = pattern
        self.matches = 0

    def match(self, text: str, position: int) -> "re.Match[str] | None":
        self.matches += 1
        return self.pattern.match(text, position)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The offers and answers whose parameters were looked at."""
    seen: list[Any] = []
    judge = deflate.parameters_of

    def noting(pairs: Any, *, is_offer: bool) -> Any:
        seen.append(pairs)
        return judge(pairs, is_offer=is_offer)

    monkeypatch.setattr(deflate, "parameters_of", noting)
    return seen


#: Headers of 115 lines of 8 KiB, which aiohttp's server lets pass.
HOSTILE = {
    "names": ", ".join(["a," * 4095] * 115),
    "commas": "," * 900_000,
    "parameters": NAME + "; a" * 300_000,
    "known parameters": f"{NAME}; client_max_window_bits" * 20_000,
    "offers that are passed over": f"{NAME}; server_max_window_bits=8, " * 20_000,
    "wrong offers": f"{NAME}; wrong, " * 40_000,
    "an open quote": f'{NAME}; a="' + "x" * 900_000,
    "a long quoted value": f'{NAME}; a="' + "x" * 900_000 + '"',
    "backslashes": f'{NAME}; a="' + "\\" * 900_000 + '"',
    "quoted pairs": f'{NAME}; a="' + "\\x" * 400_000 + '"',
    "quoted values": NAME + '; a="x"' * 100_000,
}


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE)
def test_the_work_for_an_offer_is_bounded(
    header: str, judged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(deflate.ELEMENT)
    monkeypatch.setattr(deflate, "ELEMENT", counting)
    assert accept(header) is None
    assert counting.matches <= deflate.MAX_ELEMENTS
    assert len(judged) <= deflate.MAX_ELEMENTS
    # A client is asked as little by its server.
    with contextlib.suppress(ProtocolError):
        assert of(header, NAME) is None
    assert counting.matches <= 3 * deflate.MAX_ELEMENTS


def test_the_first_good_offer_ends_the_search(judged: list[Any]) -> None:
    assert accept(f"{NAME}; wrong, {NAME}; server_max_window_bits=9" + f", {NAME}" * 50_000) == (
        f"{NAME}; server_max_window_bits=9"
    )
    assert len(judged) == 2


@pytest.mark.parametrize("many", [", a", "; a", ","])
def test_an_offer_counts_among_the_first_hundred_elements(many: str) -> None:
    header = "a" + many * (deflate.MAX_ELEMENTS - 2)
    assert accept(f"{header}, {NAME}") == NAME
    assert accept(f"{header}, a, {NAME}") is None


@pytest.mark.parametrize(
    "pattern",
    ['; a="{}', '; a="{}"', "; a{}", "; a={}", "; a{}=", ", {}@", "{}", "a{}a", '; a="x"{}x'],
)
@pytest.mark.parametrize("filling", ["x", " ", "\\", "\\x", '\\"', "\t", '"', "=", ";", ",", " ,"])
def test_the_time_for_an_offer_grows_with_its_length(pattern: str, filling: str) -> None:
    """At most: eight times as long a header takes about eight times as long, not 64 times."""

    def seconds(number: int) -> float:
        header = NAME + pattern.format(filling * number)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            accept(header)
            times.append(time.perf_counter() - start)
        return min(times)

    assert seconds(16_000) < 24 * seconds(2000) + 0.0005
