"""Secrets of handshakes, and what is none."""

import pytest

from aiohttp_rawws.captures.redaction import redact_header, redact_query


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Proxy-Authorization", "Basic dTpw", "Basic [redacted]"),
        ("authorization", "dTpw", "[redacted]"),
        ("X-Auth-Token", "Bearer x", "[redacted]"),
        ("WWW-Authenticate", 'Basic realm="x"', 'Basic realm="x"'),
        ("Sec-WebSocket-Key", "AQ==", "AQ=="),
        ("X-Keyboard", "x", "x"),
        ("Referer", "http://u:p@h/?a=1&key=2", "http://[redacted]@h/?a=1&key=[redacted]"),
        ("Sec-WebSocket-Protocol", "v1.kernel.websocket.jupyter.org", None),
        ("Sec-WebSocket-Protocol", "graphql-transport-ws,v4.channel.k8s.io", None),
        ("Sec-WebSocket-Protocol", "a, 0123456789abcdef", "a, [redacted]"),
        ("Sec-WebSocket-Protocol", "openai-insecure-api-key.sk-x, b", "[redacted], b"),
    ],
)
def test_headers_with_secrets(name: str, value: str, shown: str | None) -> None:
    assert redact_header(name, value) == (value if shown is None else shown)


def test_queries_with_secrets() -> None:
    path = "/token=x?a=b&token=&accessToken=a=b%20&X-Amz-Signature=1&monkey=2&sig=3?key=4"
    assert redact_query(path) == (
        "/token=x?a=b&token=&accessToken=[redacted]&X-Amz-Signature=[redacted]&monkey=2"
        "&sig=[redacted]"
    )
