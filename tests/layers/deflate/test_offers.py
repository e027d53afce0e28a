"""permessage-deflate: the offer of a client, and the answers that it takes."""

import functools
import random
from collections.abc import Callable
from typing import Any

import pytest

from aiohttp_rawws import Frame, ProtocolError, Violation
from tests.support.deflate import HELLO, NAME, NOISE, accept, of, offer


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
