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


def test_what_a_peer_sends_to_a_terminal() -> None:
    kept = Transcript()
    kept.compare("status 101", "HTTP/1.1 200 \x1b[2J\r\u2028é")
    assert kept.side_by_side().splitlines()[1] == (r"  > status 101  HTTP/1.1 200 \x1b[2J\r\u2028é")


def test_of_many_the_first_and_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "MAX_ENTRIES", 4)
    kept = Transcript()
    entries = kept.entries
    for number in range(10):
        kept.note("seen", str(number))
        kept.compare(f"expected {number}", f"seen {number}")
    assert [entry.what for entry in entries] == ["0", "1", "8", "9"]
    assert (kept.left_out, kept.compared) == (6, 10)
    assert kept.expected == [(f"expected {n}", f"seen {n}") for n in range(6, 10)]


def test_so_they_are_of_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "MAX_BYTES", 100)
    kept = Transcript()
    for size in (30, 20, 20, 20, 5, 6, 30, 101):
        kept.note("seen", bytes(size))
        assert sum(map(transcript.size_of, kept_octets(kept))) <= 151
    # The last one is always there.
    assert [len(octets) for octets in kept_octets(kept)] == [30, 20, 101]
    assert kept.left_out == 5


def kept_octets(kept: Transcript) -> list[bytes]:
    return [entry.what for entry in kept.entries if isinstance(entry.what, bytes)]


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
