"""Scripts as files: each action and option, and where a mistake stands."""

import json
from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import FrameLike, Script, ScriptFileError, load_script
from aiohttp_rawws.testing.script_file import ACTIONS, script_of
from tests.support.octets import masked
from tests.support.scripted import played_by_server
from tests.support.wire import Wire

LIKE = {
    "payload": "x",
    "contains": {"hex": "78"},
    "fin": True,
    "rsv1": False,
    "rsv2": False,
    "rsv3": False,
    "masked": True,
    "length": 1,
    "close_code": 1000,
}
PATTERN = FrameLike(
    8, b"x", b"x", True, False, False, False, masked=True, length=1, close_code=1000
)
#: Steps as a file describes them, and the same in Python.
SAME: list[tuple[dict[str, Any], Script]] = [
    ({"answer": 101}, Script().answer()),
    (
        {
            "answer": 401,
            "headers": {"A": "b"},
            "body": "no",
            "accept": "a",
            "protocol": "p",
            "extensions": "e",
            "raw": {"hex": "00 ff"},
            "behind": {"base64": "AP8="},
            "split": "each",
            "gap": 0.5,
            "cut": 3,
        },
        Script().answer(
            401,
            headers={"A": "b"},
            body=b"no",
            accept="a",
            protocol="p",
            extensions="e",
            raw=b"\0\xff",
            behind=b"\0\xff",
            split="each",
            gap=0.5,
            cut=3,
        ),
    ),
    (
        {
            "request": "/x",
            "headers": [["A", "b"]],
            "host": "h",
            "protocols": ["a"],
            "extensions": "e",
            "status": 401,
            "method": "POST",
            "version": "HTTP/1.0",
        },
        Script().request(
            "/x",
            headers=[["A", "b"]],  # type: ignore[list-item]
            host="h",
            protocols=["a"],
            extensions="e",
            status=401,
            method="POST",
            version="HTTP/1.0",
        ),
    ),
    ({"expect": "text"}, Script().expect("text")),
    ({"expect": 8, **LIKE, "within": 2}, Script().expect(PATTERN, within=2)),
    ({"until": 8, **LIKE, "count": 3, "within": 2}, Script().until(PATTERN, count=3, within=2)),
    ({"expect_end": "any"}, Script().expect_end()),
    (
        {"expect_end": "RST", "passing": True, "within": 1},
        Script().expect_end("RST", passing=True, within=1),
    ),
    ({"echo": True}, Script().echo()),
    (
        {"echo": True, "until": 8, **LIKE, "count": 2, "pongs": False},
        Script().echo(PATTERN, count=2, pongs=False),
    ),
    (
        {
            "branch": [
                {"if": "text", "fin": True, "steps": [{"reset": True}]},
                {"if": "any"},
                {"else": True, "steps": [{"pause": 1}]},
            ],
            "within": 4,
        },
        Script().branch(
            [(FrameLike("text", fin=True), Script().reset()), (FrameLike(), Script())],
            Script().pause(1),
            within=4,
        ),
    ),
    ({"send": "text", "payload": "hi"}, Script().send(Frame.text("hi"))),
    (
        {
            "send": 11,
            "payload": {"text": "ab", "times": 2},
            "fin": False,
            "rsv1": True,
            "rsv2": True,
            "rsv3": True,
            "mask": "01020304",
            "masked": False,
            "split": [1, 2],
            "gap": 1,
            "times": 2,
            "cut": 1,
        },
        Script().send(
            Frame(11, b"abab", False, rsv1=True, rsv2=True, rsv3=True, mask=b"\1\2\3\4"),
            masked=False,
            split=[1, 2],
            gap=1,
            times=2,
            cut=1,
        ),
    ),
    ({"send": "close", "code": 1006, "reason": "ä"}, Script().send(Frame(8, b"\x03\xee\xc3\xa4"))),
    ({"send_octets": "81 00", "times": 2}, Script().send_octets(b"\x81\0", times=2)),
    (
        {"send_octets": {"text": "é"}, "split": [1], "gap": 1},
        Script().send_octets(b"\xc3\xa9", split=[1], gap=1),
    ),
    ({"pause": 0.5}, Script().pause(0.5)),
    ({"stall": True}, Script().stall()),
    ({"stall": 2, "reads": False}, Script().stall(2, reads=False)),
    ({"close": True}, Script().close(None)),
    ({"close": 4404, "reason": "gone", "within": 3}, Script().close(4404, "gone", within=3)),
    ({"half_close": True}, Script().half_close()),
    ({"reset": True}, Script().reset()),
    (
        {"repeat": 2, "steps": [{"expect": "ping"}, {"repeat": 1, "steps": []}]},
        Script().repeat(2, Script().expect("ping").repeat(1, Script())),
    ),
]


def test_each_action_and_option_is_here() -> None:
    used: dict[str, set[str]] = {}
    for described, _ in SAME:
        action = next(key for key in described if key in ACTIONS)
        used.setdefault(action, set()).update(described.keys() - {action})
    missing = {action: set(options) - used[action] for action, (_, options) in ACTIONS.items()}
    # What requests have as answers do, and a copy, which is a function.
    assert missing.pop("request") == {"raw", "behind", "split", "gap", "cut"}
    assert missing.pop("send") == {"copy"}
    assert missing.pop("send_octets") == set()
    assert not any(missing.values()), missing


