"""The options and the names of subprotocols: defaults, and what is refused."""

import dataclasses
import functools
import inspect
import math
import re

import pytest

from aiohttp_rawws.frames import Violation
from aiohttp_rawws.options import Options, protocol_names


def no_extensions(offer):
    return None


async def no_extensions_async(offer):
    return None


def test_defaults():
    assert dataclasses.asdict(Options()) == {
        "max_frame_size": 16 * 2**20,
        "receive_limit": 256 * 2**10,
        "reject": Violation.ALL,
        "origins": None,
        "extensions": None,
        "linger": 1.0,
    }


def test_frozen_and_equal_by_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().linger = 2.0
    assert Options(linger=1, origins=["a"]) == Options(origins=("a",))
    assert Options(linger=2) != Options()
    assert hash(Options(origins=["a"])) == hash(Options(origins={"a"}))


def test_all_is_by_name():
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
def test_sizes(name, size, error):
    with pytest.raises(error, match=rf"^{name} must be"):
        Options(**{name: size})
    assert getattr(Options(**{name: 1}), name) == 1


@pytest.mark.parametrize("reject", [None, 0, 2047, "ALL", True])
def test_reject_must_be_violations(reject):
    with pytest.raises(TypeError, match="reject must be a Violation"):
        Options(reject=reject)


@pytest.mark.parametrize("reject", [Violation.NONE, ~Violation.UNMASKED])
def test_reject(reject):
    assert Options(reject=reject).reject is reject


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
def test_wrong_linger(linger, error):
    with pytest.raises(error, match="linger must be"):
        Options(linger=linger)


@pytest.mark.parametrize("linger", [0, 0.0, 7, 0.5])
def test_linger(linger):
    assert Options(linger=linger).linger == linger


@pytest.mark.parametrize(
    "origins", ["https://a", b"https://a", re.compile("a"), 5, iter(["https://a"])]
)
def test_origins_must_be_a_list(origins):
    with pytest.raises(TypeError, match="pass a list"):
        Options(origins=origins)


@pytest.mark.parametrize("rule", [b"https://a", 5, re.compile(b"a"), ["https://a"]])
def test_wrong_origin(rule):
    with pytest.raises(TypeError, match="an origin must be a str, a compiled str pattern, or None"):
        Options(origins=["https://a", rule])


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, dict.fromkeys])
def test_origins_do_not_depend_on_how_they_were_collected(kind):
    pattern = re.compile("https://.*")
    rules = ("https://b", None, pattern, "https://a")
    options = Options(origins=kind(rules))
    assert isinstance(options.origins, tuple)
    assert set(options.origins) == set(rules)
    assert options == Options(origins=rules[::-1])


def test_no_origin_at_all_is_not_any_origin():
    assert Options(origins=[]).origins == ()


@pytest.mark.parametrize("extensions", ["permessage-deflate", 0, no_extensions_async])
def test_wrong_extensions(extensions):
    with pytest.raises(TypeError, match="extensions must be None or a plain function"):
        Options(extensions=extensions)


@pytest.mark.parametrize(
    "extensions", [no_extensions, functools.partial(no_extensions), str.lower, None]
)
def test_extensions(extensions):
    assert Options(extensions=extensions).extensions is extensions


def test_replace():
    options = Options(linger=3)
    assert options.replace() == options
    assert options.replace(max_frame_size=5) == Options(linger=3, max_frame_size=5)
    with pytest.raises(ValueError, match="receive_limit must be"):
        options.replace(receive_limit=0)


def test_replace_names_what_there_is():
    with pytest.raises(TypeError) as caught:
        Options().replace(linger=1, maxsize=5, name="x")
    assert str(caught.value) == (
        "no such option: maxsize, name; there are "
        "max_frame_size, receive_limit, reject, origins, extensions, linger"
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
def test_protocol_names(protocol, names):
    assert protocol_names(protocol) == names


@pytest.mark.parametrize("name", ["", " ", "a b", "a,b", "a/b", "chät", "a\n", "a\x7f", '"a"'])
def test_a_protocol_is_a_token(name):
    with pytest.raises(ValueError, match="a subprotocol is ASCII letters"):
        protocol_names(name)
    with pytest.raises(ValueError, match="a subprotocol is ASCII letters"):
        protocol_names(["chat", name])


@pytest.mark.parametrize("protocol", [5, {"chat"}, iter(["chat"])])
def test_protocol_must_be_names(protocol):
    with pytest.raises(TypeError, match="protocol must be a str or a sequence"):
        protocol_names(protocol)


@pytest.mark.parametrize("protocol", [b"chat", [b"chat"], [None], ["chat", 5], bytearray(b"chat")])
def test_a_protocol_must_be_a_str(protocol):
    with pytest.raises(TypeError, match="a subprotocol must be a str"):
        protocol_names(protocol)


def test_no_protocol_twice():
    with pytest.raises(ValueError, match="twice: a, b, a"):
        protocol_names(["a", "b", "a"])


@pytest.mark.parametrize("protocol", [[], ()])
def test_no_empty_sequence(protocol):
    with pytest.raises(ValueError, match="pass None"):
        protocol_names(protocol)
