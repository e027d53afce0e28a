"""UTF-8 in text messages: Autobahn's group 6, and every octet that decides."""

from collections.abc import Iterator

from .case import (
    Case,
    Ending,
    Event,
    Part,
    Send,
    Slice,
    Step,
    Wait,
    binary,
    message,
    more,
    ping,
    text,
)

#: What is seen of a peer that does not refuse broken text at once.
LATE = b"long after what breaks the text"

__all__ = ("BROKEN", "GREEK", "cases")

GREEK = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
SURROGATE = b"\xed\xa0\x80"
TOO_HIGH = b"\xf4\x90\x80\x80"
EDITED = b"edited"
#: Text that is broken at its thirteenth octet.
BROKEN = GREEK + SURROGATE + EDITED

MIXED = "Hello-µ@ßöäüàá-UTF-8!!".encode()


def cases() -> Iterator[Case]:
    yield from empty_fragments()
    yield from valid()
    yield from invalid()
    yield from fail_fast()
    yield from sequences()
    yield from own()


def good(name: str, sentence: str, parts: tuple[Part, ...], payload: bytes) -> Case:
    return Case(name, sentence, "8.1", "UTF-8", (Send(parts),), ok=((("text", payload),),))


def bad(name: str, sentence: str, *steps: Step) -> Case:
    return Case(name, sentence, "8.1", "UTF-8", steps, Ending.FAILS, codes=(1007,))


def by_octet(payload: bytes) -> tuple[Part, ...]:
    """Return a message in fragments of one octet, with an empty one at its end."""
    first, *rest = (payload[at : at + 1] for at in range(len(payload)))
    return (text(first, False), *(more(each, False) for each in rest), more(b""))


def empty_fragments() -> Iterator[Case]:
    yield good("6.1.1", "An empty text message is echoed.", (text(b""),), b"")
    three = (text(b"", False), more(b"", False), more(b""))
    yield good("6.1.2", "Three empty fragments are an empty message.", three, b"")
    middle = (text(b"", False), more(b"middle", False), more(b""))
    yield good("6.1.3", "Empty fragments around a full one are nothing.", middle, b"middle")


def valid() -> Iterator[Case]:
    yield good("6.2.1", "Text of one and two octets a character is echoed.", (text(MIXED),), MIXED)
    at = MIXED.index("ü".encode())
    two = (text(MIXED[:at], False), more(MIXED[at:]))
    yield good("6.2.2", "Text cut between two characters is echoed.", two, MIXED)
    for name, payload in (("6.2.3", MIXED), ("6.2.4", GREEK)):
        sentence = "Text in fragments of one octet, that cut characters, is echoed."
        yield good(name, sentence, by_octet(payload), payload)


def invalid() -> Iterator[Case]:
    yield bad("6.3.1", "Text with a surrogate is refused.", Send((text(BROKEN),)))
    sentence = "Text with a surrogate, in fragments of one octet, is refused."
    yield bad("6.3.2", sentence, Send(by_octet(BROKEN)))


def fail_fast() -> Iterator[Case]:
    """Broken text is to be refused as soon as the octet is there that breaks it."""
    whole = GREEK + TOO_HIGH + EDITED
    thirds = (GREEK, TOO_HIGH, EDITED)
    octets = (whole[:12], whole[12:13], whole[13:])
    for number, parts in ((1, thirds), (2, octets)):
        first, second, third = parts
        words = "with the character" if number == 1 else "with the octet"
        yield slow(
            number,
            f"Text is refused {words} that breaks it, at the latest with the last fragment.",
            Send((text(first, False),)),
            Send((more(second, False),)),
            Send((more(third),)),
        )
        at = 6 + len(first)
        frame = (text(whole, key=b"\x11\x22\x33\x44"),)
        yield slow(
            2 + number,
            f"Text in one frame is refused {words} that breaks it, at the latest with the frame.",
            Slice(frame, 0, at),
            Slice(frame, at, at + len(second)),
            Slice(frame, at + len(second), None),
        )


def slow(number: int, sentence: str, first: Step, second: Step, third: Step) -> Case:
    opened: tuple[Event, ...] = (("open", b"valid so far"),)
    return Case(
        f"6.4.{number}",
        sentence,
        "8.1",
        "UTF-8",
        (first, Wait(0.2, mark=b"valid so far"), second, Wait(share=0.5, mark=LATE), third),
        Ending.FAILS,
        ok=(opened,),
        non_strict=((*opened, ("open", LATE)),),
        codes=(1007,),
    )


# -- sequences -------------------------------------------------------------------------------

#: The first character of each length in octets, and the last one; beyond four there are none.
FIRST = ("\x00", "\x80", "\u0800", "\U00010000")
LAST = ("\x7f", "\u07ff", "\uffff", "\U0010ffff")


