"""Header lines, and the comma lists that they make."""

import pytest
from multidict import CIMultiDict

from aiohttp_rawws.wire.header_lists import (
    LIST_ELEMENTS,
    LIST_SIZE,
    fold,
    has_token,
    lines,
    only_line,
    raw_lines,
    tokens,
    too_long,
    wrong_length,
)

HEADERS = CIMultiDict([("X", " a,\tB ,, "), ("Y", "\tz "), ("x", ""), ("x", "a")])


def test_tokens_join_lines_and_drop_empties() -> None:
    assert tokens(HEADERS, "x") == ("a", "B", "a")
    assert tokens(HEADERS, "absent") == ()


def test_lines_have_no_white_space_around_them() -> None:
    assert lines(HEADERS, "x") == ["a,\tB ,,", "", "a"]
    assert raw_lines(HEADERS, "x") == [" a,\tB ,, ", "", "a"]
    assert lines(HEADERS, "absent") == raw_lines(HEADERS, "absent") == []


def test_only_line() -> None:
    assert only_line(HEADERS, "y") == "z"
    assert only_line(HEADERS, "x") is None
    assert only_line(HEADERS, "absent") is None


def test_has_token_whatever_its_case() -> None:
    assert has_token(HEADERS, "x", "b")
    assert has_token(HEADERS, "y", "z")
    assert not has_token(HEADERS, "x", "c")
    assert not has_token(HEADERS, "absent", "a")


def test_fold_knows_ascii_only() -> None:
    assert fold("WebSocket") == "websocket"
    assert fold("\N{KELVIN SIGN}") == "\N{KELVIN SIGN}"


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        (["a" * LIST_SIZE], False),
        (["a" * LIST_SIZE, "a"], True),
        (["a," * (LIST_ELEMENTS - 1)], False),
        (["a," * LIST_ELEMENTS], True),
        ([""] * LIST_ELEMENTS, False),
        ([""] * (LIST_ELEMENTS + 1), True),
    ],
    ids=[f"{number}" for number in range(6)],
)
def test_the_limits_of_a_list(values: list[str], wrong: bool) -> None:
    headers = CIMultiDict([("X", value) for value in values])
    assert too_long(headers, ["Y", "x"]) == ("x" if wrong else None)
    assert bool(wrong_length(headers, ["X"])) is wrong
    assert not (wrong and has_token(headers, "X", "a"))
