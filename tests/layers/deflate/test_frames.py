"""permessage-deflate: frames in and out, with zlib as the oracle."""

import traceback
import tracemalloc
import zlib

import pytest

from aiohttp_rawws import Frame, FrameTooBig, Opcode, ProtocolError, Violation
from aiohttp_rawws.layers import deflate_coding as deflate
from tests.support.deflate import (
    HELLO,
    HELLO_AGAIN,
    HELLO_FINAL,
    HELLO_TWO_BLOCKS,
    NOISE,
    TAIL,
    TEXT,
    broken,
    fragments,
    pair,
    reader,
    text,
)

HELLO_STORED = bytes.fromhex("000500faff48656c6c6f00")


@pytest.mark.parametrize("payload", [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_TWO_BLOCKS])
@pytest.mark.parametrize("cut", [None, 0, 1, 3, 5])
def test_the_examples_of_the_rfc(payload: bytes, cut: "int | None") -> None:
    """Whole (7.2.3.1, 7.2.3.3, 7.2.3.4, 7.2.3.5), and in two fragments."""
    inflater = reader()
    for _ in range(2):
        if cut is None:
            assert inflater.decode(text(payload)) == Frame.text("Hello")
            continue
        first = inflater.decode(text(payload[:cut], fin=False))
        last = inflater.decode(Frame.continuation(payload[cut:]))
        assert (first.opcode, first.fin, first.rsv1) == (Opcode.TEXT, False, False)
        assert (last.opcode, last.fin, last.rsv1) == (Opcode.CONTINUATION, True, False)
        assert first.payload + last.payload == b"Hello"


def test_the_window_is_taken_over() -> None:
    inflater = reader()
    assert inflater.decode(text(HELLO)).payload == b"Hello"
    assert inflater.decode(text(HELLO_AGAIN)).payload == b"Hello"  # section 7.2.3.2


def test_the_window_is_not_taken_over() -> None:
    inflater = reader(client_no_context_takeover=True)
    assert inflater.decode(text(HELLO)).payload == b"Hello"
    assert inflater.decode(text(HELLO)).payload == b"Hello"
    with pytest.raises(ProtocolError, match=r"no DEFLATE stream.*too far back") as caught:
        inflater.decode(text(HELLO_AGAIN))
    assert broken(caught, 1007)


def test_what_is_sent_is_what_the_rfc_shows() -> None:
    server, client = pair()
    hello = Frame.text("Hello")
    assert server.encode(hello).payload == HELLO
    if deflate.zlib is zlib:  # another encoder may see it otherwise
        assert server.encode(hello).payload == HELLO_AGAIN
    server, client = pair(server_no_context_takeover=True)
    assert server.encode(hello).payload == server.encode(hello).payload == HELLO
    assert client.encode(hello).payload == HELLO


@pytest.mark.parametrize("fresh", [False, True])
def test_empty_messages(fresh: bool) -> None:
    """Section 7.2.3.6."""
    server, client = pair(server_no_context_takeover=fresh)
    for opcode in (Opcode.TEXT, Opcode.BINARY) * 2:
        assert client.decode(server.encode(Frame(opcode))) == Frame(opcode)
        sent = server.encode(Frame(opcode))
        assert sent == Frame(opcode, b"\x00", rsv1=True)
        assert client.decode(sent) == Frame(opcode)
        assert client.decode(server.encode(Frame.text("not empty"))) == Frame.text("not empty")


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    "parts", [[b"", b""], [b"a", b""], [b"", b"a"], [b"", b"", b"", b"b"], [TEXT, b"", TEXT, b""]]
)
def test_fragments_some_of_them_empty(fresh: bool, parts: list[bytes]) -> None:
    server, client = pair(server_no_context_takeover=fresh)
    for _ in range(3):
        frames = fragments(Opcode.BINARY, parts)
        assert [client.decode(server.encode(frame)) for frame in frames] == frames


