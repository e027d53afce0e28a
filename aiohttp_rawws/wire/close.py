"""The payload of a Close frame: a code of two bytes, then a reason (RFC 6455 section 5.5.1)."""

from operator import index
from typing import Any

from .arguments import shown
from .names import MAX_CONTROL_PAYLOAD, CloseCode

__all__ = ("close_payload", "code_of", "truncate_reason")

#: The longest reason of a Close frame, in bytes of UTF-8. The code takes the first two bytes.
MAX_REASON = MAX_CONTROL_PAYLOAD - 2


def close_payload(code: int | None, reason: str) -> bytes:
    """Return the payload of a Close frame, empty without a code.

    ValueError for a code that may not be sent, a reason that is too long, or a reason without a
    code. TypeError for a code that is no number and a reason that is no str.
    """
    if not isinstance(reason, str):
        raise TypeError(
            f'a close reason is a str, got {shown(reason)}; without one leave it out or pass ""'
        )
    encoded = reason.encode()
    if code is None:
        if encoded:
            raise ValueError("a close reason needs a close code in front of it")
        return b""
    number = code_number(code)
    if not CloseCode.is_sendable(number):
        raise ValueError(
            f"close code {number} may not be sent; use 1000-1003, 1007-1014 or 3000-4999"
        )
    if len(encoded) > MAX_REASON:
        raise ValueError(
            f"a close reason has at most {MAX_REASON} bytes of UTF-8, got {len(encoded)}; "
            "truncate_reason(reason) cuts it"
        )
    return number.to_bytes(2, "big") + encoded


def code_number(code: Any) -> int:
    """Return a close code as an int; TypeError for anything else than a number."""
    try:
        return index(code)
    except TypeError:
        raise TypeError(
            f"a close code must be an int, a CloseCode or None, got {shown(code)}; "
            "the reason comes behind it: 1000, 'bye'"
        ) from None


def truncate_reason(text: str) -> str:
    """Cut a text to the 123 bytes of UTF-8 that fit in a Close frame (RFC 6455 section 5.5.1).

    The cut is between two characters. A lone surrogate, which UTF-8 cannot encode, becomes "?".
    """
    if not isinstance(text, str):
        raise TypeError(
            f"truncate_reason takes a str, got {text!r}; str(error) is the text of an exception"
        )
    return text.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")


def code_of(payload: bytes) -> int:
    """Return the code in the payload of a Close, 0 without one. No Close may hold a 0."""
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 0
