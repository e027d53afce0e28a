"""Masking and the memory of frames: the two twins, each against the RFC and against the other."""

import random
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.builds import INTERPRETED, compiled_native
from tests.support.octets import MASK, xor

COMPILED = compiled_native()
TWINS = {"interpreted": INTERPRETED.native} | ({"compiled": COMPILED} if COMPILED else {})

#: Around every step of the loops: 4 octets of a key, 8 of a word, and what is left over.
SIZES = (*range(18), 31, 32, 33, 1000, 65535)
KEYS = (None, MASK, bytes(4), b"\xff\x00\xff\x01")

needs_both = pytest.mark.skipif(COMPILED is None, reason="no extension was built")


@pytest.fixture(params=TWINS.values(), ids=list(TWINS))
def mask(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def rng() -> random.Random:
    return random.Random(6455)


def masked(payload: bytes, key: "bytes | None") -> bytes:
    return payload if key is None else xor(payload, key)


def output(mask: Any, data: bytes = b"") -> Any:
    out = mask.Output()
    out.put(data, None)
    return out


# -- each against the RFC ------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", SIZES)
def test_copy_out(mask: Any, rng: random.Random, size: int, key: "bytes | None") -> None:
    payload = rng.randbytes(size)
    data = bytearray(b"before" + payload + b"after")
    copy = mask.copy_out(data, 6, 6 + size, key)
    assert type(copy) is bytes
    assert copy == masked(payload, key)
    assert data == b"before" + payload + b"after"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", SIZES)
def test_put(mask: Any, rng: random.Random, size: int, key: "bytes | None") -> None:
    payload = rng.randbytes(size)
    out = output(mask, b"before")
    out.put(payload, key)
    assert len(out) == 6 + size
    assert out.take() == b"before" + masked(payload, key)


def test_masking_twice_is_nothing(mask: Any, rng: random.Random) -> None:
    payload = rng.randbytes(1001)
    out = output(mask)
    out.put(payload, MASK)
    assert mask.copy_out(bytearray(bytes(out)), 0, len(out), MASK) == payload


def test_put_some(mask: Any) -> None:
    out = output(mask, b"before")
    out.put_some(bytearray(b"some and more"), 4)
    assert bytes(out) == b"beforesome"


@pytest.mark.parametrize("offset", range(9))
def test_rotate(mask: Any, offset: int) -> None:
    key = mask.rotate(b"abcd", offset)
    assert key == bytes(b"abcd"[(offset + i) % 4] for i in range(4))


def test_rotate_by_more_than_32_bits(mask: Any) -> None:
    assert mask.rotate(b"abcd", 2**40 + 3) == b"dabc"


@pytest.mark.parametrize(
    ("length", "octets"),
    [
        (0, b"\x00"),
        (125, b"\x7d"),
        (126, b"\x7e\x00\x7e"),
        (65535, b"\x7e\xff\xff"),
        (65536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (2**63 - 1, b"\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
    ],
)
def test_put_header(mask: Any, length: int, octets: bytes) -> None:
    out = output(mask, b"before")
    out.put_header(0xF2, length, None)
    out.put_header(0x02, length, MASK)
    with_mask = bytes([octets[0] | 0x80]) + octets[1:]
    assert bytes(out) == b"before\xf2" + octets + b"\x02" + with_mask + MASK


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_put_frame(mask: Any, rng: random.Random, size: int) -> None:
    payload = rng.randbytes(size)
    for key in (None, MASK):
        header = output(mask, b"before")
        header.put_header(0x82, size, key)
        out = output(mask, b"before")
        out.put_frame(0x82, payload, key)
        assert bytes(out) == bytes(header) + masked(payload, key)


def test_an_output_grows_and_can_be_used_again(mask: Any, rng: random.Random) -> None:
    """Also where its memory is one that another has had."""
    outputs = [mask.Output() for _ in range(10)]
    for size in (0, 1, 100, 96 * 1024, 96 * 1024 + 1, 10**6):
        expected = [rng.randbytes(size) * 2 for _ in outputs]
        for out, data in zip(outputs, expected, strict=True):
            out.put(data[:size], None)
            out.put(data[size:], None)
        assert [out.take() for out in outputs] == expected
        assert [len(out) for out in outputs] == [0] * len(outputs)


def test_many_outputs_hold_little(mask: Any) -> None:
    outputs = [mask.Output() for _ in range(1000)]
    tracemalloc.start()
    try:
        for out in outputs:
            out.put(bytes(1000), None)
        assert tracemalloc.get_traced_memory()[0] < 2 * 2**20
    finally:
        tracemalloc.stop()


def test_what_is_cleared_is_gone(mask: Any) -> None:
    out = output(mask, b"before")
    out.clear()
    out.clear()
    out.put(b"after", None)
    assert out.take() == b"after"
    assert out.take() == b""


# -- writing to a socket -------------------------------------------------------------------

Write = Callable[[int, bytes], int]


@pytest.fixture(params=["write_some", "write", "write_with"])
def write(request: pytest.FixtureRequest, mask: Any) -> Write:
    """`write_some`, or the methods of an output, of the latter with the bytes cut in two."""
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("there all writes go through the transport")

    def write_output(fd: int, data: bytes) -> int:
        out = output(mask, data)
        assert out.write(fd) is (len(out) == 0)
        assert bytes(out) == data[len(data) - len(out) :]
        return len(data) - len(out)

    def write_with(fd: int, data: bytes) -> int:
        out = output(mask, data[:3])
        sent = out.write_with(fd, data[3:])
        assert bytes(out) == data[3 - len(out) : 3]
        assert sent == 0 or len(out) == 0
        return int(3 - len(out) + sent)

    if request.param == "write_some":
        return lambda fd, data: mask.write_some(fd, bytearray(data) + b"more", len(data))
    return write_output if request.param == "write" else write_with


@pytest.fixture
def pair() -> "Iterator[tuple[socket.socket, socket.socket]]":
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_what_is_written_arrives(write: Write, pair: "tuple[socket.socket, ...]") -> None:
    ours, theirs = pair
    assert write(ours.fileno(), b"some bytes") == 10
    assert theirs.recv(100) == b"some bytes"


def test_a_full_socket_takes_what_fits_then_nothing(
    write: Write, pair: "tuple[socket.socket, ...]"
) -> None:
    ours, _ = pair
    data = bytes(8 * 2**20)
    assert 0 < write(ours.fileno(), data) < len(data)
    while write(ours.fileno(), data):
        pass
    assert write(ours.fileno(), data) == 0


def test_a_broken_socket_takes_nothing(write: Write, pair: "tuple[socket.socket, ...]") -> None:
    ours, theirs = pair
    theirs.close()
    assert write(ours.fileno(), b"some bytes") == 0


# -- a payload that arrives in parts -------------------------------------------------------


def arrive(payload: Any, wire: bytes) -> None:
    """Read bytes in place, as a transport does, in as few reads as there is room for."""
    while wire:
        view = payload.view()
        count = min(len(view), len(wire))
        view[:count] = wire[:count]
        payload.wrote(count)
        wire = wire[count:]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 10_001, 300_001])
def test_a_payload_is_read_in_place(
    mask: Any, rng: random.Random, size: int, key: "bytes | None"
) -> None:
    data = rng.randbytes(size)
    payload = mask.Payload(size, key)
    assert (payload.filled, payload.missing) == (0, size)
    arrive(payload, masked(data, key))
    assert (payload.filled, payload.missing) == (size, 0)
    assert payload.take() == data


@pytest.mark.parametrize("first", [1, 3, 4, 4999])
def test_a_payload_begins_with_what_was_read_elsewhere(
    mask: Any, rng: random.Random, first: int
) -> None:
    data = rng.randbytes(5000)
    wire = masked(data, MASK)
    payload = mask.Payload(5000, MASK)
    payload.append(bytearray(b"header" + wire[:first] + b"after"), 6, 6 + first)
    assert (payload.filled, payload.missing) == (first, 5000 - first)
    arrive(payload, wire[first:])
    taken = payload.take()
    assert type(taken) is bytes
    assert taken == data


def test_take_gives_what_came_since_the_last_time(mask: Any, rng: random.Random) -> None:
    data = rng.randbytes(5000)
    wire = masked(data, MASK)
    payload = mask.Payload(5000, MASK)
    taken = []
    for start, end in [(0, 1), (1, 3), (3, 10), (10, 4321), (4321, 5000)]:
        arrive(payload, wire[start:end])
        assert payload.filled == end - start
        taken.append(payload.take())
        assert payload.filled == 0
    assert b"".join(taken) == data
    assert payload.missing == 0


def test_taking_nothing(mask: Any) -> None:
    payload = mask.Payload(10, MASK)
    assert payload.take() == b""
    payload.view()
    assert payload.take() == b""


def test_what_was_taken_stays_as_it_is(mask: Any) -> None:
    payload = mask.Payload(8, None)
    arrive(payload, b"abcd")
    taken = payload.take()
    arrive(payload, b"efgh")
    assert (taken, payload.take()) == (b"abcd", b"efgh")


def test_counters_cannot_be_set_in_the_compiled_twin() -> None:
    if COMPILED is None:
        pytest.skip("no extension was built")
    payload = COMPILED.Payload(8, None)
    with pytest.raises(AttributeError):
        payload.missing = 0


@pytest.mark.parametrize("length", [1, 4000, 4096, 100_000, 2**62, 2**63 - 1])
def test_the_first_view_is_small(mask: Any, length: int) -> None:
    assert len(mask.Payload(length, None).view()) == min(length, 4096)


def test_a_view_is_at_most_what_arrived_before_and_one_read(mask: Any) -> None:
    payload = mask.Payload(2**62, None)
    rooms = []
    arrived = 0
    while arrived < 2**21:
        rooms.append((arrived, len(payload.view())))
        payload.wrote(rooms[-1][1])
        arrived += rooms[-1][1]
    assert all(room == min(max(before, 4096), mask.READ_SIZE) for before, room in rooms)


def test_a_view_goes_on_where_the_last_read_ended(mask: Any) -> None:
    payload = mask.Payload(2**62, None)
    payload.view()[:5] = b"abcde"
    payload.wrote(5)
    assert len(payload.view()) == 4096 - 5
    assert payload.take() == b"abcde"


def test_memory_follows_bytes(mask: Any) -> None:
    tracemalloc.start()
    try:
        payload = mask.Payload(2**62, MASK)
        arrive(payload, bytes(20))
        assert payload.filled == 20
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


# -- each against the other ----------------------------------------------------------------


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


def rooms(payload: Any, wire: bytes) -> "list[int]":
    """Read bytes in place; how much room there was for each read."""
    seen = []
    while wire:
        view = payload.view()
        seen.append(len(view))
        arrive(payload, wire[: len(view)])
        wire = wire[len(view) :]
    return seen


# -- what is not there -----------------------------------------------------------------------

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
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert out.take() == b"before"


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
