"""Scripts as files: TOML, JSON, or JSON lines."""

import base64
import binascii
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..wire.frames import Frame
from . import openings, steps
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

HEADER = ("name", "timeout", "handshake")
BITS = ("fin", "rsv1", "rsv2", "rsv3")
LIKE = ("payload", "contains", *BITS, "masked", "length", "close_code")
PACE = ("split", "gap")


class ScriptFileError(ValueError):
    """A script file that does not say what to do. The message tells where."""


def load_script(path: str | Path) -> Script:
    """Return the script of a file, by its ending: .toml, .json or .jsonl (a step a line).

    Raises OSError, and ScriptFileError for what is no script. docs/scripts.md describes the steps.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    readers = {".toml": read_toml, ".json": read_json, ".jsonl": read_json_lines}
    if path.suffix not in readers:
        raise ScriptFileError(f"{path}: the name of a script ends in .toml, .json or .jsonl")
    try:
        return script_of(readers[path.suffix](text), path.stem)
    except (ValueError, TypeError) as error:
        raise ScriptFileError(f"{path}: {error}") from None


def read_toml(text: str) -> dict[str, Any]:
    if tomllib is None:  # pragma: no cover - Python 3.10 without tomli
        raise ScriptFileError("TOML needs Python 3.11 or `pip install tomli`; JSON does not")
    return dict(tomllib.loads(text))


def read_json(text: str) -> dict[str, Any]:
    described = json.loads(text)
    if not isinstance(described, dict):
        raise ScriptFileError('a script is an object with a list "steps"')
    return described


def read_json_lines(text: str) -> dict[str, Any]:
    """Read a step a line. The first line may be the name and the timeout instead."""
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    header = lines.pop(0) if lines and set(lines[0]) <= set(HEADER) else {}
    return {**header, "steps": lines}


def script_of(described: dict[str, Any], name: str = "script") -> Script:
    """Return the script of its description: `name`, `timeout`, `handshake`, and `steps`.

    ScriptFileError tells which step is wrong.
    """
    known(described, (*HEADER, "steps"), "a script")
    script = Script(
        str(described.get("name", name)),
        timeout=float(described.get("timeout", 10.0)),
        handshake=bool(described.get("handshake", True)),
    )
    script.steps.extend(steps_of(described.get("steps"), ""))
    return script


def steps_of(described: Any, where: str) -> list[steps.Step]:
    if not isinstance(described, list) or not all(isinstance(each, dict) for each in described):
        raise ScriptFileError(f'{where}"steps" has to be a list of tables')
    return [step_of(each, f"{where}step {i}") for i, each in enumerate(described, 1)]


def step_of(described: dict[str, Any], where: str) -> steps.Step:
    """Return a step: the one key that is an action, with its options beside it."""
    actions = [key for key in described if key in ACTIONS]
    if "echo" in actions:
        # There `until` is an option.
        actions = ["echo"]
    if len(actions) != 1:
        found = " and ".join(actions) or ", ".join(described) or "nothing"
        raise ScriptFileError(f"{where}: one of {', '.join(ACTIONS)} is needed, found {found}")
    make, options = ACTIONS[actions[0]]
    known(described, (actions[0], *options), f"{where}, {actions[0]},")
    rest = {key: value for key, value in described.items() if key != actions[0]}
    try:
        return make(described[actions[0]], rest, where)
    except ScriptFileError:
        raise
    except (ValueError, TypeError) as error:
        raise ScriptFileError(f"{where}: {error}") from None


def known(described: dict[str, Any], names: Iterable[str], what: str) -> None:
    for key in described:
        if key not in names:
            raise ScriptFileError(f"{what} has no {key!r}: use {', '.join(names)}")


# -- what each action makes ----------------------------------------------------------------


def answer(status: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return openings.Answer(int(status), **opening(rest))


def request(path: Any, rest: dict[str, Any], where: str) -> steps.Step:
    if "protocols" in rest:
        rest["protocols"] = tuple(rest["protocols"])
    return openings.Request(str(path), **opening(rest))


def opening(rest: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a handshake, their octets as bytes."""
    octets = ("body", "behind", "raw")
    return {key: octets_of(value) if key in octets else value for key, value in rest.items()}


