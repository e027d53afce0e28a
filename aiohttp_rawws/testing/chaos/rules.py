"""Which faults there are, and the text that tells which frames get one.

[@CONNECTION:][client:|upstream:][KIND:][RATE][:SECONDS]
"""

import math
import re
from dataclasses import dataclass

from ...wire.header import Header

__all__ = ("FAULTS", "Fault", "Rule", "parse_rule")

DIRECTIONS = ("client", "upstream")
KINDS = ("text", "binary", "continuation", "ping", "pong", "close", "data", "control", "all")

CONNECTION = re.compile(r"@([1-9]\d{0,8})", re.ASCII)
PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)%", re.ASCII)
NTH = re.compile(r"#([1-9]\d{0,8})", re.ASCII)
TIME = r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})(ms|s)?"
SECONDS = re.compile(rf"{TIME}(?:(?:\+-|±){TIME})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    name: str
    #: What it does to a frame, in a sentence without its subject.
    effect: str
    #: The SECONDS where the text has none: NaN if they must be there, None if it takes none.
    seconds: float | None = None


#: In the order in which they are decided for a frame.
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("latency", "passes so many seconds later, with all behind it", math.nan),
        Fault("stall", "and all behind it do not pass for so many seconds, or for ever", math.inf),
        Fault("reset", "does not pass, and both connections end with a RST"),
        Fault("truncate", "passes in part, and then the stream ends"),
        Fault("drop", "does not pass"),
        Fault("corrupt", "passes with one bit of its payload flipped"),
        Fault("corrupt_header", "passes with one bit of its header flipped"),
        Fault("duplicate", "passes twice"),
        Fault("reorder", "passes behind the next one, or so many seconds later (1)", 1.0),
        Fault("split", "passes in 2 to 4 writes, so many seconds apart (0.01)", 0.01),
    )
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault, and the frames that get it: all that are meant, some of them, or the Nth."""

    fault: str
    text: str
    connection: int | None = None
    #: The sender, None for both.
    direction: str | None = None
    kind: str = "all"
    #: The probability, unless there is an `nth`.
    chance: float = 1.0
    #: The number of the one frame, among those that are meant.
    nth: int | None = None
    seconds: float = 0.0
    #: The seconds are taken from `seconds - jitter` to `seconds + jitter`.
    jitter: float = 0.0

    def concerns(self, connection: int, direction: str) -> bool:
        """Return True if the rule has to do with this direction of this connection."""
        return self.connection in (None, connection) and self.direction in (None, direction)

    def means(self, header: Header) -> bool:
        """Return True if the frame is of the kind that the rule means."""
        if self.kind in ("data", "control"):
            return header.is_control == (self.kind == "control")
        return self.kind in ("all", header.kind)


def parse_rule(name: str, text: str) -> Rule:
    """Return the rule that a text stands for. ValueError tells what is wrong with it.

    Without a RATE each frame that is meant gets the fault.
    """
    fault = FAULTS[name]
    found: dict[str, float | str | None] = {}
    for word in text.split(":"):
        key, values = read_word(fault, word, text)
        if key in found or (found.keys() & {"chance", "seconds"} and key not in LATER):
            raise ValueError(f"{word!r} is in the wrong place in {text!r}: {form_of(fault)}")
        found |= values
    if fault.seconds is not None and "seconds" not in found:
        if math.isnan(fault.seconds):
            raise ValueError(f"no seconds, like 0.2 or 0.2+-0.1: {text!r}")
        found["seconds"] = fault.seconds
    return Rule(name, text, **found)  # type: ignore[arg-type]


#: What may stand behind a rate.
LATER = ("seconds",)


def read_word(fault: Fault, word: str, text: str) -> tuple[str, dict[str, float | str | None]]:
    """Return what one word between the colons says, by the names of the fields of Rule."""
    if word in DIRECTIONS:
        return "direction", {"direction": word}
    if word in KINDS:
        return "kind", {"kind": word}
    if match := CONNECTION.fullmatch(word):
        return "connection", {"connection": int(match[1])}
    if (match := PERCENT.fullmatch(word)) and float(match[1]) <= 100:
        return "chance", {"chance": float(match[1]) / 100}
    if match := NTH.fullmatch(word):
        return "chance", {"chance": 0.0, "nth": int(match[1])}
    if fault.seconds is not None and (match := SECONDS.fullmatch(word)):
        seconds, jitter = in_seconds(match[1], match[2]), in_seconds(match[3], match[4])
        if jitter > seconds:
            raise ValueError(f"the jitter is longer than the time itself: {text!r}")
        return "seconds", {"seconds": seconds, "jitter": jitter}
    where = "" if word == text else f" in {text!r}"
    raise ValueError(f"cannot read {word!r}{where}: {form_of(fault)}")


def in_seconds(number: str | None, unit: str | None) -> float:
    return float(number or 0) / (1000 if unit == "ms" else 1)


def form_of(fault: Fault) -> str:
    """Return what may be written, and an example of it."""
    form, example = "[@CONNECTION:][client:|upstream:][KIND:][RATE]", "upstream:text:5% or ping:#3"
    if fault.seconds is not None:
        form += "[:SECONDS]"
        example = "0.2+-0.1 or upstream:text:5%:2" if fault.name == "latency" else "ping:#3:0.5"
    return f"write {form}, like {example}"
