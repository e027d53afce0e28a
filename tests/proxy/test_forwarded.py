"""What the upstream is told of the visitor, and whom the proxy believes."""

import ipaddress
from types import SimpleNamespace
from typing import Any

import pytest

from aiohttp_rawws.proxy.forwarded import Peers, peers_of
from tests.support.forwarding import Recorder, plain
from tests.support.handshakes import request
from tests.support.servers import BOTH, Serve, ingress, running
from tests.support.wire import ByHand, Wire, tell

#: What a proxy in front says, and what anybody else may say, too.
CLAIMS = [
    "X-Forwarded-For: 10.0.0.1, 10.0.0.2",
    "x-forwarded-for: 10.0.0.3",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: public.test",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Prefix: /apps",
    "Forwarded: for=10.0.0.1;proto=https",
    "X-Real-IP: 10.0.0.1",
]
#: What some servers take for the same.
LOOK_ALIKES = ["X_Forwarded_For: 1", "X-Forwarded_Proto: https", "X_REAL-IP: 1"]


@pytest.fixture(name="upstream")
def an_upstream() -> Recorder:
    return Recorder()


def told(upstream: Recorder) -> dict[str, list[str]]:
    """Return what the upstream was told of the visitor, by name."""
    headers = upstream.requests[-1].headers
    names = {name.title() for name in headers}
    names = {name for name in names if "Forwarded" in name or "Real" in name}
    return {name: headers.getall(name) for name in names}


@BOTH
@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8", "unix", "::1")])
async def test_nobody_is_believed_by_default(
    by_hand: ByHand, through: Serve, upstream: Recorder, tls: bool, trusted: Any
) -> None:
    ours = await through(await by_hand(upstream.script), tls=tls, trusted=trusted)
    await tell(ours, plain("/", *CLAIMS, *LOOK_ALIKES))
    assert told(upstream) == {
        "X-Forwarded-For": ["127.0.0.1"],
        "X-Forwarded-Proto": ["https" if tls else "http"],
        "X-Forwarded-Host": ["example.test"],
    }


BELIEVED = {
    "X-Forwarded-For": ["10.0.0.1, 10.0.0.2, 10.0.0.3, 127.0.0.1"],
    "X-Forwarded-Proto": ["https"],
    "X-Forwarded-Host": ["public.test"],
    "X-Forwarded-Port": ["443"],
    "X-Forwarded-Prefix": ["/apps"],
    "Forwarded": ["for=10.0.0.1;proto=https"],
    "X-Real-Ip": ["10.0.0.1"],
}


@pytest.mark.parametrize("upgrade", [False, True])
async def test_a_proxy_in_front_is_believed(
    by_hand: ByHand, through: Serve, upstream: Recorder, upgrade: bool
) -> None:
    """But look-alikes, which it may have let pass, go from everybody."""
    ours = await through(await by_hand(upstream.script), trusted=["127.0.0.0/8"])
    data = plain("/", *CLAIMS, *LOOK_ALIKES)
    if upgrade:
        data = request()[:-2] + data.partition(b"example.test\r\n")[2]
    await tell(ours, data)
    assert told(upstream) == BELIEVED


async def test_a_proxy_in_front_that_says_nothing(
    by_hand: ByHand, through: Serve, upstream: Recorder
) -> None:
    ours = await through(await by_hand(upstream.script), trusted=["127.0.0.1"])
    await tell(ours, plain())
    assert told(upstream) == {
        "X-Forwarded-For": ["127.0.0.1"],
        "X-Forwarded-Proto": ["http"],
        "X-Forwarded-Host": ["example.test"],
    }


async def test_a_visitor_cannot_have_them_removed(
    by_hand: ByHand, through: Serve, upstream: Recorder
) -> None:
    """Some proxies pass `Connection` on."""
    ours = await through(await by_hand(upstream.script), trusted=["127.0.0.1"])
    names = ", ".join(line.partition(":")[0] for line in CLAIMS)
    await tell(ours, plain("/", *CLAIMS, f"Connection: {names}"))
    assert told(upstream) == BELIEVED


@pytest.mark.parametrize("trusted", [("unix",), ("127.0.0.1",)])
async def test_a_unix_socket(
    by_hand: ByHand, bare: Any, upstream: Recorder, tmp_path: Any, trusted: Any
) -> None:
    app = ingress(bare, await by_hand(upstream.script), trusted=trusted)
    async with running(app, path=str(tmp_path / "ours")) as (_, ours):
        wire = await Wire.open(ours)
        wire.send(plain("/", "X-Forwarded-For: a", "X-Forwarded-Proto: https"))
        assert (await wire.read_head())[0] == 200
        await wire.close()
    believed = trusted == ("unix",)
    assert told(upstream).get("X-Forwarded-For") == (["a"] if believed else None)
    assert told(upstream)["X-Forwarded-Proto"] == ["https" if believed else "http"]


# -- whom ------------------------------------------------------------------------------------------


def peer(address: str) -> Any:
    """A request of that address."""
    extra = {"peername": (address, 1234), "socket": None}
    return SimpleNamespace(transport=SimpleNamespace(get_extra_info=extra.get))


@pytest.mark.parametrize(
    ("trusted", "address", "included"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        (ipaddress.ip_address("10.0.0.1"), "10.0.0.1", True),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.1", True),
        ("::1", "::1", True),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "fe80::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        (ipaddress.ip_network("fd00::/8"), "fd00::1", True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.0/104", "10.1.2.3", True),
        ("::ffff:10.0.0.0/104", "11.1.2.3", False),
        ("0.0.0.0/0", "::1", False),
        ("unix", "127.0.0.1", False),
    ],
    ids=str,
)
def test_peers(trusted: Any, address: str, included: bool) -> None:
    assert Peers([trusted]).include(peer(address)) is included


def test_a_visitor_that_has_gone_is_nobody() -> None:
    gone: Any = SimpleNamespace(transport=None)
    assert not Peers(["0.0.0.0/0"]).include(gone)


@pytest.mark.parametrize(
    ("trusted", "error", "words"),
    [
        ("10.0.0.1", TypeError, r"a collection of addresses and networks, as \[\"10.0.0.0/8\"\]"),
        (b"10.0.0.1", TypeError, "a collection of addresses"),
        (None, TypeError, "a collection of addresses"),
        ([1], TypeError, "trusted takes addresses and networks"),
        ([None], TypeError, "trusted takes addresses and networks"),
        (["localhost"], ValueError, "'localhost' does not appear to be"),
        (["10.0.0.1/8"], ValueError, "has host bits set"),
        (["10.0.0.0/40"], ValueError, "trusted: "),
        ([""], ValueError, "trusted: "),
    ],
)
def test_what_is_no_peer(trusted: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        peers_of(trusted)


def test_the_same_peers_are_read_once() -> None:
    assert peers_of(["10.0.0.0/8"]) is peers_of(("10.0.0.0/8",))