def test_only_the_first_fragment_has_rsv1_and_only_the_last_no_tail() -> None:
    server, _ = pair()
    sent = [server.encode(frame) for frame in fragments(Opcode.TEXT, [b"one", b"two", b"three"])]
    assert [frame.rsv1 for frame in sent] == [True, False, False]
    assert [frame.fin for frame in sent] == [False, False, True]
    assert [frame.opcode for frame in sent] == [Opcode.TEXT, 0, 0]
    assert [frame.payload.endswith(TAIL) for frame in sent] == [True, True, False]


def test_each_fragment_can_be_read_when_it_arrives() -> None:
    server, client = pair()
    for frame in fragments(Opcode.TEXT, [b"one", TEXT, b"three"]):
        assert client.decode(server.encode(frame)) == frame


def test_what_is_not_compressed_passes_as_it_is() -> None:
    server, client = pair()
    plain = [*fragments(Opcode.TEXT, [b"a", b"b"]), Frame.ping(b"p"), Frame.close(1000), Frame(3)]
    for frame in plain:
        assert client.decode(frame) is frame
    for frame in (Frame.ping(b"p"), Frame.pong(), Frame.close(1000), Frame.continuation(b"x")):
        assert server.encode(frame) is frame


def test_compression_is_chosen_for_each_message() -> None:
    server, client = pair()
    for compress in (True, False, False, True):
        frames = fragments(Opcode.TEXT, [TEXT, TEXT])
        # What continuations are called with is of no matter.
        sent = [
            server.encode(frames[0], compress=compress),
            server.encode(frames[1], compress=not compress),
        ]
        assert [frame.rsv1 for frame in sent] == [compress, False]
        assert (sent[0] is frames[0], sent[1] is frames[1]) == (not compress, not compress)
        assert [client.decode(frame) for frame in sent] == frames


def test_control_frames_within_a_message() -> None:
    server, client = pair()
    frames = fragments(Opcode.TEXT, [b"one", b"two"])
    frames.insert(1, Frame.ping(b"between"))
    assert [client.decode(server.encode(frame)) for frame in frames] == frames


def test_a_mask_is_kept_on_the_way_out_and_dropped_on_the_way_in() -> None:
    server, client = pair()
    sent = client.encode(Frame(Opcode.TEXT, b"Hello", mask=b"mask"))
    assert sent.mask == b"mask"
    assert server.decode(sent).mask is None


def test_other_bits_are_kept_on_the_way_out() -> None:
    server, _ = pair()
    sent = server.encode(Frame(Opcode.TEXT, b"Hello", rsv2=True, rsv3=True))
    assert (sent.rsv1, sent.rsv2, sent.rsv3) == (True, True, True)


def test_violations_that_passed_are_kept() -> None:
    frame = Frame(Opcode.TEXT, HELLO, rsv1=True)
    make, (head, payload, mask, _) = frame.__reduce__()
    flagged = make(head, payload, mask, Violation.UNMASKED.value)
    assert reader().decode(flagged).violations is Violation.UNMASKED


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Opcode.TEXT, rsv2=True),
        Frame(Opcode.TEXT, rsv3=True),
        Frame(Opcode.TEXT, HELLO, rsv1=True, rsv2=True),
        Frame(Opcode.CONTINUATION, rsv1=True),
        Frame(Opcode.CONTINUATION, rsv3=True),
        Frame(Opcode.PING, rsv1=True),
        Frame(Opcode.PONG, rsv2=True),
        Frame(Opcode.CLOSE, rsv1=True),
        Frame(11, rsv1=True),
    ],
)
@pytest.mark.parametrize("within", [None, False, True])
def test_misplaced_bits(frame: Frame, within: "bool | None") -> None:
    inflater = reader()
    if within is not None:
        inflater.decode(Frame(Opcode.TEXT, b"", False, rsv1=within))
    with pytest.raises(ProtocolError, match="RSV") as caught:
        inflater.decode(frame)
    assert caught.value.violation is Violation.RESERVED_BITS
    assert caught.value.close_code == 1002


@pytest.mark.parametrize("rsv1", [False, True])
def test_a_message_within_a_compressed_one(rsv1: bool) -> None:
    inflater = reader()
    inflater.decode(text(HELLO, fin=False))
    with pytest.raises(ProtocolError) as caught:
        inflater.decode(Frame(Opcode.TEXT, HELLO, rsv1=rsv1))
    assert caught.value.violation is Violation.EXPECTED_CONTINUATION
    assert caught.value.close_code == 1002


