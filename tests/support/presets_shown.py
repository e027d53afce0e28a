"""How each preset's fault shows in the octets that an independent peer has taken."""

import re
import zlib
from collections.abc import Callable

from tests.support.by_octets import MUCH, Octets, Taken, accept_of, inflated, inflates_over

#: The timeout of the scripts, in seconds.
TIMEOUT = 1.5

Shows = Callable[[Octets], object]


def frame(opcode: int, payload: "bytes | None" = None, **bits: object) -> Shows:
    """There is a frame of this opcode, payload and bits."""

    def shows(octets: Octets) -> bool:
        return any(like(each, opcode, payload, bits) for each in octets.frames)

    return shows


def like(each: Taken, opcode: int, payload: "bytes | None", bits: dict[str, object]) -> bool:
    return (
        each.opcode == opcode
        and payload in (None, each.payload)
        and all(getattr(each, name) == value for name, value in bits.items())
    )


def in_a_row(*wanted: tuple[int, bool, bytes]) -> Shows:
    """There are these frames, one behind the other: opcode, FIN, payload."""

    def shows(octets: Octets) -> bool:
        frames = [(each.opcode, each.fin, each.payload) for each in octets.frames]
        return any(tuple(frames[i:])[: len(wanted)] == wanted for i in range(len(frames)))

    return shows


def cut(seen: "Callable[[Octets], object]", octets: Octets) -> bool:
    return bool(octets.partial) and bool(seen(octets))


def stays(octets: Octets) -> bool:
    """The connection stays: it ends long after the last word, and by the script's timeout."""
    begun = max(octets.last_time, octets.said_time)
    return octets.end_time - begun > 0.5 * TIMEOUT


def partial(client: int, server: int, end: str, *, later: bool) -> Shows:
    """The stream ends with so many octets of a text of 17, at once or later."""

    def shows(octets: Octets) -> bool:
        left = octets.partial
        size = client if left[1:2] >= b"\x80" or "GET" in octets.line else server
        return (
            len(left) == size
            and left[0] == 0x81
            and left[1:2] in (b"", b"\x11", b"\x91")
            and octets.end == end
            and stays(octets) == later
        )

    return shows


def reset_behind(seen: Shows) -> Shows:
    return lambda octets: octets.end == "RST" and bool(seen(octets)) and not octets.partial


def nothing_behind_the_echo(octets: Octets) -> bool:
    """Nothing but the first message comes, and much of what is sent is never read."""
    return (
        octets.end == "RST"
        and len(octets.frames) <= 1
        and octets.swallowed < MUCH
        and octets.end_time - octets.last_time > 0.5 * TIMEOUT
    )


def header(name: str, pattern: str) -> Shows:
    return lambda octets: re.search(pattern, octets.header(name) or "")


def refuses(status: int, body: bytes) -> Shows:
    def shows(octets: Octets) -> bool:
        said = octets.line.startswith(f"HTTP/1.1 {status} ") and octets.behind == body
        return said and octets.header("Content-Length") == str(len(body))

    return shows


def compressed(octets: Octets) -> list[Taken]:
    return [each for each in octets.frames if 1 in each.rsv]


def negotiated(octets: Octets, pattern: str = "permessage-deflate") -> bool:
    return bool(re.search(pattern, octets.header("Sec-WebSocket-Extensions") or ""))


def is_bomb(octets: Octets) -> bool:
    return any(
        each.length < 2**20 and inflates_over(each.payload, 2**26) for each in compressed(octets)
    )


def exceeds_window(octets: Octets) -> bool:
    """What is right with 15 bits is wrong with the 9 that were agreed."""
    if not negotiated(octets, "max_window_bits=9$"):
        return False
    wide, narrow = zlib.decompressobj(wbits=-15), zlib.decompressobj(wbits=-9)
    first, second = compressed(octets)
    whole = inflated(first.payload, wide)
    assert inflated(first.payload, narrow) == whole
    assert inflated(second.payload, wide) == whole[:128]
    return is_wrong(second.payload, narrow)


def keeps_context(octets: Octets) -> bool:
    """What is right with the first message before it is wrong alone."""
    if not negotiated(octets, "no_context_takeover$"):
        return False
    kept = zlib.decompressobj(wbits=-15)
    first, second = compressed(octets)
    whole = inflated(first.payload, kept)
    assert inflated(second.payload, kept) == whole[:128]
    return is_wrong(second.payload)


def is_wrong(payload: bytes, inflater: "zlib._Decompress | None" = None) -> bool:
    try:
        inflated(payload, inflater)
    except zlib.error:
        return True
    return False


def is_cut(octets: Octets) -> bool:
    """A stored block of deflate (RFC 1951 3.2.4) has fewer octets than its header says."""
    if not negotiated(octets):
        return False
    [each] = compressed(octets)
    is_stored = each.payload[0] & 7 == 0
    return each.fin and is_stored and int.from_bytes(each.payload[1:3], "little") > each.length - 5


