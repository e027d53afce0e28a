"""Arguments from text to value. Each function raises ArgumentTypeError for a usage error."""

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable

from ..proxy.forwarded import peers_of
from ..proxy.headers import NOT_SET, check_header, header_rules

__all__ = (
    "any_header",
    "header",
    "header_name",
    "host",
    "mode",
    "peer",
    "prefix",
    "seconds",
    "size",
)

SUFFIXES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}

# RFC 9110 sections 5.1 and 5.5.
HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


def size(text: str) -> int:
    """Return a number of bytes."""
    found = re.fullmatch(r"(\d{1,18})([kmg]?)", text, re.ASCII | re.IGNORECASE)
    if found is None or not int(found[1]):
        raise ArgumentTypeError(f"not a number of bytes, like 65536, 64k or 16M: {text!r}")
    return int(found[1]) * SUFFIXES[found[2].lower()]


def header(text: str) -> tuple[str, str]:
    """Return the name and the value of a header that the proxy does not set itself."""
    name, value = any_header(text)
    if name.lower() in NOT_SET:
        raise ArgumentTypeError(f"{name} is set by the proxy")
    return name, value


def any_header(text: str) -> tuple[str, str]:
    """Return the name and the value of a header."""
    found = HEADER.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"not NAME:VALUE: {text!r}")
    return found[1], found[2].rstrip(" \t")


def header_name(text: str) -> str:
    """Return the name of a header that the proxy does not set itself."""
    return checked(text, lambda: check_header(text, None))


def host(text: str) -> str:
    """Return the value of a Host header, or how it is chosen."""
    return checked(text, lambda: header_rules(None, text, ()))


def peer(text: str) -> str:
    """Return an address, a network, or "unix"."""
    return checked(text, lambda: peers_of([text]))


def checked(text: str, check: Callable[[], object]) -> str:
    """Return the text, unless `check` raises ValueError, which is a usage error then."""
    try:
        check()
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def prefix(text: str) -> str:
    """Return the beginning of a path."""
    if not re.fullmatch(r"/[!-~]*", text) or "?" in text or "#" in text:
        raise ArgumentTypeError(f"not the beginning of a path, like /apps/x: {text!r}")
    return text


def seconds(text: str) -> float:
    """Return a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"not a number of seconds above 0: {text!r}")
    return number


def mode(text: str) -> int:
    """Return the permissions of a file."""
    if not re.fullmatch(r"0?[0-7]{3}", text, re.ASCII):
        raise ArgumentTypeError(f"not the permissions of a file, like 660: {text!r}")
    return int(text, 8)