@pytest.mark.parametrize(("described", "same"), SAME, ids=lambda value: str(value)[:40])
def test_a_step_is_the_same_as_in_python(described: dict[str, Any], same: Script) -> None:
    assert script_of({"steps": [described]}).steps == same.steps


async def test_a_copy() -> None:
    async def peer(wire: Wire) -> None:
        wire.send(masked(0x89, b"4711"))
        assert await wire.read_frame() == (0x8A, b"4711")
        await wire.read_to_end()

    steps = [{"expect": "ping"}, {"send": "pong", "copy": True}]
    script = script_of({"steps": steps})
    assert repr(script).endswith("send a PONG with the payload of the last frame>")
    (await played_by_server(script, peer)).check()


TOML = """
name = "late pong"
timeout = 2.5
handshake = false

[[steps]]
expect = "ping"

[[steps]]
send = "pong"
copy = true
"""
STEPS = [{"expect": "ping"}, {"send": "text", "payload": "\u2028"}]
HEADER = {"name": "late pong", "timeout": 2.5, "handshake": False}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.toml", TOML),
        ("x.json", json.dumps({**HEADER, "steps": STEPS})),
        ("x.jsonl", "\n".join(json.dumps(each, ensure_ascii=False) for each in (HEADER, *STEPS))),
    ],
)
def test_the_kinds_of_files(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    for given in (path, str(path)):
        script = load_script(given)
        assert (script.name, script.timeout, script.handshake) == ("late pong", 2.5, False)
        assert len(script.steps) == 2


def test_the_defaults_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "late-pong.jsonl"
    path.write_text('{"expect": "ping"}\n\n{"reset": true}\n')
    script = load_script(path)
    assert (script.name, script.timeout, script.handshake) == ("late-pong", 10.0, True)
    assert [str(step) for step in script] == ["expect PING", "reset"]


WRONG_STEPS: list[tuple[dict[str, Any], str]] = [
    ({}, "step 2: one of answer, request, expect,"),
    ({"sent": "text"}, "is needed, found sent"),
    ({"send": "text", "expect": "text"}, "is needed, found send and expect"),
    ({"send": "text", "paylod": "x"}, "step 2, send, has no 'paylod': use send, payload, fin,"),
    ({"send": "test"}, "step 2: 'test' is no opcode: use continuation, text, binary, close,"),
    ({"send": 16}, "step 2: an opcode is a whole number from 0 to 15, got 16"),
    ({"send": "text", "payload": 5}, "step 2: octets are a text, or a table with hex, base64 or"),
    ({"send": "text", "payload": {"hex": "0g"}}, "step 2: these are no hexadecimal digits: '0g'"),
    ({"send": "text", "payload": {"hex": 5}}, "step 2: hex is a text, got 5"),
    ({"send": "text", "payload": {"base64": "?"}}, "step 2: this is no base64: '?'"),
    ({"send": "text", "payload": {"octal": "7"}}, "step 2: octets are a text, or a table with"),
    (
        {"send": "text", "payload": {"text": "four", "times": 2**25}},
        "step 2: octets are 67108864 at most, got 4 * 33554432",
    ),
    ({"send": "text", "payload": "x", "code": 1000}, "step 2: a code is in place of a payload"),
    ({"send": "text", "payload": "x", "copy": True}, "step 2: copy is in place of payload"),
    ({"echo": True, "contains": "x"}, "step 2: contains needs until"),
    ({"echo": True, "count": 2}, "step 2: count needs until"),
    ({"send": "text", "payload": {"hex": "", "text": ""}}, "step 2: octets are a text, or"),
    ({"send": "text", "payload": {"text": "a", "times": -1}}, "step 2: times is a whole number"),
    ({"send": "text", "mask": "0102"}, "step 2: a masking key has 4 bytes, got 2"),
    ({"send": "text", "mask": 5}, "step 2: these are no hexadecimal digits: 5"),
    ({"send": "text", "fin": 0}, "step 2: fin is true or false, got 0"),
    ({"send": "text", "copy": "yes"}, "step 2: copy is true or false"),
    ({"send": "text", "copy": True, "mask": "01"}, "step 2: a masking key has 4 bytes"),
    ({"send": "close", "code": 65536}, "step 2: code is a whole number from 0 to 65535"),
    ({"send": "close", "reason": "x"}, "step 2: a reason needs a code"),
    ({"send": "close", "code": 1000, "reason": 5}, "step 2: reason is a text, got 5"),
    ({"send": "text", "split": "here"}, "step 2: split is offsets from 1, 'each' or 'random'"),
    ({"send": "text", "times": "3"}, "step 2: times is a whole number, got '3'"),
    ({"send_octets": "xyz"}, "step 2: these are no hexadecimal digits: 'xyz'"),
    ({"send_octets": 5}, "step 2: octets are a text"),
    ({"expect": "text", "contains": 5}, "step 2: octets are a text"),
    ({"expect": "text", "masked": "yes"}, "step 2: masked is true or false, got 'yes'"),
    ({"expect": "text", "within": "soon"}, "step 2: within is a number of seconds, got 'soon'"),
    ({"until": "text", "count": 0}, "step 2: count is a whole number from 1, got 0"),
    ({"expect_end": "fin"}, "step 2: an end is 'FIN' or 'RST' or 'any', got 'fin'"),
    ({"echo": False}, "step 2: echo is true where it stands, got False"),
    ({"reset": False}, "step 2: reset is true where it stands"),
    ({"half_close": 1}, "step 2: half_close is true where it stands"),
    ({"pause": "1"}, "step 2: a pause is a number of seconds, got '1'"),
    ({"stall": -1}, "step 2: a stall is a finite number of seconds from 0"),
    ({"close": "1000"}, "step 2: a close code is a whole number, got '1000'"),
    ({"close": 1000, "reason": 5}, "step 2: reason is a text, got 5"),
    ({"answer": "200"}, "step 2: the status of an answer is a whole number, got '200'"),
    ({"answer": 101, "headers": {"A": 1}}, "step 2: a header is a text, got 1"),
    ({"answer": 101, "headers": 5}, "step 2: headers are a mapping, or pairs of a name and a"),
    ({"answer": 101, "accept": 5}, "step 2: accept is a text, got 5"),
    ({"request": "/", "version": 5}, "step 2: version is a text, got 5"),
    ({"request": 5}, "step 2: request is a text, got 5"),
    ({"request": "/", "protocols": "chat"}, "step 2: protocols are a sequence of names"),
    ({"repeat": 2}, 'step 2, "steps" has to be a list of tables'),
    ({"repeat": 2, "steps": [{"x": 1}]}, "step 2, step 1: one of answer,"),
    ({"branch": "text"}, 'step 2: a branch is a list of tables with "if" or "else"'),
    ({"branch": []}, "step 2: a branch without a case"),
    ({"branch": [{"steps": []}]}, 'step 2, case 1 needs "if", or "else" as the last one'),
    ({"branch": [{"if": "any", "else": True}]}, 'step 2, case 1 needs "if", or "else"'),
    ({"branch": [{"else": True}]}, 'step 2, case 1: "else" is for the last one, behind an "if"'),
    (
        {"branch": [{"if": "any"}, {"else": True, "fin": True}]},
        "step 2, case 2 has no 'fin': use else, steps",
    ),
    ({"branch": [{"if": "any", "then": []}]}, "step 2, case 1 has no 'then': use if, else,"),
    ({"branch": [{"if": "any", "steps": [{"pause": -1}]}]}, "step 2, case 1, step 1: a pause is"),
]


@pytest.mark.parametrize(("step", "said"), WRONG_STEPS, ids=[said for _, said in WRONG_STEPS])
def test_a_mistake_is_told_with_its_place(step: dict[str, Any], said: str) -> None:
    with pytest.raises(ScriptFileError) as raised:
        script_of({"steps": [{"pause": 0}, step]})
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.yaml", "", "x.yaml: the name of a script ends in .toml, .json or .jsonl"),
        ("x.toml", "[[steps", "x.toml: Expected"),
        ("x.toml", "step = []", "x.toml: a script has no 'step': use name, timeout, handshake,"),
        ("x.toml", "steps = 5", 'x.toml: "steps" has to be a list of tables'),
        ("x.toml", "name = 'x'", 'x.toml: "steps" has to be a list of tables'),
        ("x.json", "[]", 'x.json: a script is an object with a list "steps"'),
        ("x.json", "{", "x.json: Expecting property name"),
        ("x.json", "[" * 100_000, "x.json: "),
        ("x.json", '{"name": 5, "steps": []}', "x.json: the name of a script is a str, got 5"),
        ("x.json", '{"timeout": "5", "steps": []}', "x.json: timeout is a number of seconds"),
        ("x.json", '{"handshake": 0, "steps": []}', "x.json: handshake is true or false"),
        ("x.jsonl", '{"pause": 0}\n{"pause"', "x.jsonl: line 2: Expecting"),
        ("x.jsonl", '{"pause": 0}\n\n5', "x.jsonl: line 3: a step is an object, got 5"),
        ("x.jsonl", '{"pause": 0, "pause": 1}', "x.jsonl: line 1: 'pause' stands twice in an"),
        ("x.json", '{"steps": [], "steps": []}', "x.json: 'steps' stands twice in an object"),
        ("x.jsonl", '{"pause": -1}', "x.jsonl: step 1: a pause is a finite number"),
        ("x.json", b"\xff", "x.json: 'utf-8' codec can't decode"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_file_that_is_no_script(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ScriptFileError) as raised:
        load_script(path)
    assert said in str(raised.value).replace(f"{tmp_path}/", "")
    assert isinstance(raised.value, ValueError)


def test_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"steps": [{"reset": true}]}', encoding="utf-8-sig")
    assert str(load_script(path)) == "<Script 'x': reset>"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_script(tmp_path / "x.toml")
