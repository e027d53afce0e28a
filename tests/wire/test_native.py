"""The two twins of the native module, against each other and with offsets that do not exist."""

import random
import socket
from collections.abc import Callable
from typing import Any

import pytest

from aiohttp_rawws import Opcode
from aiohttp_rawws.layers import Message
from tests.support.builds import COMPILED, TWINS
from tests.support.native import arrive, masked, output, rooms
from tests.support.octets import MASK

needs_both = pytest.mark.skipif(COMPILED is None, reason="no extension was built")


# -- each against the other ------------------------------------------------------------------------


@needs_both
@pytest.mark.parametrize("seed", range(50))
def test_twins_copy_alike(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(rng.randbytes(rng.randrange(2000)))
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    key = rng.choice([None, rng.randbytes(4)])
    ours, theirs = (twin.copy_out(data, start, end, key) for twin in TWINS.values())
    assert ours == theirs


@needs_both
@pytest.mark.parametrize("name", ["put", "put_frame"])
@pytest.mark.parametrize("seed", range(50))
def test_twins_put_alike(seed: int, name: str) -> None:
    rng = random.Random(seed)
    before = rng.randbytes(rng.randrange(20))
    head = [rng.getrandbits(8)] if name == "put_frame" else []
    payload = rng.randbytes(rng.choice([rng.randrange(130), rng.randrange(70_000)]))
    key = rng.choice([None, rng.randbytes(4)])
    outs = []
    for twin in TWINS.values():
        out = output(twin, before)
        getattr(out, name)(*head, payload, key)
        outs.append(bytes(out))
    assert outs[0] == outs[1]


@needs_both
@pytest.mark.parametrize("seed", range(50))
def test_twins_rotate_alike(seed: int) -> None:
    rng = random.Random(seed)
    key, offset = rng.randbytes(4), rng.getrandbits(62)
    ours, theirs = (twin.rotate(key, offset) for twin in TWINS.values())
    assert ours == theirs


@needs_both
@pytest.mark.parametrize("seed", range(100))
def test_twins_read_payloads_alike(seed: int) -> None:
    """Any cuts, taken at any time: the same room, the same counts, the same bytes."""
    rng = random.Random(seed)
    size = rng.choice([rng.randrange(1, 50), rng.randrange(1, 20_000), 2**62])
    key = rng.choice([None, rng.randbytes(4)])
    first = bytearray(rng.randbytes(rng.randrange(min(size, 1000))))
    ours, theirs = (twin.Payload(size, key) for twin in TWINS.values())
    for payload in (ours, theirs):
        payload.append(first, 0, len(first))
    for _ in range(20):
        wire = rng.randbytes(rng.choice([1, 5, 5000, 300_000]))[: ours.missing]
        assert rooms(ours, wire) == rooms(theirs, wire)
        assert (ours.filled, ours.missing) == (theirs.filled, theirs.missing)
        if rng.random() < 0.3:
            assert ours.take() == theirs.take()
    assert ours.take() == theirs.take()


# -- what is not there -----------------------------------------------------------------------------


#: Beyond the end, before the start, more than a number of C can hold once it is added to.
NOWHERE = [(0, 9), (9, 9), (5, 4), (-1, 4), (0, 2**63 - 1), (2**63 - 1, 2**63 - 1), (-(2**63), 0)]
SHORT_KEYS = [b"", b"abc", b"abcde"]


@pytest.fixture
def checked() -> Any:
    """The compiled twin, where a wrong offset would read or write somebody else's memory."""
    if COMPILED is None:
        pytest.skip("no extension was built")
    return COMPILED


@pytest.mark.parametrize(("start", "end"), NOWHERE)
def test_octets_that_are_not_there(checked: Any, start: int, end: int) -> None:
    data = bytearray(8)
    with pytest.raises(IndexError):
        checked.copy_out(data, start, end, None)
    with pytest.raises(IndexError):
        checked.Payload(2**63 - 1, MASK).append(data, start, end)


@pytest.mark.parametrize("start", [-1, 5, 8, 2**63 - 1, -(2**63)])
def test_a_key_that_is_not_there(checked: Any, start: int) -> None:
    with pytest.raises(IndexError):
        checked.key_at(bytearray(8), start)
    assert checked.key_at(bytearray(b"12345678"), 4) == b"5678"


@pytest.mark.parametrize("size", [-1, 9, 2**63 - 1])
def test_more_than_there_is(
    checked: Any, size: int, pair: "tuple[socket.socket, socket.socket]"
) -> None:
    out = output(checked, b"before")
    with pytest.raises(IndexError):
        out.put_some(bytearray(8), size)
    assert bytes(out) == b"before"
    ours, theirs = pair
    with pytest.raises(IndexError):
        checked.write_some(ours.fileno(), bytearray(8), size)
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


@pytest.mark.parametrize("key", SHORT_KEYS)
def test_a_key_of_another_size(checked: Any, key: bytes) -> None:
    out = output(checked, b"before")
    calls: list[Callable[[], object]] = [
        lambda: out.put(b"payload", key),
        lambda: out.put_header(0x82, 7, key),
        lambda: out.put_frame(0x82, b"payload", key),
        lambda: checked.copy_out(bytearray(8), 0, 8, key),
        lambda: checked.Payload(8, key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="4 bytes"):
            call()
    assert bytes(out) == b"before"


def test_a_negative_length(checked: Any) -> None:
    with pytest.raises(ValueError, match="negative"):
        checked.Output().put_header(0x82, -1, None)
    with pytest.raises(ValueError, match="negative"):
        checked.Payload(-1, None)


def test_none_for_bytes(mask: Any) -> None:
    """None is no key; it is nothing else."""
    out = output(mask, b"before")
    calls: list[Callable[[], object]] = [
        lambda: mask.key_at(None, 0),
        lambda: mask.rotate(None, 0),
        lambda: mask.copy_out(None, 0, 0, None),
        lambda: mask.write_some(-1, None, 0),
        lambda: out.put(None, None),
        lambda: out.put(None, MASK),
        lambda: out.put_some(None, 0),
        lambda: out.put_frame(0x82, None, None),
        lambda: out.write_with(-1, None),
        lambda: mask.Payload(8, None).append(None, 0, 0),
        lambda: mask.new_tuple(None, ()),
        lambda: mask.new_tuple(list, ()),
        lambda: mask.new_tuple(Message, None),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert out.take() == b"before"


def test_a_new_tuple(mask: Any) -> None:
    items = (Opcode.TEXT, "a")
    message = mask.new_tuple(Message, items)
    assert type(message) is Message
    assert message == Message(*items)


@pytest.mark.parametrize("key", [None, MASK])
def test_more_than_a_payload_has_room_for(checked: Any, key: "bytes | None") -> None:
    payload = checked.Payload(8, key)
    for count in (-1, 1, 2**63 - 1):
        with pytest.raises(ValueError, match="room"):
            payload.wrote(count)
    assert len(payload.view()) == 8
    with pytest.raises(ValueError, match="room"):
        payload.wrote(9)
    with pytest.raises(ValueError, match="room"):
        payload.append(bytearray(9), 0, 9)
    arrive(payload, masked(b"12345678", key))
    with pytest.raises(ValueError, match="room"):
        payload.wrote(1)
    assert payload.take() == b"12345678"


@pytest.mark.parametrize("key", [None, MASK])
def test_nothing_is_added_to_nothing(mask: Any, key: "bytes | None") -> None:
    payload = mask.Payload(100, key)
    payload.append(bytearray(b"header"), 6, 6)
    assert payload.take() == b""
    payload.append(bytearray(), 0, 0)
    arrive(payload, masked(bytes(100), key))
    payload.append(bytearray(), 0, 0)
    assert payload.take() == bytes(100)
    assert len(payload.view()) == 0
