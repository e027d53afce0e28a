"""What is kept of a conversation, and its bounds."""

import json
import socket

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import HttpHead, Transcript, Wire, transcript


def test_the_entries() -> None:
    kept = Transcript()
    kept.note("seen", HttpHead.of(b"GET / HTTP/1.1\r\n\r\n"))
    kept.note("sent", Frame(1, b"hi", rsv1=True, mask=b"mask"))
    kept.note("sent", bytes(17))
    kept.note("seen", "FIN")
    assert [str(entry) for entry in kept.entries] == [
        "GET / HTTP/1.1",
        "TEXT fin rsv1 2 bytes b'hi'",
        f"17 octets: {'00 ' * 16}".rstrip() + "...",
        "FIN",
    ]
    told = [entry.as_json() for entry in kept.entries]
    assert json.loads(json.dumps(told)) == told
    assert all(0 <= entry.pop("time") < 60 for entry in told)
    assert told == [
        {"direction": "seen", "head": "GET / HTTP/1.1\r\n\r\n"},
        {
            "direction": "sent",
            "frame": {
                "opcode": 1,
                "fin": True,
                "rsv1": True,
                "rsv2": False,
                "rsv3": False,
                "masked": True,
                "length": 2,
                "payload": "6869",
                "violations": [],
            },
        },
        {"direction": "sent", "octets": "00" * 17, "length": 17},
        {"direction": "seen", "event": "FIN"},
    ]
    assert kept.frames("sent") == [Frame(1, b"hi", rsv1=True)]
    assert kept.frames() == []


def test_the_side_by_side() -> None:
    kept = Transcript()
    for number in range(30):
        kept.compare(f"expected {number}", f"seen {number}")
    assert kept.side_by_side(2).splitlines() == [
        "    expected     seen",
        "    expected 28  seen 28",
        "  > expected 29  seen 29",
    ]
    assert ">" not in kept.side_by_side(2, marked=False)
    assert len(kept.side_by_side().splitlines()) == 21


def test_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "MAX_ENTRIES", 3)
    monkeypatch.setattr(transcript, "MAX_BYTES", 100)
    kept = Transcript()
    kept.note("seen", Frame.binary(bytes(90)))
    kept.note("seen", Frame.binary(bytes(20)))
    for _ in range(4):
        kept.note("seen", Frame.ping())
        kept.compare("a", "b")
    assert (len(kept.entries), kept.left_out, len(kept.expected)) == (3, 3, 3)


async def test_the_rules_that_a_frame_breaks() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        wire = await Wire.of_socket(ours, is_client=True)
        theirs.sendall(b"\xb3\x00")
        kept = Transcript()
        kept.note("seen", await wire.read_frame())
        await wire.close()
    (entry,) = kept.entries
    assert entry.as_json()["frame"]["violations"] == ["RESERVED_BITS", "RESERVED_OPCODE"]
