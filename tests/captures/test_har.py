"""Captures as HAR: what Chromium's DevTools take from them, and what the format asks for."""

import base64
import io
import json
import re
import tracemalloc
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.captures import FrameLine, Recorder, to_har
from aiohttp_rawws.captures.messages import Messages
from aiohttp_rawws.layers import PermessageDeflate
from tests.support.browser import chromium
from tests.support.captures import TEXTS, ZEROS, record_octets, record_talk
from tests.support.loops import ONE_LOOP
from tests.support.octets import HELLO, MASK, masked

#: The importer of the DevTools that Chromium brings.
IMPORT = """
const [har, done] = arguments;
(async () => {
    const {HARFormat, Importer} = await import('/devtools/models/har/har.js');
    const log = new HARFormat.HARRoot(har).log;
    return Importer.Importer.requestsFromHARLog(log).map(request => ({
        url: request.url(), status: request.statusCode, kind: request.resourceType().name(),
        began: request.issueTime(), ended: request.endTime,
        sent: request.requestHeaders(), received: request.responseHeaders,
        frames: request.frames().map(frame => ({...frame})),
    }));
})().then(done, error => done(String(error.stack || error)));
"""

#: What HAR 1.2 asks an entry for, and the types.
ENTRY: Any = {
    "startedDateTime": str,
    "time": (int, float),
    "request": {
        "method": str,
        "url": str,
        "httpVersion": str,
        "cookies": list,
        "headers": [{"name": str, "value": str}],
        "queryString": [{"name": str, "value": str}],
        "headersSize": int,
        "bodySize": int,
    },
    "response": {
        "status": int,
        "statusText": str,
        "httpVersion": str,
        "cookies": list,
        "headers": [{"name": str, "value": str}],
        "content": {"size": int, "mimeType": str},
        "redirectURL": str,
        "headersSize": int,
        "bodySize": int,
    },
    "cache": {},
    "timings": {"send": (int, float), "wait": (int, float), "receive": (int, float)},
    "_resourceType": str,
    "_webSocketMessages": [{"type": str, "time": float, "opcode": int, "data": str}],
}


def check(value: Any, wanted: Any, where: str = "") -> None:
    """Check the types of all that is wanted."""
    if isinstance(wanted, dict):
        assert isinstance(value, dict), where
        for key, inner in wanted.items():
            assert key in value, f"{where}.{key}"
            check(value[key], inner, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert isinstance(value, list), where
        for number, item in enumerate(value):
            check(item, wanted[0], f"{where}[{number}]")
    else:
        assert isinstance(value, wanted), where


def converted(capture: Path) -> Any:
    out = io.BytesIO()
    to_har(capture, out)
    log = json.loads(out.getvalue())["log"]
    assert log["version"] == "1.2"
    check(log, {"version": str, "creator": {"name": str, "version": str}, "entries": [ENTRY]})
    for entry in log["entries"]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["startedDateTime"])
        timings = [span for span in entry["timings"].values() if span >= 0]
        assert sum(timings) == pytest.approx(entry["time"])
    return log["entries"]


