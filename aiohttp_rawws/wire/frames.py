# cython: language_level=3, annotation_typing=False
"""Frames as they stand on the wire, and the names RFC 6455 gives to their parts.

A frame keeps its first octet untouched (FIN, RSV1-3 and opcode, section 5.2): what was received
is what will be sent, whether or not anybody knows the opcode.
"""

from operator import index
from typing import Any, NamedTuple

from .names import CloseCode, Opcode, Violation
from .native import Output

__all__ = ("Frame", "Piece", "truncate_reason")

BytesLike = bytes | bytearray | memoryview

#: The largest payload of a control frame, in bytes (RFC 6455 section 5.5).
MAX_CONTROL_PAYLOAD = 125
#: The longest reason of a Close, in bytes of UTF-8: it stands behind two bytes of code (5.5.1).
MAX_REASON = MAX_CONTROL_PAYLOAD - 2

#: What a received frame costs beside its payload, in bytes: the objects that hold it.
FRAME_COST = 160

#: Beside the violations of a received frame: its length stands in 64 bits. With LENGTH_ENCODING
#: that tells which of the longer forms it has.
LENGTH_64 = 2048

FIN = 0x80
RSV1 = 0x40
RSV2 = 0x20
RSV3 = 0x10
REPR_BYTES = 64


ALL = Violation.ALL.value

OPCODES: tuple[int, ...] = tuple(
    Opcode(number) if number in (0, 1, 2, 8, 9, 10) else number for number in range(16)
)


