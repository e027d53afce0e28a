"""Scripts as files: TOML, JSON, or JSON lines."""

import base64
import binascii
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..wire.frames import Frame
from ..wire.names import opcode_name
from .arguments import check_count, check_flag
from .patterns import FrameLike, opcode_of
from .script import Script

if sys.version_info >= (3, 11):
    import tomllib
else:
    try:
        # pytest brings it.
        import tomli as tomllib
    except ImportError:
        tomllib = None

__all__ = ("ScriptFileError", "load_script", "script_of")

Table = dict[str, Any]

HEADER = ("name", "timeout", "handshake")
BITS = ("fin", "rsv1", "rsv2", "rsv3")
LIKE = ("payload", "contains", *BITS, "masked", "length", "close_code")
PACE = ("split", "gap")
#: How many octets a table may stand for: a payload of the largest frame.
MAX_OCTETS = 64 * 2**20


class ScriptFileError(ValueError):
    """A script file that does not say what to do. The message tells where."""


def load_script(path: str | Path) -> Script:
    """Return the script of a file, by its ending: .toml, .json or .jsonl (a step a line).

    Raises OSError, and ScriptFileError for what is no script. docs/scripts.md describes the steps.
    """
    path = Path(path)
    readers = {".toml": read_toml, ".json": read_json, ".jsonl": read_json_lines}
    if path.suffix not in readers:
        raise ScriptFileError(f"{path}: the name of a script ends in .toml, .json or .jsonl")
    try:
        # Some editors begin a file with a byte order mark.
        return script_of(readers[path.suffix](path.read_text(encoding="utf-8-sig")), path.stem)
    except (ValueError, TypeError, RecursionError) as error:
        raise ScriptFileError(f"{path}: {error}") from None


def read_toml(text: str) -> Table:
    if tomllib is None:  # pragma: no cover - Python 3.10 without tomli
        raise ScriptFileError("TOML needs Python 3.11 or `pip install tomli`; JSON does not")
    return dict(tomllib.loads(text))


def read_json(text: str) -> Table:
    described = read_value(text)
    if not isinstance(described, dict):
        raise ScriptFileError('a script is an object with a list "steps"')
    return described


def read_json_lines(text: str) -> Table:
    """Read a step a line. The first line may be the name and the timeout instead."""
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                lines.append(read_value(line))
            except ValueError as error:
                raise ScriptFileError(f"line {number}: {error}") from None
            if not isinstance(lines[-1], dict):
                raise ScriptFileError(f"line {number}: a step is an object, got {lines[-1]!r}")
    first = lines[0] if lines else None
    has_header = isinstance(first, dict) and set(first) <= set(HEADER)
    header = lines.pop(0) if has_header else {}
    return {**header, "steps": lines}


def read_value(text: str) -> Any:
    return json.loads(text, object_pairs_hook=table_of)


def table_of(pairs: list[tuple[str, Any]]) -> Table:
    """Return an object of JSON. ValueError if a key stands twice, which TOML forbids as well."""
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in table if keys.count(key) > 1)
        raise ValueError(f"{twice!r} stands twice in an object")
    return table


def script_of(described: Table, name: str = "script") -> Script:
    """Return the script of its description: `name`, `timeout`, `handshake`, and `steps`.

    ScriptFileError tells which step is wrong.
    """
    known(described, (*HEADER, "steps"), "a script")
    script = Script(**{"name": name, **{key: described[key] for key in HEADER if key in described}})
    return add_steps(script, described.get("steps"), "")


def add_steps(script: Script, described: Any, where: str) -> Script:
    if not isinstance(described, list) or not all(isinstance(each, dict) for each in described):
        raise ScriptFileError(f'{where}"steps" has to be a list of tables')
    for number, each in enumerate(described, 1):
        add_step(script, each, f"{where}step {number}")
    return script