def test_after_an_error_nothing_is_decoded_but_control_frames_pass() -> None:
    inflater = reader()
    with pytest.raises(ProtocolError) as first:
        inflater.decode(text(b"\xff"))
    for frame in (text(HELLO), Frame.text("plain"), Frame.continuation(b"")):
        with pytest.raises(ProtocolError) as caught:
            inflater.decode(frame)
        assert caught.value is first.value
    close = Frame.close(1000)
    assert inflater.decode(close) is close
    inflater = reader(max_size=4)
    for _ in range(2):
        with pytest.raises(FrameTooBig):
            inflater.decode(text(HELLO))
    with pytest.raises(FrameTooBig):
        inflater.decode(Frame.text("plain"))


def test_an_error_that_is_raised_again_does_not_grow() -> None:
    inflater = reader()
    depths = set()
    for frame in (text(b"\xff"), *[text(HELLO)] * 20):
        with pytest.raises(ProtocolError) as caught:
            inflater.decode(frame)
        depths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert max(depths) <= 4


def test_errors_of_the_caller() -> None:
    server, _ = pair()
    with pytest.raises(ValueError, match="compressed already"):
        server.encode(text(HELLO))
    server.encode(Frame.text("one", fin=False))
    with pytest.raises(ValueError, match="has not ended"):
        server.encode(Frame.text("two"))
    server.encode(Frame.continuation(b""))
    assert server.encode(Frame.text("two")).rsv1


def test_a_window_of_8_bits_is_read_but_not_written() -> None:
    server, client = pair(client_max_window_bits=8)
    frame = Frame.binary(TEXT)
    assert client.encode(frame) is frame
    deflater = zlib.compressobj(9, zlib.DEFLATED, -9)  # which looks 250 bytes back
    for _ in range(2):
        payload = (deflater.compress(TEXT) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert server.decode(Frame(Opcode.BINARY, payload, rsv1=True)) == frame


def test_compressors_are_lent_for_a_message_where_no_context_is_taken_over() -> None:
    connections = [pair(server_no_context_takeover=True) for _ in range(20)]
    frames = fragments(Opcode.TEXT, [TEXT, b"", TEXT])
    for _ in range(3):
        for frame in frames:
            for server, client in connections:
                assert client.decode(server.encode(frame)) == frame
    [idle] = deflate.IDLE.values()
    assert len(idle) == deflate.MAX_IDLE == len(set(map(id, idle)))
    for server, client in connections:
        assert client.decode(server.encode(Frame.text("a"))) == Frame.text("a")
    assert len(idle) == deflate.MAX_IDLE


def test_a_fragment_takes_over_from_the_one_before() -> None:
    server, _ = pair(server_no_context_takeover=True)
    sizes = [len(server.encode(frame).payload) for frame in fragments(2, [NOISE] * 3)]
    assert sizes[0] > len(NOISE) > 20 * sizes[1]
    assert sizes[0] > len(NOISE) > 20 * sizes[2]


@pytest.mark.parametrize(("fresh", "least", "most"), [(False, 280, 600), (True, 0, 10)])
def test_what_a_connection_keeps_between_messages(fresh: bool, least: int, most: int) -> None:
    """In KiB; both directions have had a message."""
    agreed = {"server_no_context_takeover": fresh, "client_no_context_takeover": fresh}
    pairs = [pair(**agreed) for _ in range(10)]
    tracemalloc.start()
    try:
        for server, client in pairs:
            client.decode(server.encode(Frame.text("Hello")))
            server.decode(client.encode(Frame.text("Hello")))
        deflate.IDLE.clear()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert least * 1024 <= kept / 20 < most * 1024


def test_a_message_without_end_keeps_its_compressor() -> None:
    (one, _), (other, reads) = (pair(server_no_context_takeover=True) for _ in range(2))
    one.encode(Frame.text("Hello", fin=False))
    assert deflate.IDLE == {}
    assert reads.decode(other.encode(Frame.text("Hello"))) == Frame.text("Hello")
