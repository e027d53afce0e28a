"""permessage-deflate: what is negotiated, and frames in and out, with zlib alone as the oracle."""

import contextlib
import functools
import itertools
import json
import os
import random
import re
import subprocess
import sys
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import aiohttp
import pytest
import zlib_ng.zlib_ng
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from aiohttp_rawws import (
    Frame,
    FrameTooBig,
    Opcode,
    ProtocolError,
    RawWebSocketSession,
    Violation,
    connect,
)
from aiohttp_rawws.layers import PermessageDeflate, deflate
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import Serve, application
from tests.support.waiting import patience
from tests.support.wire import Wire

accept = PermessageDeflate.accept
offer = PermessageDeflate.offer

TAIL = b"\x00\x00\xff\xff"
TEXT = json.dumps([{"id": n, "name": f"name {n}", "even": n % 2 == 0} for n in range(60)]).encode()
NOISE = random.Random(7692).randbytes(5000)

PROFILE = settings(
    max_examples=200,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(params=[zlib, zlib_ng.zlib_ng], ids=["zlib", "zlib-ng"], autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflate, "zlib", request.param)
    monkeypatch.setattr(deflate, "IDLE", {})


# Negotiation: what a server answers.

NAME = "permessage-deflate"


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


# Negotiation: what a client offers, and what it takes for an answer.


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, "client_max_window_bits"),
        ({"client_max_window_bits": None}, ""),
        ({"client_max_window_bits": 9}, "client_max_window_bits=9"),
        ({"client_max_window_bits": None, "server_max_window_bits": 8}, "server_max_window_bits=8"),
        (
            {"server_no_context_takeover": True, "client_no_context_takeover": True},
            "server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
    ],
)
def test_an_offer(options: dict[str, Any], value: str) -> None:
    assert offer(**options) == "; ".join(filter(None, [NAME, value]))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"level": 10}, ValueError),
        ({"level": -2}, ValueError),
        ({"level": 1.5}, TypeError),
        ({"mem_level": 0}, ValueError),
        ({"mem_level": 10}, ValueError),
        ({"server_max_window_bits": 7}, ValueError),
        ({"server_max_window_bits": 16}, ValueError),
        ({"client_max_window_bits": 7}, ValueError),
        ({"client_max_window_bits": 16}, ValueError),
        ({"client_max_window_bits": "10"}, TypeError),
    ],
)
@pytest.mark.parametrize("call", [functools.partial(accept, NAME), offer])
def test_settings_that_are_none(
    call: Callable[..., object], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(**options)


def test_what_zlib_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="server_max_window_bits=8"):
        accept(NAME, server_max_window_bits=8)
    with pytest.raises(ValueError, match="client_max_window_bits=8"):
        offer(client_max_window_bits=8)


class Session:
    """What `of` looks at."""

    def __init__(self, answer: "str | None", *offers: str, is_client: bool = True) -> None:
        self.extensions = answer
        self.is_client = is_client
        self.response = self.request_info = self
        self.headers = CIMultiDict([("Sec-WebSocket-Extensions", each) for each in offers])


def of(answer: "str | None", *offers: str, **options: Any) -> "PermessageDeflate | None":
    max_size = options.pop("max_size", 2**20)
    session: Any = Session(answer, *offers, **options)
    return PermessageDeflate.of(session, max_size=max_size)


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ("", ""),
        ("", "; server_no_context_takeover"),
        ("", "; client_no_context_takeover"),
        ("", "; server_max_window_bits=8"),
        ("; server_max_window_bits=10", "; server_max_window_bits=9"),
        ("; server_max_window_bits=10", '; server_max_window_bits="10"'),
        ("; client_max_window_bits", "; client_max_window_bits=10"),
        ("; client_max_window_bits", ""),
        ("; client_max_window_bits=9", "; client_max_window_bits=15"),
        ("; server_no_context_takeover", "; server_no_context_takeover"),
        ("; client_no_context_takeover", ""),
        ("; unknown, permessage-deflate", ""),
        ("; server_max_window_bits=9, permessage-deflate", ""),
    ],
)
def test_an_answer_that_a_client_takes(offered: str, answer: str) -> None:
    assert of(NAME + answer, NAME + offered) is not None