def is_garbage(octets: Octets) -> bool:
    return negotiated(octets) and any(is_wrong(each.payload) for each in compressed(octets))


def not_negotiated(octets: Octets) -> bool:
    seen = compressed(octets)
    return not negotiated(octets) and bool(seen) and inflated(seen[0].payload).count(b"Hello") == 3


def rsv1_twice(octets: Octets) -> bool:
    seen = compressed(octets)
    return negotiated(octets) and [each.opcode for each in seen] == [2, 0]


def pong_is_late(octets: Octets) -> bool:
    came = octets.time_of(10)
    return came is not None and came - octets.said_time >= 0.35 * TIMEOUT


def has_no_pong(octets: Octets) -> bool:
    # A server echoes the text that was sent behind the Ping.
    texts = sum(each.opcode == 1 for each in octets.frames)
    alive = texts >= 2 or "GET" in octets.line
    return alive and all(each.opcode != 10 for each in octets.frames)


def never_closes(octets: Octets) -> bool:
    return all(each.opcode != 8 for each in octets.frames) and stays(octets)


def is_octet_by_octet(octets: Octets) -> bool:
    # A busy machine may read several at once.
    single = sum(len(data) == 1 for _, data in octets.reads)
    return single > 50 and octets.has(1, b"octet by octet")


def is_slow(octets: Octets) -> bool:
    """The head takes the script's timeout, octet by octet."""
    times = [when for when, data in octets.reads if len(data) == 1]
    return len(times) > 20 and times[-1] - times[0] > 0.5 * TIMEOUT


def head_is_cut(end: str, *, later: bool) -> Shows:
    def shows(octets: Octets) -> bool:
        return len(octets.data) == 40 and octets.end == end and stays(octets) == later

    return shows


def is_header_flood(octets: Octets) -> bool:
    return len(re.findall(r"X-Header-\d+: x{1000}", octets.head)) == 1024


def is_ping_flood(octets: Octets) -> bool:
    pings = sum(each.opcode == 9 and each.length == 125 for each in octets.frames)
    return pings == 5000 and octets.has(1, b"behind the flood")


def is_fragment_flood(octets: Octets) -> bool:
    seen = [(each.opcode, each.fin) for each in octets.frames if each.length == 0]
    return seen == [(1, False), *[(0, False)] * 50_000, (0, True)]


def gigabyte(octets: Octets) -> bool:
    left = octets.partial
    masked = 4 if left[1:2] == b"\xff" else 0
    return (
        left[:1] == b"\x82"
        and left[1:2] in (b"\x7f", b"\xff")
        and int.from_bytes(left[2:10], "big") == 10**9
        and len(left) == 10 + masked + 1024
        and stays(octets)
    )


def top_bit(octets: Octets) -> bool:
    left = octets.partial
    return left[:1] == b"\x82" and left[1:2] in (b"\x7f", b"\xff") and left[2:3] == b"\x80"


def wrong_accept(octets: Octets) -> bool:
    accept = octets.header("Sec-WebSocket-Accept")
    # That of the RFC's example belongs to the key that this peer sends.
    return accept is not None and accept != accept_of("dGhlIHNhbXBsZSBub25jZQ==")


def behind_the_answer(octets: Octets) -> bool:
    texts = b"\x81\x05Hello\x89\x06behind"
    return any(b"HTTP/1.1 101" in data and texts in data for _, data in octets.reads)


def behind_the_request(octets: Octets) -> bool:
    [first] = octets.reads[:1]
    return b"\r\n\r\n\x81\x85" in first[1] and octets.has(1, b"Hello") and octets.has(9, b"behind")


