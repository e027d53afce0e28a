"""What a script refuses where it is written."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import FrameLike, Script, ScriptServer, presets

#: No type checker looks: so are most tests written.
script: Any = Script()
a_script: Any = Script
a_frame_like: Any = FrameLike
a_server: Any = ScriptServer
a_preset: Any = presets.preset("no-pong")


async def is_short(frame: Frame) -> bool:
    return len(frame.payload) < 5


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: a_script(5), TypeError, "the name of a script is a str, got 5"),
    (lambda: a_script(timeout=-1), ValueError, "timeout is a finite number of seconds from 0"),
    (lambda: a_script(timeout=math.inf), ValueError, "timeout is a finite number of seconds"),
    (lambda: a_script(timeout="5"), TypeError, "timeout is a number of seconds, got '5'"),
    (lambda: a_script(handshake=0), TypeError, "handshake is true or false, got 0"),
    (lambda: script.expect(), TypeError, 'expect takes a pattern: "any" is any frame'),
    (lambda: script.expect("pang"), ValueError, "'pang' is no opcode: use continuation, text,"),
    (lambda: script.expect(16), ValueError, "an opcode is a whole number from 0 to 15, got 16"),
    (lambda: script.expect(True), TypeError, "an opcode is a whole number, got True"),
    (lambda: script.expect(b"x"), TypeError, "a pattern is a frame, an opcode, a FrameLike"),
    (lambda: script.expect(Frame), TypeError, "a pattern is a frame"),
    (lambda: script.expect(is_short), TypeError, "a pattern is a frame"),
    (lambda: script.expect("text", within=-1), ValueError, "within is a finite number"),
    (
        lambda: a_frame_like("text", payload="x"),
        TypeError,
        "payload is bytes, got 'x'; text.encode()",
    ),
    (lambda: a_frame_like(fin=1), TypeError, "fin is true or false, got 1"),
    (lambda: a_frame_like(length=-1), ValueError, "length is a whole number from 0, got -1"),
    (lambda: a_frame_like(close_code=2**16), ValueError, "from 0 to 65535, got 65536"),
    (lambda: script.until("ping", count=0), ValueError, "count is a whole number from 1, got 0"),
    (lambda: script.echo("ping", count=0), ValueError, "count is a whole number from 1"),
    (lambda: script.echo(pongs=1), TypeError, "pongs is true or false"),
    (lambda: script.expect_end("fin"), ValueError, "an end is 'FIN' or 'RST' or 'any', got 'fin'"),
    (lambda: script.expect_end(passing=1), TypeError, "passing is true"),
    (lambda: script.branch({"text": "x"}), TypeError, "a Script is needed, got 'x'"),
    (lambda: script.branch({}, Script(), within="x"), TypeError, "within is"),
    (lambda: script.send("x"), TypeError, "send takes frames, or functions of a frame, got 'x'"),
    (lambda: script.send(Frame), TypeError, "send takes frames"),
    (lambda: script.send(Frame.ping(), masked=1), TypeError, "masked is true"),
    (lambda: script.send(Frame.ping(), split=[0]), ValueError, "split is offsets from 1, 'each'"),
    (lambda: script.send(Frame.ping(), split="all"), ValueError, "or 'random', got 'all'"),
    (lambda: script.send(Frame.ping(), split=3), ValueError, "split is offsets"),
    (lambda: script.send(Frame.ping(), gap=-1), ValueError, "gap is a finite number of seconds"),
    (lambda: script.send(Frame.ping(), times=-1), ValueError, "times is a whole number from 0"),
    (lambda: script.send(Frame.ping(), cut=1.5), TypeError, "cut is a whole number, got 1.5"),
    (lambda: script.send_octets("x"), TypeError, "data is bytes, got 'x'"),
    (lambda: script.pause(-1), ValueError, "a pause is a finite number"),
    (lambda: script.stall("x"), TypeError, "a stall is a number of seconds"),
    (lambda: script.stall(reads=0), TypeError, "reads is true or false"),
    (lambda: script.close(-1), ValueError, "a close code is a whole number from 0 to 65535"),
    (lambda: script.repeat(-1, Script()), ValueError, "times is a whole number from 0"),
    (lambda: script.repeat(1, [1]), TypeError, "a Script is needed"),
    (lambda: script.then(None), TypeError, "a Script is needed, got None"),
    (lambda: script.add(Script), TypeError, "a step has a method run"),
    (lambda: script.answer(99), ValueError, "the status of an answer is a whole number from 100"),
    (lambda: script.answer(body="x"), TypeError, "body is bytes"),
    (lambda: script.answer(raw="x"), TypeError, "raw is bytes"),
    (lambda: script.answer(behind="x"), TypeError, "behind is bytes"),
    (lambda: script.answer(headers={"A": 1}), TypeError, "a header is a text, got 1"),
    (lambda: script.answer(headers={"A": "\u20ac"}), ValueError, "a header has a character that"),
    (lambda: script.answer(headers=None), TypeError, "headers are a mapping, or pairs of a name"),
    (lambda: script.answer(headers=["A: b"]), TypeError, "a header is a name and a value, got"),
    (lambda: script.answer(accept=True), TypeError, "accept is a text, got True"),
    (lambda: script.answer(protocol=5), TypeError, "protocol is a text, got 5"),
    (lambda: script.request(protocols="chat"), TypeError, "protocols are a sequence of names"),
    (lambda: script.request(protocols=[5]), TypeError, "a protocol is a text, got 5"),
    (lambda: script.request("/\u20ac"), ValueError, "path has a character that latin-1 has not"),
    (lambda: script.request(host=5), TypeError, "host is a text, got 5"),
    (lambda: script.close(1000, "\ud800"), ValueError, "the reason has a character that utf-8"),
    (lambda: script.echo(count=2), ValueError, "count is of the frames like `until`, which is"),
    (lambda: script.request(cut=-1), ValueError, "cut is a whole number from 0"),
    (lambda: a_server([]), ValueError, "a list of scripts needs one at least"),
    (lambda: a_server(5), TypeError, "scripts are a Script, a list, or a function, got 5"),
    (lambda: a_server("x.toml"), TypeError, "got 'x.toml': use load_script(path), or preset"),
    (lambda: a_server([a_preset]), TypeError, "got the preset 'no-pong': use its script("),
    (lambda: a_server([1]), TypeError, "a Script is needed, got 1"),
    (lambda: a_server(script, limit=-1), ValueError, "limit is a whole number"),
    (lambda: a_server(script, seed="7"), TypeError, "seed is a whole number, got '7'"),
    (lambda: a_preset.script("server", timeout="7"), TypeError, "timeout is a number of seconds"),
]


@pytest.mark.parametrize(("make", "kind", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_a_mistake_is_told_where_it_is_made(
    make: Callable[[], Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as raised:
        make()
    assert said in str(raised.value)
    assert script.steps == []
