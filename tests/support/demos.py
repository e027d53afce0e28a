"""The demo applications as processes, and visitors of the inspector."""

import contextlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support import ROOT
from tests.support.waiting import PATIENCE
from tests.support.wire import Address, Wire

CLOSE_1000 = b"\x03\xe8"


class Visit:
    """A visitor of the inspector: the control channel, and a watched socket written by hand."""

    def __init__(self, address: Address, control: aiohttp.ClientWebSocketResponse) -> None:
        self.address = address
        self.control = control
        self.path = ""

    async def report(self) -> dict[str, Any]:
        report: dict[str, Any] = await self.control.receive_json(timeout=PATIENCE)
        return report

    async def shown(self, count: int = 1) -> list[tuple[str, str, int]]:
        """Return direction, name and length of the next frames that are reported."""
        reports = [await self.report() for _ in range(count)]
        return [(report["direction"], report["name"], report["length"]) for report in reports]

    async def watch(self) -> Wire:
        return await Wire.upgrade(self.address, f"/{self.path}")

    async def order(self, **order: object) -> None:
        await self.control.send_json(order)


@contextlib.asynccontextmanager
async def visiting(address: Address) -> AsyncIterator[Visit]:
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(address.url("/control"), autoclose=False) as control,
    ):
        visit = Visit(address, control)
        hello = await visit.report()
        assert hello["kind"] == "hello"
        visit.path = hello["path"]
        yield visit


@contextlib.contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-W", "error", "-m", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: "subprocess.Popen[str]") -> Address:
    """Return the address that a demo prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://(\S+):(\d+)", line)
    if found is None:
        _, errors = process.communicate(timeout=PATIENCE)
        pytest.fail(f"the demo does not tell its URL but {line!r}; {errors}")
    return Address(found[1], int(found[2]))


def line(row: dict[str, str]) -> str:
    """Return a row as one line; a mask is shown as present, not by value."""
    mask = re.sub("([0-9a-f]{2} ?){4}", "masked", row["mask"])
    return f"{row['direction']} {row['opcode']} {row['fin']} {row['rsv']} {mask} {row['payload']}"
