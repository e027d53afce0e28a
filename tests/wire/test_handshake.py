"""The opening handshake as pure functions, each row of the refusal table and their order."""

import base64
import re
from typing import Any

import pytest
from multidict import CIMultiDict

from aiohttp_rawws.wire.handshake import (
    HandshakeRequest,
    OriginRule,
    Refusal,
    accept_key,
    check_request,
    choose_protocol,
    has_body,
    is_upgrade,
    new_key,
    response_headers,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def handshake(**changes: str | list[str] | None) -> CIMultiDict[str]:
    """The headers of RFC 6455 section 1.2; `changes` replace one, or drop it where None."""
    headers = CIMultiDict(
        {
            "Host": "server.example.com",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Origin": "http://example.com",
            "Sec-WebSocket-Protocol": "chat, superchat",
            "Sec-WebSocket-Version": "13",
        }
    )
    for name, value in changes.items():
        header = name.replace("_", "-")
        headers.popall(header, None)
        for line in [value] if isinstance(value, str) else value or ():
            headers.add(header, line)
    return headers


def check(
    headers: CIMultiDict[str] | None = None,
    *,
    method: str = "GET",
    version: tuple[int, int] = (1, 1),
    **changes: Any,
) -> Refusal | None:
    headers = handshake() if headers is None else headers
    return check_request(HandshakeRequest(method, version, headers), **changes)


def refused(headers: CIMultiDict[str] | None = None, **changes: Any) -> Refusal:
    refusal = check(headers, **changes)
    assert refusal is not None
    return refusal


def test_accept_key_of_the_rfc() -> None:
    assert accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_new_key_is_16_fresh_bytes() -> None:
    keys = {new_key() for _ in range(10)}
    assert len(keys) == 10
    assert all(len(base64.b64decode(key, validate=True)) == 16 for key in keys)
    assert all(check(handshake(Sec_WebSocket_Key=key)) is None for key in keys)


@pytest.mark.parametrize(
    ("connection", "upgrade", "expected"),
    [
        ("Upgrade", "websocket", True),
        ("keep-alive, UPGRADE", "WebSocket", True),
        (["keep-alive", "upgrade"], ["foo", "bar,websocket"], True),
        ("keep-alive", "websocket", False),
        (None, "websocket", False),
        ("Upgrade", "h2c", False),
        ("Upgrade", None, False),
        ("Upgrades", "websocket", False),
        ("Upgrade", "websocket/13", False),
        # The Kelvin sign is a k to str.lower, and to no parser of HTTP.
        ("Upgrade", "websoc\N{KELVIN SIGN}et", False),
    ],
)
def test_is_upgrade(
    connection: str | list[str] | None, upgrade: str | list[str] | None, expected: bool
) -> None:
    assert is_upgrade(handshake(Connection=connection, Upgrade=upgrade)) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"Content-Length": "0"}, False),
        ({"Content-Length": "00"}, False),
        ({"content-length": "10"}, True),
        ({"transfer-encoding": "chunked"}, True),
    ],
)
def test_has_body(headers: dict[str, str], expected: bool) -> None:
    assert has_body(CIMultiDict(headers)) is expected


def test_choose_protocol_goes_by_the_clients_order_and_by_case() -> None:
    assert choose_protocol(("b", "a"), ("a", "b")) == "b"
    assert choose_protocol(("c", "a"), ("a", "b")) == "a"
    assert choose_protocol(("A",), ("a",)) is None
    assert choose_protocol((), ("a",)) is None


def test_refusal_is_frozen_and_has_no_headers_unless_told() -> None:
    refusal = Refusal(400, "no")
    assert refusal.headers == {}
    with pytest.raises(AttributeError):
        refusal.status = 200  # type: ignore[misc]


def test_the_handshake_of_the_rfc_is_let_in() -> None:
    assert check() is None
    assert check(wanted=("superchat",), origins=("http://example.com",)) is None


def test_other_methods_are_told_what_is_allowed() -> None:
    refusal = refused(method="POST", allow={"PUT", "GET", "HEAD"})
    assert refusal.status == 405
    assert refusal.headers == {"Allow": "GET, HEAD, PUT"}
    assert "GET, HEAD, PUT" in refusal.text
    assert refused(method="get").headers == {"Allow": "GET"}


@pytest.mark.parametrize("headers", [{"Upgrade": None}, {"Connection": "close"}])
def test_no_upgrade(headers: dict[str, str | None]) -> None:
    refusal = refused(handshake(**headers))
    assert refusal.status == 426
    assert refusal.headers == {"Upgrade": "websocket", "Connection": "Upgrade, close"}
    assert "Upgrade: websocket" in refusal.text


@pytest.mark.parametrize(
    "upgrade",
    ["websocket, foo", "foo,websocket", ["websocket", "foo"], "websocket,", "websocket,websocket"],
)
def test_upgrade_to_more_than_websocket(upgrade: str | list[str]) -> None:
    refusal = refused(handshake(Upgrade=upgrade))
    assert (refusal.status, refusal.headers) == (400, {})
    assert "Upgrade" in refusal.text


