"""What tshark, Wireshark's dissector, sees in a file."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.waiting import PATIENCE


class Dissected(NamedTuple):
    """One WebSocket frame. `text` is that of a text frame, inflated if it was compressed."""

    source: str
    opcode: int
    fin: bool
    mask: str | None
    length: int
    payload: bytes
    text: str | None


def tshark(path: Path, *arguments: str) -> str:
    """Return what tshark prints of a file; skip or fail the test without it."""
    program = shutil.which("tshark")
    if program is None:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_TSHARK") == "1"
        (pytest.fail if required else pytest.skip)("not installed: tshark")
    checks = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
    done = subprocess.run(
        [program, "-r", str(path), *checks, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def dissected(path: Path) -> list[Dissected]:
    """Return the frames of a file, in its order."""
    out = tshark(path, "-Y", "websocket", "-T", "json", "-x", "-J", "ip websocket")
    # A packet may have several frames, and an object several members of one name.
    packets: Any = json.loads(out, object_pairs_hook=lambda pairs: pairs)
    found = []
    for packet in packets:
        source = next(value for name, value in named(packet, "ip.src"))
        found += [frame_of(source, frame) for _, frame in named(packet, "websocket")]
    return found


def frame_of(source: str, fields: list[tuple[str, Any]]) -> Dissected:
    values = {name: value for name, value in walk(fields) if isinstance(value, str)}
    raw = {name: value[0] for name, value in fields if name.endswith("_raw")}
    length = int(values["websocket.payload_length"])
    for extended in ("websocket.payload_length_ext_16", "websocket.payload_length_ext_64"):
        length = int(values.get(extended, length))
    return Dissected(
        source,
        int(values["websocket.opcode"]),
        values["websocket.fin"] == "1",
        values.get("websocket.masking_key", "").replace(":", "") or None,
        length,
        bytes.fromhex(raw.get("websocket.payload_raw", "")),
        values.get("websocket.payload.text"),
    )


def named(item: Any, name: str) -> Iterator[tuple[str, Any]]:
    return (pair for pair in walk(item) if pair[0] == name)


def walk(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield each member of objects that are lists of pairs, at any depth."""
    if not isinstance(item, list):
        return
    for pair in item:
        if isinstance(pair, tuple):
            yield pair
            yield from walk(pair[1])
