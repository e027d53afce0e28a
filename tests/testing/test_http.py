"""Heads of HTTP, as they were written."""

from aiohttp_rawws.testing import HttpHead
from aiohttp_rawws.testing.http import head_bytes


def test_a_request() -> None:
    raw = b"GET /a?b HTTP/1.1\r\nHost: h\r\nsec-websocket-key:  k \r\nno header\r\n\r\n"
    head = HttpHead.of(raw)
    assert (head.line, head.path, head.key, head.status) == ("GET /a?b HTTP/1.1", "/a?b", "k", 0)
    assert dict(head.headers) == {"Host": "h", "sec-websocket-key": "k"}
    assert head.raw == raw


def test_an_answer() -> None:
    head = HttpHead.of(b"HTTP/1.1 404 Not Found at all\nA: b:c\n\n")
    assert (head.status, head.path, head.key, head.headers["a"]) == (404, "", "", "b:c")
    assert HttpHead.of(b"SSH-2.0-x\r\n\r\n").status == 0


def test_headers_are_written_as_they_are_given() -> None:
    assert head_bytes("X", {"A": "b"}) == b"X\r\nA: b\r\n\r\n"
    assert head_bytes("X", [("A", "b"), ("A", "\xe4")]) == b"X\r\nA: b\r\nA: \xe4\r\n\r\n"
