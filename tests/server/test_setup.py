"""`setup`, its options and its mistakes."""

import inspect
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws.server.installed import INSTALLED
from aiohttp_rawws.server.setup import setup
from aiohttp_rawws.session.options import Options
from aiohttp_rawws.wire.handshake import HandshakeRule
from aiohttp_rawws.wire.names import Violation

# setup


DEFAULTS = {
    "max_frame_size": 16 * 2**20,
    "receive_limit": 256 * 2**10,
    "reject": Violation.ALL,
    "origins": None,
    "extensions": None,
    "linger": 1.0,
    "reject_handshake": HandshakeRule.ALL,
}


def test_the_signature_of_setup() -> None:
    app, *options = inspect.signature(setup).parameters.values()
    assert app.name == "app"
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    assert {option.name: option.default for option in options} == DEFAULTS


def test_setup_keeps_its_options_under_one_typed_key() -> None:
    app = web.Application()
    setup(app)
    assert list(app) == [INSTALLED]
    assert isinstance(INSTALLED, web.AppKey)
    assert app[INSTALLED].options == Options()
    other = web.Application()
    setup(other, max_frame_size=5, receive_limit=6, linger=7, origins=["a"], reject=Violation.NONE)
    assert other[INSTALLED].options == Options(
        max_frame_size=5, receive_limit=6, linger=7, origins=["a"], reject=Violation.NONE
    )
    assert other[INSTALLED].options.extensions is None


@pytest.mark.parametrize(
    ("options", "error"),
    [({"max_frame_size": 0}, ValueError), ({"origins": "https://a"}, TypeError)],
)
def test_setup_with_senseless_options(options: Any, error: type[Exception]) -> None:
    app = web.Application()
    with pytest.raises(error):
        setup(app, **options)
    assert not list(app)


@pytest.mark.parametrize("app", [None, web.UrlDispatcher(), web.Application])
def test_setup_of_something_else(app: Any) -> None:
    with pytest.raises(TypeError, match=r"setup takes a web\.Application"):
        setup(app)


def test_setup_twice_with_the_same_options() -> None:
    app = web.Application()
    setup(app, origins=["a", "b"], linger=2)
    installed, method = app[INSTALLED], vars(app.router)["add_raw_websocket"]
    startup, shutdown = list(app.on_startup), list(app.on_shutdown)
    setup(app, origins=("b", "a"), linger=2.0)
    assert app[INSTALLED] is installed
    assert vars(app.router)["add_raw_websocket"] is method
    assert (list(app.on_startup), list(app.on_shutdown)) == (startup, shutdown)
    app.freeze()
    setup(app, origins=["a", "b"], linger=2)


def test_setup_twice_with_other_options() -> None:
    app = web.Application()
    setup(app, linger=2)
    with pytest.raises(RuntimeError) as caught:
        setup(app, max_frame_size=5)
    assert str(caught.value) == (
        "aiohttp_rawws.setup was called on this application before, with "
        "max_frame_size=16777216, now 5; linger=2, now 1.0: "
        "call it once, or with the same options"
    )
    assert app[INSTALLED].options == Options(linger=2)


def test_setup_of_a_frozen_application() -> None:
    """It says what to do, because of aiohttp's own error, and nothing has changed."""
    app, sub = web.Application(), web.Application()
    app.add_subapp("/sub", sub)
    app.freeze()
    for frozen in (app, sub):
        with pytest.raises(RuntimeError, match=r"before app\.add_subapp\(\)") as caught:
            setup(frozen)
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert not list(frozen)
        assert "add_raw_websocket" not in vars(frozen.router)


def test_setup_behind_add_domain() -> None:
    app, sub = web.Application(), web.Application()
    app.add_domain("example.test", sub)
    with pytest.raises(RuntimeError, match=r"app\.add_domain\(\)"):
        setup(sub)
