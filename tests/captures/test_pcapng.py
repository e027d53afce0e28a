"""Captures as pcapng: what tshark, Wireshark's dissector, sees in them."""

from pathlib import Path

import pytest

from aiohttp_rawws.captures import to_pcapng
from aiohttp_rawws.captures.octets import octets_of
from tests.support.captures import TEXTS, ZEROS, frames_in, record_octets, record_talk
from tests.support.loops import ONE_LOOP
from tests.support.octets import HELLO, masked
from tests.support.tshark import dissected, tshark

#: The address that stands for servers.
SERVER = "192.0.2.1"


def converted(capture: Path) -> Path:
    path = capture.with_suffix(".pcapng")
    with path.open("wb") as out:
        assert to_pcapng(capture, out) == 1
    return path


@ONE_LOOP
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_every_frame_of_a_talk_is_dissected(tmp_path: Path, compression: str | None) -> None:
    """Compressed texts are inflated, with the context of those before."""
    capture = tmp_path / "capture"
    await record_talk(capture, compression=compression)
    path = converted(capture)
    lines, seen = frames_in(capture), dissected(path)
    assert len(lines) == len(seen) == 12
    for line, frame in zip(lines, seen, strict=True):
        mask = line.frame.mask
        assert (frame.source == SERVER) is (line.direction == "upstream")
        assert (frame.opcode, frame.fin) == (line.frame.opcode, line.frame.fin)
        assert (frame.mask, frame.length) == (mask.hex() if mask else None, line.length)
        assert frame.payload == line.frame.payload
    assert lines[0].frame.rsv1 is (compression is not None)
    assert [frame.text for frame in seen if frame.opcode == 1] == [
        each for text in TEXTS for each in (text, text)
    ]
    if compression is None:
        assert seen[6].payload == ZEROS
    # Neither lost nor repeated segments, nor a checksum or a window that is wrong.
    trouble = "tcp.analysis.flags or tcp.checksum.status == Bad or ip.checksum.status == Bad"
    assert tshark(path, "-Y", f"{trouble} or _ws.malformed") == ""
    assert "GET /?token=[redacted] HTTP/1.1" in tshark(path, "-Y", "http.request")


def test_segments_are_the_reads(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    long = b"\x82\x7f" + (100_000).to_bytes(8, "big") + bytes(100_000)
    first, second = masked(0x81, b"first"), masked(0x81, b"second")
    there = [first[:1], first[1:] + second, masked(0x09)]
    reads = [("client", there[0]), ("upstream", HELLO)]
    reads += [("client", each) for each in there[1:]]
    record_octets(capture, [*reads, ("upstream", long)])
    path = converted(capture)
    fields = ("-T", "fields", "-e", "ip.src", "-e", "tcp.len")
    sizes = [line.split("\t") for line in tshark(path, "-Y", "tcp.len > 0", *fields).splitlines()]
    behind = [(source, int(size)) for source, size in sizes[2:]]
    here = "192.0.2.2"
    # A packet of IPv4 has up to 64 KiB: a bigger read has several.
    big = [(SERVER, 65495), (SERVER, len(long) - 65495)]
    assert behind[:4] == [(SERVER, 7), (here, 1), (here, len(there[1])), (here, 6)]
    assert behind[4:] == big
    assert [frame.opcode for frame in dissected(path)] == [1, 1, 1, 9, 2]


def test_a_connection_that_was_reset_and_octets_that_end_early(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    record_octets(
        capture, [("client", masked(0x81, b"whole") + b"\x81\xff")], address="10.1.2.3:4567"
    )
    text = capture.read_text().replace('"reason":"stopped"', '"reason":"lost"')
    capture.write_text(text)
    path = converted(capture)
    assert [frame.payload for frame in dissected(path)] == [b"whole"]
    flags = tshark(path, "-T", "fields", "-e", "tcp.flags.str", "-e", "ip.src").splitlines()
    assert "R" in flags[-1]
    assert flags[0].endswith("10.1.2.3")


def test_what_was_not_kept_is_zeros_and_said(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [("upstream", b"\x82\x0aabcdefghij")])
    # As with --payload-limit 3.
    capture.write_text(capture.read_text().replace('"YWJjZGVmZ2hpag=="', '"YWJj"'))
    (line,) = frames_in(capture)
    assert octets_of(line) == b"\x82\x0aabc" + bytes(7)
    path = converted(capture)
    assert dissected(path)[0].payload == b"abc" + bytes(7)
    assert "7 octets were not kept" in comments(path)
    # There is a bound: frames of any size pass a proxy.
    length = 10**15
    capture.write_text(capture.read_text().replace('"length":10', f'"length":{length}'))
    text = capture.read_text().replace('"reads":[[0.0,12]],', "")
    capture.write_text(text)
    path = converted(capture)
    assert dissected(path) == []
    assert f"{length - 3} octets were not kept" in comments(path)


def test_lines_that_were_left_out_are_said(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    record_octets(capture, [("client", masked(0x81, text)) for text in (b"a", b"b", b"c")])
    lines = capture.read_text().splitlines()
    lines[3] = '{"time":"2026-01-31","event":"left out","lines":7}'
    capture.write_text("\n".join(lines) + "\n")
    path = converted(capture)
    assert [frame.payload for frame in dissected(path)] == [b"a", b"c"]
    assert "7 lines of the capture are missing before this" in comments(path)


def comments(path: Path) -> str:
    return tshark(path, "-T", "fields", "-e", "frame.comment")


def test_headers_that_are_no_text(tmp_path: Path) -> None:
    """Octets as aiohttp decodes them, and what nobody could have sent."""
    for name, value in (("octets", "\udc80"), ("nonsense", "\ud800")):
        capture = tmp_path / name
        response = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("X", value)]
        record_octets(capture, [("client", masked(0x81, b"a"))], response=response)
        assert len(dissected(converted(capture))) == 1
