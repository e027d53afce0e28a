"""`convert`: files, formats, and what cannot be converted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiohttp_rawws.__main__ import main
from tests.support import ROOT
from tests.support.waiting import PATIENCE

CAPTURE = str(ROOT / "demo" / "captures" / "close-1006.jsonl")


def test_the_format_is_that_of_the_name_or_of_the_option(tmp_path: Path) -> None:
    har, pcapng, other = (tmp_path / name for name in ("x.HAR", "x.pcapng", "x"))
    for out in (har, pcapng):
        assert main(["convert", CAPTURE, str(out)]) == 0
    assert main(["convert", CAPTURE, str(other), "--to", "har"]) == 0
    (entry,) = json.loads(har.read_text())["log"]["entries"]
    assert len(entry["_webSocketMessages"]) == 4
    assert other.read_text() == har.read_text()
    # The type of the section header, and the byte order (pcapng, section 4.1).
    assert pcapng.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert pcapng.read_bytes()[8:12] == bytes.fromhex("4d3c2b1a")


def test_the_standard_streams(tmp_path: Path) -> None:
    out = tmp_path / "x.har"
    assert main(["convert", CAPTURE, str(out)]) == 0
    command = [sys.executable, "-m", "aiohttp_rawws", "convert", "-", "-", "--to", "har"]
    with open(CAPTURE, "rb") as capture:
        run = subprocess.run(command, stdin=capture, capture_output=True, timeout=PATIENCE)
    assert (run.returncode, run.stdout, run.stderr) == (0, out.read_bytes(), b"")


def test_a_file_that_cannot_be_written_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what was begun is removed."""
    out = tmp_path / "x.har"
    out.mkdir()
    assert main(["convert", CAPTURE, str(out)]) == 1
    assert capsys.readouterr().err == f"aiohttp-rawws: {out}: Is a directory\n"
    assert out.is_dir()
    if os.path.exists("/dev/full"):
        link = tmp_path / "x.pcapng"
        link.symlink_to("/dev/full")
        assert main(["convert", CAPTURE, str(link)]) == 1
        assert capsys.readouterr().err == f"aiohttp-rawws: {link}: No space left on device\n"


def test_what_cannot_be_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.har"
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\nnonsense\n")
    assert main(["convert", str(bad), str(out)]) == 1
    assert capsys.readouterr().err == (
        f"aiohttp-rawws: {bad}: line 1: no line of a capture: neither an event nor a frame\n"
    )
    assert not out.exists()
    bad.write_text("")
    assert main(["convert", str(bad), str(out)]) == 1
    assert capsys.readouterr().err.startswith(f"aiohttp-rawws: {bad}: no capture: ")
    missing = tmp_path / "missing"
    assert main(["convert", str(missing), str(out)]) == 1
    assert capsys.readouterr().err == f"aiohttp-rawws: {missing}: No such file or directory\n"
    for arguments, said in (
        ([CAPTURE, "x.txt"], "OUT ends with neither .har nor .pcapng"),
        ([CAPTURE, CAPTURE, "--to", "har"], "CAPTURE and OUT are one file"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["convert", *arguments])
        assert said in capsys.readouterr().err
