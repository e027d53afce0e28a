"""Floods, and large messages: Autobahn's group 9 runs with `--performance` alone."""

from collections.abc import Iterator
from functools import partial
from itertools import repeat

from .case import Case, Ending, Event, Part, Rounds, Send, more, ping, pong, text

__all__ = ("cases",)

KIB, MIB = 2**10, 2**20
#: How many messages go to and fro in a case.
MESSAGES = 1000


def cases() -> Iterator[Case]:
    yield from floods()
    yield from large()
    yield from fragmented()
    yield from chopped()
    yield from round_trips()


def floods() -> Iterator[Case]:
    end = ("text", b"the end")
    hundred = tuple(text(b"message %d" % number) for number in range(1000))
    all_of_them = tuple(("text", part.payload) for part in hundred)
    kinds: dict[str, tuple[str, tuple[Part, ...], tuple[Event, ...]]] = {
        "pings": ("1000 Pings", tuple(ping(b"%d" % each) for each in range(1000)), ()),
        "pongs": ("10,000 Pongs", (pong(),) * 10_000, ()),
        "messages": ("1000 short messages", hundred, all_of_them),
        "empty-fragments": (
            "A message in 10,000 empty fragments",
            (text(b"", False), *(more(b"", False),) * 9_998, more(b"")),
            (("text", b""),),
        ),
        "empty-messages": ("1000 empty messages", (text(b""),) * 1000, (("text", b""),) * 1000),
        "short-fragments": (
            "A message in 2000 fragments of one octet",
            (text(b"*", False), *(more(b"*", False),) * 1_998, more(b"*")),
            (("text", b"*" * 2000),),
        ),
    }
    for name, (sentence, parts, events) in kinds.items():
        yield Case(
            f"flood.{name}",
            f"{sentence} at once, and a message: the peer answers them, or it closes.",
            "10.4",
            "floods",
            (Send((*parts, text(end[1]))),),
            Ending.EITHER,
            ok=((*events, end),),
            codes=(1000, 1008, 1009, 1011, 1013),
            pongs_optional=True,
            patience=4,
        )


def rounds(
    name: str, sentence: str, messages: "partial[Iterator[Event]]", fragment: int = 0, chop: int = 0
) -> Case:
    return Case(
        name,
        sentence,
        "5",
        "performance",
        (Rounds(messages, fragment, chop),),
        patience=30,
        performance=True,
    )


def payload_of(kind: str, size: int) -> bytes:
    return (b"BAsd7&jh23" if kind == "text" else b"\0\xfe\x80\xff\x01") * (size // 5 + 1)


def messages_of(kind: str, size: int, count: int) -> Iterator[Event]:
    return repeat((kind, payload_of(kind, size)[:size]), count)


def large() -> Iterator[Case]:
    sizes = (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
    for group, kind in ((1, "text"), (2, "binary")):
        for number, size in enumerate(sizes, 1):
            sentence = f"A {kind} message of {size // KIB} KiB is echoed."
            yield rounds(f"9.{group}.{number}", sentence, partial(messages_of, kind, size, 1))


def fragmented() -> Iterator[Case]:
    for group, kind in ((3, "text"), (4, "binary")):
        for number in range(1, 10):
            size = 64 * 4 ** (number - 1)
            sentence = f"A {kind} message of 4 MiB in fragments of {size} bytes is echoed."
            messages = partial(messages_of, kind, 4 * MIB, 1)
            yield rounds(f"9.{group}.{number}", sentence, messages, fragment=size)


def chopped() -> Iterator[Case]:
    for group, kind in ((5, "text"), (6, "binary")):
        for number in range(1, 7):
            size = 64 * 2 ** (number - 1)
            sentence = f"A {kind} message of 1 MiB in writes of {size} octets is echoed."
            messages = partial(messages_of, kind, MIB, 1)
            yield rounds(f"9.{group}.{number}", sentence, messages, chop=size)


def round_trips() -> Iterator[Case]:
    sizes = (0, 16, 64, 256, KIB, 4 * KIB)
    for group, kind in ((7, "text"), (8, "binary")):
        for number, size in enumerate(sizes, 1):
            sentence = f"{MESSAGES} {kind} messages of {size} bytes go to and fro."
            messages = partial(messages_of, kind, size, MESSAGES)
            yield rounds(f"9.{group}.{number}", sentence, messages)
