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
        ("X-CSRF", "x", "[redacted]"),
        (
            "Referer",
            "http://u:p@q@h/?a=http://h/?token=1",
            "http://[redacted]@h/?a=http://h/?token=[redacted]",
        ),
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
        "&sig=[redacted]?key=[redacted]"
    )


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/x;jsessionid=1?a=2&pwd=3", "/x;jsessionid=[redacted]?a=2&pwd=[redacted]"),
        ("/?a=1;token=2/3;b=4", "/?a=1;token=[redacted];b=4"),
        ("/?token=\"1\"&pass='2'&bypass=3", "/?token=[redacted]&pass=[redacted]&bypass=3"),
        ("/?%74oken=1&token[]=2", "/?%74oken=[redacted]&token[]=[redacted]"),
        ("/?to=%2Fchat%3Ftoken%3D1&a=%2Fchat%3Fb%3D1", "/?to=[redacted]&a=%2Fchat%3Fb%3D1"),
        ("/?to=http%3A%2F%2Fu:p@h", "/?to=[redacted]"),
    ],
)
def test_secrets_that_are_hard_to_see(path: str, shown: str) -> None:
    assert redact_query(path) == shown
    assert redact_query(shown) == shown
