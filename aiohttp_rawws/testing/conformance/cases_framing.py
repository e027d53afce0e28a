"""Framing, pings, reserved bits, opcodes, fragments: Autobahn's groups 1 to 5 and 10, and more."""

from collections.abc import Iterator
from functools import partial

from .case import (
    Case,
    CutAt,
    Ending,
    Event,
    Events,
    Part,
    Rounds,
    Send,
    Step,
    Until,
    Wait,
    binary,
    close,
    message,
    more,
    ping,
    pong,
    text,
)

__all__ = ("cases",)

HELLO = b"Hello, world!"
#: How the same frames leave: in one write, each in its own, octet by octet.
WAYS = ("in one write", "a write for each frame", "octet by octet")
BAD = (1002,)


def cases() -> Iterator[Case]:
    yield from messages()
    yield from pings()
    yield from reserved_bits()
    yield from reserved_opcodes()
    yield from fragments()
    yield from lengths_and_masks()
    yield from cuts()


def way(parts: tuple[Part, ...], number: int) -> Send:
    """Return a step that sends frames in one of the WAYS."""
    return Send(parts, each=number == 1, chop=1 if number == 2 else 0)


def echoed(name: str, sentence: str, kind: str, payload: bytes, chop: int = 0) -> Case:
    steps = (Send((message(kind, payload),), chop=chop),)
    return Case(name, sentence, "5.6", "framing", steps, ok=(((kind, payload),),))


def messages() -> Iterator[Case]:
    sizes = (0, 125, 126, 127, 128, 65535, 65536)
    for kind, group, octet in (("text", 1, b"*"), ("binary", 2, b"\xfe")):
        for number, size in enumerate(sizes, 1):
            sentence = f"A {kind} message of {size} bytes is echoed."
            yield echoed(f"1.{group}.{number}", sentence, kind, octet * size)
        sentence = f"A {kind} message of 65536 bytes, sent in writes of 997 octets, is echoed."
        yield echoed(f"1.{group}.8", sentence, kind, octet * 65536, chop=997)
    payload = b"*" * 65536
    starts = range(0, len(payload), 1300)
    parts = tuple(
        message("more" if start else "text", payload[start : start + 1300], start == starts[-1])
        for start in starts
    )
    yield Case(
        "10.1.1",
        "A text message of 65536 bytes in fragments of 1300 is echoed.",
        "5.4",
        "fragmentation",
        (Send(parts),),
        ok=((("text", payload),),),
    )


# -- pings -----------------------------------------------------------------------------------


def pings() -> Iterator[Case]:
    def case(
        name: str, sentence: str, parts: tuple[Part, ...], *events: Event, chop: int = 0
    ) -> Case:
        steps = (Send(parts, chop=chop),)
        return Case(name, sentence, "5.5.2", "pings", steps, ok=(events,))

    long = b"\xfe" * 125
    some = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    yield case("2.1", "An empty Ping gets a Pong.", (ping(),), ("pong", b""))
    yield case("2.2", "A Ping with text gets it back.", (ping(HELLO),), ("pong", HELLO))
    yield case("2.3", "A Ping that is not UTF-8 gets it back.", (ping(some),), ("pong", some))
    yield case("2.4", "A Ping of 125 bytes gets a Pong.", (ping(long),), ("pong", long))
    yield broken(
        "2.5", "A Ping of 126 bytes is refused.", "5.5", "pings", Send((ping(long + b"!"),))
    )
    yield case("2.6", "A Ping octet by octet gets a Pong.", (ping(long),), ("pong", long), chop=1)
    for name, payload in (("2.7", b""), ("2.8", b"nobody asked")):
        words = "with a payload" if payload else "without a payload"
        yield Case(
            name,
            f"A Pong that nobody asked for, {words}, is ignored.",
            "5.5.3",
            "pings",
            (Send((pong(payload), close(1000))),),
            Ending.REPLIES,
        )
    yield case(
        "2.9",
        "A Pong that nobody asked for is ignored, a Ping behind it is answered.",
        (pong(b"nobody asked"), ping(b"ping")),
        ("pong", b"ping"),
    )
    parts = tuple(ping(b"payload %d" % number) for number in range(10))
    events = tuple(("pong", part.payload) for part in parts)
    for name, chop in (("2.10", 0), ("2.11", 1)):
        yield Case(
            name,
            f"Ten Pings {WAYS[2 * chop]} get ten Pongs (the last alone is NON-STRICT).",
            "5.5.3",
            "pings",
            (Send(parts, chop=chop),),
            ok=(events,),
            non_strict=(events[-1:],),
        )


# -- what is reserved ------------------------------------------------------------------------


