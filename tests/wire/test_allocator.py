"""The memory of big payloads is used again: their pages are not taken from the system each time."""

import os
import platform
import subprocess
import sys

import pytest

from aiohttp_rawws.wire.allocator import keep_freed

SIZE = 2**20

PROGRAM = f"""
import resource
from aiohttp_rawws.wire.native import READ_SIZE, Payload

def receive(key):
    payload = Payload({SIZE}, key)
    while payload.missing:
        view = payload.view()
        view[:] = bytes(len(view))
        payload.wrote(len(view))
    return payload.take()

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        payloads = [receive(b"mask") for _ in range(6)]
        del payloads
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(5)
print(faults(20))
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="it is about glibc's allocator",
)
def test_pages_are_used_again() -> None:
    environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment
    )
    assert done.stderr == ""
    # Six payloads have 1,536 pages.
    assert int(done.stdout) < 1536


def test_sizes_that_need_no_further_call() -> None:
    assert keep_freed(SIZE) == 2 * SIZE


def test_no_payload_is_lost_for_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp_rawws.wire.allocator.MOST", 2**60)
    assert keep_freed(2**60) == 2**61
