"""permessage-deflate (RFC 7692): Autobahn's groups 12 and 13, and more.

Autobahn sends 1000 messages in each of its cases. Here they are fewer: enough to fill the window of
32 KiB more than once, unless one message does.
"""

import random
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial

from .case import (
    Case,
    Deflate,
    Ending,
    Event,
    Part,
    Rounds,
    Send,
    binary,
    close,
    more,
    ping,
    text,
)

__all__ = ("cases",)

#: The size of a message, and of its fragments.
SIZES = (
    *((2**power, 0) for power in (4, 6, 8, 10, 12, 13, 14, 15, 16, 17)),
    *((2**power, 256) for power in (13, 14, 15, 16, 17)),
    *((2**17, fragment) for fragment in (1024, 4096, 32768)),
)
#: How many bytes go out in a case, and how many messages at most and at least.
TOTAL, MOST, LEAST = 2**17, 64, 3

#: What the peer's compressor is asked for, by Autobahn's number.
TERMS = (
    ((False, 0),),
    ((True, 0),),
    ((False, 9),),
    ((False, 15),),
    ((True, 9),),
    ((True, 15),),
    ((True, 9), (True, 0), (False, 0)),
)
WORDS = ("Geist", "Welt", "Faust", "Teufel", "Wort", "Sinn", "Kraft", "Tat", "Nacht", "Tag")


def cases() -> Iterator[Case]:
    for number, (kind, words, make) in enumerate(KINDS, 1):
        for size_number, (size, fragment) in enumerate(SIZES, 1):
            name = f"12.{number}.{size_number}"
            messages = partial(messages_of, kind, make, size)
            yield case(name, f"{words}, {size_words(size, fragment)}", messages, fragment, TERMS[0])
    for number, terms in enumerate(TERMS, 1):
        for size_number, (size, fragment) in enumerate(SIZES, 1):
            name = f"13.{number}.{size_number}"
            messages = partial(messages_of, "text", records, size)
            words = " or ".join(map(terms_words, terms))
            yield case(name, f"{words}: {size_words(size, fragment)}", messages, fragment, terms)
    yield from own()


def case(
    name: str,
    sentence: str,
    messages: Callable[[], Iterator[Event]],
    fragment: int,
    terms: tuple[tuple[bool, int], ...],
) -> Case:
    return Case(
        name,
        f"Compressed messages go to and fro. {sentence}.",
        "RFC 7692 7.2",
        "compression",
        (Rounds(messages, fragment),),
        deflate=Deflate(terms),
        patience=4,
    )


def size_words(size: int, fragment: int) -> str:
    return f"{size} bytes" + (f" in fragments of {fragment}" if fragment else "")


def terms_words(terms: tuple[bool, int]) -> str:
    no_takeover, window = terms
    words = ["no context takeover"] * no_takeover + [f"a window of {window} bits"] * bool(window)
    return " and ".join(words) or "No terms"


# -- payloads --------------------------------------------------------------------------------


