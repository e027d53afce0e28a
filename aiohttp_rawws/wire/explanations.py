"""The errors of frames that break rules of RFC 6455."""

from .close import code_of, truncate_reason
from .errors import ProtocolError
from .names import CloseCode, Violation

__all__ = ("EXPLANATIONS", "violation_error")

EXPLANATIONS = {
    Violation.UNMASKED: "a client must mask its frames (RFC 6455 5.1)",
    Violation.MASKED: "a server must not mask its frames (RFC 6455 5.1)",
    Violation.RESERVED_BITS: "a reserved bit is set and no extension is negotiated (RFC 6455 5.2)",
    Violation.RESERVED_OPCODE: "the opcode is reserved (RFC 6455 5.2)",
    Violation.FRAGMENTED_CONTROL: "a control frame must not be fragmented (RFC 6455 5.5)",
    Violation.LONG_CONTROL: "a control frame has at most 125 bytes of payload (RFC 6455 5.5)",
    Violation.UNEXPECTED_CONTINUATION: "there is no message to continue (RFC 6455 5.4)",
    Violation.EXPECTED_CONTINUATION: "the message before is not finished (RFC 6455 5.4)",
    Violation.LENGTH_ENCODING: "the length is not in its shortest form (RFC 6455 5.2)",
    Violation.CLOSE_PAYLOAD: "the close code or reason is malformed (RFC 6455 5.5.1, 7.4)",
    Violation.AFTER_CLOSE: "a frame came after the Close (RFC 6455 5.5.1)",
}


def violation_error(violations: Violation, payload: bytes = b"") -> ProtocolError:
    """Return the error of a frame that breaks rules. `payload` is that of a Close."""
    code = CloseCode.PROTOCOL_ERROR
    if violations == Violation.CLOSE_PAYLOAD and CloseCode.is_sendable(code_of(payload)):
        # Only the reason is left to be wrong: it is not UTF-8 (section 8.1).
        code = CloseCode.INVALID_PAYLOAD
    return ProtocolError(violations, code, explain(violations))


def explain(violations: Violation) -> str:
    """Return the rules that a frame breaks, as a text that fits the reason of a Close."""
    broken = [rule for rule in EXPLANATIONS if rule & violations]
    if len(broken) == 1:
        return EXPLANATIONS[broken[0]]
    return truncate_reason(f"breaks RFC 6455: {', '.join(str(rule.name) for rule in broken)}")
