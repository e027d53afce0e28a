"""The names that RFC 6455 gives to numbers, and the rules that a frame can break."""

import enum

__all__ = ("MAX_CONTROL_PAYLOAD", "OPCODES", "CloseCode", "Opcode", "Violation", "opcode_name")

#: The largest payload of a control frame, in bytes (RFC 6455 section 5.5).
MAX_CONTROL_PAYLOAD = 125


class Opcode(enum.IntEnum):
    """The opcodes of RFC 6455 section 5.2; 3 to 7 and 11 to 15 are reserved."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


#: All opcodes by their number: those that are reserved are plain ints.
OPCODES: tuple[int, ...] = tuple(
    Opcode(number) if number in (0, 1, 2, 8, 9, 10) else number for number in range(16)
)


def opcode_name(opcode: int) -> str:
    """Return the name of an opcode, as errors and reprs show it."""
    return opcode.name if isinstance(opcode, Opcode) else f"opcode {opcode}"


class CloseCode(enum.IntEnum):
    """The close codes of the IANA registry "WebSocket Close Code Number Registry"."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015

    @staticmethod
    def is_sendable(code: int) -> bool:
        """Tell whether `code` may stand in a Close frame (RFC 6455 section 7.4).

        1005, 1006 and 1015 only report what happened and never travel; 1004 and what the
        registry leaves open below 3000 mean nothing to a peer.
        """
        return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


class Violation(enum.Flag):
    """The rules of RFC 6455 that a received frame can break, one bit each."""

    NONE = 0
    #: A client's frame without a mask (section 5.1).
    UNMASKED = 1
    #: A server's frame with a mask (section 5.1).
    MASKED = 2
    #: RSV1, RSV2 or RSV3 set while no extension is negotiated (section 5.2).
    RESERVED_BITS = 4
    #: An opcode that means nothing (section 5.2).
    RESERVED_OPCODE = 8
    #: A control frame without FIN (section 5.5).
    FRAGMENTED_CONTROL = 16
    #: A control frame whose length does not fit the 7 bits: over 125 bytes (section 5.5).
    LONG_CONTROL = 32
    #: A continuation with nothing to continue (section 5.4).
    UNEXPECTED_CONTINUATION = 64
    #: A new message before the last fragment of the one before (section 5.4).
    EXPECTED_CONTINUATION = 128
    #: A length not in its shortest form, or with its top bit set (section 5.2).
    LENGTH_ENCODING = 256
    #: A Close payload of one byte, with a code that may not be sent, or a reason that is not
    #: UTF-8 (sections 5.5.1 and 7.4).
    CLOSE_PAYLOAD = 512
    #: A frame behind a Close (section 5.5.1).
    AFTER_CLOSE = 1024
    ALL = 2047