def messages_of(
    kind: str, make: Callable[[random.Random, int], bytes], size: int
) -> Iterator[Event]:
    """Make messages, the same in each run."""
    source = random.Random(size)
    for _ in range(max(LEAST, min(MOST, TOTAL // size))):
        yield kind, make(source, size)


def records(source: random.Random, size: int) -> bytes:
    row = '{"id": %d, "name": "%s", "price": %d.50, "tags": ["%s", "%s"]}, '
    return repeated(
        lambda: (
            row
            % (
                source.randrange(10**6),
                source.choice(WORDS),
                source.randrange(99),
                *source.sample(WORDS, 2),
            )
        ),
        size,
    )


def picture(source: random.Random, size: int) -> bytes:
    row = bytes(at >> 2 for at in range(64))
    rows = [row.translate(brighter(source.randrange(8))) for _ in range(size // 64 + 1)]
    return b"".join(rows)[:size]


@cache
def brighter(step: int) -> bytes:
    return bytes((octet * 3 + step) & 0xFF for octet in range(256))


def prose(source: random.Random, size: int) -> bytes:
    return repeated(lambda: source.choice(WORDS) + " ", size)


def page(source: random.Random, size: int) -> bytes:
    return repeated(
        lambda: f'<li class="a"><a href="#{source.choice(WORDS)}">link</a></li>\n', size
    )


def noise(source: random.Random, size: int) -> bytes:
    return source.randbytes(size)


def repeated(make: Callable[[], str], size: int) -> bytes:
    text = ""
    while len(text) < size:
        # A line of its own for each KiB, and copies of it: as fast as it is alike.
        text += make() * (1 if size < 4096 else 3)
    return text.encode()[:size]


#: The kinds of Autobahn's group 12, in its order.
KINDS: tuple[tuple[str, str, Callable[[random.Random, int], bytes]], ...] = (
    ("text", "JSON", records),
    ("binary", "A picture", picture),
    ("binary", "Prose", prose),
    ("text", "HTML", page),
    ("binary", "Noise", noise),
)


# -- what Autobahn lacks ---------------------------------------------------------------------


def deflated(payload: bytes, flush: int = zlib.Z_SYNC_FLUSH, level: int = 6) -> bytes:
    """Compress a message by itself."""
    maker = zlib.compressobj(level, zlib.DEFLATED, -15)
    data = maker.compress(payload) + maker.flush(flush)
    return data[:-4] if flush == zlib.Z_SYNC_FLUSH else data + b"\0"


HELLO = b"Hello, world! " * 20


def legal(name: str, sentence: str, parts: tuple[Part, ...], *events: Event) -> Case:
    return Case(
        f"deflate.{name}",
        sentence,
        "RFC 7692 7.2",
        "compression",
        (Send(parts),),
        ok=(events,),
        deflate=Deflate(),
    )


def illegal(
    name: str, sentence: str, parts: tuple[Part, ...], section: str = "6", *codes: int
) -> Case:
    return Case(
        f"deflate.{name}",
        sentence,
        f"RFC 7692 {section}",
        "compression",
        (Send(parts),),
        Ending.FAILS,
        codes=codes or (1002,),
        deflate=Deflate(),
    )


def own() -> Iterator[Case]:
    whole = deflated(HELLO)
    hello = ("text", HELLO)
    yield legal("plain", "A message that is not compressed is echoed.", (text(HELLO),), hello)
    parts = (text(whole[:5], False, rsv=4), ping(b"between"), more(whole[5:]))
    sentence = "A compressed message in two fragments, with a Ping between them, is echoed."
    yield legal("fragments", sentence, parts, ("pong", b"between"), hello)
    yield legal(
        "empty", "A compressed empty message is echoed.", (text(b"\0", rsv=4),), ("text", b"")
    )
    two = (text(b"", False, rsv=4), more(whole))
    yield legal("empty-first", "The first fragment of a compressed message is empty.", two, hello)
    stored = deflated(HELLO, level=0)
    sentence = "A message in a block that is stored, not compressed, is echoed."
    yield legal("stored", sentence, (text(stored, rsv=4),), hello)
    final = deflated(HELLO, zlib.Z_FINISH)
    sentence = "A message in a final block (BFINAL) is echoed."
    yield legal("final-block", sentence, (text(final, rsv=4),), hello)
    double = zlib.compressobj(6, zlib.DEFLATED, -15)
    blocks = double.compress(HELLO) + double.flush(zlib.Z_SYNC_FLUSH) + double.compress(HELLO)
    blocks += double.flush(zlib.Z_SYNC_FLUSH)
    sentence = "A message in several blocks is echoed."
    yield legal("blocks", sentence, (text(blocks[:-4], rsv=4),), ("text", HELLO * 2))
    two = (text(whole[:5], False, rsv=4), more(whole[5:], rsv=4))
    yield illegal("rsv1-continuation", "RSV1 on a continuation is refused.", two)
    sentence = "RSV1 on a Ping is refused."
    yield illegal("rsv1-ping", sentence, (ping(b"\x02\0", rsv=4),))
    yield illegal("rsv1-close", "RSV1 on a Close is refused.", (close(1000, rsv=4),))
    yield illegal("rsv2", "RSV2 on a compressed message is refused.", (text(whole, rsv=6),))
    sentence = "A message that cannot be inflated is refused."
    codes = (1002, 1003, 1007, 1011)
    yield illegal("garbage", sentence, (binary(b"\xff" * 20, rsv=4),), "7.2.2", *codes)
    surrogate = deflated(b"a\xed\xa0\x80b")
    sentence = "Compressed text that is not UTF-8 is refused."
    yield illegal("not-utf8", sentence, (text(surrogate, rsv=4),), "7.2.2", 1007)
    bomb = deflated(bytes(2**25), level=9)
    yield Case(
        "deflate.bomb",
        f"A message of {len(bomb) // 1024} KiB that inflates to 32 MiB.",
        "10.4",
        "compression",
        (Send((binary(bomb, rsv=4),)),),
        Ending.EITHER,
        ok=((("binary", bytes(2**25)),),),
        informational=True,
        deflate=Deflate(),
        patience=8,
    )
