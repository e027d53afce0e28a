# cython: binding=True
"""Frames as they stand on the wire (RFC 6455 section 5.2).

A frame keeps its first octet untouched: FIN, RSV1 to RSV3 and opcode. So a frame is sent on as it
was received, even with an opcode that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from types import EllipsisType, MethodType
from typing import Any, TypeVar

from .arguments import not_a_frame, not_an_opcode, not_octets
from .close import close_payload
from .introspection import ConstructorSignature
from .names import MAX_CONTROL_PAYLOAD, Opcode, Violation
from .native import Output
from .pieces import Piece

__all__ = ("FRAME_COST", "LENGTH_64", "Frame", "make_frame", "octets", "prepare")

BytesLike = bytes | bytearray | memoryview
Method = TypeVar("Method")

#: The memory of a received frame beside its payload, in bytes.
FRAME_COST = 160

#: A bit beside the violations of a received frame: its length stands in 64 bits. With
#: LENGTH_ENCODING it tells which of the longer forms the length has.
LENGTH_64 = 2048

FIN = 0x80
RSV1 = 0x40
RSV2 = 0x20
RSV3 = 0x10
CONTROL = 0x08
OPCODE = 0x0F

TEXT = Opcode.TEXT.value
BINARY = Opcode.BINARY.value
CLOSE = Opcode.CLOSE.value
PING = Opcode.PING.value
PONG = Opcode.PONG.value

ALL = Violation.ALL.value

#: How much of a payload a repr shows, in bytes.
REPR_BYTES = 64

OPCODES: tuple[int, ...] = tuple(
    Opcode(number) if number in (0, 1, 2, 8, 9, 10) else number for number in range(16)
)


class NamedConstructor:
    """A class method that is missing on instances.

    So `frame.text`, which looks like the text of a frame, is an error and no bound method.
    """

    __slots__ = ("_bound", "_function", "_instead")

    def __init__(self, function: Any, instead: str) -> None:
        self._function = function
        self._instead = instead
        # The method of Frame itself, made once: it is looked up for each frame that is made.
        self._bound: Any = None

    def __get__(self, frame: Any, kind: Any) -> Any:
        if frame is not None:
            name = self._function.__name__
            raise AttributeError(
                f"a frame has no {name!r}: Frame.{name}(...) makes a frame; {self._instead}"
            )
        if kind is not Frame:
            return MethodType(self._function, kind)
        if self._bound is None:
            self._bound = MethodType(self._function, kind)
        return self._bound


def on_the_class(instead: str) -> Callable[[Method], Method]:
    """Make a class method a NamedConstructor. `instead` tells what an instance has."""

    def decorate(method: Any) -> Any:
        return NamedConstructor(method.__func__, instead)

    return decorate


class Frame:
    """One frame: immutable, hashable, equal by opcode, payload, FIN and RSV bits.

    `opcode` is 0 to 15. `payload` is any bytes-like object, not masked. `mask` is the masking key
    of 4 bytes; None is no masking, or a fresh key where a session sends the frame masked.

    The constructor refuses only what cannot be encoded, with ValueError or TypeError. The named
    constructors (`Frame.text`, `Frame.ping`, `Frame.close`...) also keep the rules of RFC 6455.
    """

    __slots__ = ("_head", "_mask", "_payload", "_violations", "_wire")

    __signature__ = ConstructorSignature()

    def __init__(
        self,
        opcode: int,
        payload: BytesLike = b"",
        fin: bool = True,
        *,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
        mask: BytesLike | None = None,
    ) -> None:
        number = opcode_number(opcode)
        if mask is not None:
            mask = octets(mask, "mask")
            if len(mask) != 4:
                raise ValueError(f"a masking key has 4 bytes, got {len(mask)}")
        self._head = (
            number
            | (FIN if fin else 0)
            | (RSV1 if rsv1 else 0)
            | (RSV2 if rsv2 else 0)
            | (RSV3 if rsv3 else 0)
        )
        self._payload = octets(payload, "payload")
        self._mask = mask
        self._violations = 0
        # The encoded frame, if it is prepared to be sent to many.
        self._wire: bytes | None = None

    @on_the_class("frame.payload_text is the text of this one, frame.payload its bytes")
    @classmethod
    def text(cls, text: str, fin: bool = True) -> Frame:
        """Return a Text frame, or with `fin=False` the first fragment of a text message."""
        if not isinstance(text, str):
            raise TypeError(
                f"a Text frame takes a str, got {type(text).__name__}; "
                "Frame(Opcode.TEXT, payload) takes its UTF-8 as bytes"
            )
        return checked(cls, (FIN if fin else 0) | TEXT, text.encode())

    @on_the_class("frame.payload is the payload of this one")
    @classmethod
    def binary(cls, payload: BytesLike, fin: bool = True) -> Frame:
        """Return a Binary frame, or with `fin=False` the first fragment of a binary message."""
        return checked(cls, (FIN if fin else 0) | BINARY, octets(payload, "payload"))

    @on_the_class("frame.opcode is the kind of this one, frame.payload its payload")
    @classmethod
    def continuation(cls, payload: BytesLike, fin: bool = True) -> Frame:
        """Return a later fragment of a message: the last one unless `fin=False` (section 5.4)."""
        return checked(cls, FIN if fin else 0, octets(payload, "payload"))

    @on_the_class("frame.opcode is the kind of this one, frame.payload its payload")
    @classmethod
    def ping(cls, payload: BytesLike = b"") -> Frame:
        """Return a Ping; ValueError for more than 125 bytes (sections 5.5 and 5.5.2)."""
        return checked(cls, FIN | PING, control_payload(payload))

    @on_the_class("frame.opcode is the kind of this one, frame.payload its payload")
    @classmethod
    def pong(cls, payload: BytesLike = b"") -> Frame:
        """Return a Pong; ValueError for more than 125 bytes (sections 5.5 and 5.5.3)."""
        return checked(cls, FIN | PONG, control_payload(payload))

    @on_the_class("frame.close_code and frame.close_reason are those of this one")
    @classmethod
    def close(cls, code: int | None = None, reason: str = "") -> Frame:
        """Return a Close, empty without a code (section 5.5.1).

        ValueError for a code that may not be sent, a reason of more than 123 bytes of UTF-8
        (`truncate_reason` cuts it), or a reason without a code.
        """
        return checked(cls, FIN | CLOSE, close_payload(code, reason))

    @property
    def opcode(self) -> int:
        """The kind of the frame: an `Opcode` where it is known, else a plain int."""
        return OPCODES[self._head & OPCODE]

    @property
    def payload(self) -> bytes:
        """The payload, unmasked."""
        return self._payload

    @property
    def payload_text(self) -> str:
        """The text of a Text frame.

        TypeError for a frame of another kind. ValueError for a fragment, which may end within a
        character (`layers.MessageAssembler` joins fragments), and for a frame with a reserved bit
        set, whose payload is compressed or otherwise encoded. UnicodeDecodeError, a ValueError,
        for a payload that is not UTF-8 (section 8.1).
        """
        if self._head == FIN | TEXT:
            return self._payload.decode()
        raise self._not_a_text()

    @property
    def fin(self) -> bool:
        """The FIN bit: True if this frame ends its message (section 5.4)."""
        return self._head & FIN != 0

    @property
    def rsv1(self) -> bool:
        """The reserved bit RSV1. With permessage-deflate it marks a compressed message."""
        return self._head & RSV1 != 0

    @property
    def rsv2(self) -> bool:
        """The reserved bit RSV2, for extensions (section 5.2)."""
        return self._head & RSV2 != 0

    @property
    def rsv3(self) -> bool:
        """The reserved bit RSV3, for extensions (section 5.2)."""
        return self._head & RSV3 != 0

    @property
    def mask(self) -> bytes | None:
        """The masking key of 4 bytes, as received or to be sent; None without one."""
        return self._mask

    @property
    def violations(self) -> Violation:
        """The rules that a received frame broke and the session let pass."""
        return Violation(self._violations & ALL)

    @property
    def is_control(self) -> bool:
        """True for a control frame: opcode 8 to 15, reserved ones included (section 5.5)."""
        return self._head & CONTROL != 0

    @property
    def close_code(self) -> int | None:
        """The code of a Close frame; None if it has none, and for any other frame."""
        if self._head & OPCODE != CLOSE or len(self._payload) < 2:
            return None
        return int.from_bytes(self._payload[:2], "big")

    @property
    def close_reason(self) -> str:
        """The reason of a Close frame, "" without one; bytes that are not UTF-8 are replaced."""
        if self._head & OPCODE != CLOSE:
            return ""
        return self._payload[2:].decode("utf-8", "replace")

    def replace(
        self,
        *,
        opcode: int | EllipsisType = ...,
        payload: BytesLike | EllipsisType = ...,
        fin: bool | EllipsisType = ...,
        rsv1: bool | EllipsisType = ...,
        rsv2: bool | EllipsisType = ...,
        rsv3: bool | EllipsisType = ...,
        mask: BytesLike | EllipsisType | None = ...,
    ) -> Frame:
        """Return the same frame with the given parts changed.

        All other parts stay as they are, the masking key too; `mask=None` removes it. The new
        frame has no `violations`. Errors are those of the constructor.
        """
        return type(self)(
            self.opcode if opcode is ... else opcode,
            self._payload if payload is ... else payload,
            self.fin if fin is ... else fin,
            rsv1=self.rsv1 if rsv1 is ... else rsv1,
            rsv2=self.rsv2 if rsv2 is ... else rsv2,
            rsv3=self.rsv3 if rsv3 is ... else rsv3,
            mask=self._mask if mask is ... else mask,
        )

    def encode(self) -> bytes:
        """Return the bytes of the frame on the wire, masked if it has a masking key."""
        return encoded(self)

    def __eq__(self, other: object) -> bool:
        return are_equal(self, other) if isinstance(other, Frame) else NotImplemented

    def __hash__(self) -> int:
        return hash((self._head, self._payload))

    def __repr__(self) -> str:
        flags = [bit for bit in ("fin", "rsv1", "rsv2", "rsv3") if getattr(self, bit)]
        shown = repr(self._payload[:REPR_BYTES])
        if len(self._payload) > REPR_BYTES:
            shown += "..."
        words = [self._name(), *flags, f"{len(self._payload)} bytes", shown]
        if self._violations:
            words.append(str(self.violations))
        return f"<Frame {' '.join(words)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return make_frame, parts_of(self)

    def _name(self) -> str:
        opcode = self.opcode
        return opcode.name if isinstance(opcode, Opcode) else f"opcode {opcode}"

    def _not_a_text(self) -> Exception:
        """Return the error for a frame whose payload is no text, or only a part of one."""
        if self._head & OPCODE not in (0, TEXT):
            return TypeError(
                f"payload_text is the text of a Text frame, this one is {self._name()}; "
                "frame.payload has its bytes"
            )
        if self._head & (RSV1 | RSV2 | RSV3):
            return ValueError(
                "the frame has a reserved bit set: the extension it belongs to must decode it "
                "first, as layers.PermessageDeflate does"
            )
        return ValueError(
            "the frame is a fragment, which may end within a character: "
            "layers.MessageAssembler joins fragments"
        )


def make_frame(head: int, payload: bytes, mask: bytes | None, violations: int) -> Frame:
    """Return a frame of what stood on the wire, unchecked."""
    frame = Frame.__new__(Frame)
    frame._head = head
    frame._payload = payload
    frame._mask = mask
    frame._violations = violations
    frame._wire = None
    return frame


def parts_of(frame: Frame) -> tuple[int, bytes, bytes | None, int]:
    """Return what `make_frame` makes this frame of. It is faster than four attributes."""
    return frame._head, frame._payload, frame._mask, frame._violations


def checked(kind: type[Frame], head: int, payload: bytes) -> Frame:
    """Return a frame of a named constructor. A subclass is made by its own constructor."""
    if kind is Frame:
        return make_frame(head, payload, None, 0)
    return kind(head & OPCODE, payload, head & FIN != 0)


def are_equal(one: Frame, other: Frame) -> bool:
    return one._head == other._head and one._payload == other._payload


def encoded(frame: Frame) -> bytes:
    out = Output()
    out.put_frame(frame._head, frame._payload, frame._mask)
    return out.take()


def prepare(frame: Frame) -> Frame:
    """Return the same frame with its encoding, so that it is encoded once for many sessions.

    The encoding is used where the frame is sent unmasked, by servers. A client masks each frame
    with a key of its own. TypeError for anything but a frame.
    """
    if not isinstance(frame, Frame):
        raise not_a_frame("prepare", frame)
    return with_encoding(frame)


def with_encoding(frame: Frame) -> Frame:
    prepared = make_frame(frame._head, frame._payload, None, frame._violations)
    prepared._wire = encoded(prepared)
    return prepared


def make_piece(
    head: int, length: int, offset: int, payload: bytes, mask: bytes | None, violations: int
) -> Piece:
    """Return a piece of what stood on the wire, unchecked."""
    return Piece(
        OPCODES[head & OPCODE],
        head & FIN != 0,
        head & RSV1 != 0,
        head & RSV2 != 0,
        head & RSV3 != 0,
        length,
        offset,
        payload,
        offset + len(payload) == length,
        mask,
        Violation(violations & ALL),
    )


def whole_piece(frame: Frame) -> Piece:
    """Return a frame that came whole as the only piece of itself."""
    size = len(frame._payload)
    return make_piece(frame._head, size, 0, frame._payload, frame._mask, frame._violations)


def without_mask(item: Frame | Piece) -> Any:
    """Return the same frame or piece without a masking key, to be sent with a fresh one."""
    if isinstance(item, Piece):
        return item._replace(mask=None)
    frame = item
    return make_frame(frame._head, frame._payload, None, frame._violations)


def header_octets(head: int, length: int, mask: bytes | None, form: int) -> bytes:
    """Return a header whose length has a longer form than it needs (section 5.2).

    `form` is the 7-bit length that announces it: 126 for 16 bits, 127 for 64.
    """
    second = form if mask is None else form | 0x80
    return bytes((head, second)) + length.to_bytes(2 if form == 126 else 8, "big") + (mask or b"")


def octets(data: BytesLike, name: str) -> bytes:
    """Return a bytes-like object as bytes; TypeError for anything else, as a str or a number."""
    # Not isinstance: what a subclass of bytes may do differently must not reach the wire.
    if type(data) is bytes:
        return data
    given: object = data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        hint = "; send(frame) sends a Frame" if isinstance(given, Frame) else ""
        raise not_octets(data, name, hint) from None


def opcode_number(opcode: Any) -> int:
    """Return an opcode as an int; TypeError or ValueError for anything else than 0 to 15."""
    try:
        number = index(opcode)
    except TypeError:
        raise not_an_opcode(opcode) from None
    if not 0 <= number <= 15:
        raise ValueError(f"an opcode has 4 bits (0 to 15), got {number}")
    return number


def control_payload(payload: BytesLike) -> bytes:
    """Return the payload of a control frame; ValueError if it is too long (section 5.5)."""
    data = octets(payload, "payload")
    if len(data) > MAX_CONTROL_PAYLOAD:
        raise ValueError(
            f"a control frame has at most {MAX_CONTROL_PAYLOAD} bytes of payload, got {len(data)}"
        )
    return data
