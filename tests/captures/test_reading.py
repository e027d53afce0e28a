"""Lines of captures: what is written is read, and what is wrong is told with its line."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.captures import (
    CaptureError,
    End,
    FrameLine,
    LeftOut,
    Octets,
    Opening,
    Recorder,
    Start,
    read_capture,
)
from aiohttp_rawws.captures.octets import octets_of
from aiohttp_rawws.captures.segments import Segment, Segments
from tests.support.captures import frames_in, record_octets
from tests.support.octets import masked

TIME = "2026-01-31T20:04:11.094001Z"
START = {"time": TIME, "connection": None, "event": "start", "version": 1}
FRAME = {"time": TIME, "connection": 1, "direction": "client", "opcode": 1, "payload": "aGk="}

#: Legal or not, all that a stream can have: the last frame does not end.
STREAM = b"".join(
    [
        masked(0x81, b"hello"),
        masked(0xF3, b"all reserved bits, and a reserved opcode"),
        b"\x8b\x7e\x00\x05short",  # a length of 16 bits that needs none
        b"\x02\x7f" + (300).to_bytes(8, "big") + bytes(300),
        masked(0x89, bytes(200)),
        masked(0x88, b"\x03\xee"),
        masked(0x81, b"behind the Close"),
        b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x05" + b"mask" + b"a length with its top bit set",
    ]
)


def read(*lines: Any) -> list[Any]:
    text = "".join(each if isinstance(each, str) else f"{json.dumps(each)}\n" for each in lines)
    return list(read_capture(io.BytesIO(text.encode())))


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_octets_are_kept_as_they_stood(tmp_path: Path, size: int) -> None:
    path = tmp_path / "capture"
    reads = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    record_octets(path, [("client", data) for data in reads])
    start, opening, *lines, end = read_capture(path)
    assert isinstance(start, Start)
    assert isinstance(opening, Opening)
    assert isinstance(end, End)
    *frames, rest = lines
    assert isinstance(rest, Octets)
    assert all(isinstance(line, FrameLine) for line in frames)
    octets = [octets_of(line) for line in frames if isinstance(line, FrameLine)]
    assert b"".join([*octets, rest.octets]) == STREAM
    assert [line.length_bits for line in frames if isinstance(line, FrameLine)][2:4] == [16, 64]
    # The reads, too.
    segments = Segments()
    again: list[Segment] = []
    for line in lines:
        assert isinstance(line, (FrameLine, Octets))
        again += segments.add(line)
    again += segments.rest()
    assert [segment.octets for segment in again] == reads


def test_a_long_payload_is_cut_and_its_length_is_true(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    with Recorder(path, payload_limit=3) as recorder, recorder.connection() as recording:
        recording.opened()
        recording.octets("client", masked(0x81, b"hello") + masked(0x81, b"hi"))
        recording.octets("upstream", b"\x82\x0aabcdef")
        recording("upstream", Frame.text("hello"))
    first, second, third = frames_in(path)
    assert (first.frame.payload, first.length, first.is_cut) == (b"hel", 5, True)
    assert (second.frame.payload, second.is_cut) == (b"hi", False)
    assert (third.frame.payload, third.length) == (b"hel", 5)
    (rest,) = (line for line in read_capture(path) if isinstance(line, Octets))
    assert (rest.octets, rest.missing) == (b"\x82\x0aabc", 3)


def test_what_a_crash_has_cut_is_left_out() -> None:
    cut = json.dumps(FRAME)[:40]
    assert len(read(START, FRAME, cut)) == 2
    # The next run is appended to the same line.
    assert [line.line for line in read(START, FRAME, cut + json.dumps(START) + "\n", FRAME)] == [
        1,
        2,
        3,
        4,
    ]


def test_what_is_not_known_is_passed_over() -> None:
    """Keys and events may be added within a version."""
    later = {**FRAME, "event": "later"}
    start, frame = read(START, later, {**FRAME, "later": [1]}, "\n")
    assert (start.software, frame.line, frame.frame) == ("", 3, Frame.text("hi"))


def test_lines_that_were_left_out_are_told() -> None:
    left_out = {"time": TIME, "connection": None, "event": "left out", "lines": 7}
    _, line = read(START, left_out)
    assert isinstance(line, LeftOut)
    assert (line.line, line.lines) == (2, 7)


@pytest.mark.parametrize("line", ["", "no line end", '{"event":"started","level":"info"}\n', "\n"])
def test_a_file_without_a_line_is_no_capture(line: str) -> None:
    with pytest.raises(CaptureError, match=r"^no capture: not one line of it") as caught:
        read(line)
    assert caught.value.line is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("PK\x03\x04\n", "no JSON: "),
        ("[]\n", "no JSON object"),
        ("[" * 200_000 + "\n", "no line of a capture: its JSON is nested too deep"),
        ({}, "no line of a capture: neither an event nor a frame"),
        ({**START, "version": 2}, "version 2 of the format is not known here"),
        ({**FRAME, "opcode": 16}, "'opcode' must be a number from 0 to 15, got 16"),
        ({**FRAME, "opcode": True}, "'opcode' must be a number from 0 to 15, got True"),
        ({**FRAME, "fin": 1}, "'fin' must be true or false, got 1"),
        ({**FRAME, "direction": "server"}, '\'direction\' must be "client" or "upstream", got'),
        ({**FRAME, "payload": "~"}, "'payload' must be base64, got '~'"),
        ({**FRAME, "payload": "\xe4"}, "'payload' must be base64, got '\xe4'"),
        ({**FRAME, "payload": None}, "'payload' must be a text, got None"),
        ({**FRAME, "length": 1}, "'length' must be at least the 2 bytes of the payload, got 1"),
        ({**FRAME, "length_bits": 8}, "'length_bits' must be 16 or 64, enough for the length"),
        ({**FRAME, "mask": "00"}, "'mask' must be 8 hexadecimal digits or null, got '00'"),
        ({**FRAME, "reads": [[0, 3]]}, "'reads' must be [seconds, octets] pairs of 4 octets in"),
        ({**FRAME, "reads": [[0, float("inf")]]}, "'reads' must be [seconds, octets] pairs of 4"),
        ({**FRAME, "reads": 4}, "'reads' must be [seconds, octets] pairs of 4 octets in all, got"),
        ({**FRAME, "reads": [[float("nan"), 4]]}, "'reads' must be [seconds, octets] pairs of 4"),
        ({**FRAME, "time": "9999-12-31T23:59:59Z"}, "'time' must be a time from 1971 to 8999"),
        ({**FRAME, "time": "today"}, "'time' must be a time of ISO 8601, got 'today'"),
        ({**FRAME, "connection": None}, "'connection' must be a number, got None"),
        ({"time": TIME, "connection": 1, "event": "end"}, "'reason' must be a text, there is none"),
        (
            {**FRAME, "event": "open", "handshakes": {"client": {"request": [1]}}},
            "'handshakes.client.request' must be a list of [name, value], got [1]",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(line: Any, said: str) -> None:
    with pytest.raises(CaptureError) as caught:
        read(START, line, FRAME)
    assert str(caught.value).startswith(f"line 2: {said}")
    assert caught.value.line == 2
