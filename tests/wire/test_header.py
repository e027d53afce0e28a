"""Headers of frames, legal or not."""

import pytest

from aiohttp_rawws.wire.header import Header, read_header

KEY = b"\x37\xfa\x21\x3d"

#: As bits: FIN, RSV1-3 and opcode; mask and length.
HEADERS = [
    (b"\x81\x05", Header(0b1_000_0001, 2, 5, 0, None)),
    (b"\x89\x85" + KEY, Header(0b1_000_1001, 6, 5, 0, KEY)),
    (b"\x02\x7e\x01\x00", Header(0b0_000_0010, 4, 256, 16, None)),
    # Not the shortest form, and one with the top bit set: legal nowhere, and read all the same.
    (b"\xf3\xfe\x00\x05" + KEY, Header(0b1_111_0011, 8, 5, 16, KEY)),
    (b"\x82\x7f" + b"\x80" + bytes(7), Header(0b1_000_0010, 10, 2**63, 64, None)),
]


@pytest.mark.parametrize(("octets", "header"), HEADERS)
def test_a_header_is_read_once_it_is_whole(octets: bytes, header: Header) -> None:
    assert [read_header(octets[:end]) for end in range(len(octets))] == [None] * len(octets)
    assert read_header(octets) == header == read_header(bytearray(octets + b"payload"))


def test_what_a_header_tells() -> None:
    text, ping, reserved = (HEADERS[i][1] for i in (0, 1, 3))
    assert [each.opcode for each in (text, ping, reserved)] == [1, 9, 3]
    assert [each.kind for each in (text, ping)] == ["text", "ping"]
    assert reserved.kind == "opcode 3"
    assert [each.is_control for each in (text, ping, reserved)] == [False, True, False]
    assert [(each.total, each.bare_size) for each in (text, ping)] == [(7, 2), (11, 2)]
