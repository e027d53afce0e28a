"""Each preset puts its fault on the wire: asserted on the octets that an independent peer takes."""

import asyncio

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import Script, play_client, script_server
from aiohttp_rawws.testing.presets import PRESETS
from tests.support.by_octets import Octets, listening, take_from_client, take_from_server
from tests.support.presets_shown import SHOWS, TIMEOUT

#: What the peer says after the handshake, where it is not one text.
SAYS = {
    "no-pong": ("text", "ping", "text"),
    "late-pong": ("text", "ping"),
    "wrong-pong": ("text", "ping"),
    "never-closes": ("text", "close"),
    "never-reads": ("text", "much"),
    "half-open": ("text", "much"),
}
#: The faults that consist in what is not answered: a silent peer cannot see them.
ANSWERS = {"no-pong", "late-pong", "wrong-pong", "never-closes"}


# -- what the presets send -------------------------------------------------------------------

Case = tuple[str, str, bool]
#: What came of each preset, and of peers that behave.
Played = tuple[dict[Case, Octets], dict[tuple[str, ...], Octets]]
CASES: list[Case] = [
    (name, role, silent)
    for name, preset in PRESETS.items()
    for role in preset.roles
    for silent in ((False, True) if role == "server" and name not in ANSWERS else (False,))
]


async def take(script: Script, role: str, words: tuple[str, ...]) -> Octets:
    """Play a script against the independent peer, and return what that took."""
    if role == "server":
        async with script_server(script) as server:
            port = int(server.url.rpartition(":")[2].rstrip("/"))
            return await take_from_server(port, words, TIMEOUT / 5)
    sock, port = listening()
    with sock:
        taking = asyncio.create_task(take_from_client(sock, words, TIMEOUT / 5))
        played = await play_client(script, f"ws://127.0.0.1:{port}/")
        assert played.role == "client"
        return await taking


async def take_preset(name: str, role: str, silent: bool) -> Octets:
    words = tuple(word for word in SAYS.get(name, ("text",)) if not silent or word == "much")
    return await take(PRESETS[name].script(role, timeout=TIMEOUT), role, words)


async def take_what_behaves() -> dict[tuple[str, ...], Octets]:
    """Play peers without a fault, each told what presets are told. A client is ("client",)."""
    says = dict.fromkeys(said(name) for name in PRESETS)
    server = Script(timeout=TIMEOUT).answer().echo()
    client = Script(timeout=TIMEOUT).send(Frame.text("Hello")).stall()
    seen = await asyncio.gather(
        *(take(server, "server", words) for words in says), take(client, "client", ("text",))
    )
    return dict(zip([*says, ("client",)], seen, strict=True))


def said(name: str) -> tuple[str, ...]:
    # To take and to echo much would take long.
    return tuple(word for word in SAYS.get(name, ("text",)) if word != "much")


@pytest.fixture(scope="module")
def played() -> Played:
    """Play all presets, and peers that behave, at the same time."""

    async def all_of_them() -> tuple[list[Octets], dict[tuple[str, ...], Octets]]:
        presets = asyncio.gather(*(take_preset(*case) for case in CASES))
        return await asyncio.gather(presets, take_what_behaves())

    taken, behaved = asyncio.run(all_of_them())
    return dict(zip(CASES, taken, strict=True)), behaved


@pytest.mark.parametrize("name", PRESETS)
def test_the_fault_is_on_the_wire(played: Played, name: str) -> None:
    """In each role, and from a server also if the client says nothing."""
    for case, octets in played[0].items():
        if case[0] == name:
            seen = (case, octets.head, octets.frames[:5], octets.partial, octets.end)
            assert SHOWS[name](octets), seen


def test_each_preset_has_an_assertion() -> None:
    assert list(SHOWS) == list(PRESETS)


def test_no_assertion_holds_for_a_peer_that_behaves(played: Played) -> None:
    """A right peer, which is told the same, shows no fault."""
    seen = played[1]
    for name, preset in PRESETS.items():
        if "server" in preset.roles:
            assert not shown(name, seen[said(name)]), name
        if "client" in preset.roles and name not in SAYS:
            assert not shown(name, seen["client",]), name


def shown(name: str, octets: Octets) -> bool:
    try:
        return bool(SHOWS[name](octets))
    except (IndexError, ValueError):
        return False
