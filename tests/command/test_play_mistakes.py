"""The subcommand `play`: what it refuses, and in which words."""

from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws.testing.presets import PRESETS
from tests.support.command import complaint


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--listen 0", "a FILE is needed, or --presets"),
        ("no-pong", "--listen or --connect is needed"),
        ("no-pong --listen 0 --connect ws://h", "not allowed with argument --listen"),
        ("no-ping --listen 0", "there is no preset 'no-ping'; did you mean no-pong"),
        ("greeting --listen 0", "there is no preset 'greeting'; "),
        ("no-pong --listen x", "argument --listen: not PORT, :PORT, HOST:PORT"),
        ("no-pong --connect ftp://h", "argument --connect: not a ws, wss, http or https URL"),
        ("no-pong --connect ws://h:port", "argument --connect: "),
        ("no-pong --listen 0 --connections x", "not a number of connections: 'x'"),
        ("no-pong --listen 0 --connections 10001", "not a number of connections: '10001'"),
        ("no-pong --connect ws://h --connections 0", "--connections 0 is for --listen"),
        ("no-pong --connect ws://h --listen-cert x", "--listen-cert is for --listen"),
        ("no-pong --listen 0 --insecure", "--insecure is for --connect"),
        (
            "no-pong --connect ws://me:secret@h",
            "no user or password in the URL: give a header, Authorization",
        ),
        ("no-pong --listen 0 --capture -", "--capture needs a file: standard output has the rep"),
        ("no-pong --listen 0 --timeout 0", "argument --timeout: not a number of seconds above 0"),
        ("no-pong --listen 0 --seed x", "argument --seed: invalid int value: 'x'"),
        ("no-pong --listen 0 --listen-key x", "--listen-key needs --listen-cert"),
        ("no-pong --connect wss://h --ca nothing.pem", "cannot read 'nothing.pem'"),
    ],
)
def test_usage_errors(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, errors = complaint(capsys, "play", *arguments.split())
    assert (status, out) == (2, "")
    assert "aiohttp-rawws play: error: " in errors
    assert said in errors


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.toml", '[[steps]]\nsend = "test"\n', "x.toml: step 1: 'test' is no opcode: use"),
        ("x.jsonl", '{"pause": 0}\n{"pause": "1s"}', "x.jsonl: step 2: a pause is a number of"),
        ("x.json", "{", "x.json: Expecting property name enclosed in double quotes: line 1"),
        ("x.sh", "", "x.sh: the name of a script ends in .toml, .json or .jsonl"),
        ("./x.toml", None, "cannot read ./x.toml: No such file or directory"),
    ],
)
def test_a_file_that_is_no_script(
    name: str,
    text: str | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    status, out, errors = complaint(capsys, "play", name, "--listen", "0")
    assert (status, out, len(errors.splitlines())) == (2, "", 1)
    assert errors.startswith(f"aiohttp-rawws: {said}")


def test_the_role_of_a_preset(capsys: pytest.CaptureFixture[str]) -> None:
    name = next(each.name for each in PRESETS.values() if each.roles == ("client",))
    status, _, errors = complaint(capsys, "play", name, "--listen", "0")
    assert (status, errors.splitlines()[-1]) == (
        2,
        f"aiohttp-rawws play: error: {name} is for a client, not for a server",
    )