def expect(opcode: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.Expect(like(opcode, rest), rest.get("within"))


def until(opcode: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.Until(like(opcode, rest), int(rest.get("count", 1)), rest.get("within"))


def expect_end(how: Any, rest: dict[str, Any], where: str) -> steps.Step:
    if how not in ("FIN", "RST", "any"):
        raise ValueError(f'an end is "FIN", "RST" or "any", got {how!r}')
    return steps.ExpectEnd(how, bool(rest.get("passing", False)), rest.get("within"))


def echo(_: Any, rest: dict[str, Any], where: str) -> steps.Step:
    wanted = like(rest["until"], rest) if "until" in rest else None
    return steps.Echo(wanted, int(rest.get("count", 1)), bool(rest.get("pongs", True)))


def send(opcode: Any, rest: dict[str, Any], where: str) -> steps.Step:
    pace = {key: rest[key] for key in ("masked", *PACE, "times", "cut") if key in rest}
    if not rest.get("copy"):
        return steps.Send((frame_of(opcode, rest),), **pace)
    return steps.Send((lambda seen: frame_of(opcode, rest, seen.payload),), **pace)


def send_octets(data: Any, rest: dict[str, Any], where: str) -> steps.Step:
    data = hex_of(data) if isinstance(data, str) else octets_of(data)
    return steps.SendOctets(data, **rest)


def pause(seconds: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.Pause(float(seconds))


def stall(seconds: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.Stall(None if seconds is True else float(seconds), bool(rest.get("reads", True)))


def close(code: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.CloseHandshake(None if code is True else int(code), **rest)


def half_close(_: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.HalfClose()


def reset(_: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.Reset()


def repeat(times: Any, rest: dict[str, Any], where: str) -> steps.Step:
    return steps.Repeat(int(times), tuple(steps_of(rest.get("steps"), f"{where}, ")))


def branch(cases: Any, rest: dict[str, Any], where: str) -> steps.Step:
    if not isinstance(cases, list) or not cases:
        raise ValueError('a branch is a list of tables with "if" or "else", and "steps"')
    found: list[Any] = []
    otherwise = None
    for number, case in enumerate(cases, 1):
        inner = f"{where}, case {number}"
        known(case, ("if", "else", "steps", *LIKE), inner)
        then = tuple(steps_of(case.get("steps", []), f"{inner}, "))
        if "if" in case:
            found.append((like(case["if"], case), then))
        else:
            otherwise = then
    return steps.Branch(tuple(found), otherwise, rest.get("within"))


Maker = Callable[[Any, dict[str, Any], str], steps.Step]
OPENING = ("headers", "raw", "behind", *PACE, "cut")
#: Each action: what makes its step, and its options.
ACTIONS: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "answer": (answer, ("body", "accept", "protocol", "extensions", *OPENING)),
    "request": (request, ("host", "protocols", "extensions", "status", *OPENING)),
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


# -- frames and octets ---------------------------------------------------------------------


def like(opcode: Any, rest: dict[str, Any]) -> FrameLike:
    """Return the pattern of an opcode and the attributes beside it."""
    wanted = {key: rest[key] for key in LIKE if key in rest}
    for key in ("payload", "contains"):
        if key in wanted:
            wanted[key] = octets_of(wanted[key])
    return FrameLike(opcode, **wanted)


def frame_of(opcode: Any, rest: dict[str, Any], payload: bytes | None = None) -> Frame:
    """Return the frame that is described, with this payload if one is given."""
    if payload is None:
        payload = octets_of(rest.get("payload", ""))
        if "code" in rest:
            payload = int(rest["code"]).to_bytes(2, "big") + str(rest.get("reason", "")).encode()
    mask = hex_of(rest["mask"]) if "mask" in rest else None
    return Frame(opcode_of(opcode), payload, **{b: rest[b] for b in BITS if b in rest}, mask=mask)


def octets_of(value: Any) -> bytes:
    """Return octets: of a text its UTF-8, else of `hex`, `base64`, or `text` `times` times."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict):
        times = int(value.get("times", 1))
        known(value, ("hex", "base64", "text", "times"), "octets")
        if "hex" in value:
            return hex_of(value["hex"]) * times
        if "base64" in value:
            return decoded(value["base64"]) * times
        if "text" in value:
            return str(value["text"]).encode() * times
    raise ValueError(f"octets are a text, or a table with hex, base64 or text, got {value!r}")


def hex_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except (ValueError, TypeError):
        raise ValueError(f"these are no hexadecimal digits: {text!r}") from None


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ValueError(f"this is no base64: {text!r}") from None