def add_step(script: Script, described: Table, where: str) -> None:
    """Add a step: the one key that is an action, with its options beside it."""
    actions = [key for key in described if key in ACTIONS]
    if "echo" in actions:
        # There `until` is an option.
        actions = ["echo"]
    if len(actions) != 1:
        found = " and ".join(actions) or ", ".join(described) or "nothing"
        raise ScriptFileError(f"{where}: one of {', '.join(ACTIONS)} is needed, found {found}")
    (action,) = actions
    add, options = ACTIONS[action]
    known(described, (action, *options), f"{where}, {action},")
    rest = {key: value for key, value in described.items() if key != action}
    try:
        add(script, described[action], rest, where)
    except ScriptFileError:
        raise
    except (ValueError, TypeError) as error:
        raise ScriptFileError(f"{where}: {error}") from None


def known(described: Table, names: Iterable[str], what: str) -> None:
    for key in described:
        if key not in names:
            raise ScriptFileError(f"{what} has no {key!r}: use {', '.join(names)}")


# -- what each action adds -----------------------------------------------------------------


def answer(script: Script, status: Any, rest: Table, where: str) -> None:
    script.answer(status, **opening(rest))


def request(script: Script, path: Any, rest: Table, where: str) -> None:
    script.request(word("request", path), **opening(rest))


def opening(rest: Table) -> Table:
    """Return the options of a handshake, their octets as bytes."""
    octets = ("body", "behind", "raw")
    return {key: octets_of(value) if key in octets else value for key, value in rest.items()}


def expect(script: Script, opcode: Any, rest: Table, where: str) -> None:
    script.expect(like(opcode, rest), **options_of(rest))


def until(script: Script, opcode: Any, rest: Table, where: str) -> None:
    script.until(like(opcode, rest), **options_of(rest))


def expect_end(script: Script, how: Any, rest: Table, where: str) -> None:
    script.expect_end(how, **rest)


def echo(script: Script, value: Any, rest: Table, where: str) -> None:
    only_true("echo", value)
    if "until" in rest:
        script.echo(like(rest.pop("until"), rest), **options_of(rest))
        return
    for key in rest:
        if key in (*LIKE, "count"):
            raise ValueError(f"{key} needs until")
    script.echo(**rest)


def send(script: Script, opcode: Any, rest: Table, where: str) -> None:
    pace = {key: rest.pop(key) for key in ("masked", *PACE, "times", "cut") if key in rest}
    copies = rest.pop("copy", False)
    check_flag("copy", copies)
    if copies and (own := [key for key in ("payload", "code", "reason") if key in rest]):
        raise ValueError(f"copy is in place of {own[0]}")
    # Made here in any case: a mistake is told with its place.
    frame = frame_of(opcode, rest)
    script.send(Copy(frame) if copies else frame, **pace)


def send_octets(script: Script, data: Any, rest: Table, where: str) -> None:
    script.send_octets(hex_of(data) if isinstance(data, str) else octets_of(data), **rest)


def pause(script: Script, seconds: Any, rest: Table, where: str) -> None:
    script.pause(seconds)


def stall(script: Script, seconds: Any, rest: Table, where: str) -> None:
    script.stall(None if seconds is True else seconds, **rest)


def close(script: Script, code: Any, rest: Table, where: str) -> None:
    if "reason" in rest:
        word("reason", rest["reason"])
    script.close(None if code is True else code, **rest)


def half_close(script: Script, value: Any, rest: Table, where: str) -> None:
    only_true("half_close", value)
    script.half_close()


def reset(script: Script, value: Any, rest: Table, where: str) -> None:
    only_true("reset", value)
    script.reset()


def repeat(script: Script, times: Any, rest: Table, where: str) -> None:
    script.repeat(times, add_steps(Script(), rest.get("steps"), f"{where}, "))


def branch(script: Script, cases: Any, rest: Table, where: str) -> None:
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ValueError('a branch is a list of tables with "if" or "else", and "steps"')
    found: list[tuple[FrameLike, Script]] = []
    otherwise = None
    for number, case in enumerate(cases, 1):
        inner = f"{where}, case {number}"
        known(case, ("if", "else", "steps", *LIKE), inner)
        then = add_steps(Script(), case.get("steps", []), f"{inner}, ")
        if ("if" in case) == ("else" in case):
            raise ScriptFileError(f'{inner} needs "if", or "else" as the last one')
        if "if" in case:
            found.append((like(case["if"], case), then))
        elif number == len(cases) and found:
            known(case, ("else", "steps"), inner)
            only_true("else", case["else"])
            otherwise = then
        else:
            raise ScriptFileError(f'{inner}: "else" is for the last one, behind an "if"')
    if not found:
        raise ValueError("a branch without a case")
    script.branch(found, otherwise, **rest)


