"""Patterns of frames: what a script expects."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import iscoroutinefunction
from pathlib import Path

from ..wire.frames import Frame
from ..wire.names import OPCODES, Opcode, opcode_name
from .arguments import check_count, check_flag, check_octets

__all__ = ("FrameLike", "Pattern", "name_of", "opcode_of", "pattern_of", "shown")

#: How many octets of a payload the text of a pattern has.
SHOWN = 64

BITS = ("fin", "rsv1", "rsv2", "rsv3")
#: The names that stand for several opcodes.
KINDS: dict[str, tuple[int, ...]] = {
    "any": tuple(range(16)),
    "data": (0, 1, 2),
    "control": (8, 9, 10),
}


@dataclass(frozen=True)
class FrameLike:
    """A frame with these attributes. None is any value.

    `opcode` is a number, a name as "ping", or "any", "data" (also continuations), "control".
    `payload` is all of it, `contains` a part, `length` its size in bytes. `fin`, `rsv1`, `rsv2` and
    `rsv3` are bits of the header. `masked` tells whether the frame is masked on the wire.
    `close_code` is that of a Close.
    """

    opcode: int | str = "any"
    payload: bytes | None = None
    contains: bytes | None = None
    fin: bool | None = None
    rsv1: bool | None = None
    rsv2: bool | None = None
    rsv3: bool | None = None
    masked: bool | None = None
    length: int | None = None
    close_code: int | None = None

    def __post_init__(self) -> None:
        opcodes_of(self.opcode)
        for name in ("payload", "contains"):
            check_octets(name, getattr(self, name), optional=True)
        for name in (*BITS, "masked"):
            check_flag(name, getattr(self, name), optional=True)
        check_count("length", self.length, optional=True)
        check_count("close_code", self.close_code, 0, 0xFFFF, optional=True)

    def __call__(self, frame: Frame) -> bool:
        """Return True for a frame like this."""
        seen = (frame.mask is not None, len(frame.payload), frame.close_code)
        wanted = (self.masked, self.length, self.close_code)
        return (
            frame.opcode in opcodes_of(self.opcode)
            and self.payload in (None, frame.payload)
            and (self.contains is None or self.contains in frame.payload)
            and all(w is None or w == s for w, s in zip(wanted, seen, strict=True))
            and all(getattr(self, bit) in (None, getattr(frame, bit)) for bit in BITS)
        )

    def __str__(self) -> str:
        opcode = self.opcode
        words = [opcode.upper() if isinstance(opcode, str) else opcode_name(OPCODES[opcode])]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value is True:
                words.append(field.name)
            elif value is not None:
                words.append(f"{field.name}={in_short(value)}")
        return " ".join(words)


#: A frame (equal to it), an opcode or its name, a `FrameLike`, or a function of a frame.
Pattern = Frame | Opcode | int | str | FrameLike | Callable[[Frame], object]


def pattern_of(pattern: Pattern) -> Callable[[Frame], object]:
    """Return a pattern as a function whose str tells what it wants. TypeError or ValueError."""
    if isinstance(pattern, Frame):
        return EqualTo(pattern)
    if isinstance(pattern, (int, str)):
        return FrameLike(pattern)
    if isinstance(pattern, FrameLike):
        return pattern
    # A class, as Frame itself, makes something true of any frame, as a coroutine function does.
    if callable(pattern) and not isinstance(pattern, type) and not iscoroutinefunction(pattern):
        return Predicate(pattern)
    raise TypeError(
        f"a pattern is a frame, an opcode, a FrameLike or a function of a frame, got {pattern!r}"
    )


@dataclass(frozen=True)
class EqualTo:
    frame: Frame

    def __call__(self, frame: Frame) -> bool:
        return frame == self.frame

    def __str__(self) -> str:
        return shown(self.frame)


@dataclass(frozen=True)
class Predicate:
    function: Callable[[Frame], object]

    def __call__(self, frame: Frame) -> object:
        return self.function(frame)

    def __str__(self) -> str:
        return name_of(self.function)


def name_of(function: Callable[..., object]) -> str:
    """Return the name of a function, and of a lambda where it stands."""
    name: str = getattr(function, "__name__", repr(function))
    code = getattr(function, "__code__", None)
    if name == "<lambda>" and code is not None:
        name = f"lambda in {Path(code.co_filename).name}, line {code.co_firstlineno}"
    return name


def shown(frame: Frame) -> str:
    """Return a frame on a line: opcode, bits, length, payload."""
    return repr(frame)[len("<Frame ") : -1]


def in_short(value: object) -> str:
    """Return a value on a line; of many octets the first ones, and how many there are."""
    if isinstance(value, bytes) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}... ({len(value)} bytes)"
    return repr(value)


def opcodes_of(opcode: int | str) -> tuple[int, ...]:
    if isinstance(opcode, str) and opcode.lower() in KINDS:
        return KINDS[opcode.lower()]
    return (opcode_of(opcode),)


def opcode_of(opcode: int | str) -> int:
    """Return the number of an opcode, by name or number. ValueError if there is none."""
    if isinstance(opcode, str):
        try:
            return Opcode[opcode.upper()].value
        except KeyError:
            names = ", ".join(each.name.lower() for each in Opcode)
            raise ValueError(f"{opcode!r} is no opcode: use {names}, or 0 to 15") from None
    check_count("an opcode", opcode, 0, 15)
    return int(opcode)
