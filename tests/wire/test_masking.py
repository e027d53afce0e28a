"""Masking, of whole payloads and of those that arrive in parts, against the RFC."""

import random
import tracemalloc
from typing import Any

import pytest

from tests.support.builds import COMPILED
from tests.support.native import KEYS, arrive, masked, output
from tests.support.octets import MASK

#: Around every step of the loops: 4 octets of a key, 8 of a word, and what is left over.
SIZES = (*range(18), 31, 32, 33, 1000, 65535)


# -- each against the RFC --------------------------------------------------------------------------


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


# -- a payload that arrives in parts ---------------------------------------------------------------


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
    assert all(room <= min(max(before, 4096), mask.READ_SIZE) for before, room in rooms)
    assert len(rooms) < 20


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