@dataclass(frozen=True)
class Copy:
    """A frame with the payload of the last one."""

    frame: Frame

    def __call__(self, seen: Frame) -> Frame:
        return self.frame.replace(payload=seen.payload)

    def __repr__(self) -> str:
        return f"a {opcode_name(self.frame.opcode)} with the payload of the last frame"


Adder = Callable[[Script, Any, Table, str], None]
OPENING = ("headers", "raw", "behind", *PACE, "cut")
#: Each action: what adds its step, and its options.
ACTIONS: dict[str, tuple[Adder, tuple[str, ...]]] = {
    "answer": (answer, ("body", "accept", "protocol", "extensions", *OPENING)),
    "request": (
        request,
        ("host", "protocols", "extensions", "status", "method", "version", *OPENING),
    ),
    "expect": (expect, (*LIKE, "within")),
    "until": (until, (*LIKE, "count", "within")),
    "expect_end": (expect_end, ("passing", "within")),
    "echo": (echo, ("until", *LIKE, "count", "pongs")),
    "branch": (branch, ("within",)),
    "send": (
        send,
        ("payload", *BITS, "mask", "code", "reason", "copy", "masked", *PACE, "times", "cut"),
    ),
    "send_octets": (send_octets, (*PACE, "times")),
    "pause": (pause, ()),
    "stall": (stall, ("reads",)),
    "close": (close, ("reason", "within")),
    "half_close": (half_close, ()),
    "reset": (reset, ()),
    "repeat": (repeat, ("steps",)),
}


# -- values --------------------------------------------------------------------------------


def like(opcode: Any, rest: Table) -> FrameLike:
    """Return the pattern of an opcode and the attributes beside it."""
    wanted = {key: rest[key] for key in LIKE if key in rest}
    for key in ("payload", "contains"):
        if key in wanted:
            wanted[key] = octets_of(wanted[key])
    return FrameLike(opcode, **wanted)


def options_of(rest: Table) -> Table:
    """Return what stands beside a pattern."""
    return {key: value for key, value in rest.items() if key not in LIKE}


def frame_of(opcode: Any, rest: Table) -> Frame:
    """Return the frame that is described."""
    payload = octets_of(rest.get("payload", ""))
    reason = word("reason", rest.get("reason", ""))
    if "code" in rest:
        if "payload" in rest:
            raise ValueError("a code is in place of a payload")
        check_count("code", rest["code"], 0, 0xFFFF)
        payload = rest["code"].to_bytes(2, "big") + reason.encode()
    elif reason:
        raise ValueError("a reason needs a code")
    bits = {bit: rest[bit] for bit in BITS if bit in rest}
    for bit, value in bits.items():
        check_flag(bit, value)
    mask = hex_of(rest["mask"]) if "mask" in rest else None
    return Frame(opcode_of(opcode), payload, **bits, mask=mask)


def word(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, got {value!r}")
    return value


def only_true(name: str, value: Any) -> None:
    if value is not True:
        raise TypeError(f"{name} is true where it stands, got {value!r}")


def octets_of(value: Any) -> bytes:
    """Return octets: of a text its UTF-8, else of `hex`, `base64`, or `text` `times` times."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and set(value) <= {*OCTETS, "times"}:
        times = value.get("times", 1)
        check_count("times", times)
        kinds = [key for key in OCTETS if key in value]
        if len(kinds) == 1:
            octets = OCTETS[kinds[0]](word(kinds[0], value[kinds[0]]))
            if len(octets) * times > MAX_OCTETS:
                raise ValueError(f"octets are {MAX_OCTETS} at most, got {len(octets)} * {times}")
            return octets * int(times)
    raise ValueError(
        f"octets are a text, or a table with hex, base64 or text, and times, got {value!r}"
    )


def hex_of(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (ValueError, TypeError):
        raise ValueError(f"these are no hexadecimal digits: {text!r}") from None


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"this is no base64: {text!r}") from None


OCTETS: dict[str, Callable[[str], bytes]] = {
    "hex": hex_of,
    "base64": decoded,
    "text": str.encode,
}
