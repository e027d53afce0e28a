"""Options are typed: checkers find a wrong one, and at run time the error names the nearest."""

import inspect
import re
import sys
import typing
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from aiohttp_rawws import RawWebSocketSession, RouteTableDef
from aiohttp_rawws.server.accept import accept
from aiohttp_rawws.server.setup import add_raw_websocket, raw_websocket, setup
from aiohttp_rawws.session.options import OPTION_NAMES, Options, RouteOptions
from tests.support.checkers import CHECKED_ONCE, MYPY, PYRIGHT, check

CODE = """
# pyright: strict
import aiohttp
from aiohttp import web

from aiohttp_rawws import (
    HandshakeRule,
    RawWebSocketSession,
    RouteTableDef,
    Violation,
    accept,
    add_raw_websocket,
    proxy,
    raw_websocket,
    setup,
)

routes = RouteTableDef()
app = web.Application()


async def handler(session: RawWebSocketSession) -> None: ...


setup(app, max_frame_size=1, linger=0, origins=["https://a", None])
add_raw_websocket(app.router, "/", handler, "chat", name="a", linger=1.5, receive_limit=1)
raw_websocket("/", handler, reject=Violation.NONE, reject_handshake=HandshakeRule.NONE)
routes.raw_websocket("/", extensions=lambda offer: None)(handler)


async def ordinary(request: web.Request) -> web.StreamResponse:
    async with accept(request, protocol=["a"], max_frame_size=1, linger=1) as session:
        await handler(session)
    accept(request, max_frame_sze=1)  # wrong
    accept(request, linger="1")  # wrong
    return web.Response()


setup(app, max_frame_sze=1)  # wrong
add_raw_websocket(app.router, "/", handler, lnger=1)  # wrong
raw_websocket("/", handler, lnger=1)  # wrong
raw_websocket("/", handler, reject=0)  # wrong
HTTP: aiohttp.ClientSession


async def ingress(request: web.Request) -> web.StreamResponse:
    await proxy(request, HTTP, "ws://a", cookies={})  # wrong
    await proxy(request, HTTP, "ws://a", lnger=1)  # wrong
    return await proxy(request, HTTP, "ws://a", linger=1, ssl=False, extensions=lambda offer: None)


routes.raw_websocket("/", lnger=1)  # wrong
"""

WRONG = [number for number, line in enumerate(CODE.split("\n"), 1) if line.endswith("# wrong")]


@CHECKED_ONCE
@pytest.mark.parametrize(
    "checker",
    [
        (*checker, option, version)
        for checker, option in ((MYPY, "--python-version"), (PYRIGHT, "--pythonversion"))
        for version in ("3.10", "3.12")
    ],
    ids=["mypy-3.10", "mypy-3.12", "pyright-3.10", "pyright-3.12"],
)
def test_a_checker_finds_wrong_options(checker: tuple[str, ...], tmp_path: Path) -> None:
    status, said = check(checker, CODE, tmp_path)
    assert status == 1, said
    assert [int(line) for line in re.findall(r"app\.py:(\d+)\S* (?:- )?error", said)] == WRONG


# -- at run time ---------------------------------------------------------------------------


async def handler(session: RawWebSocketSession) -> None:
    pass


def by_definition(**options: Any) -> object:
    return raw_websocket("/", handler, **options)


def by_decorator(**options: Any) -> object:
    """Nothing is decorated: the call itself fails."""
    return RouteTableDef().raw_websocket("/", **options)


def by_function(**options: Any) -> object:
    app = web.Application()
    setup(app)
    return add_raw_websocket(app.router, "/", handler, **options)


def by_method(**options: Any) -> object:
    app = web.Application()
    setup(app)
    router: Any = app.router
    return router.add_raw_websocket("/", handler, **options)


async def by_accept(**options: Any) -> None:
    """The call itself fails: there is no block."""
    accept(make_mocked_request("GET", "/"), **options)


NAMES = ", ".join(OPTION_NAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_frame_sze": 1}, f"max_frame_sze; there are {NAMES}; did you mean max_frame_size?"),
        ({"lnger": 1, "linger": 1}, f"lnger; there are {NAMES}; did you mean linger?"),
        (
            {"rejct": 1, "orgins": 1, "xyz": 1},
            f"rejct, orgins, xyz; there are {NAMES}; did you mean reject and origins?",
        ),
        ({"xyz": 1}, f"xyz; there are {NAMES}"),
    ],
)
@pytest.mark.parametrize("way", [by_definition, by_decorator, by_function, by_method, by_accept])
async def test_an_unknown_option_is_named(
    way: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        given = way(**options)
        if inspect.isawaitable(given):
            await given
    assert str(caught.value) == f"no such option: {message}"


def test_what_checkers_know_is_what_there_is() -> None:
    """`Options`, `RouteOptions` and `setup` have the same names, types and defaults."""
    types = {field.name: field.type for field in fields(Options)}
    assert typing.get_type_hints(RouteOptions) == types
    assert not RouteOptions.__required_keys__
    parameters = inspect.signature(setup).parameters
    assert {name: parameters[name].annotation for name in types} == types
    assert {name: parameters[name].default for name in types} == {
        field.name: field.default for field in fields(Options)
    }


@pytest.mark.skipif(sys.version_info < (3, 11), reason="typing has no Unpack")
@pytest.mark.parametrize(
    "function", [accept, add_raw_websocket, raw_websocket, RouteTableDef.raw_websocket]
)
def test_the_annotations_are_there_at_run_time(function: Callable[..., Any]) -> None:
    unpack: Any = vars(typing)["Unpack"]
    assert typing.get_type_hints(function)["overrides"] == unpack[RouteOptions]