SHOWS: dict[str, Shows] = {
    "no-pong": has_no_pong,
    "late-pong": pong_is_late,
    "wrong-pong": lambda octets: (
        frame(10, b"another")(octets) and not frame(10, b"are you there")(octets)
    ),
    "never-closes": never_closes,
    "close-twice": in_a_row((8, True, b"\x03\xe8"), (8, True, b"\x03\xe8")),
    "data-after-close": in_a_row((8, True, b"\x03\xe8"), (1, True, b"after the Close")),
    "close-1005": frame(8, b"\x03\xed"),
    "close-1006": frame(8, b"\x03\xee"),
    "close-999": frame(8, b"\x03\xe7"),
    "close-one-octet": frame(8, b"\x03"),
    "text-bad-utf8": frame(1, b"Hell\xff", fin=True),
    "text-cut-character": in_a_row((1, False, b"10 \xe2\x82"), (0, True, b" is the price")),
    "text-unfinished-character": frame(1, b"10 \xe2\x82", fin=True),
    "text-character-in-two": in_a_row((1, False, b"10 \xe2\x82"), (0, True, b"\xac is the price")),
    "close-bad-utf8": frame(8, b"\x03\xe8bye\xff"),
    "unmasked-client": lambda octets: (
        "GET" in octets.line and frame(1, b"unmasked", masked=False)(octets)
    ),
    "masked-server": lambda octets: (
        "101" in octets.line and frame(1, b"masked", masked=True)(octets)
    ),
    "rsv1": lambda octets: not negotiated(octets) and frame(1, b"reserved", rsv=(1,))(octets),
    "rsv2": frame(1, b"reserved", rsv=(2,)),
    "rsv3": frame(1, b"reserved", rsv=(3,)),
    **{f"opcode-{number}": frame(number, b"reserved") for number in (*range(3, 8), *range(11, 16))},
    "length-top-bit": top_bit,
    "length-16-too-long": frame(1, b"Hello", form=16),
    "length-64-too-long": frame(1, b"Hello", form=64),
    "fragmented-ping": in_a_row((9, False, b"frag"), (0, True, b"mented")),
    "fragmented-close": in_a_row((8, False, b"\x03\xe8"), (0, True, b"bye")),
    "long-ping": frame(9, length=126, form=16),
    "long-close": frame(8, length=126, form=16),
    "continuation-first": lambda octets: (
        frame(0, b"continued")(octets) and all(each.fin for each in octets.frames)
    ),
    "start-inside-message": in_a_row((1, False, b"begun"), (1, True, b"begun again")),
    "gigabyte": gigabyte,
    "octet-by-octet": is_octet_by_octet,
    "stall-in-header": partial(1, 1, "FIN", later=True),
    "stall-in-mask": partial(4, 0, "FIN", later=True),
    "stall-in-payload": partial(12, 12, "FIN", later=True),
    "never-reads": lambda octets: (
        octets.end == "RST"
        and octets.swallowed < MUCH
        and frame(2, length=16384)(octets)
        and not frame(1, b"hi")(octets)
    ),
    "ping-flood": is_ping_flood,
    "empty-fragment-flood": is_fragment_flood,
    "reset-at-once": lambda octets: octets.end == "RST" and octets.data == b"",
    "reset-in-handshake": head_is_cut("RST", later=False),
    "reset-after-handshake": reset_behind(lambda octets: octets.head and not octets.behind),
    "reset-between-messages": reset_behind(lambda octets: octets.head),
    "reset-in-header": partial(1, 1, "RST", later=False),
    "reset-in-payload": partial(12, 12, "RST", later=False),
    "reset-between-fragments": reset_behind(lambda octets: octets.frames[-1][:3] == (False, (), 1)),
    "reset-after-close": reset_behind(lambda octets: octets.frames[-1].opcode == 8),
    "end-without-close": lambda octets: (
        octets.end == "FIN"
        and bool(octets.head)
        and not octets.partial
        and not stays(octets)
        and all(each.opcode == 1 for each in octets.frames)
    ),
    "end-in-payload": partial(12, 12, "FIN", later=False),
    "half-open": nothing_behind_the_echo,
    "deflate-bomb": is_bomb,
    "deflate-window-exceeded": exceeds_window,
    "deflate-wrong-window": lambda octets: negotiated(octets, "max_window_bits=7$"),
    "deflate-context-kept": keeps_context,
    "deflate-rsv1-on-continuation": rsv1_twice,
    "deflate-rsv1-on-ping": lambda octets: negotiated(octets) and frame(9, rsv=(1,))(octets),
    "deflate-not-negotiated": not_negotiated,
    "deflate-cut": is_cut,
    "deflate-garbage": is_garbage,
    "answer-wrong-accept": wrong_accept,
    "answer-no-accept": lambda octets: (
        "101" in octets.line and octets.header("Sec-WebSocket-Accept") is None
    ),
    "answer-unoffered-protocol": header("Sec-WebSocket-Protocol", "^unoffered$"),
    "answer-unoffered-extension": header("Sec-WebSocket-Extensions", "^x-unoffered$"),
    "answer-200": refuses(200, b"<p>Hello</p>"),
    "answer-301": lambda octets: (
        refuses(301, b"")(octets) and octets.header("Location") == "/elsewhere"
    ),
    "answer-401": lambda octets: (
        refuses(401, b"who are you?")(octets) and octets.header("WWW-Authenticate")
    ),
    "answer-header-flood": is_header_flood,
    "answer-slow": is_slow,
    "answer-stalled": head_is_cut("FIN", later=True),
    "answer-with-bytes-behind": behind_the_answer,
    "request-no-key": lambda octets: (
        octets.line == "GET / HTTP/1.1" and octets.header("Sec-WebSocket-Key") is None
    ),
    "request-wrong-version": header("Sec-WebSocket-Version", "^8$"),
    "request-post": lambda octets: octets.line == "POST / HTTP/1.1",
    "request-http-1-0": lambda octets: octets.line == "GET / HTTP/1.0",
    "request-header-flood": is_header_flood,
    "request-slow": is_slow,
    "request-stalled": head_is_cut("FIN", later=True),
    "request-with-bytes-behind": behind_the_request,
}
