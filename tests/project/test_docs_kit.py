"""docs/testing.md and docs/scripts.md: their examples, run, and what they show as output."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws.testing import RawWebSocketPair, Script, ScriptServer, load_script
from aiohttp_rawws.testing.script_file import ACTIONS
from tests.support import ROOT
from tests.support.examples import example, examples, run
from tests.support.loops import ONE_LOOP
from tests.support.octets import masked
from tests.support.scripted import a_client_of
from tests.support.waiting import patience, soon
from tests.support.wire import Wire

TESTING, SCRIPTS = "docs/testing.md", "docs/scripts.md"


def shown(page: str) -> list[str]:
    """Return the outputs that a page shows, without the breaks of long lines."""
    text = (ROOT / page).read_text()
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block.replace("\\\n", "") for kind, block in found if kind in ("", "console")]


async def names_of(page: str, *words: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for word in words:
        await run(example(page, word), names)
    return names


async def test_the_reset(raw_websocket_server: Any) -> None:
    names = await names_of(TESTING, "survives_a_reset")
    await soon(names["test_my_client_survives_a_reset"](raw_websocket_server))


async def test_the_fragments(raw_websocket_client: Any) -> None:
    names = await names_of(TESTING, "two_fragments")
    await soon(names["test_two_fragments"](raw_websocket_client))


async def test_the_pair(raw_websocket_pair: RawWebSocketPair) -> None:
    names = await names_of(TESTING, "survives_a_reset", "test_a_handler")
    await soon(names["test_a_handler"](raw_websocket_pair))


async def test_without_pytest() -> None:
    names = await names_of(TESTING, "survives_a_reset", "async def check")
    await soon(names["check"]())


def toml(tmp_path: Path, word: str) -> Script:
    text = (ROOT / SCRIPTS).read_text()
    blocks = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (block,) = [each for each in blocks if word in each]
    path = tmp_path / "late-pong.toml"
    path.write_text(block)
    return load_script(path)


async def test_the_same_script_twice(tmp_path: Path) -> None:
    script = (await names_of(SCRIPTS, '"late pong"'))["script"]
    same = toml(tmp_path, "late pong")
    assert same.name == script.name
    copy = 4
    assert [s for i, s in enumerate(same) if i != copy] == [
        s for i, s in enumerate(script) if i != copy
    ]


def test_a_branch_in_a_file(tmp_path: Path) -> None:
    assert [str(step) for step in toml(tmp_path, "branch")] == ["branch"]


async def test_the_handshakes() -> None:
    names = await names_of(SCRIPTS, '"late pong"', "no_accept")
    assert [str(names[name].steps[0]) for name in ("slow", "refused", "no_accept")] == [
        "answer 101",
        "answer 401",
        "answer 101",
    ]


def test_each_step_is_in_the_table() -> None:
    text = (ROOT / SCRIPTS).read_text()
    rows = re.findall(r"^\| `(\w+)\(.*?\| (.*?) \|", text, re.MULTILINE)
    methods = {name for name in vars(Script) if not name.startswith("_")} - {"whole"}
    assert {name for name, _ in rows} | {"request"} == methods
    in_files = set(re.findall(r"`(\w+) = ", " ".join(cell for _, cell in rows)))
    assert in_files == {*ACTIONS, "steps"}


async def leaves(server: ScriptServer, wire: Wire, data: bytes) -> str:
    """Send this and leave; return how the script failed."""
    wire.send(data)
    wire.end()
    (played,) = await server.ended()
    return str(played)


async def test_what_the_pages_show(tmp_path: Path) -> None:
    script = toml(tmp_path, "late pong")
    async with a_client_of(script, seed=2717298104) as (wire, server):
        told = await leaves(server, wire, masked(0x81, b'{"subscribe": 1}'))
    assert told in shown(SCRIPTS)[0]
    names = await names_of(TESTING, "survives_a_reset")
    taken: list[Script] = []

    async def take(script: Script) -> None:
        taken.append(script)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await names["test_my_client_survives_a_reset"](take)
    async with a_client_of(taken[0], seed=1) as (wire, server):
        told = await leaves(server, wire, masked(0x81, b"hello"))
    assert f"ScriptFailed: {told}\n" == shown(TESTING)[0]


NODE = re.compile(r"^```js\n(.*?)^```", re.DOTALL | re.MULTILINE)


@ONE_LOOP
async def test_the_test_in_node(node: dict[str, str], tmp_path: Path) -> None:
    (code,) = NODE.findall((ROOT / SCRIPTS).read_text())
    (tmp_path / "late-pong.toml").write_text('steps = [{ expect = "text" }, { reset = true }]')
    client = """
    const assert = require('node:assert');
    const WebSocket = require('ws');
    const myClient = async url => {
      const socket = new WebSocket(url);
      socket.on('error', () => {});
      socket.on('open', () => socket.send('hello'));
      await new Promise(done => socket.on('close', done));
    };
    (async () => {%s})().catch(error => { console.error(error); process.exit(9); });
    """
    command = json.dumps([sys.executable, "-m", "aiohttp_rawws"])[1:-1].split(", ", 1)
    code = code.replace("'aiohttp-rawws', [", f"{command[0]}, [{command[1]}, ")
    (tmp_path / "test.js").write_text(client % code)
    process = await asyncio.create_subprocess_exec(
        "node", "test.js", cwd=tmp_path, env={**node, "PYTHONPATH": str(ROOT)}
    )
    async with patience():
        assert await process.wait() == 0


def test_the_pages_have_examples() -> None:
    assert len(examples(TESTING)) == 4
    assert len(examples(SCRIPTS)) == 2
