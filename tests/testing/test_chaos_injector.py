"""What the faults do to octets, and that they follow from the seed and the frames alone."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing.chaos.injector import END, RESET, Delivery, Injector
from aiohttp_rawws.testing.chaos.plan import MAX_WHOLE, Planner
from aiohttp_rawws.testing.chaos.records import FaultRecord
from aiohttp_rawws.testing.chaos.rules import FAULTS, parse_rule
from aiohttp_rawws.wire.header import read_header
from tests.support.octets import MASK, masked, xor

TEXTS = [masked(0x81, b"%d" % number) for number in range(10)]

#: Frames that no sender should send, and how they stand on the wire is part of them.
ODD = [
    b"\x81\x7e\x00\x01a",  # a length of 16 bits that needs 7
    b"\x82\x7f" + (2).to_bytes(8, "big") + b"ab",
    b"\xf3\x00",  # reserved bits, a reserved opcode
    b"\x09\x7e\x00\x80" + bytes(128),  # a long Ping without FIN
    masked(0x88, b"\x03\xe8") + masked(0x81, b"behind"),
]


def injected(
    reads: Iterable[bytes], seed: int = 1, connection: int = 1, **rules: str
) -> tuple[list[Delivery], list[FaultRecord]]:
    """Return what passes of a stream that comes in these reads, and what was done."""
    parsed = [parse_rule(name, rules[name]) for name in FAULTS if name in rules]
    planner = Planner(parsed, seed=seed, connection=connection, direction="client")
    records: list[FaultRecord] = []
    injector = Injector(planner, records.append)
    deliveries = [each for data in reads for each in injector.feed(data)]
    return deliveries + injector.finish(), records


def passed(reads: Iterable[bytes], **rules: Any) -> bytes:
    return b"".join(each.octets for each in injected(reads, **rules)[0])


def cut(data: bytes, seed: int) -> list[bytes]:
    """Return data in reads of chance."""
    chance = random.Random(seed)
    points = sorted(chance.sample(range(len(data)), min(8, len(data))))
    return [data[a:b] for a, b in zip([0, *points], [*points, len(data)], strict=True)]


# -- without a fault -------------------------------------------------------------------------


def test_what_no_rule_chooses_passes_as_it_came() -> None:
    stream = b"".join(TEXTS + ODD)
    assert injected([stream], drop="0%") == ([Delivery(stream)], [])
    assert passed([bytes([octet]) for octet in stream], drop="0%") == stream
    # A frame passes while it comes, and the stream may end in it.
    begun = masked(0x81, b"begun")[:-2]
    assert injected([begun], drop="ping")[0] == [Delivery(begun, is_whole=False)]
    assert passed([b"\x81"], drop="ping") == b"\x81"


def test_a_frame_that_the_stream_ends_in_has_its_fault() -> None:
    begun = masked(0x81, b"begun")[:-2]
    deliveries, (record,) = injected([begun], latency="0.1")
    assert deliveries == [Delivery(begun, is_whole=False, delay=0.1)]
    assert record.frame == "TEXT fin 5 bytes"


@pytest.mark.parametrize("length", [2**63, 2**64 - 1])
def test_a_length_with_its_top_bit_set_is_a_length(length: int) -> None:
    octets = b"\x82\x7f" + length.to_bytes(8, "big") + b"more"
    header = read_header(octets)
    assert header is not None
    assert header.length == length
    deliveries, records = injected([octets], corrupt="all", drop="#2")
    assert passed([octets], drop="#2") == octets
    assert records[0].frame == f"BINARY fin {length} bytes"
    assert len(deliveries[0].octets) == len(octets)


# -- each fault ------------------------------------------------------------------------------


def test_drop() -> None:
    deliveries, records = injected([b"".join(TEXTS[:3])], drop="#2")
    assert b"".join(each.octets for each in deliveries) == TEXTS[0] + TEXTS[2]
    assert records == [FaultRecord(1, "client", 2, "drop", "", "TEXT fin 1 bytes b'1'")]
    assert str(records[0]) == "#1 client frame 2: drop: TEXT fin 1 bytes b'1'"


def test_duplicate() -> None:
    assert passed(TEXTS[:2], duplicate="#1") == TEXTS[0] * 2 + TEXTS[1]


def test_corrupt_flips_one_bit_of_the_payload_that_it_names() -> None:
    payload = bytes(range(200))
    frame = masked(0x82, payload)
    (delivery,), (record,) = injected([frame], corrupt="all")
    words = record.detail.split()
    bit, octet = int(words[1]), int(words[4])
    changed = bytearray(payload)
    changed[octet] ^= 0x80 >> bit
    assert xor(delivery.octets[8:]) == changed
    assert delivery.octets[:8] == frame[:8]
    # There is none in an empty payload.
    assert injected([b"\x81\x00"], corrupt="all") == ([Delivery(b"\x81\x00")], [])


def test_corrupt_header_flips_one_bit_of_it_and_none_of_the_masking_key() -> None:
    frame = masked(0x82, bytes(200))
    seen = set()
    for seed in range(100):
        (delivery,), (record,) = injected([frame], seed, corrupt_header="all")
        words = record.detail.split()
        changed = bytearray(frame)
        changed[int(words[4])] ^= 0x80 >> int(words[1])
        assert delivery.octets == changed
        seen.add(int(words[4]))
    assert seen == {0, 1, 2, 3}


def test_truncate_passes_a_part_and_ends_the_stream() -> None:
    deliveries, (record,) = injected(TEXTS, truncate="#2")
    assert [each.octets for each in deliveries[:1]] == TEXTS[:1]
    assert deliveries[1].ending == END
    assert deliveries[1].octets == TEXTS[1][: int(record.detail.split()[1])]
    assert 0 < len(deliveries[1].octets) < len(TEXTS[1])
    assert len(deliveries) == 2


def test_reset_ends_all() -> None:
    assert injected(TEXTS, reset="#2")[0] == [Delivery(TEXTS[0]), Delivery(ending=RESET)]


def test_stall() -> None:
    deliveries, (record,) = injected(TEXTS[:2], stall="#2:0.5")
    assert deliveries == [Delivery(TEXTS[0]), Delivery(TEXTS[1], stall=0.5)]
    assert record.detail == "0.500 s"
    # Behind one for ever no frame is looked at any more.
    deliveries, records = injected(TEXTS, stall="#2", latency="0.1")
    assert deliveries[1].stall == float("inf")
    assert [each.number for each in records] == [1, 2, 2]


def test_latency_adds_up_and_has_its_jitter() -> None:
    deliveries, records = injected(TEXTS, latency="0.2+-0.1")
    assert all(0.1 <= each.delay <= 0.3 for each in deliveries)
    assert [each.detail for each in records] == [f"{each.delay:.3f} s" for each in deliveries]


def test_reorder_holds_every_other_frame_at_most() -> None:
    deliveries, records = injected([b"".join(TEXTS[:4])], reorder="all:0.2")
    assert [each.hold for each in deliveries] == [0.2, None, 0.2, None]
    # The frame that passes first stands alone.
    assert [each.octets for each in deliveries] == TEXTS[:4]
    assert [each.number for each in records] == [1, 3]


def test_a_frame_that_is_cut_by_reads_ends_a_delivery_while_another_waits_for_it() -> None:
    reads = [TEXTS[0], TEXTS[1][:6], TEXTS[1][6:] + TEXTS[2] + TEXTS[3]]
    deliveries, _ = injected(reads, reorder="#1")
    assert [(each.octets, each.is_whole) for each in deliveries] == [
        (TEXTS[0], True),
        (TEXTS[1][:6], False),
        (TEXTS[1][6:], True),
        (TEXTS[2] + TEXTS[3], True),
    ]


def test_split_cuts_the_write_where_it_says() -> None:
    (delivery,), (record,) = injected([masked(0x81, b"0123456789")], split="all:0.02")
    assert record.detail == f"at {', '.join(map(str, delivery.cuts))}"
    assert all(0 < each < len(delivery.octets) for each in delivery.cuts)
    assert delivery.gap == 0.02


def test_faults_come_together() -> None:
    deliveries, records = injected(TEXTS[:3], corrupt="#1", duplicate="#1", drop="#2", split="#2")
    assert [each.fault for each in records] == ["corrupt", "duplicate", "drop"]
    half = deliveries[0].octets[: len(TEXTS[0])]
    assert deliveries[0].octets == half * 2 != TEXTS[0] * 2
    assert deliveries[1:] == [Delivery(TEXTS[2])]


# -- repeatability ---------------------------------------------------------------------------

MANY: dict[str, Any] = {
    "latency": "30%:0.2+-0.1",
    "drop": "10%",
    "corrupt": "data:20%",
    "corrupt_header": "5%",
    "duplicate": "ping:50%",
    "reorder": "20%",
    "split": "20%",
}
FRAMES = [
    Frame(opcode, bytes(range(opcode * size)), mask=MASK)
    for opcode in (1, 2, 9, 10)
    for size in range(1, 20)
]
STREAM = b"".join(frame.encode() for frame in FRAMES)


def test_the_same_seed_makes_the_same_faults_however_the_octets_are_read() -> None:
    whole = injected([STREAM], 7, **MANY)
    assert len({record.fault for record in whole[1]}) == len(MANY)
    for seed in range(10):
        reads = cut(STREAM, seed)
        assert passed(reads, seed=7, **MANY) == b"".join(each.octets for each in whole[0])
        assert injected(reads, 7, **MANY)[1] == whole[1]


def test_other_seeds_connections_and_directions_have_other_faults() -> None:
    first = injected([STREAM], 7, drop="50%")[1]
    assert [each[1:] for each in injected([STREAM], 7, 2, drop="50%")[1]] != [
        each[1:] for each in first
    ]
    assert injected([STREAM], 8, drop="50%")[1] != first


def test_what_a_frame_is_makes_no_difference_to_those_behind_it() -> None:
    other = Frame.ping(b"another").encode() + STREAM[len(FRAMES[0].encode()) :]
    ours, theirs = injected([STREAM], 7, **MANY)[1], injected([other], 7, **MANY)[1]
    assert [each for each in ours if each.number > 2] == [
        each for each in theirs if each.number > 2
    ]


def test_the_same_on_each_python() -> None:
    assert [each.number for each in injected([STREAM], 7, drop="10%")[1]] == [8, 48, 49, 53, 73]


# -- frames that are too big to hold ---------------------------------------------------------


def test_a_big_frame_passes_in_parts_with_the_faults_that_can_be_done() -> None:
    frame = Frame.binary(bytes(MAX_WHOLE + 1)).encode()
    reads = [frame[start : start + 65536] for start in range(0, len(frame), 65536)]
    deliveries, records = injected(reads, corrupt="all", duplicate="all", reorder="all")
    assert [each.fault for each in records] == ["corrupt"]
    assert records[0].frame == f"BINARY fin {MAX_WHOLE + 1} bytes"
    assert len(deliveries) == len(reads)
    out = b"".join(each.octets for each in deliveries)
    assert sum(a != b for a, b in zip(out, frame, strict=True)) == 1
    assert passed([*reads, *TEXTS], drop="#1") == b"".join(TEXTS)
    cut_off = passed([*reads, *TEXTS], truncate="#1")
    assert 0 < len(cut_off) < len(frame)
    assert frame.startswith(cut_off)