def broken(
    name: str, sentence: str, section: str, group: str, *steps: Step, before: Events = ()
) -> Case:
    """A case that the peer has to fail, with 1002. What is legal `before` may be left undone."""
    return Case(
        name,
        sentence,
        section,
        group,
        steps,
        Ending.FAILS,
        ok=(before,),
        non_strict=((),) if before else (),
        codes=BAD,
    )


def reserved_bits() -> Iterator[Case]:
    def case(number: int, sentence: str, step: Send, *before: Event) -> Case:
        return broken(f"3.{number}", sentence, "5.2", "reserved bits", step, before=before)

    yield case(1, "A text message with RSV3 is refused.", Send((text(HELLO, rsv=1),)))
    for rsv, words in ((2, "RSV2"), (3, "RSV2 and RSV3"), (4, "RSV1")):
        parts = (text(HELLO), text(HELLO, rsv=rsv), ping())
        sentence = f"A message is echoed, the next one with {words} is refused ({WAYS[rsv - 2]})."
        yield case(rsv, sentence, way(parts, rsv - 2), ("text", HELLO))
    yield case(5, "A binary message with RSV1 and RSV3 is refused.", Send((binary(HELLO, rsv=5),)))
    yield case(6, "A binary message with RSV1 and RSV2 is refused.", Send((binary(HELLO, rsv=6),)))
    yield case(7, "A Close with all reserved bits is refused.", Send((close(rsv=7),)))
    for name, part in (("ping", ping(HELLO, rsv=2)), ("pong", pong(HELLO, rsv=4))):
        sentence = f"A {name.title()} with a reserved bit is refused."
        yield broken(f"rsv.{name}", sentence, "5.2", "reserved bits", Send((part,)))
    step = Send((text("one", False), more(b"two", rsv=1)))
    sentence = "A continuation with a reserved bit is refused."
    yield broken("rsv.continuation", sentence, "5.2", "reserved bits", step)


def reserved_opcodes() -> Iterator[Case]:
    for group, first, kind in ((1, 3, "data"), (2, 11, "control")):
        for number in range(1, 6):
            opcode = first + number - 1
            payload = HELLO if number in (2, 4, 5) else b""
            bad = Part(opcode, payload)
            words = "with" if payload else "without"
            sentence = f"Opcode {opcode}, reserved for {kind}, {words} a payload is refused."
            name = f"4.{group}.{number}"
            if number < 3:
                yield broken(name, sentence, "5.2", "opcodes", Send((bad,)))
                continue
            step = Send((text(HELLO), bad, ping()), chop=1 if number == 5 else 0)
            sentence = f"A message is echoed. {sentence}"
            before = (("text", HELLO),)
            yield broken(name, sentence, "5.2", "opcodes", step, before=before)


# -- fragments -------------------------------------------------------------------------------


def fragments() -> Iterator[Case]:
    def bad(number: int, sentence: str, step: Step, *before: Event, section: str = "5.4") -> Case:
        return broken(f"5.{number}", sentence, section, "fragmentation", step, before=before)

    def good(number: int, sentence: str, steps: tuple[Step, ...], *events: Event) -> Case:
        return Case(f"5.{number}", sentence, "5.4", "fragmentation", steps, ok=(events,))

    two = (text("one, ", False), more(b"two"))
    whole = ("text", b"one, two")
    with_ping = (two[0], ping(b"between"), two[1])
    for number, part in ((1, ping(b"one", fin=False)), (2, pong(b"one", fin=False))):
        name = "Ping" if number == 1 else "Pong"
        sentence = f"A {name} in two fragments is refused."
        yield bad(number, sentence, Send((part, more(b"two"))), section="5.5")
    for number, words in enumerate(WAYS):
        sentence = f"A message in two fragments is echoed ({words})."
        yield good(3 + number, sentence, (way(two, number),), whole)
        sentence = f"A Ping between two fragments is answered ahead of the message ({words})."
        steps = (way(with_ping, number),)
        yield good(6 + number, sentence, steps, ("pong", b"between"), whole)
        for start, fin in ((9, True), (12, False)):
            lone = (more(b"of nothing", fin), text(HELLO))
            sentence = f"A continuation of nothing, FIN={int(fin)}, is refused ({words})."
            yield bad(start + number, sentence, way(lone, number))
    sentence = "A message in two fragments is echoed, a continuation behind it is refused."
    step = Send((*two, more(b"of nothing", False), text(HELLO)))
    yield bad(15, sentence, step, whole)
    for number, fin in ((16, False), (17, True)):
        three = (more(b"of nothing", fin), text("two", False), more(b"three"))
        sentence = f"Twice: a continuation of nothing, FIN={int(fin)}, ahead of a message."
        yield bad(number, sentence + " It is refused.", Send(three * 2))
    sentence = "A message that begins inside of another one is refused."
    yield bad(18, sentence, Send((text("one", False), text("two"))))
    for number in (19, 20):
        first = (text("1", False), more(b"2", False), ping(b"first"))
        second = (more(b"3", False), more(b"4", False), ping(b"second"), more(b"5"))
        each = number == 20
        yield good(
            number,
            f"Pings inside of a message are answered before it ends ({WAYS[each]}).",
            (Send(first, each=each), Until(1), Send(second, each=each)),
            ("pong", b"first"),
            ("pong", b"second"),
            ("text", b"12345"),
        )


