# cython: boundscheck=False, wraparound=False
"""The rules of RFC 6455 for frames: pure functions of what stands on the wire, and where.

Each returns the rules that are broken, as bits of `Violation`. What follows from a broken rule is
the parser's business.
"""

from functools import lru_cache

from .close import code_of
from .frames import LENGTH_64
from .names import MAX_CONTROL_PAYLOAD, CloseCode, Violation

__all__ = ("Rules", "judge", "judge_close", "judge_length", "rules_of", "size_limited")

UNMASKED = Violation.UNMASKED.value
MASKED = Violation.MASKED.value
RESERVED_BITS = Violation.RESERVED_BITS.value
RESERVED_OPCODE = Violation.RESERVED_OPCODE.value
FRAGMENTED_CONTROL = Violation.FRAGMENTED_CONTROL.value
LONG_CONTROL = Violation.LONG_CONTROL.value
UNEXPECTED_CONTINUATION = Violation.UNEXPECTED_CONTINUATION.value
EXPECTED_CONTINUATION = Violation.EXPECTED_CONTINUATION.value
LENGTH_ENCODING = Violation.LENGTH_ENCODING.value
CLOSE_PAYLOAD = Violation.CLOSE_PAYLOAD.value
AFTER_CLOSE = Violation.AFTER_CLOSE.value


class Rules:
    """The rules that hold for what one side receives.

    `is_client` tells who receives it, `extended` whether an extension is negotiated, which then
    owns the RSV bits (section 5.2). `reject` holds the rules that end the parsing.
    """

    __slots__ = ("extended", "is_client", "mask_bit", "reject", "sound")

    def __init__(self, is_client: bool, extended: bool, reject: int) -> None:
        self.is_client = is_client
        self.extended = extended
        self.reject = reject
        #: The mask bit of a sound frame, where it stands in the second octet (section 5.1).
        self.mask_bit = 0 if is_client else 0x80
        #: What the 7-bit length of a frame that breaks no rule stays below, so that most frames
        #: need not be judged: by whether a message is unfinished, then by the first octet.
        self.sound = sound_lengths(extended, False), sound_lengths(extended, True)

    def judge(self, head: int, second: int, fragmented: bool, after_close: bool) -> int:
        """Return the rules that a frame's first two octets break, and where it stands."""
        violations = judge(head, second, self.is_client, fragmented, self.extended)
        # Section 5.5.1: no frame may follow a Close.
        return violations | AFTER_CLOSE if after_close else violations


@lru_cache(maxsize=64)
def rules_of(is_client: bool, extended: bool, reject: Violation) -> Rules:
    """Return the rules of a connection. Connections with the same rules share one object."""
    return Rules(is_client, extended, reject.value)


def judge(head: int, second: int, is_client: bool, fragmented: bool, extended: bool) -> int:
    """Return the rules that a frame's first two octets break.

    `is_client` tells who received it, `fragmented` whether a message is unfinished, `extended`
    whether an extension is negotiated.
    """
    violations = 0
    # Section 5.1
    if is_client:
        if second & 0x80:
            violations |= MASKED
    elif not second & 0x80:
        violations |= UNMASKED
    # Section 5.2
    if head & 0x70 and not extended:
        violations |= RESERVED_BITS
    if head & 0x07 > 2:
        violations |= RESERVED_OPCODE
    if head & 0x08:
        # Section 5.5
        if not head & 0x80:
            violations |= FRAGMENTED_CONTROL
        if second & 0x7F > MAX_CONTROL_PAYLOAD:
            violations |= LONG_CONTROL
    # Section 5.4
    elif head & 0x0F == 0:
        if not fragmented:
            violations |= UNEXPECTED_CONTINUATION
    elif fragmented:
        violations |= EXPECTED_CONTINUATION
    return violations


def sound_lengths(extended: bool, fragmented: bool) -> bytes:
    """Return the bounds of `Rules.sound`, 0 where no length would do."""
    bounds = bytearray(256)
    for head in range(256):
        if not judge(head, 0x80, False, fragmented, extended):
            bounds[head] = 126 if head & 0x08 else 128
    return bytes(bounds)


def judge_length(form: int, length: int) -> int:
    """Return the rules that a length of 16 bits (`form` 126) or 64 (127) breaks (section 5.2).

    A 64-bit length is read as a signed number: its top bit must be 0.
    """
    if form == 126:
        return LENGTH_ENCODING if length < 126 else 0
    if length < 0:
        return LENGTH_ENCODING
    return LENGTH_ENCODING | LENGTH_64 if length < 65536 else 0


def judge_close(payload: bytes) -> int:
    """Return CLOSE_PAYLOAD if the payload of a Close breaks section 5.5.1 or 7.4, else 0."""
    if not payload:
        return 0
    if not CloseCode.is_sendable(code_of(payload)):
        return CLOSE_PAYLOAD
    try:
        # Section 8.1
        payload[2:].decode()
    except UnicodeDecodeError:
        return CLOSE_PAYLOAD
    return 0


def size_limited(head: int, length: int, pieces: bool, forwarding: bool) -> bool:
    """Return True if a frame is kept until it is whole, so that `max_frame_size` applies."""
    if not head & 0x08:
        return not pieces
    # Of forwarded frames a Close alone is kept. One of a legal length passes.
    return not forwarding or length > MAX_CONTROL_PAYLOAD
