"""The request options of `connect`: typed, and named at run time where there is none such."""

import inspect
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import connect
from aiohttp_rawws.client.request_options import RequestOptions
from tests.support.checkers import CHECKED_ONCE, MYPY, PYRIGHT, check

URL = "http://127.0.0.1:1/"

RIGHT = """
# pyright: strict
import ssl
import aiohttp
from aiohttp_rawws import connect

async def use(client: aiohttp.ClientSession) -> None:
    timeout = aiohttp.ClientTimeout(total=5)
    async with connect(client, "ws://a/", params={"a": "b"}, timeout=timeout, ssl=False) as session:
        await session.close()
    session = await connect(
        client,
        "wss://a/",
        protocols=["chat"],
        ssl=ssl.create_default_context(),
        proxy="http://b/",
        headers={"X": "y"},
    )
    session.abort()
"""

#: Wrong calls, and the word that both checkers say about each.
WRONG = {
    "heartbeat=1": "heartbeat",
    "max_frame_sze=1": "max_frame_sze",
    "data=b''": "data",
    "json={}": "json",
    "ssl='no'": "ssl",
    "timeout=5": "timeout",
    "max_redirects=None": "max_redirects",
}
CALL = """
import aiohttp
from aiohttp_rawws import connect

def use(client: aiohttp.ClientSession) -> None:
    connect(client, "ws://a/", OPTION)
"""


@CHECKED_ONCE
@pytest.mark.parametrize("checker", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_right_options_are_clean(checker: tuple[str, ...], tmp_path: Path) -> None:
    status, said = check(checker, RIGHT, tmp_path)
    assert status == 0, said


@CHECKED_ONCE
@pytest.mark.parametrize("checker", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_wrong_options_are_errors(checker: tuple[str, ...], tmp_path: Path) -> None:
    head, call = CALL.rsplit("\n", 2)[:2]
    code = "\n".join([head, *(call.replace("OPTION", option) for option in WRONG)]) + "\n"
    status, said = check(checker, code, tmp_path)
    assert status == 1, said
    first = head.count("\n") + 2
    for line, word in enumerate(WRONG.values(), first):
        complaints = [each for each in said.splitlines() if f"app.py:{line}:" in each]
        assert any("error" in each and word in each for each in complaints), said


def test_the_types_name_the_options_that_aiohttp_has() -> None:
    """All of them but those of a body, what `connect` has itself, and deprecated ones."""
    parameters = inspect.signature(aiohttp.ClientSession._request).parameters.values()
    has = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    body = {"chunked", "compress", "data", "expect100", "json", "upload_tracker"}
    own = {"headers", "raise_for_status"}
    deprecated = {"fingerprint", "ssl_context", "verify_ssl"}
    newer = {"max_headers"} - has
    assert RequestOptions.__optional_keys__ - newer == has - body - own - deprecated


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("max_frame_sze", "did you mean 'max_frame_size'?"),
        ("reject_handshakes", "did you mean 'reject_handshake'?"),
        ("allow_redirect", "did you mean 'allow_redirects'?"),
        ("sll", "did you mean 'ssl'?"),
        ("protocol", "did you mean 'protocols'?"),
    ],
)
async def test_a_near_name_is_suggested(
    http: aiohttp.ClientSession, option: str, said: str
) -> None:
    options: Any = {option: 1}
    with pytest.raises(TypeError) as caught:
        connect(http, URL, **options)
    text = f"connect has no option {option!r}, nor has aiohttp's ClientSession.request(); {said}"
    assert str(caught.value) == text


async def test_no_name_is_suggested_for_what_is_like_none(http: aiohttp.ClientSession) -> None:
    options: Any = {"nonsense": 1}
    with pytest.raises(TypeError) as caught:
        connect(http, URL, **options)
    assert str(caught.value).endswith("ClientSession.request()")