@pytest.mark.parametrize("version", [None, "8", "13, 8", ["13", "13"], "013", ""])
def test_version(version: str | list[str] | None) -> None:
    refusal = refused(handshake(Sec_WebSocket_Version=version))
    assert (refusal.status, refusal.headers) == (426, {"Sec-WebSocket-Version": "13"})
    assert "13" in refusal.text


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        [KEY, KEY],
        KEY[:-1],
        KEY[:-2],
        KEY + "=",
        KEY + "\n",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25jZ-==",
        "dGhl IHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZVQ=",
        base64.b64encode(b"15 bytes of key").decode(),
        "dGhlIHNhbXBsZSBub25j\N{FULLWIDTH DIGIT ONE}Q==",
    ],
)
def test_malformed_key(key: str | list[str] | None) -> None:
    refusal = refused(handshake(Sec_WebSocket_Key=key))
    assert (refusal.status, refusal.headers) == (400, {})
    assert "Sec-WebSocket-Key" in refusal.text


@pytest.mark.parametrize("key", ["AQIDBAUGBwgJCgsMDQ4PEC==", " \tAQIDBAUGBwgJCgsMDQ4PEA== "])
def test_wellformed_key(key: str) -> None:
    """The first is an example of RFC 6455 section 4.1, with bits set that mean nothing."""
    assert check(handshake(Sec_WebSocket_Key=key)) is None


def test_body() -> None:
    refusal = refused(handshake(Content_Length="1"))
    assert (refusal.status, refusal.headers) == (400, {})
    assert "body" in refusal.text


@pytest.mark.parametrize("version", [(1, 0), (0, 9), (2, 0)])
def test_other_http_versions(version: tuple[int, int]) -> None:
    refusal = refused(version=version)
    assert (refusal.status, refusal.headers) == (400, {})
    assert "HTTP/1.1" in refusal.text


@pytest.mark.parametrize("offer", [None, "Chat", "chatter", ""])
def test_wanted_protocol_not_offered(offer: str | None) -> None:
    refusal = refused(handshake(Sec_WebSocket_Protocol=offer), wanted=("chat", "superchat"))
    assert (refusal.status, refusal.headers) == (400, {})
    assert "chat or superchat" in refusal.text


def test_wanted_protocol_offered_in_a_later_line() -> None:
    offer = handshake(Sec_WebSocket_Protocol=["a", "b, chat"])
    assert check(offer, wanted=("chat",)) is None


@pytest.mark.parametrize(
    ("origin", "origins", "welcome"),
    [
        ("http://example.com", ["http://example.com"], True),
        ("http://example.com", [None, "http://example.com"], True),
        ("http://example.com", [], False),
        ("http://example.com", [None], False),
        ("http://Example.com", ["http://example.com"], False),
        ("http://a.example.com", [re.compile(r"http://\w+\.example\.com")], True),
        ("http://a.example.com.evil", [re.compile(r"http://\w+\.example\.com")], False),
        ("http://a", [re.compile("nothing"), "http://a"], True),
        (None, [None], True),
        (None, ["http://example.com", re.compile(".*")], False),
        (["http://example.com", "http://example.com"], ["http://example.com", None], False),
        ("", [None], False),
        ("", [""], True),
    ],
)
def test_origin(origin: str | list[str] | None, origins: list[OriginRule], welcome: bool) -> None:
    refusal = check(handshake(Origin=origin), origins=origins)
    if welcome:
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.status, refusal.headers) == (403, {})
        assert "Origin" in refusal.text


def test_any_origin_unless_told() -> None:
    assert check(handshake(Origin=None)) is None
    assert check(handshake(Origin="http://evil.example")) is None


def test_the_first_reason_from_the_top_is_given() -> None:
    """Everything is wrong; mending the reasons one by one, top down, shows the next one."""
    headers = CIMultiDict({"Upgrade": "foo", "Transfer-Encoding": "chunked"})
    told: dict[str, Any] = {"method": "PUT", "version": (1, 0), "wanted": ("chat",), "origins": ()}
    seen = []

    def look() -> None:
        refusal = refused(headers, **told)
        seen.append((refusal.status, refusal.text.split()[0]))

    look()
    told["method"] = "GET"
    look()
    headers.update({"Connection": "upgrade", "Upgrade": "foo, websocket"})
    look()
    headers["Upgrade"] = "websocket"
    look()
    headers["Sec-WebSocket-Version"] = "13"
    look()
    headers["Sec-WebSocket-Key"] = KEY
    look()
    del headers["Transfer-Encoding"]
    look()
    told["version"] = (1, 1)
    look()
    headers["Sec-WebSocket-Protocol"] = "chat"
    look()
    told["origins"] = (None,)
    assert check(headers, **told) is None
    assert seen == [
        (405, "Method"),
        (426, "This"),
        (400, "Upgrade"),
        (426, "Sec-WebSocket-Version"),
        (400, "Sec-WebSocket-Key"),
        (400, "A"),
        (400, "A"),
        (400, "Sec-WebSocket-Protocol"),
        (403, "The"),
    ]


def test_response_headers() -> None:
    assert list(response_headers(KEY, protocol=None, extensions=None).items()) == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
    headers = response_headers(KEY, protocol="chat", extensions="x; y=1")
    assert headers["sec-websocket-protocol"] == "chat"
    assert headers["sec-websocket-extensions"] == "x; y=1"


def test_response_headers_are_an_upgrade_too() -> None:
    assert is_upgrade(response_headers(KEY, protocol=None, extensions=None))
