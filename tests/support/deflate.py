"""Messages compressed by zlib alone, and readers for them."""

import contextlib
import json
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from aiohttp_rawws import Frame, Opcode, ProtocolError, Violation
from aiohttp_rawws.layers import PermessageDeflate

accept = PermessageDeflate.accept
offer = PermessageDeflate.offer
TAIL = b"\x00\x00\xff\xff"
TEXT = json.dumps([{"id": n, "name": f"name {n}", "even": n % 2 == 0} for n in range(60)]).encode()
NOISE = random.Random(7692).randbytes(5000)

PROFILE = settings(
    max_examples=200,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAME = "permessage-deflate"


class Session:
    """The attributes of a session that `PermessageDeflate.of` reads."""

    def __init__(self, answer: "str | None", *offers: str, is_client: bool = True) -> None:
        self.extensions = answer
        self.is_client = is_client
        self.response = self.request_info = self
        self.headers = CIMultiDict([("Sec-WebSocket-Extensions", each) for each in offers])


def of(answer: "str | None", *offers: str, **options: Any) -> "PermessageDeflate | None":
    max_size = options.pop("max_size", 2**20)
    session: Any = Session(answer, *offers, **options)
    return PermessageDeflate.of(session, max_size=max_size)


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Trace memory; yield a function that returns the peak within the block, in bytes."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: peak
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def pair(**options: Any) -> tuple[PermessageDeflate, PermessageDeflate]:
    """Return both ends of a connection: the server's and the client's."""
    return (
        PermessageDeflate(is_client=False, **options),
        PermessageDeflate(is_client=True, **options),
    )


def reader(max_size: int = 2**20, **options: Any) -> PermessageDeflate:
    return PermessageDeflate(is_client=False, max_size=max_size, **options)


def deflated(data: bytes, level: int = -1) -> bytes:
    """Return a message's payload, compressed by zlib alone (RFC 7692 section 7.2.1)."""
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def finished(data: bytes) -> bytes:
    """Return a whole DEFLATE stream, the last block of which has BFINAL."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush(zlib.Z_FINISH)


def text(payload: bytes, fin: bool = True) -> Frame:
    return Frame(Opcode.TEXT, payload, fin, rsv1=True)


def broken(caught: "pytest.ExceptionInfo[ProtocolError]", code: int) -> bool:
    error = caught.value
    # What it says can stand in a Close.
    Frame.close(error.close_code, str(error))
    return error.close_code == code and (code == 1002 or error.violation is Violation.NONE)


HELLO = bytes.fromhex("f248cdc9c907 00")
HELLO_AGAIN = bytes.fromhex("f200110000")
HELLO_FINAL = bytes.fromhex("f348cdc9c9070000")
HELLO_TWO_BLOCKS = bytes.fromhex("f24805000000ffffcac9c90700")


def fragments(opcode: int, parts: Sequence[bytes]) -> list[Frame]:
    last = len(parts) - 1
    return [Frame(0 if n else opcode, part, n == last) for n, part in enumerate(parts)]


data = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([b"", b"a", TEXT, NOISE, TEXT * 9, bytes(70_000)]),
)


def bomb(size: int) -> bytes:
    """Return a compressed message of `size` zeroes, about a thousandth of its size."""
    deflater = zlib.compressobj(9, wbits=-15)
    block = bytes(2**20)
    parts = [deflater.compress(block) for _ in range(size // len(block))]
    return b"".join([*parts, deflater.flush(zlib.Z_SYNC_FLUSH)])[:-4]
