"""The C function of aiohttp by which the interpreted build masks."""

import os
import subprocess
import sys

import pytest

from tests.support import ROOT
from tests.support.builds import INTERPRETED, load_source

CODE = """
from aiohttp_rawws.wire import native
print(getattr(native, "mask_in_place", "compiled"))
"""


def mask_of(**environment: str) -> str:
    """Return the function that a process of its own masks with."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={**os.environ, "AIOHTTP_RAWWS_NO_EXTENSIONS": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_interpreted_build_masks_with_the_function_of_aiohttp() -> None:
    pytest.importorskip("aiohttp._websocket.mask", reason="aiohttp has no extensions here")
    assert "_websocket_mask_cython" in mask_of(AIOHTTP_NO_EXTENSIONS="")


def test_without_the_extensions_of_aiohttp_it_masks_by_itself() -> None:
    assert mask_of(AIOHTTP_NO_EXTENSIONS="1") == "None"


def test_a_function_that_masks_wrongly_is_not_used() -> None:
    native = load_source("native")
    native.use_mask(lambda key, data: data.reverse())
    assert native.mask_in_place is None


def test_both_ways_mask_alike() -> None:
    native = load_source("native")
    calls: list[int] = []

    def mask(key: bytes, data: bytearray) -> None:
        calls.append(len(data))
        data[:] = INTERPRETED.native.xor(data, key)

    native.use_mask(mask)
    payload = bytes(range(256)) * 3
    expected = native.xor(bytearray(payload), b"abcd")
    assert native.copy_out(bytearray(payload), 0, len(payload), b"abcd") == expected
    part = native.Payload(len(payload), b"abcd")
    part.append(bytearray(payload), 0, 7)
    assert part.take() == expected[:7]
    part.append(bytearray(payload), 7, len(payload))
    assert part.take() == expected[7:]
    assert calls == [250, len(payload), 7, len(payload) - 7]
