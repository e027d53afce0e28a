"""permessage-deflate: any message, in any fragments."""

import itertools
import zlib
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from aiohttp_rawws import Frame, Opcode
from tests.support.deflate import PROFILE, TAIL, data, fragments, pair

Message = tuple[int, list[bytes], bool]

messages = st.lists(
    st.tuples(
        st.sampled_from([Opcode.TEXT, Opcode.BINARY]),
        st.lists(data, min_size=1, max_size=5),
        st.booleans(),
    ),
    max_size=6,
)

agreements = st.fixed_dictionaries(
    {},
    optional={
        "server_no_context_takeover": st.booleans(),
        "client_no_context_takeover": st.booleans(),
        "server_max_window_bits": st.integers(9, 15),
        "client_max_window_bits": st.integers(8, 15),
        "level": st.integers(-1, 9),
        "mem_level": st.integers(1, 9),
    },
)


@PROFILE
@given(messages, agreements)
@example([(2, [bytes(70_000), b"", b""], True)] * 3, {"server_no_context_takeover": True})
def test_round_trips(sent: list[Message], agreed: dict[str, Any]) -> None:
    server, client = pair(**agreed)
    for opcode, parts, compress in sent:
        frames = fragments(opcode, parts)
        for one, other in ((server, client), (client, server)):
            encoded = [one.encode(frame, compress=compress) for frame in frames]
            assert [other.decode(frame) for frame in encoded] == frames


@PROFILE
@given(messages, agreements)
def test_what_is_sent_is_read_by_plain_zlib(sent: list[Message], agreed: dict[str, Any]) -> None:
    """In the window that was agreed on, and from nothing where none is taken over."""
    server, _ = pair(**agreed)
    bits = agreed.get("server_max_window_bits", 15)
    inflater = zlib.decompressobj(-bits)
    for opcode, parts, _ in sent:
        encoded = [server.encode(frame) for frame in fragments(opcode, parts)]
        payload = b"".join(frame.payload for frame in encoded)
        assert inflater.decompress(payload + TAIL) == b"".join(parts)
        if agreed.get("server_no_context_takeover"):
            inflater = zlib.decompressobj(-bits)


@PROFILE
@given(
    st.lists(data, min_size=1, max_size=4),
    st.lists(st.integers(0, 1000), max_size=4),
    agreements,
    st.sampled_from([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]),
)
def test_what_plain_zlib_sends_is_read(
    sent: list[bytes], cuts: list[int], agreed: dict[str, Any], flush: int
) -> None:
    """Cut into fragments anywhere, also within a block."""
    server, _ = pair(**agreed)
    bits = max(9, agreed.get("client_max_window_bits", 15))
    deflater = zlib.compressobj(wbits=-bits)
    for message in sent:
        if agreed.get("client_no_context_takeover"):
            deflater = zlib.compressobj(wbits=-bits)
        payload = (deflater.compress(message) + deflater.flush(flush))[:-4] or b"\x00"
        edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
        parts = [payload[a:b] for a, b in itertools.pairwise(edges)]
        frames = fragments(Opcode.BINARY, parts)
        frames[0] = Frame(Opcode.BINARY, parts[0], frames[0].fin, rsv1=True)
        assert b"".join(server.decode(frame).payload for frame in frames) == message