def sequences() -> Iterator[Case]:
    """Autobahn's 6.5 to 6.23: after Markus Kuhn's test of UTF-8 decoders."""
    for group, sequences in enumerate(groups(), 5):
        for number, payload in enumerate(sequences, 1):
            shown = payload[:12].hex(" ") + (" ..." if len(payload) > 12 else "")
            name = f"6.{group}.{number}"
            if is_utf8(payload):
                yield good(name, f"Valid text is echoed: {shown}.", (text(payload),), payload)
            else:
                yield bad(
                    name, f"Text that is not UTF-8 is refused: {shown}.", Send((text(payload),))
                )


def groups() -> Iterator[list[bytes]]:
    yield [f"hello{each}world".encode() for each in "$¢€\U00024b62"] + [GREEK]
    yield [GREEK[:end] for end in range(1, len(GREEK) + 1)]
    yield [each.encode() for each in FIRST]
    yield [raw(0x200000, 5), raw(0x4000000, 6)]
    yield [each.encode() for each in LAST]
    yield [raw(0x1FFFFF, 4), raw(0x3FFFFFF, 5), raw(0x7FFFFFFF, 6)]
    boundary = [each.encode() for each in "\ud7ff\ue000\ufffd\U0010ffff"]
    yield [*boundary, raw(0x110000, 4)]
    yield (
        [b"\x80", b"\xbf"]
        + [(b"\x80\xbf" * 3)[:end] for end in range(2, 7)]
        + [bytes(range(0x80, 0xBF))]
    )
    starts = ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
    yield [b"".join(bytes([each, 32]) for each in range(*ends)) for ends in starts]
    cut = [raw(0, size)[:-1] for size in range(2, 7)]
    cut += [raw(2 ** bits_of(size) - 1, size)[:-1] for size in range(2, 7)]
    yield cut
    yield [b"".join(cut)]
    yield [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]
    yield [raw(0x2F, size) for size in range(2, 7)]
    yield [raw(2 ** bits_of(size - 1) - 1, size) for size in range(2, 7)]
    yield [raw(0, size) for size in range(2, 7)]
    surrogates = (0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF)
    yield [raw(each, 3) for each in surrogates]
    yield [
        raw(high, 3) + raw(low, 3)
        for high in (0xD800, 0xDB7F, 0xDB80, 0xDBFF)
        for low in (0xDC00, 0xDFFF)
    ]
    # The characters that end a plane, and are none.
    ends = [plane << 16 | low for plane in PLANES for low in (0xFFFE, 0xFFFF)]
    yield [raw(each, 3) for each in (0xFFFE, 0xFFFF)] + [chr(each).encode() for each in ends]
    yield [raw(each, 3) for each in range(0xFFF9, 0x10000)]


#: The planes beyond the first one.
PLANES = range(1, 17)


def raw(number: int, size: int) -> bytes:
    """Encode a number in so many octets, by the scheme that UTF-8 once was: nothing is checked."""
    if size == 1:
        return bytes([number])
    octets = [0x80 | number >> 6 * place & 0x3F for place in range(size - 1)]
    lead = (0xFF00 >> size) & 0xFF
    return bytes([lead | number >> 6 * (size - 1), *reversed(octets)])


def bits_of(size: int) -> int:
    """Return how many bits a character has that stands in so many octets."""
    return 7 if size == 1 else 5 * size + 1


def is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


# -- what Autobahn lacks ---------------------------------------------------------------------


def own() -> Iterator[Case]:
    clef = "𝄞".encode()
    for at in range(1, 4):
        parts = (text(clef[:at], False), ping(b"between"), more(clef[at:]))
        yield Case(
            f"utf8.cut-{at}",
            f"A character of four octets, cut behind octet {at} by a Ping, is echoed.",
            "8.1",
            "UTF-8",
            (Send(parts),),
            ok=((("pong", b"between"), ("text", clef)),),
        )
        sentence = f"Text that ends behind octet {at} of a character is refused."
        yield bad(f"utf8.truncated-{at}", sentence, Send((text(b"a" + clef[:at]),)))
    sentence = "Text that ends in half a character, in an empty last fragment, is refused."
    yield bad("utf8.truncated-empty", sentence, Send((text(clef[:2], False), more(b""))))
    yield Case(
        "utf8.binary",
        "A binary message is no text: all octets are echoed.",
        "5.6",
        "UTF-8",
        (Send((binary(bytes(range(256))),)),),
        ok=((("binary", bytes(range(256))),),),
    )
    yield Case(
        "utf8.long",
        "100 KiB of text, in fragments of 1021 octets, is echoed.",
        "8.1",
        "UTF-8",
        (Send(fragmented(("𝄞κa" * 15000).encode(), 1021)),),
        ok=((("text", ("𝄞κa" * 15000).encode()),),),
        patience=2,
    )


def fragmented(payload: bytes, size: int) -> tuple[Part, ...]:
    starts = range(0, len(payload), size)
    return tuple(
        message("more" if at else "text", payload[at : at + size], at == starts[-1])
        for at in starts
    )