# -- lengths and masks -----------------------------------------------------------------------


def lengths_and_masks() -> Iterator[Case]:
    for size, form in ((5, 16), (5, 64), (200, 64)):
        payload = b"*" * size
        yield Case(
            f"length.{size}-in-{form}-bits",
            f"A length of {size} in {form} bits, which is not the shortest form, is refused.",
            "5.2",
            "lengths",
            (Send((text(payload, form=form),)),),
            Ending.FAILS,
            taken=(("text", payload),),
            codes=BAD,
        )
    for name, declared in (("top-bit", 2**63 + 5), ("all-bits", 2**64 - 1)):
        yield Case(
            f"length.{name}",
            f"A length of {declared}, whose top bit is set, is refused.",
            "5.2",
            "lengths",
            (Send((binary(b"12345", form=64, declared=declared),)),),
            Ending.FAILS,
            codes=(1002, 1009),
        )
    for name, declared in (("gigabyte", 2**30), ("exabyte", 2**60)):
        yield Case(
            f"length.{name}",
            f"A message of {declared} bytes is declared, and five are sent.",
            "5.2",
            "lengths",
            (Send((binary(b"12345", form=64, declared=declared),)), Wait(0.5)),
            Ending.GONE,
            informational=True,
            alive=True,
        )
    for part in (text(HELLO), ping(HELLO), close(1000)):
        name = {1: "text", 8: "close", 9: "ping"}[part.opcode]
        wrong = Part(part.opcode, part.payload, wrong_mask=True)
        for role, words in (("server", "without a mask"), ("client", "with a mask")):
            yield Case(
                f"mask.{name}-{words.split(' ')[0]}",
                f"A frame ({name}) to a {role} {words} is refused.",
                "5.1",
                "masks",
                (Send((wrong,)),),
                Ending.FAILS,
                codes=BAD,
                peers=(role,),
            )
    for key in (b"\0\0\0\0", b"\xff\0\xff\0"):
        yield Case(
            f"mask.key-{key.hex()}",
            "A message is echoed, whatever its masking key.",
            "5.3",
            "masks",
            (Send((text(HELLO, key=key), binary(HELLO, key=key))),),
            ok=((("text", HELLO), ("binary", HELLO)),),
            peers=("server",),
        )


# -- cuts ------------------------------------------------------------------------------------


def cuts() -> Iterator[Case]:
    """The same conversation again and again, on one connection, cut at each octet in turn."""
    conversations = {
        "short": ((ping(b"ping"), text(HELLO)), (("pong", b"ping"), ("text", HELLO))),
        "fragments": (
            (text("one, ", False), ping(b"ping"), more(b"two")),
            (("pong", b"ping"), ("text", b"one, two")),
        ),
        "utf8": ((text("κόσμε 𝄞"),), (("text", "κόσμε 𝄞".encode()),)),
        "16-bits": ((binary(b"*" * 300),), (("binary", b"*" * 300),)),
        "64-bits": ((binary(b"*" * 65600),), (("binary", b"*" * 65600),)),
    }
    for name, (parts, events) in conversations.items():
        octets = min(len(b"".join(part.encode(True) for part in parts)), 40)
        steps: list[Step] = []
        for octet in range(1, octets):
            steps += [CutAt(parts, octet), Until(len(events) * octet)]
        yield Case(
            f"cut.{name}",
            f"A conversation ({name}), cut in two before each of {octets} octets in turn.",
            "5",
            "cuts",
            tuple(steps),
            ok=(events * (octets - 1),),
            patience=2,
        )
    for octet in range(1, 8):
        yield Case(
            f"cut.close-{octet}",
            f"A Close, cut in two before octet {octet}, is answered.",
            "5.5.1",
            "cuts",
            (CutAt((close(1000),), octet),),
            Ending.REPLIES,
        )
    yield Case(
        "cut.many",
        "300 messages of 0 to 299 bytes, each sent after the echo of the one before.",
        "5",
        "cuts",
        (Rounds(partial(growing, 300)),),
    )


def growing(count: int) -> Iterator[Event]:
    for size in range(count):
        yield ("text", b"#" * size) if size % 2 else ("binary", bytes([size % 256]) * size)
