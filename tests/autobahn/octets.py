"""Copied into the ported suite as `autobahntestsuite._py3`.

The suite's strings are octet strings there: each character of such a `str` is an octet (latin-1).
"""

import binascii
from pathlib import Path
from typing import Any


def _b(value: Any) -> Any:
    """An octet string as bytes; anything else as it is."""
    return value.encode("latin-1") if isinstance(value, str) else value


def _s(value: Any) -> Any:
    """Bytes as an octet string; anything else as it is."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("latin-1")
    return value


def _hex(value: Any) -> str:
    return binascii.b2a_hex(_b(value)).decode("ascii")


def _resource(name: str) -> str:
    return str(Path(__file__).parent / name)