class Frame:
    """One frame: immutable, hashable, equal by opcode, payload, FIN and RSV bits.

    `opcode` is 0 to 15, `payload` any bytes-like object (kept unmasked, as bytes), `mask` the
    4-byte masking key the frame came with or is to be sent with, None if it is of no matter.
    Only what cannot be encoded is refused, with ValueError or TypeError; the named constructors
    (`text`, `ping`, `close` ...) also keep the rules of RFC 6455.
    """

    __slots__ = ("_head", "_mask", "_payload", "_violations", "_wire")

    def __init__(
        self,
        opcode: int,
        payload: BytesLike = b"",
        fin: bool = True,
        *,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
        mask: "BytesLike | None" = None,
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
        # All its octets, if it is prepared to be sent to many.
        self._wire: bytes | None = None

    @classmethod
    def text(cls, text: str, fin: bool = True) -> "Frame":
        """A Text frame; with `fin=False` the first fragment of a message."""
        if not isinstance(text, str):
            raise TypeError(
                f"a Text frame takes a str, got {type(text).__name__}; "
                "Frame(Opcode.TEXT, payload) takes its UTF-8 as bytes"
            )
        return checked(cls, (FIN if fin else 0) | 1, text.encode())

    @classmethod
    def binary(cls, payload: BytesLike, fin: bool = True) -> "Frame":
        """A Binary frame; with `fin=False` the first fragment of a message."""
        return checked(cls, (FIN if fin else 0) | 2, octets(payload, "payload"))

    @classmethod
    def continuation(cls, payload: BytesLike, fin: bool = True) -> "Frame":
        """A later fragment of a message, the last one unless `fin=False` (section 5.4)."""
        return checked(cls, FIN if fin else 0, octets(payload, "payload"))

    @classmethod
    def ping(cls, payload: BytesLike = b"") -> "Frame":
        """A Ping; ValueError for more than 125 bytes (sections 5.5 and 5.5.2)."""
        return checked(cls, FIN | 9, control_payload(payload))

    @classmethod
    def pong(cls, payload: BytesLike = b"") -> "Frame":
        """A Pong; ValueError for more than 125 bytes (sections 5.5 and 5.5.3)."""
        return checked(cls, FIN | 10, control_payload(payload))

    @classmethod
    def close(cls, code: "int | None" = None, reason: str = "") -> "Frame":
        """A Close, empty without a code (section 5.5.1).

        ValueError for a code that may not be sent, a reason of more than 123 bytes of UTF-8
        (`truncate_reason` cuts it), or a reason without a code.
        """
        if not isinstance(reason, str):
            raise TypeError(
                f'a close reason is a str, got {shown(reason)}; without one leave it out or pass ""'
            )
        encoded = reason.encode()
        if code is None:
            if encoded:
                raise ValueError("a close reason needs a close code in front of it")
            return checked(cls, FIN | 8, b"")
        number = code_number(code)
        if not CloseCode.is_sendable(number):
            raise ValueError(
                f"close code {number} may not be sent; use 1000-1003, 1007-1014 or 3000-4999"
            )
        if len(encoded) > MAX_REASON:
            raise ValueError(
                f"a close reason has at most 123 bytes of UTF-8, got {len(encoded)}; "
                "truncate_reason(reason) cuts it"
            )
        return checked(cls, FIN | 8, number.to_bytes(2, "big") + encoded)

    @property
    def opcode(self) -> int:
        """An `Opcode` where it is known, else a plain int."""
        return OPCODES[self._head & 0x0F]

    @property
    def payload(self) -> bytes:
        """The unmasked payload."""
        return self._payload

    @property
    def fin(self) -> bool:
        return self._head & FIN != 0

    @property
    def rsv1(self) -> bool:
        return self._head & RSV1 != 0

    @property
    def rsv2(self) -> bool:
        return self._head & RSV2 != 0

    @property
    def rsv3(self) -> bool:
        return self._head & RSV3 != 0

    @property
    def mask(self) -> "bytes | None":
        """The masking key it came with or is to be sent with."""
        return self._mask

    @property
    def violations(self) -> Violation:
        """The rules that a received frame broke and the session let pass."""
        return Violation(self._violations & ALL)

    @property
    def is_control(self) -> bool:
        """Whether it is a control frame, reserved ones included (section 5.5)."""
        return self._head & 0x08 != 0

    @property
    def close_code(self) -> "int | None":
        """The code of a Close frame; None if it has none, or for any other frame."""
        if self._head & 0x0F != 8 or len(self._payload) < 2:
            return None
        return int.from_bytes(self._payload[:2], "big")

    @property
    def close_reason(self) -> str:
        """The reason of a Close frame, "" without one; what is not UTF-8 is replaced."""
        if self._head & 0x0F != 8:
            return ""
        return self._payload[2:].decode("utf-8", "replace")

    def encode(self) -> bytes:
        """The bytes of the frame on the wire, masked if it has a masking key."""
        out = Output()
        out.put_frame(self._head, self._payload, self._mask)
        return out.take()

    def _equals(self, other: "Frame") -> bool:
        return self._head == other._head and self._payload == other._payload

    def __eq__(self, other: object) -> bool:
        return self._equals(other) if isinstance(other, Frame) else NotImplemented

    def __hash__(self) -> int:
        return hash((self._head, self._payload))

    def __repr__(self) -> str:
        opcode = self.opcode
        name = opcode.name if isinstance(opcode, Opcode) else f"opcode {opcode}"
        flags = [bit for bit in ("fin", "rsv1", "rsv2", "rsv3") if getattr(self, bit)]
        shown = repr(self._payload[:REPR_BYTES])
        if len(self._payload) > REPR_BYTES:
            shown += "..."
        words = [name, *flags, f"{len(self._payload)} bytes", shown]
        if self._violations:
            words.append(str(self.violations))
        return f"<Frame {' '.join(words)}>"

    def __reduce__(self) -> "tuple[Any, ...]":
        return make_frame, (self._head, self._payload, self._mask, self._violations)


class Piece(NamedTuple):
    """A part of a data frame that is too big to hold, as it arrives or is to be sent.

    `length` is that of the frame's whole payload in bytes, `offset` where this part begins in
    it, `last` tells whether it ends it. `mask` and `violations` are those of the frame.
    """

    opcode: int
    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    length: int
    offset: int
    payload: bytes
    last: bool
    mask: "bytes | None" = None
    violations: Violation = Violation.NONE


def make_frame(head: int, payload: bytes, mask: "bytes | None", violations: int) -> Frame:
    """Build a frame from the octets of the wire, unchecked."""
    frame = Frame.__new__(Frame)
    frame._head = head
    frame._payload = payload
    frame._mask = mask
    frame._violations = violations
    frame._wire = None
    return frame


def checked(kind: "type[Frame]", head: int, payload: bytes) -> Frame:
    """A frame of the named constructors: of a subclass by its own, else the short way."""
    if kind is Frame:
        return make_frame(head, payload, None, 0)
    return kind(head & 0x0F, payload, head & FIN != 0)


def prepare(frame: Frame) -> Frame:
    """The same frame with its octets kept, so that sending it to many serializes it once.

    Only where it is sent unmasked, by servers: each frame of a client has a key of its own.
    TypeError for anything but a frame.
    """
    if not isinstance(frame, Frame):
        raise not_a_frame("prepare", frame)
    prepared: Frame = without_mask(frame)
    prepared._wire = prepared.encode()
    return prepared


def make_piece(
    head: int, length: int, offset: int, payload: bytes, mask: "bytes | None", violations: int
) -> Piece:
    """Build a piece from the octets of the wire, unchecked."""
    return Piece(
        OPCODES[head & 0x0F],
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
    """A frame that came whole, as the only piece of itself."""
    size = len(frame._payload)
    return make_piece(frame._head, size, 0, frame._payload, frame._mask, frame._violations)


def without_mask(item: "Frame | Piece") -> Any:
    """The same frame or piece without a masking key, so that it is sent under a fresh one."""
    if isinstance(item, Piece):
        return item._replace(mask=None)
    frame = item
    return make_frame(frame._head, frame._payload, None, frame._violations)


def header_octets(head: int, length: int, mask: "bytes | None", form: int) -> bytes:
    """A header whose length has a longer form than it needs (section 5.2).

    `form` is the 7-bit length that announces it: 126 for 16 bits, 127 for 64.
    """
    second = form if mask is None else form | 0x80
    return bytes((head, second)) + length.to_bytes(2 if form == 126 else 8, "big") + (mask or b"")


def octets(data: BytesLike, what: str) -> bytes:
    """Take any bytes-like object as bytes; TypeError for a str or a number."""
    # Not isinstance: what a subclass of bytes may do differently must not reach the wire.
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise not_octets(data, what) from None


def opcode_number(opcode: Any) -> int:
    """Check an opcode: TypeError or ValueError for what is none."""
    try:
        number = index(opcode)
    except TypeError:
        name = opcode.lower() if isinstance(opcode, str) else "binary"
        name = name if name.upper() in Opcode.__members__ else "text"
        raise TypeError(
            f"opcode must be an Opcode or an int from 0 to 15, got {shown(opcode)}; "
            f"Frame.{name}(...) makes a {name.title()} frame"
        ) from None
    if not 0 <= number <= 15:
        raise ValueError(f"an opcode has 4 bits (0 to 15), got {number}")
    return number


def code_number(code: Any) -> int:
    """Check that a close code is a number: TypeError for what is none."""
    try:
        return index(code)
    except TypeError:
        raise TypeError(
            f"a close code must be an int, a CloseCode or None, got {shown(code)}; "
            "the reason comes behind it: 1000, 'bye'"
        ) from None


def shown(value: object) -> str:
    """What an argument was, as a message shows it."""
    text = repr(value)
    return text if len(text) <= REPR_BYTES else type(value).__name__


def not_octets(data: object, what: str) -> TypeError:
    """The error for an argument that should be bytes-like."""
    hint = ""
    if isinstance(data, Frame):
        hint = "; send(frame) sends a Frame"
    elif isinstance(data, str) and what == "payload":
        hint = "; Frame.text(text) makes a Text frame, text.encode() makes bytes"
    elif isinstance(data, str):
        hint = "; text.encode() makes bytes"
    return TypeError(f"{what} must be bytes-like, got {type(data).__name__}{hint}")


def not_a_frame(what: str, item: object, *, pieces: bool = False) -> TypeError:
    """The error for an argument of `what` that should be a frame, or a piece if it takes those."""
    hint = ""
    if isinstance(item, str):
        hint = "; Frame.text(text) makes a frame of it"
    elif isinstance(item, BytesLike):
        hint = "; Frame.binary(data) makes a frame of it"
    elif isinstance(item, Piece) and what == "send":
        hint = "; send_piece(piece) sends a Piece"
    wanted = "a Frame or a Piece" if pieces else "a Frame"
    return TypeError(f"{what} takes {wanted}, got {type(item).__name__}{hint}")


def truncate_reason(text: str) -> str:
    """Cut a text to the 123 bytes of UTF-8 that the reason of a Close may have (section 5.5.1).

    The cut is between two characters. A lone surrogate, which UTF-8 cannot encode, becomes "?".
    """
    if not isinstance(text, str):
        raise TypeError(
            f"truncate_reason takes a str, got {text!r}; str(error) is the text of an exception"
        )
    return text.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")


def control_payload(payload: BytesLike) -> bytes:
    """Check the payload of a control frame against section 5.5."""
    data = octets(payload, "payload")
    if len(data) > MAX_CONTROL_PAYLOAD:
        raise ValueError(f"a control frame has at most 125 bytes of payload, got {len(data)}")
    return data
