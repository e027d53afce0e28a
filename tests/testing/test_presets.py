"""The presets by name, and their page."""

from typing import Any

import pytest

from aiohttp_rawws import EndOfStream, Frame, connect
from aiohttp_rawws.testing import Preset, Script, play_client, presets, script_server
from aiohttp_rawws.testing.dialling import dial
from tests.support.examples import example, run
from tests.support.handshakes import request
from tests.support.presets_page import PAGE, TABLE, table
from tests.support.servers import Contexts
from tests.support.waiting import soon


def test_a_preset_by_its_name() -> None:
    found = presets.preset("no-pong")
    assert isinstance(found, Preset)
    assert found is presets.PRESETS["no-pong"]
    assert found.roles == ("server", "client")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("no-pongs", "did you mean no-pong"),
        ("close-1007", "did you mean close-100"),
        ("?", "`play --presets` lists them"),
    ],
)
def test_a_name_that_there_is_not(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"there is no preset '.*'; {hint}"):
        presets.preset(name)


def test_a_role_that_cannot_do_it() -> None:
    with pytest.raises(ValueError, match="masked-server is for a server, not for a client"):
        presets.preset("masked-server").script("client")


def test_a_script_of_its_own_for_each_call() -> None:
    one, other = (presets.preset("rsv1").script("server", timeout=t) for t in (None, 0.5))
    assert (one.name, other.name) == ("rsv1", "rsv1")
    assert (one.timeout, other.timeout) == (5.0, 0.5)


def test_names_and_sentences() -> None:
    for name, preset in presets.PRESETS.items():
        assert preset.name == name
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert preset.sentence.endswith(".")
        assert preset.section == "" or preset.section.startswith(("RFC 6455 ", "RFC 7692 "))
        for role in preset.roles:
            assert list(preset.script(role))


def test_no_preset_comes_twice() -> None:
    names = [each.name for ground in presets.GROUNDS for each in ground.PRESETS]
    assert names == list(presets.PRESETS)


async def test_a_peer_that_leaves_before_the_fault() -> None:
    """Then the fault is not sent, and the script has failed."""
    async with script_server(presets.preset("rsv1").script("server")) as server:
        script = presets.preset("reset-after-handshake").script("client")
        await play_client(script, server.url)
        [played] = await server.ended()
    assert not played.ok
    assert "before the fault" in str(played)


@pytest.mark.parametrize("name", ["deflate-wrong-window", "answer-slow"])
async def test_a_client_that_leaves_for_the_fault(name: str) -> None:
    """It is right to, and the script has gone as written."""
    script = presets.preset(name).script("server", timeout=20)
    async with script_server(script) as server:
        wire = await dial(server.url)
        await wire.write(request(Sec_WebSocket_Extensions="permessage-deflate"))
        await soon(wire.read_some())
        wire.reset()
        [played] = await server.ended()
    played.check()


@pytest.mark.parametrize("name", ["deflate-wrong-window", "request-slow", "request-no-key"])
async def test_a_server_that_leaves_for_the_fault(name: str) -> None:
    scripts = [Script().answer(408), Script().answer(raw=b"").reset()]
    async with script_server(scripts) as server:
        for _ in scripts:
            script = presets.preset(name).script("client", timeout=0.1)
            (await soon(play_client(script, server.url))).check()


def test_the_page_is_of_this_version() -> None:
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == table(), "run python -m tests.support.presets_page"


async def test_the_example_of_the_page(http: Any) -> None:
    async def my_client(url: str) -> None:
        async with connect(http, url) as session:
            await session.send(Frame.ping())

    names: dict[str, Any] = {"my_client": my_client}
    await run(example("docs/presets.md", "no-pong"), names)
    await names["test_my_client_gives_up_on_a_peer_without_pongs"]()


@pytest.mark.parametrize("name", ["end-without-close", "end-in-payload", "reset-in-payload"])
async def test_ends_over_tls(http: Any, contexts: Contexts, name: str) -> None:
    script = presets.preset(name).script("server")
    async with script_server(script, ssl=contexts[0]) as server:
        async with connect(http, server.url) as session:
            await session.send(Frame.text("Hello"))
            assert await soon(session.receive()) == Frame.text("Hello")
            with pytest.raises(EndOfStream):
                await soon(session.receive())
        [played] = await server.ended()
    played.check()