async def test_the_messages_of_a_compressed_talk(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    await record_talk(capture, compression="deflate")
    (entry,) = converted(capture)
    messages = entry["_webSocketMessages"]
    data = [each for text in TEXTS for each in (text, text)]
    assert [each["data"] for each in messages if each["opcode"] == 1] == data
    binary = [each["data"] for each in messages if each["opcode"] == 2]
    assert [base64.b64decode(each) for each in binary] == [ZEROS] * 2
    assert [each["type"] for each in messages] == ["send", "receive"] * 6
    assert [each["opcode"] for each in messages] == [1] * 6 + [2] * 2 + [9, 10] + [8] * 2
    assert (entry["response"]["status"], entry["_resourceType"]) == (101, "websocket")
    assert entry["request"]["queryString"] == [{"name": "token", "value": "[redacted]"}]
    assert entry["_webSocketClose"]["code"] == 1000
    times = [each["time"] for each in messages]
    assert times == sorted(times)


def test_fragments_are_joined_and_what_is_wrong_is_noted(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    there = [masked(0x01, b"a"), masked(0x89, b"!"), masked(0x80, b"b"), masked(0x80, b"c")]
    there += [masked(0x81, b"\xff"), masked(0x81), masked(0x02, b"begun")]
    record_octets(capture, [("client", each) for each in there] + [("upstream", HELLO)])
    (entry,) = converted(capture)
    messages = entry["_webSocketMessages"]
    seen = [(each["opcode"], each["data"], each.get("_note")) for each in messages]
    assert seen == [
        (9, "IQ==", None),
        (1, "ab", None),
        (0, "Yw==", "a continuation of no message"),
        (1, "\ufffd", "the text is not UTF-8"),
        (1, "", None),
        (1, "Hello", None),
        (2, base64.b64encode(b"begun").decode(), "the message has no end"),
    ]
    assert messages[3]["_base64"] == "/w=="


def test_each_connection_of_each_run_is_an_entry(tmp_path: Path) -> None:
    """Two at a time, one that was refused, and one more in the next run."""
    capture = tmp_path / "capture"
    with Recorder(capture) as recorder:
        first, refused, second = (recorder.connection() for _ in range(3))
        first.opened(path="/first")
        refused.opened(path="/refused", status=403)
        second.opened(path="/second")
        for number in range(4):
            first.octets("client", masked(0x81, b"%d" % number))
            second.octets("upstream", HELLO)
        second.end("upstream", "lost", "reset")
    record_octets(capture, [("client", masked(0x81, b"later"))], path="/later")
    entries = {entry["request"]["url"]: entry for entry in converted(capture)}
    host = "ws://localhost"
    assert [url.removeprefix(host) for url in entries] == [
        "/first",
        "/refused",
        "/second",
        "ws://example.test/later",
    ]
    assert [len(entry["_webSocketMessages"]) for entry in entries.values()] == [4, 0, 4, 1]
    assert entries[f"{host}/refused"]["response"]["status"] == 403
    assert entries[f"{host}/second"]["comment"] == "ended by upstream: lost (reset)"


def test_what_the_messages_do_not_tell_is_in_the_comment(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    response = [("Sec-WebSocket-Extensions", "permessage-deflate")]
    deflate = PermessageDeflate(is_client=True)
    first, second = (deflate.encode(Frame.text("words" * 9)).replace(mask=MASK) for _ in range(2))
    reads = [first.encode(), masked(0x89), second.encode(), b"\x81\xff"]
    record_octets(capture, [("client", data) for data in reads], response=response)
    lines = capture.read_text().splitlines()
    lines[3] = json.dumps({"time": "2026-01-31", "event": "left out", "lines": 7})
    capture.write_text("\n".join(lines) + "\n")
    (entry,) = converted(capture)
    _, behind = entry["_webSocketMessages"]
    assert behind["_note"] == "not inflated: lines of the capture are missing"
    assert entry["comment"] == (
        "ended by stopped; client: 2 octets of a frame that did not end; "
        "7 lines of the capture are missing"
    )


def test_a_connection_that_opens_again_loses_nothing(tmp_path: Path) -> None:
    """As where two programs append to one file."""
    capture = tmp_path / "capture"
    record_octets(capture, [("client", masked(0x81, b"a"))])
    start, *once, _end = capture.read_text().splitlines(keepends=True)
    capture.write_text("".join([start, *once, *once]))
    assert [len(entry["_webSocketMessages"]) for entry in converted(capture)] == [1, 1]


def test_a_message_of_fragments_without_end() -> None:
    """Memory does not grow with their number, whatever they hold."""
    messages = Messages(None, 3)
    time = datetime.now(timezone.utc)
    frames = [Frame.text("start", fin=False), *[Frame.continuation(b"", fin=False)] * 10_000]
    before = [line_of(frame, time) for frame in frames]
    tracemalloc.start()
    try:
        for line in before:
            assert messages.feed(line) == []
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 10_000
    (message,) = messages.rest()
    assert message == (1, b"sta", "only 3 bytes are shown; the message has no end")


def line_of(frame: Frame, time: datetime) -> FrameLine:
    return FrameLine(1, time, 1, "client", frame, len(frame.payload))


def test_a_host_that_is_none(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    request = [("Host", "[")]
    with Recorder(capture) as recorder:
        recorder.connection().opened(request=request, path="/?a=b%20c&d")
    (entry,) = converted(capture)
    assert entry["request"]["url"] == "ws://[/?a=b%20c&d"
    assert entry["request"]["queryString"] == [
        {"name": "a", "value": "b c"},
        {"name": "d", "value": ""},
    ]


def bare(headers: Any) -> Any:
    return [{key: header[key] for key in ("name", "value")} for header in headers]


@ONE_LOOP
async def test_chromium_imports_it(tmp_path: Path) -> None:
    """By the importer of the DevTools, which is the one behind "Import HAR file"."""
    capture = tmp_path / "capture"
    await record_talk(capture, compression="deflate")
    (entry,) = entries = converted(capture)
    log = {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": entries}
    with chromium(tmp_path / "chromium") as driver:
        address = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        driver.get(f"http://{address}/devtools/devtools_app.html")
        imported = driver.execute_async_script(IMPORT, {"log": log})
    assert isinstance(imported, list), imported
    (request,) = imported
    assert (request["url"], request["status"]) == (entry["request"]["url"], 101)
    assert request["kind"] == "websocket"
    assert bare(request["sent"]) == entry["request"]["headers"]
    assert bare(request["received"]) == entry["response"]["headers"]
    wanted = [
        {
            "type": each["type"],
            "time": each["time"],
            "opCode": each["opcode"],
            "text": each["data"],
            "mask": each["type"] == "send",
        }
        for each in entry["_webSocketMessages"]
    ]
    assert request["frames"] == wanted
