"""The closing handshake and other ends: Autobahn's group 7, and more."""

from collections.abc import Iterator

from .case import (
    Case,
    Ending,
    Events,
    HalfClose,
    Part,
    Reset,
    Send,
    Slice,
    Step,
    Wait,
    binary,
    close,
    more,
    ping,
    text,
)
from .cases_utf8 import BROKEN

__all__ = ("cases",)

HELLO = b"Hello World!"
#: Codes that may be sent (section 7.4, and the registry of IANA).
VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
#: Codes that may not: reserved, or of no registered meaning.
INVALID = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
#: Codes that are registered since Autobahn was written.
NEWER = (1012, 1013, 1014)


def cases() -> Iterator[Case]:
    yield from behind_close()
    yield from payloads()
    yield from codes()
    yield from ends()


def replied(
    name: str, sentence: str, *steps: Step, codes: tuple[int, ...] = (1000,), section: str = "5.5.1"
) -> Case:
    return Case(
        name, sentence, section, "closing", steps, Ending.REPLIES, codes=codes, strict_code=True
    )


def rejected(
    name: str, sentence: str, *steps: Step, codes: tuple[int, ...] = (1002,), section: str = "5.5.1"
) -> Case:
    return Case(
        name, sentence, section, "closing", steps, Ending.REJECTS, codes=codes, strict_code=True
    )


def behind_close() -> Iterator[Case]:
    yield Case(
        "7.1.1",
        "A message is echoed, then a Close is answered.",
        "5.5.1",
        "closing",
        (Send((text(HELLO),)),),
        ok=((("text", HELLO),),),
        strict_code=True,
    )
    behind = {2: ("another Close", close()), 3: ("a Ping", ping()), 4: ("a message", text(HELLO))}
    for number, (name, part) in behind.items():
        sentence = f"A Close is answered, {name} behind it is not."
        yield replied(f"7.1.{number}", sentence, Send((close(1000), part)))
    step = Send((text("one", False), close(1000), more(b"two")))
    yield replied("7.1.5", "A Close inside of a message is answered, the message is not.", step)
    parts = (text(b"BAsd7&jh23" * 26214 + b"BAsd"), text(HELLO), close(1000), ping())
    yield Case(
        "7.1.6",
        "A Close behind a message of 256 KiB and another one: are those still echoed?",
        "5.5.1",
        "closing",
        (Send(parts),),
        Ending.REPLIES,
        informational=True,
    )


def payloads() -> Iterator[Case]:
    longest = b"*" * 123
    yield replied("7.3.1", "A Close without a code is answered.", Send((close(),)))
    one = Part(8, b"a")
    yield rejected("7.3.2", "A Close with a payload of one byte is refused.", Send((one,)))
    yield replied("7.3.3", "A Close with a code is answered.", Send((close(1000),)))
    sentence = "A Close with a code and a reason is answered."
    yield replied("7.3.4", sentence, Send((close(1000, HELLO),)))
    sentence = "A Close with a reason of 123 bytes is answered."
    yield replied("7.3.5", sentence, Send((close(1000, longest),)))
    sentence = "A Close with a reason of 124 bytes is refused."
    yield rejected("7.3.6", sentence, Send((close(1000, longest + b"*"),)), section="5.5")
    sentence = "A Close with a reason that is not UTF-8 is refused."
    either = (1002, 1007)
    yield rejected("7.5.1", sentence, Send((close(1000, BROKEN),)), codes=either)
    sentence = "A Close with a reason that ends inside of a character is refused."
    step = Send((close(1000, "κόσμε".encode()[:-1]),))
    yield rejected("close.cut-reason", sentence, step, codes=either)
    sentence = "A Close in two fragments is refused."
    step = Send((close(1000, fin=False), more(b"")))
    yield rejected("close.fragmented", sentence, step, section="5.5")


def codes() -> Iterator[Case]:
    for number, code in enumerate(VALID, 1):
        yield valid(f"7.7.{number}", code)
    for number, code in enumerate(INVALID, 1):
        yield invalid(f"7.9.{number}", code)
    for number, code in enumerate((5000, 65535), 1):
        yield Case(
            f"7.13.{number}",
            f"A Close with {code}, a code of no range.",
            "7.4.2",
            "closing",
            (Send((close(code),)),),
            Ending.REJECTS,
            informational=True,
        )
    for code in NEWER:
        yield valid(f"close.{code}", code)
    yield invalid("close.1015", 1015)


def valid(name: str, code: int) -> Case:
    sentence = f"A Close with {code} is answered, with the same code or 1000."
    return replied(name, sentence, Send((close(code),)), codes=(1000, code), section="7.4")


def invalid(name: str, code: int) -> Case:
    sentence = f"A Close with {code}, which may not be sent, is refused."
    return rejected(name, sentence, Send((close(code),)), section="7.4")


# -- ends ------------------------------------------------------------------------------------


def ended(
    name: str, sentence: str, *steps: Step, ok: Events = (), section: str = "7.1.1", **more: object
) -> Case:
    return Case(
        f"end.{name}",
        sentence,
        section,
        "ends",
        (*steps, HalfClose()),
        Ending.ENDS,
        ok=(ok,),
        non_strict=((),) if ok else (),
        **more,  # type: ignore[arg-type]
    )


def ends() -> Iterator[Case]:
    yield ended("fin", "TCP ends without a Close: the peer ends it as well.")
    sentence = "TCP ends behind a message: the message is echoed, and TCP ended."
    yield ended("fin-after-message", sentence, Send((text(HELLO),)), ok=(("text", HELLO),))
    sentence = "TCP ends inside of a message: the peer ends it as well."
    yield ended("fin-in-message", sentence, Send((text("one", False),)))
    for name, stop in (("header", 1), ("payload", 9)):
        sentence = f"TCP ends inside of a frame ({name}): the peer ends it as well."
        yield ended(f"fin-in-{name}", sentence, Slice((binary(HELLO),), 0, stop))
    yield Case(
        "end.fin-after-close",
        "TCP ends right behind a Close: the Close is answered.",
        "7.1.1",
        "ends",
        (Send((close(1000),)), HalfClose()),
        Ending.REPLIES,
    )
    resets: dict[str, tuple[Step, ...]] = {
        "open": (),
        "in-header": (Slice((binary(HELLO),), 0, 1),),
        "in-payload": (Slice((binary(HELLO),), 0, 9),),
        "in-message": (Send((text("one", False),)),),
        "after-message": (Send((text(HELLO),)),),
        "after-close": (Send((close(1000),)),),
    }
    for name, steps in resets.items():
        yield Case(
            f"end.reset-{name}",
            f"TCP is reset ({name.replace('-', ' ')}): the peer lives.",
            "7.2.1",
            "ends",
            (*steps, Wait(0.05), Reset()),
            Ending.GONE,
            alive=True,
        )
