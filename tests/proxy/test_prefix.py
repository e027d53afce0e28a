"""`strip_prefix`: the path below the prefix of a mounted application."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from aiohttp_rawws import proxy, strip_prefix
from tests.support.forwarding import Recorder, plain
from tests.support.servers import Serve
from tests.support.wire import ByHand, tell

STRIPPED = [
    ("/apps/x", "/"),
    ("/apps/x/", "/"),
    ("/apps/x?a=b", "/?a=b"),
    ("/apps/x?", "/?"),
    ("/apps/x/?", "/?"),
    ("/apps/x/a%2Fb/%20/%c3%a4", "/a%2Fb/%20/%c3%a4"),
    ("/apps/x/../..//%2e%2e/./", "/../..//%2e%2e/./"),
    ("/apps/x//evil.test/", "//evil.test/"),
    ("/apps/x/a?b=%2F&c=+&&", "/a?b=%2F&c=+&&"),
    ("/apps/x/apps/x", "/apps/x"),
    ("/apps/x/a?/apps/y", "/a?/apps/y"),
    ("http://example.test/apps/x/a%2Fb?c", "/a%2Fb?c"),
    ("http://example.test:80/apps/x?c", "/?c"),
]


@pytest.mark.parametrize(("target", "expected"), STRIPPED)
@pytest.mark.parametrize("prefix", ["/apps/x", "/apps/x/"])
def test_what_is_left(target: str, prefix: str, expected: str) -> None:
    assert strip_prefix(make_mocked_request("GET", target), prefix) == expected


@pytest.mark.parametrize("target", ["/a%2Fb?c", "/", "//x?", "http://example.test?a"])
def test_a_prefix_of_nothing(target: str) -> None:
    expected = "/?a" if "://" in target else target
    assert strip_prefix(make_mocked_request("GET", target), "/") == expected


@pytest.mark.parametrize(
    "target",
    ["/apps/xy", "/apps/x%2Fy", "/apps", "/", "/apps/%78", "/APPS/x", "/?/apps/x", "//apps/x", "*"],
)
def test_another_path(target: str) -> None:
    with pytest.raises(ValueError, match="is not below '/apps/x'"):
        strip_prefix(make_mocked_request("GET", target), "/apps/x")


def test_a_prefix_with_escapes_is_compared_as_written() -> None:
    asked = make_mocked_request("GET", "/apps/a%20b/c")
    assert strip_prefix(asked, "/apps/a%20b") == "/c"
    with pytest.raises(ValueError, match="is not below"):
        strip_prefix(asked, "/apps/a b")


@pytest.mark.parametrize(
    ("prefix", "error", "words"),
    [
        ("apps/x", ValueError, "must begin with a slash"),
        ("", ValueError, "must begin with a slash"),
        (b"/apps/x", TypeError, "must be a str"),
        (None, TypeError, "must be a str"),
    ],
)
def test_no_prefix(prefix: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        strip_prefix(make_mocked_request("GET", "/apps/x"), prefix)


async def test_a_mounted_application(
    by_hand: ByHand, serve: Serve, bare: aiohttp.ClientSession
) -> None:
    """The upstream is asked for what stands behind the prefix, as it was written."""
    upstream = Recorder()
    address = await by_hand(upstream.script)

    async def handler(asked: web.Request) -> web.StreamResponse:
        rest = strip_prefix(asked, f"/apps/{asked.match_info['name']}")
        return await proxy(asked, bare, URL(address.url("", "http") + rest, encoded=True))

    app = web.Application()
    app.router.add_route("*", "/apps/{name}{tail:(/.*)?}", handler)
    ours = await serve(app)
    for rest in ("", "/a%2Fb/%20?c=%7E", "/x//y/../z"):
        assert (await tell(ours, plain(f"/apps/x{rest}")))[0] == 200
        assert upstream.requests[-1].line == f"GET {rest or '/'} HTTP/1.1"
