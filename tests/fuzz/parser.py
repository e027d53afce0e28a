"""Feed the parser what a fuzzer makes up: `python -m tests.fuzz.parser`; see README.md.

The invariant in one sentence: however the bytes are cut into reads, whole or in pieces, in either
build, the same frames come out and the same error behind them, and nothing else is raised.
"""

import importlib
import sys
from types import FunctionType
from typing import Any

from tests.support.builds import INTERPRETED, RUNNING, Build
from tests.support.parser_reader import Reader

#: How many octets of an input are settings; the rest is what the peer sends.
SETTINGS = 4

LIMITS = (1, 400, 2**18, 2**63 - 1)


def check(data: bytes) -> None:
    """Check the invariant for one input."""
    if len(data) < SETTINGS:
        return
    flags, sizes = data[0], data[1]
    options: dict[str, Any] = {
        "is_client": bool(flags & 1),
        "extended": bool(flags & 2),
        "reject": int.from_bytes(data[2:4], "big") & 0x7FF,
        "limit": LIMITS[sizes & 3],
        "max_frame_size": LIMITS[sizes >> 2 & 3],
    }
    wire = data[SETTINGS:]
    for pieces in (False, True):
        expected = outcome(RUNNING, [wire], pieces, options)
        octets = [bytes([octet]) for octet in wire]
        for build in (RUNNING, INTERPRETED):
            assert outcome(build, [wire], pieces, options) == expected
            assert outcome(build, octets, pieces, options) == expected


def outcome(build: Build, reads: "list[bytes]", pieces: bool, options: "dict[str, Any]") -> Any:
    reader = Reader(build, **options)
    for read in reads:
        reader.read(read)
        reader.rest(pieces)
    return reader.outcome


def functions_of(namespace: Any) -> "list[FunctionType]":
    """The functions and methods that a module or class defines, properties included."""
    found: list[FunctionType] = []
    for value in vars(namespace).values():
        value = getattr(value, "fget", None) or value
        if isinstance(value, FunctionType) and value.__module__.startswith("rawws"):
            found.append(value)
        elif isinstance(value, type) and value.__module__ == getattr(namespace, "__name__", ""):
            found.extend(functions_of(value))
    return found


def main() -> None:
    # Not a requirement of the tests, and without types.
    atheris = importlib.import_module("atheris")
    # The interpreted twin tells the fuzzer which branches an input reaches, for both.
    for module in (INTERPRETED.parser, INTERPRETED.frames, INTERPRETED.native):
        for function in functions_of(module):
            atheris.instrument_func(function)
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
