"""The options and the names of subprotocols: defaults and mistakes."""

import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from aiohttp_rawws.session.options import Options, protocol_names
from aiohttp_rawws.wire.handshake import HandshakeRule
from aiohttp_rawws.wire.names import Violation


def no_extensions(offer: str) -> None:
    return None


async def no_extensions_async(offer: str) -> None:
    return None


def test_defaults() -> None:
    assert dataclasses.asdict(Options()) == {
        "max_frame_size": 16 * 2**20,
        "receive_limit": 256 * 2**10,
        "reject": Violation.ALL,
        "origins": None,
        "extensions": None,
        "linger": 1.0,
        "reject_handshake": HandshakeRule.ALL,
    }


def test_frozen_and_equal_by_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().linger = 2.0  # type: ignore[misc]
    assert Options(linger=1, origins=["a"]) == Options(origins=("a",))
    assert Options(linger=2) != Options()
    assert hash(Options(origins=["a"])) == hash(Options(origins={"a"}))


def test_all_is_by_name() -> None:
    kinds = {parameter.kind for parameter in inspect.signature(Options).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", ["max_frame_size", "receive_limit"])
@pytest.mark.parametrize(
    ("size", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (1.0, TypeError),
        (True, TypeError),
        (None, TypeError),
        ("1", TypeError),
    ],
)
def test_sizes(name: str, size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^{name} must be"):
        Options(**{name: size})
    smallest: dict[str, Any] = {name: 1}
    assert getattr(Options(**smallest), name) == 1


@pytest.mark.parametrize("reject", [None, 0, 2047, "ALL", True])
def test_reject_must_be_violations(reject: Any) -> None:
    with pytest.raises(TypeError, match="reject must be a Violation"):
        Options(reject=reject)


@pytest.mark.parametrize("reject", [Violation.NONE, ~Violation.UNMASKED])
def test_reject(reject: Violation) -> None:
    assert Options(reject=reject).reject is reject


@pytest.mark.parametrize("reject", [None, 0, 15, "ALL", True, Violation.ALL])
def test_reject_handshake_must_be_rules_of_the_handshake(reject: Any) -> None:
    with pytest.raises(TypeError, match="reject_handshake must be a HandshakeRule"):
        Options(reject_handshake=reject)


def test_reject_handshake() -> None:
    lenient = HandshakeRule.ALL & ~HandshakeRule.KEY_LENGTH
    assert Options(reject_handshake=lenient).reject_handshake is lenient


@pytest.mark.parametrize(
    ("linger", "error"),
    [
        (-0.1, ValueError),
        (math.inf, ValueError),
        (math.nan, ValueError),
        (None, TypeError),
        (True, TypeError),
        ("1", TypeError),
    ],
)
def test_wrong_linger(linger: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="linger must be"):
        Options(linger=linger)


@pytest.mark.parametrize("linger", [0, 0.0, 7, 0.5])
def test_linger(linger: float) -> None:
    assert Options(linger=linger).linger == linger


@pytest.mark.parametrize(
    "origins", ["https://a", b"https://a", re.compile("a"), 5, iter(["https://a"])]
)
def test_origins_must_be_a_list(origins: Any) -> None:
    with pytest.raises(TypeError, match="pass a list"):
        Options(origins=origins)


@pytest.mark.parametrize("rule", [b"https://a", 5, re.compile(b"a"), ["https://a"]])
def test_wrong_origin(rule: Any) -> None:
    with pytest.raises(TypeError, match="an origin must be a str, a compiled str pattern, or None"):
        Options(origins=["https://a", rule])


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, dict.fromkeys])
def test_origins_do_not_depend_on_how_they_were_collected(kind: Callable[[Any], Any]) -> None:
    pattern = re.compile("https://.*")
    rules = ("https://b", None, pattern, "https://a")
    options = Options(origins=kind(rules))
    assert isinstance(options.origins, tuple)
    assert set(options.origins) == set(rules)
    assert options == Options(origins=rules[::-1])


def test_no_origin_at_all_is_not_any_origin() -> None:
    assert Options(origins=[]).origins == ()


@pytest.mark.parametrize("extensions", ["permessage-deflate", 0, no_extensions_async])
def test_wrong_extensions(extensions: Any) -> None:
    with pytest.raises(TypeError, match="extensions must be None or a plain function"):
        Options(extensions=extensions)


@pytest.mark.parametrize(
    "extensions", [no_extensions, functools.partial(no_extensions), str.lower, None]
)
def test_extensions(extensions: Callable[[str], str | None] | None) -> None:
    assert Options(extensions=extensions).extensions is extensions


def test_replace() -> None:
    options = Options(linger=3)
    assert options.replace() == options
    assert options.replace(max_frame_size=5) == Options(linger=3, max_frame_size=5)
    with pytest.raises(ValueError, match="receive_limit must be"):
        options.replace(receive_limit=0)


def test_replace_names_what_there_is() -> None:
    with pytest.raises(TypeError) as caught:
        Options().replace(linger=1, maxsize=5, name="x")  # type: ignore[call-arg]
    assert str(caught.value) == (
        "no such option: maxsize, name; there are "
        "max_frame_size, receive_limit, reject, origins, extensions, linger, reject_handshake; "
        "did you mean max_frame_size?"
    )


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        (None, ()),
        ("chat", ("chat",)),
        (["b", "a"], ("b", "a")),
        (("v1.chat", "V1.chat"), ("v1.chat", "V1.chat")),
        ("!#$%&'*+-.^_`|~09azAZ", ("!#$%&'*+-.^_`|~09azAZ",)),
    ],
)
def test_protocol_names(protocol: Any, names: tuple[str, ...]) -> None:
    assert protocol_names(protocol) == names


@pytest.mark.parametrize("name", ["", " ", "a b", "a,b", "a/b", "chät", "a\n", "a\x7f", '"a"'])
def test_a_protocol_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="a subprotocol is ASCII letters"):
        protocol_names(name)
    with pytest.raises(ValueError, match="a subprotocol is ASCII letters"):
        protocol_names(["chat", name])


@pytest.mark.parametrize("protocol", [5, {"chat"}, iter(["chat"])])
def test_protocol_must_be_names(protocol: Any) -> None:
    with pytest.raises(TypeError, match="protocol must be a str or a sequence"):
        protocol_names(protocol)


@pytest.mark.parametrize("protocol", [b"chat", [b"chat"], [None], ["chat", 5], bytearray(b"chat")])
def test_a_protocol_must_be_a_str(protocol: Any) -> None:
    with pytest.raises(TypeError, match="a subprotocol must be a str"):
        protocol_names(protocol)


def test_no_protocol_twice() -> None:
    with pytest.raises(ValueError, match="twice: a, b, a"):
        protocol_names(["a", "b", "a"])


@pytest.mark.parametrize("protocol", [[], ()])
def test_no_empty_sequence(protocol: Any) -> None:
    with pytest.raises(ValueError, match="pass None"):
        protocol_names(protocol)
