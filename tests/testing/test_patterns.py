"""Patterns of frames."""

import pytest

from aiohttp_rawws import Frame, Opcode
from aiohttp_rawws.testing import FrameLike
from aiohttp_rawws.testing.patterns import Pattern, pattern_of

TEXT = Frame.text("hello")
PING = Frame(9, b"4711", mask=b"mask")
CLOSE = Frame.close(1001, "away")
FRAGMENT = Frame(0, b"lo", fin=False, rsv1=True)


@pytest.mark.parametrize(
    ("pattern", "like", "unlike", "words"),
    [
        (Frame.text("hello"), TEXT, PING, "TEXT fin 5 bytes b'hello'"),
        (Frame.ping(b"4711"), PING, TEXT, "PING fin 4 bytes b'4711'"),
        (Opcode.PING, PING, TEXT, "PING"),
        (9, PING, TEXT, "PING"),
        (11, Frame(11), TEXT, "opcode 11"),
        ("ping", PING, TEXT, "PING"),
        ("Any", FRAGMENT, None, "ANY"),
        ("data", FRAGMENT, PING, "DATA"),
        ("control", CLOSE, FRAGMENT, "CONTROL"),
        (FrameLike("text", payload=b"hello"), TEXT, Frame.text("hell"), "TEXT payload=b'hello'"),
        (FrameLike(contains=b"ell"), TEXT, PING, "ANY contains=b'ell'"),
        (
            FrameLike(payload=bytes(65)),
            Frame.binary(bytes(65)),
            PING,
            f"ANY payload={bytes(64)!r}... (65 bytes)",
        ),
        (FrameLike(fin=False), FRAGMENT, TEXT, "ANY fin=False"),
        (FrameLike(rsv1=True, rsv2=False, rsv3=False), FRAGMENT, TEXT, "ANY rsv1 rsv2=False"),
        (FrameLike(masked=True), PING, TEXT, "ANY masked"),
        (FrameLike(masked=False), TEXT, PING, "ANY masked=False"),
        (FrameLike(length=5), TEXT, PING, "ANY length=5"),
        (FrameLike("close", close_code=1001), CLOSE, Frame.close(1000), "CLOSE close_code=1001"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_pattern(pattern: Pattern, like: Frame, unlike: Frame | None, words: str) -> None:
    found = pattern_of(pattern)
    assert found(like)
    assert unlike is None or not found(unlike)
    assert str(found).startswith(words)


def test_a_function_is_named() -> None:
    def is_short(frame: Frame) -> bool:
        return len(frame.payload) < 5

    found = pattern_of(is_short)
    assert (found(PING), found(TEXT), str(found)) == (True, False, "is_short")


def test_a_lambda_is_named_by_its_place() -> None:
    found = pattern_of(lambda frame: frame.fin)
    assert str(found).startswith("lambda in test_patterns.py, line ")
    assert found(TEXT)