@pytest.mark.parametrize(
    ("offered", "answer", "wrong"),
    [
        (NAME, f"{NAME}; unknown", "the parameter unknown is unknown"),
        (NAME, f"{NAME}; server_max_window_bits", "server_max_window_bits must be 8 to 15"),
        (NAME, f"{NAME}; server_max_window_bits=016", "server_max_window_bits must be 8 to 15"),
        (NAME, f"{NAME}; server_no_context_takeover=1", "server_no_context_takeover has a value"),
        (
            NAME,
            f"{NAME}; server_no_context_takeover; server_no_context_takeover",
            "server_no_context_takeover stands there twice",
        ),
        (f"{NAME}; client_max_window_bits", f"{NAME}; client_max_window_bits", "must be 8 to 15"),
        (NAME, f"{NAME}; client_max_window_bits=10", "client_max_window_bits was not offered"),
        (
            f"{NAME}; server_max_window_bits=10",
            f"{NAME}; server_max_window_bits=11",
            "server_max_window_bits=10 was asked for",
        ),
        (f"{NAME}; server_max_window_bits=10", NAME, "server_max_window_bits=10 was asked for"),
        (f"{NAME}; server_max_window_bits=15", NAME, "server_max_window_bits was asked for"),
        (f"{NAME}; server_no_context_takeover", NAME, "server_no_context_takeover was asked for"),
        (NAME, f"{NAME}, {NAME}", "permessage-deflate stands there twice"),
        (NAME, f"{NAME};", "it is malformed from ';' on"),
        ("other", NAME, "permessage-deflate was not offered"),
        (f"{NAME};", NAME, "permessage-deflate was not offered"),
    ],
)
def test_an_answer_that_a_client_does_not_take(offered: str, answer: str, wrong: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        of(answer, offered)
    assert wrong in str(caught.value)
    assert caught.value.close_code == 1002
    assert caught.value.violation is Violation.NONE


@pytest.mark.parametrize(
    "answer",
    [
        f"{NAME}; {'unknown' * 1000}",
        f"{NAME}; client_max_window_bits={'1' * 1000}",
        f'{NAME}; server_no_context_takeover="{"x" * 200}"',
        f"{NAME}; server_no_context_takeover=" + "x" * 1000,
        f"{NAME}" + "\udcff" * 1000,
        f"{NAME}" + "\U0001f600" * 1000,
    ],
)
def test_what_is_wrong_with_an_answer_fits_a_close(answer: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        of(answer, f"{NAME}; client_max_window_bits")
    error = caught.value
    assert Frame.close(error.close_code, str(error)).close_reason == str(error)
    assert "Sec-WebSocket-Extensions" in str(error)


def test_a_client_that_sent_several_lines() -> None:
    assert of(NAME, "other", f"{NAME}; server_max_window_bits=9", NAME) is not None


@pytest.mark.parametrize("answer", [None, "", "other", "other; permessage-deflate"])
def test_no_compression(answer: "str | None") -> None:
    assert of(answer, NAME) is None
    assert of(answer, is_client=False) is None


def test_a_server_with_an_answer_that_is_none_gets_a_value_error() -> None:
    with pytest.raises(ValueError, match="the parameter unknown is unknown"):
        of(f"{NAME}; unknown", is_client=False)


@pytest.mark.parametrize("max_size", [0, -1])
def test_max_size_is_at_least_a_byte(max_size: int) -> None:
    with pytest.raises(ValueError, match="max_size"):
        of(NAME, is_client=False, max_size=max_size)


def test_the_level_goes_from_accept_and_offer_to_the_session() -> None:
    """Stored blocks are what level 0 is known by."""
    frame = Frame.text("a" * 1000)
    for made in (
        of(accept(NAME, level=0), is_client=False),
        of(NAME, "other", offer(level=0)),
    ):
        assert made is not None
        assert b"a" * 1000 in made.encode(frame).payload
    default = of(NAME, is_client=False)
    assert default is not None
    assert len(default.encode(frame).payload) < 50


def test_mem_level_goes_from_accept_to_the_session() -> None:
    """It shows in how much memory a block takes."""
    sizes = []
    for mem_level in (1, 9):
        made = of(accept(NAME, level=6, mem_level=mem_level), is_client=False)
        assert made is not None
        sizes.append(len(made.encode(Frame.binary(random.Random(0).randbytes(10**5))).payload))
    assert sizes[0] != sizes[1]


@pytest.mark.parametrize("answer", [NAME, f"{NAME}; client_max_window_bits=15"])
def test_a_clients_hints_bind_it_whatever_the_answer(answer: str) -> None:
    """Sections 7.1.1.2 and 7.1.2.2."""
    hints = f"{NAME}; client_no_context_takeover; client_max_window_bits=9"
    client = of(answer, hints)
    assert client is not None
    frame = Frame.binary(NOISE[:1000] * 2)  # no match is nearer than 1000 bytes
    payload = client.encode(frame).payload
    assert len(payload) > 2000
    assert [len(client.encode(Frame.text("Hello")).payload) for _ in range(2)] == [len(HELLO)] * 2
    unlimited = of(NAME, f"{NAME}; client_max_window_bits")
    assert unlimited is not None
    assert len(unlimited.encode(frame).payload) < 1100
    assert len(unlimited.encode(frame).payload) < 100


def test_parameters_hold_in_their_direction() -> None:
    """What a server sends by the server's, and what a client does by the client's."""
    frame = Frame.binary(NOISE[:1000] * 2)
    sides = [
        of(f"{NAME}; server_max_window_bits=9; client_no_context_takeover", is_client=False),
        of(
            f"{NAME}; server_no_context_takeover; client_max_window_bits=9",
            f"{NAME}; client_max_window_bits",
        ),
    ]
    for side in sides:
        assert side is not None
        assert len(side.encode(frame).payload) > 2000
        assert len(side.encode(Frame.text("Hello")).payload) == len(HELLO)
        assert len(side.encode(Frame.text("Hello")).payload) < len(HELLO)


# Frames.


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Have memory traced; gives a function for the peak within, in bytes."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: peak
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def pair(**options: Any) -> tuple[PermessageDeflate, PermessageDeflate]:
    """Both ends of a connection: the server's and the client's."""
    return (
        PermessageDeflate(is_client=False, **options),
        PermessageDeflate(is_client=True, **options),
    )


def reader(max_size: int = 2**20, **options: Any) -> PermessageDeflate:
    return PermessageDeflate(is_client=False, max_size=max_size, **options)


def deflated(data: bytes, level: int = -1) -> bytes:
    """A message's payload, by zlib alone (RFC 7692 section 7.2.1)."""
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def finished(data: bytes) -> bytes:
    """A whole DEFLATE stream: its last block has BFINAL."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush(zlib.Z_FINISH)


def text(payload: bytes, fin: bool = True) -> Frame:
    return Frame(Opcode.TEXT, payload, fin, rsv1=True)


def broken(caught: "pytest.ExceptionInfo[ProtocolError]", code: int) -> bool:
    error = caught.value
    # What it says can stand in a Close.
    Frame.close(error.close_code, str(error))
    return error.close_code == code and (code == 1002 or error.violation is Violation.NONE)


# The examples of RFC 7692 section 7.2.3.
HELLO = bytes.fromhex("f248cdc9c907 00")
HELLO_AGAIN = bytes.fromhex("f200110000")
HELLO_STORED = bytes.fromhex("000500faff48656c6c6f00")
HELLO_FINAL = bytes.fromhex("f348cdc9c9070000")
HELLO_TWO_BLOCKS = bytes.fromhex("f24805000000ffffcac9c90700")


@pytest.mark.parametrize("payload", [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_TWO_BLOCKS])
@pytest.mark.parametrize("cut", [None, 0, 1, 3, 5])
def test_the_examples_of_the_rfc(payload: bytes, cut: "int | None") -> None:
    """Whole (7.2.3.1, 7.2.3.3, 7.2.3.4, 7.2.3.5), and in two fragments."""
    inflater = reader()
    for _ in range(2):
        if cut is None:
            assert inflater.decode(text(payload)) == Frame.text("Hello")
            continue
        first = inflater.decode(text(payload[:cut], fin=False))
        last = inflater.decode(Frame.continuation(payload[cut:]))
        assert (first.opcode, first.fin, first.rsv1) == (Opcode.TEXT, False, False)
        assert (last.opcode, last.fin, last.rsv1) == (Opcode.CONTINUATION, True, False)
        assert first.payload + last.payload == b"Hello"


def test_the_window_is_taken_over() -> None:
    inflater = reader()
    assert inflater.decode(text(HELLO)).payload == b"Hello"
    assert inflater.decode(text(HELLO_AGAIN)).payload == b"Hello"  # section 7.2.3.2


def test_the_window_is_not_taken_over() -> None:
    inflater = reader(client_no_context_takeover=True)
    assert inflater.decode(text(HELLO)).payload == b"Hello"
    assert inflater.decode(text(HELLO)).payload == b"Hello"
    with pytest.raises(ProtocolError, match=r"no DEFLATE stream.*too far back") as caught:
        inflater.decode(text(HELLO_AGAIN))
    assert broken(caught, 1007)


def test_what_is_sent_is_what_the_rfc_shows() -> None:
    server, client = pair()
    hello = Frame.text("Hello")
    assert server.encode(hello).payload == HELLO
    if deflate.zlib is zlib:  # another encoder may see it otherwise
        assert server.encode(hello).payload == HELLO_AGAIN
    server, client = pair(server_no_context_takeover=True)
    assert server.encode(hello).payload == server.encode(hello).payload == HELLO
    assert client.encode(hello).payload == HELLO


@pytest.mark.parametrize("fresh", [False, True])
def test_empty_messages(fresh: bool) -> None:
    """Section 7.2.3.6."""
    server, client = pair(server_no_context_takeover=fresh)
    for opcode in (Opcode.TEXT, Opcode.BINARY) * 2:
        assert client.decode(server.encode(Frame(opcode))) == Frame(opcode)
        sent = server.encode(Frame(opcode))
        assert sent == Frame(opcode, b"\x00", rsv1=True)
        assert client.decode(sent) == Frame(opcode)
        assert client.decode(server.encode(Frame.text("not empty"))) == Frame.text("not empty")


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    "parts", [[b"", b""], [b"a", b""], [b"", b"a"], [b"", b"", b"", b"b"], [TEXT, b"", TEXT, b""]]
)
def test_fragments_some_of_them_empty(fresh: bool, parts: list[bytes]) -> None:
    server, client = pair(server_no_context_takeover=fresh)
    for _ in range(3):
        frames = fragments(Opcode.BINARY, parts)
        assert [client.decode(server.encode(frame)) for frame in frames] == frames


def fragments(opcode: int, parts: Sequence[bytes]) -> list[Frame]:
    last = len(parts) - 1
    return [Frame(0 if n else opcode, part, n == last) for n, part in enumerate(parts)]


def test_only_the_first_fragment_has_rsv1_and_only_the_last_no_tail() -> None:
    server, _ = pair()
    sent = [server.encode(frame) for frame in fragments(Opcode.TEXT, [b"one", b"two", b"three"])]
    assert [frame.rsv1 for frame in sent] == [True, False, False]
    assert [frame.fin for frame in sent] == [False, False, True]
    assert [frame.opcode for frame in sent] == [Opcode.TEXT, 0, 0]
    assert [frame.payload.endswith(TAIL) for frame in sent] == [True, True, False]


def test_each_fragment_can_be_read_when_it_arrives() -> None:
    server, client = pair()
    for frame in fragments(Opcode.TEXT, [b"one", TEXT, b"three"]):
        assert client.decode(server.encode(frame)) == frame


def test_what_is_not_compressed_passes_as_it_is() -> None:
    server, client = pair()
    plain = [*fragments(Opcode.TEXT, [b"a", b"b"]), Frame.ping(b"p"), Frame.close(1000), Frame(3)]
    for frame in plain:
        assert client.decode(frame) is frame
    for frame in (Frame.ping(b"p"), Frame.pong(), Frame.close(1000), Frame.continuation(b"x")):
        assert server.encode(frame) is frame


def test_compression_is_chosen_for_each_message() -> None:
    server, client = pair()
    for compress in (True, False, False, True):
        frames = fragments(Opcode.TEXT, [TEXT, TEXT])
        # What continuations are called with is of no matter.
        sent = [
            server.encode(frames[0], compress=compress),
            server.encode(frames[1], compress=not compress),
        ]
        assert [frame.rsv1 for frame in sent] == [compress, False]
        assert (sent[0] is frames[0], sent[1] is frames[1]) == (not compress, not compress)
        assert [client.decode(frame) for frame in sent] == frames


def test_control_frames_within_a_message() -> None:
    server, client = pair()
    frames = fragments(Opcode.TEXT, [b"one", b"two"])
    frames.insert(1, Frame.ping(b"between"))
    assert [client.decode(server.encode(frame)) for frame in frames] == frames


def test_a_mask_is_kept_on_the_way_out_and_dropped_on_the_way_in() -> None:
    server, client = pair()
    sent = client.encode(Frame(Opcode.TEXT, b"Hello", mask=b"mask"))
    assert sent.mask == b"mask"
    assert server.decode(sent).mask is None


def test_other_bits_are_kept_on_the_way_out() -> None:
    server, _ = pair()
    sent = server.encode(Frame(Opcode.TEXT, b"Hello", rsv2=True, rsv3=True))
    assert (sent.rsv1, sent.rsv2, sent.rsv3) == (True, True, True)


def test_violations_that_passed_are_kept() -> None:
    frame = Frame(Opcode.TEXT, HELLO, rsv1=True)
    make, (head, payload, mask, _) = frame.__reduce__()
    flagged = make(head, payload, mask, Violation.UNMASKED.value)
    assert reader().decode(flagged).violations is Violation.UNMASKED


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Opcode.TEXT, rsv2=True),
        Frame(Opcode.TEXT, rsv3=True),
        Frame(Opcode.TEXT, HELLO, rsv1=True, rsv2=True),
        Frame(Opcode.CONTINUATION, rsv1=True),
        Frame(Opcode.CONTINUATION, rsv3=True),
        Frame(Opcode.PING, rsv1=True),
        Frame(Opcode.PONG, rsv2=True),
        Frame(Opcode.CLOSE, rsv1=True),
        Frame(11, rsv1=True),
    ],
)
@pytest.mark.parametrize("within", [None, False, True])
def test_misplaced_bits(frame: Frame, within: "bool | None") -> None:
    inflater = reader()
    if within is not None:
        inflater.decode(Frame(Opcode.TEXT, b"", False, rsv1=within))
    with pytest.raises(ProtocolError, match="RSV") as caught:
        inflater.decode(frame)
    assert caught.value.violation is Violation.RESERVED_BITS
    assert caught.value.close_code == 1002


@pytest.mark.parametrize("rsv1", [False, True])
def test_a_message_within_a_compressed_one(rsv1: bool) -> None:
    inflater = reader()
    inflater.decode(text(HELLO, fin=False))
    with pytest.raises(ProtocolError) as caught:
        inflater.decode(Frame(Opcode.TEXT, HELLO, rsv1=rsv1))
    assert caught.value.violation is Violation.EXPECTED_CONTINUATION
    assert caught.value.close_code == 1002


def test_after_an_error_nothing_is_decoded_but_control_frames_pass() -> None:
    inflater = reader()
    with pytest.raises(ProtocolError) as first:
        inflater.decode(text(b"\xff"))
    for frame in (text(HELLO), Frame.text("plain"), Frame.continuation(b"")):
        with pytest.raises(ProtocolError) as caught:
            inflater.decode(frame)
        assert caught.value is first.value
    close = Frame.close(1000)
    assert inflater.decode(close) is close
    inflater = reader(max_size=4)
    for _ in range(2):
        with pytest.raises(FrameTooBig):
            inflater.decode(text(HELLO))
    with pytest.raises(FrameTooBig):
        inflater.decode(Frame.text("plain"))


def test_an_error_that_is_raised_again_does_not_grow() -> None:
    inflater = reader()
    depths = set()
    for frame in (text(b"\xff"), *[text(HELLO)] * 20):
        with pytest.raises(ProtocolError) as caught:
            inflater.decode(frame)
        depths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert max(depths) <= 4


def test_errors_of_the_caller() -> None:
    server, _ = pair()
    with pytest.raises(ValueError, match="compressed already"):
        server.encode(text(HELLO))
    server.encode(Frame.text("one", fin=False))
    with pytest.raises(ValueError, match="has not ended"):
        server.encode(Frame.text("two"))
    server.encode(Frame.continuation(b""))
    assert server.encode(Frame.text("two")).rsv1


def test_a_window_of_8_bits_is_read_but_not_written() -> None:
    server, client = pair(client_max_window_bits=8)
    frame = Frame.binary(TEXT)
    assert client.encode(frame) is frame
    deflater = zlib.compressobj(9, zlib.DEFLATED, -9)  # which looks 250 bytes back
    for _ in range(2):
        payload = (deflater.compress(TEXT) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert server.decode(Frame(Opcode.BINARY, payload, rsv1=True)) == frame


def test_compressors_are_lent_for_a_message_where_no_context_is_taken_over() -> None:
    connections = [pair(server_no_context_takeover=True) for _ in range(20)]
    frames = fragments(Opcode.TEXT, [TEXT, b"", TEXT])
    for _ in range(3):
        for frame in frames:
            for server, client in connections:
                assert client.decode(server.encode(frame)) == frame
    [idle] = deflate.IDLE.values()
    assert len(idle) == deflate.MAX_IDLE == len(set(map(id, idle)))
    for server, client in connections:
        assert client.decode(server.encode(Frame.text("a"))) == Frame.text("a")
    assert len(idle) == deflate.MAX_IDLE


def test_a_fragment_takes_over_from_the_one_before() -> None:
    server, _ = pair(server_no_context_takeover=True)
    sizes = [len(server.encode(frame).payload) for frame in fragments(2, [NOISE] * 3)]
    assert sizes[0] > len(NOISE) > 20 * sizes[1]
    assert sizes[0] > len(NOISE) > 20 * sizes[2]


@pytest.mark.parametrize(("fresh", "least", "most"), [(False, 280, 600), (True, 0, 10)])
def test_what_a_connection_keeps_between_messages(fresh: bool, least: int, most: int) -> None:
    """In KiB; both directions have had a message."""
    agreed = {"server_no_context_takeover": fresh, "client_no_context_takeover": fresh}
    pairs = [pair(**agreed) for _ in range(10)]
    tracemalloc.start()
    try:
        for server, client in pairs:
            client.decode(server.encode(Frame.text("Hello")))
            server.decode(client.encode(Frame.text("Hello")))
        deflate.IDLE.clear()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert least * 1024 <= kept / 20 < most * 1024


def test_a_message_without_end_keeps_its_compressor() -> None:
    (one, _), (other, reads) = (pair(server_no_context_takeover=True) for _ in range(2))
    one.encode(Frame.text("Hello", fin=False))
    assert deflate.IDLE == {}
    assert reads.decode(other.encode(Frame.text("Hello"))) == Frame.text("Hello")


# Streams that end, are cut off, or are none.


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("ending", [b"", b"\x00"])
def test_a_compressor_that_can_only_finish(fresh: bool, ending: bytes) -> None:
    """Section 7.2.3.4; without its octet of zeroes it is understood all the same."""
    inflater = reader(client_no_context_takeover=fresh)
    for size in (0, 1, 70_000):
        payload = finished(bytes(size)) + ending
        assert inflater.decode(text(payload)).payload == bytes(size)
    assert inflater.decode(text(HELLO)).payload == b"Hello"


def test_blocks_behind_a_final_one() -> None:
    inflater = reader()
    final = HELLO_FINAL[:-1]
    assert inflater.decode(text(final + HELLO)).payload == b"HelloHello"
    assert inflater.decode(text(final * 3 + b"\x00")).payload == b"Hello" * 3
    first = inflater.decode(text(final, fin=False))
    second = inflater.decode(Frame.continuation(final + HELLO_TWO_BLOCKS[:3], fin=False))
    third = inflater.decode(Frame.continuation(HELLO_TWO_BLOCKS[3:]))
    assert first.payload + second.payload + third.payload == b"Hello" * 3


def test_final_blocks_without_end() -> None:
    """Two bytes each on the wire, and a new stream here."""
    final = b"\x03\x00"
    assert reader().decode(text(final * 16 + b"\x00")).payload == b""
    with pytest.raises(ProtocolError, match="more than 16 final") as caught:
        reader().decode(text(final * 17 + b"\x00"))
    assert broken(caught, 1007)
    with pytest.raises(ProtocolError, match="more than 16 final"):
        reader().decode(text(final * 2**20))


def test_garbage_behind_a_final_block() -> None:
    for garbage in (b"\x07", b"\xff" * 5, b"\x00\x01", b"\x00\x00"):
        with pytest.raises(ProtocolError) as caught:
            reader().decode(text(HELLO_FINAL[:-1] + garbage))
        assert broken(caught, 1007)


def test_a_size_that_a_final_block_reaches() -> None:
    final = finished(bytes(1000))
    assert reader(max_size=1000).decode(text(final + b"\x00")).payload == bytes(1000)
    for payload in (final + final, final + HELLO):
        with pytest.raises(FrameTooBig):
            reader(max_size=1000).decode(text(payload))
    # zlib stops before it has seen the end, and when it has
    with pytest.raises(FrameTooBig):
        reader(max_size=999).decode(text(final + b"\x00"))


def test_a_bomb_behind_a_final_block_that_is_just_too_big() -> None:
    """Then there is room for no byte, which zlib takes for no limit."""
    payload = finished(bytes(1001)) + bomb(2**26)
    with traced() as peak, pytest.raises(FrameTooBig):
        reader(max_size=1000).decode(text(payload))
    assert peak() < 2**20


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("data", [b"Hello", TEXT, b"a" * 300], ids=["short", "json", "run"])
def test_a_stream_cut_off_at_any_byte(fresh: bool, level: int, data: bytes) -> None:
    payload = deflated(data, level)
    for size in range(len(payload)):
        inflater = reader(client_no_context_takeover=fresh)
        with pytest.raises(ProtocolError) as caught:
            inflater.decode(text(payload[:size]))
        assert broken(caught, 1007)
    assert reader().decode(text(payload)).payload == data


def test_stored_blocks_cut_off_at_any_byte() -> None:
    """Nobody can tell where what a message implies completes one: an empty one, or four bytes."""
    payload = deflated(NOISE, 0)
    passed = [size for size in range(len(payload)) if decoded(payload[:size]) is not None]
    assert passed == [1, len(payload) - 5]
    assert decoded(payload[:1]) == b""
    assert decoded(payload[:-5]) == NOISE[:-4] + TAIL


@pytest.mark.parametrize("fresh", [False, True])
def test_a_final_block_cut_off_at_any_byte(fresh: bool) -> None:
    payload = finished(TEXT)
    for size in range(len(payload)):
        with pytest.raises(ProtocolError) as caught:
            reader(client_no_context_takeover=fresh).decode(text(payload[:size]))
        assert broken(caught, 1007)


def cut_final_block(code: list[int]) -> bytes:
    """A final block with a Huffman code of its own (RFC 1951 section 3.2.7) and no end.

    `code` has the length of each symbol's code in bits; number 256 is the end of block.
    """
    bits = "101" + f"{len(code) - 257:05b}"[::-1]  # BFINAL, BTYPE 2, HLIT; low bits first
    bits += "00000" + "1111"  # one distance code, 19 codes for lengths:
    bits += "000" * 3 + "001" * 16  # none for repeats, else of 4 bits, each what it stands for
    bits += "".join(f"{length:04b}" for length in [*code, 1])
    bits += "0" * (-len(bits) % 8)  # the shortest code, some times
    return int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")


@pytest.mark.parametrize(
    "code",
    [
        # 0 is a literal, 10 the end of block
        [1, *range(3, 16), 15, *[0] * 241, 2],
        # 0, 10 and 110 are literals, 1110000000 is the end of block
        [1, 2, 3, *[11] * 248, 12, 13, 14, 15, 15, 10, *[11] * 5],
    ],
)
def test_a_final_block_that_ends_in_what_is_not_its_own(code: list[int]) -> None:
    """The 16 zeroes and 16 ones that a message implies are literals; a one is left of them."""
    assert decoded(cut_final_block(code)) is None


def test_a_message_cut_off_between_fragments() -> None:
    payload = deflated(TEXT)
    for size in range(len(payload)):
        inflater = reader()
        inflater.decode(text(payload[:size], fin=False))
        with pytest.raises(ProtocolError):
            inflater.decode(Frame.continuation(b""))


def decoded(*parts: bytes, **options: Any) -> "bytes | None":
    """What the parts of a message give, None if they are refused as they should be."""
    inflater = reader(**options)
    frames = [text(parts[0], len(parts) == 1), *fragments(0, parts)[1:]]
    try:
        return b"".join(inflater.decode(frame).payload for frame in frames)
    except ProtocolError as error:
        return None if (error.close_code, error.violation) == (1007, Violation.NONE) else b"?"


def by_zlib(payload: bytes) -> "bytes | None":
    """What plain zlib makes of a message, if it ends where a block does."""
    out, rest = b"", payload + TAIL
    try:
        while True:
            plain = zlib.decompressobj(-15)
            out += plain.decompress(rest)
            if not plain.eof:
                # An empty block and a final one: only between blocks do they just end it.
                more = plain.decompress(b"\x00" + TAIL + b"\x03\x00")
                return None if more or not plain.eof or plain.unused_data else out
            rest = plain.unused_data
            if rest == TAIL:
                return out
    except zlib.error:
        return None


@PROFILE
@given(
    st.binary(max_size=50) | st.builds(deflated, st.binary(max_size=300), st.integers(0, 9)),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 10), st.binary(max_size=3)), max_size=2),
    st.integers(0, 300),
    st.booleans(),
)
@example(HELLO_FINAL[:-1], [], 7, False)
@example(HELLO_FINAL[:-1] * 2, [], 7, True)
@example(b"\x01", [], 0, False)
@example(b";0a", [], 0, False)
def test_garbage_is_what_an_oracle_says(
    payload: bytes, changes: list[tuple[int, int, bytes]], cut: int, fresh: bool
) -> None:
    for start, size, other in changes:
        payload = payload[:start] + other + payload[start + size :]
    parts = payload[:cut], payload[cut:]
    assert decoded(*parts, client_no_context_takeover=fresh) == by_zlib(payload)


# Any message, in any fragments.

Message = tuple[int, list[bytes], bool]
data = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([b"", b"a", TEXT, NOISE, TEXT * 9, bytes(70_000)]),
)
messages = st.lists(
    st.tuples(
        st.sampled_from([Opcode.TEXT, Opcode.BINARY]),
        st.lists(data, min_size=1, max_size=5),
        st.booleans(),
    ),
    max_size=6,
)
agreements = st.fixed_dictionaries(
    {},
    optional={
        "server_no_context_takeover": st.booleans(),
        "client_no_context_takeover": st.booleans(),
        "server_max_window_bits": st.integers(9, 15),
        "client_max_window_bits": st.integers(8, 15),
        "level": st.integers(-1, 9),
        "mem_level": st.integers(1, 9),
    },
)


@PROFILE
@given(messages, agreements)
@example([(2, [bytes(70_000), b"", b""], True)] * 3, {"server_no_context_takeover": True})
def test_round_trips(sent: list[Message], agreed: dict[str, Any]) -> None:
    server, client = pair(**agreed)
    for opcode, parts, compress in sent:
        frames = fragments(opcode, parts)
        for one, other in ((server, client), (client, server)):
            encoded = [one.encode(frame, compress=compress) for frame in frames]
            assert [other.decode(frame) for frame in encoded] == frames


@PROFILE
@given(messages, agreements)
def test_what_is_sent_is_read_by_plain_zlib(sent: list[Message], agreed: dict[str, Any]) -> None:
    """In the window that was agreed on, and from nothing where none is taken over."""
    server, _ = pair(**agreed)
    bits = agreed.get("server_max_window_bits", 15)
    inflater = zlib.decompressobj(-bits)
    for opcode, parts, _ in sent:
        encoded = [server.encode(frame) for frame in fragments(opcode, parts)]
        payload = b"".join(frame.payload for frame in encoded)
        assert inflater.decompress(payload + TAIL) == b"".join(parts)
        if agreed.get("server_no_context_takeover"):
            inflater = zlib.decompressobj(-bits)


@PROFILE
@given(
    st.lists(data, min_size=1, max_size=4),
    st.lists(st.integers(0, 1000), max_size=4),
    agreements,
    st.sampled_from([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]),
)
def test_what_plain_zlib_sends_is_read(
    sent: list[bytes], cuts: list[int], agreed: dict[str, Any], flush: int
) -> None:
    """Cut into fragments anywhere, also within a block."""
    server, _ = pair(**agreed)
    bits = max(9, agreed.get("client_max_window_bits", 15))
    deflater = zlib.compressobj(wbits=-bits)
    for message in sent:
        if agreed.get("client_no_context_takeover"):
            deflater = zlib.compressobj(wbits=-bits)
        payload = (deflater.compress(message) + deflater.flush(flush))[:-4] or b"\x00"
        edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
        parts = [payload[a:b] for a, b in itertools.pairwise(edges)]
        frames = fragments(Opcode.BINARY, parts)
        frames[0] = Frame(Opcode.BINARY, parts[0], frames[0].fin, rsv1=True)
        assert b"".join(server.decode(frame).payload for frame in frames) == message


# Bombs.


def bomb(size: int) -> bytes:
    """A message of zeroes, about a thousandth of `size`."""
    deflater = zlib.compressobj(9, wbits=-15)
    block = bytes(2**20)
    parts = [deflater.compress(block) for _ in range(size // len(block))]
    return b"".join([*parts, deflater.flush(zlib.Z_SYNC_FLUSH)])[:-4]


@pytest.fixture(scope="module")
def gigabyte() -> bytes:
    payload = bomb(2**30)
    assert len(payload) < 1.1 * 2**20
    return payload


@pytest.mark.parametrize("cut", [0, 500, 2**19])
def test_a_bomb_is_stopped_while_it_is_inflated(gigabyte: bytes, cut: int) -> None:
    inflater = reader(max_size=2**20)
    with traced() as peak, pytest.raises(FrameTooBig) as caught:
        inflater.decode(text(gigabyte[:cut], fin=False))
        inflater.decode(Frame.continuation(gigabyte[cut:]))
    # The message twice, as zlib's blocks and as bytes, and its payload three times.
    assert peak() < 6 * 2**20
    assert broken(caught, 1009)
    assert (caught.value.size, caught.value.limit) == (2**20 + 1, 2**20)
    assert "inflates to more than max_size (1048576 bytes)" in str(caught.value)


MEASURE = """
import resource, sys
from aiohttp_rawws import Frame, FrameTooBig
from aiohttp_rawws.layers import PermessageDeflate

frame = Frame(1, sys.stdin.buffer.read(), rsv1=True)
inflater = PermessageDeflate(is_client=False, max_size=2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    inflater.decode(frame)
except FrameTooBig:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_a_bomb_takes_a_process_little_memory(gigabyte: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], input=gigabyte, capture_output=True)
    assert int(done.stdout) < 6 * 1024, done.stderr


def test_max_size_is_that_of_a_message() -> None:
    payload = deflated(bytes(1000))
    inflater = reader(max_size=1000)
    for _ in range(3):
        assert inflater.decode(text(payload)).payload == bytes(1000)
    with pytest.raises(FrameTooBig):
        inflater.decode(text(deflated(bytes(1001))))
    inflater = reader(max_size=1000)
    # Exactly as much as fits; the next byte does not.
    first = zlib.compressobj(wbits=-15)
    part = first.compress(bytes(1000)) + first.flush(zlib.Z_SYNC_FLUSH)
    assert inflater.decode(text(part, fin=False)).payload == bytes(1000)
    assert inflater.decode(Frame.continuation(b"", fin=False)).payload == b""
    part = first.compress(b"x") + first.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(FrameTooBig):
        inflater.decode(Frame.continuation(part[:-4]))


def test_max_size_can_be_set() -> None:
    inflater = reader(max_size=10)
    inflater.max_size = 1000
    assert inflater.decode(text(deflated(bytes(1000)))).payload == bytes(1000)


# The backend.


def modules(code: str, **blocked: None) -> str:
    code = f"import sys; sys.modules.update({blocked!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_which_zlib_is_taken() -> None:
    code = "from aiohttp_rawws.layers import deflate; print(deflate.zlib.__name__)"
    assert modules(code) == "zlib_ng.zlib_ng"
    assert modules(code, zlib_ng=None) == "zlib"


# On real sessions.


async def echo(session: RawWebSocketSession) -> None:
    """Echo messages compressed, if that was agreed on."""
    codec = PermessageDeflate.of(session, max_size=10**6)
    try:
        async for frame in session:
            if codec is not None:
                frame = codec.encode(codec.decode(frame))
            await session.send(frame)
    except ProtocolError as error:
        await session.close(error.close_code)


async def test_a_server_by_hand(serve: Serve) -> None:
    answering = functools.partial(accept, server_no_context_takeover=True)
    wire = await Wire.open(await serve(application(echo, extensions=answering)))
    offers = "permessage-deflate; unknown, permessage-deflate"
    wire.send(request(Sec_WebSocket_Extensions=offers))
    status, headers = await wire.read_head()
    assert status == 101
    assert headers["Sec-WebSocket-Extensions"] == f"{NAME}; server_no_context_takeover"
    for _ in range(2):
        wire.send(masked(0xC1, HELLO))  # 1100 0001: FIN, RSV1, TEXT
        assert await wire.read_frame() == (0xC1, HELLO)
    wire.send(masked(0x81, b"plain") + masked(0xC1, HELLO_AGAIN) + masked(0xC1, b"\xff"))
    assert await wire.read_frame() == (0xC1, deflated(b"plain"))
    assert await wire.read_frame() == (0xC1, HELLO)
    assert await wire.read_frame() == (0x88, b"\x03\xef")  # 1007
    await wire.close()


async def test_a_client_without_an_offer_is_served_without(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(application(echo, extensions=accept)))
    wire.send(masked(0x81, b"plain"))
    assert await wire.read_frame() == (0x81, b"plain")
    await wire.close()


async def test_the_level_of_an_offer_survives_aiohttp(serve: Serve) -> None:
    """Also a redirect, which copies what was asked for."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/")

    app = application(echo, extensions=functools.partial(accept, level=0))
    app.router.add_get("/elsewhere", redirect)
    address = await serve(app)
    for path in ("/", "/elsewhere"):
        async with (
            patience(),
            aiohttp.ClientSession() as client,
            connect(client, address.url(path), extensions=offer(level=0)) as session,
        ):
            codec = PermessageDeflate.of(session)
            assert codec is not None
            sent = codec.encode(Frame.text("a" * 1000))
            assert b"a" * 1000 in sent.payload
            await session.send(sent)
            got = await session.receive()
            assert b"a" * 1000 in got.payload
            assert codec.decode(got) == Frame.text("a" * 1000)


async def test_a_server_that_answers_wrong(serve: Serve) -> None:
    def wrong(offered: str) -> str:
        return f"{NAME}; client_max_window_bits=10"

    async def handler(session: RawWebSocketSession) -> None:
        [frame] = [frame async for frame in session]
        assert frame == Frame.close(1002)

    async with (
        patience(),
        aiohttp.ClientSession() as client,
        connect(
            client,
            (await serve(application(handler, extensions=wrong))).url(),
            extensions=offer(client_max_window_bits=None),
        ) as session,
    ):
        with pytest.raises(ProtocolError, match="client_max_window_bits was not offered") as caught:
            PermessageDeflate.of(session)
        await session.close(caught.value.close_code)
