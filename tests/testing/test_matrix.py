"""The matrix: `python -m tests.matrix`, its judgement, and docs/matrix.md."""

import asyncio
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import Script, ScriptServer, play_client, script_server
from aiohttp_rawws.testing.playing import Scripts
from tests.matrix import __main__ as program
from tests.matrix.cases import CLIENTS, KINDS, SERVERS, Bounds, case, cases
from tests.matrix.document import document
from tests.matrix.inflating import Payloads
from tests.matrix.judge import judge
from tests.matrix.observing import Observation, observe
from tests.matrix.peers import PEERS, Peer, peers
from tests.matrix.process import Process
from tests.matrix.records import load
from tests.matrix.run import fill

DOCS = Path(__file__).parent.parent.parent / "docs"
BOUNDS = Bounds(prompt=1.5, long=1.5, patient=1.5, health=1.5)
HELLO = Frame.text("Hello")


class Scripted(Process):
    """A peer that is a script: in place of a process, but on real connections."""

    def __init__(self, kind: str, *, runs: bool = True, told: str | None = None) -> None:
        super().__init__(Peer("scripted", kind, "", list))
        self.runs = runs
        self.told = told
        self.server: ScriptServer | None = None
        self.clients: list[asyncio.Task[Any]] = []
        self.script = Script()

    @property
    def is_running(self) -> bool:
        return self.runs

    def url(self, mode: str, cell: str) -> str:
        assert self.server is not None
        return self.server.url

    async def ask(self, **line: Any) -> None:
        script = Script().until("text").close() if line["cell"].startswith("well") else self.script
        if line["cell"].startswith("well"):
            script = Script().send(Frame.text("well")).echo()
        self.clients.append(asyncio.create_task(play_client(script, line["url"])))

    async def said(self, cell: str, timeout: float) -> "tuple[dict[str, Any], float] | None":
        if self.told is None:
            return None
        return {"end": self.told, "opened": self.told.startswith("closed")}, 0.0


async def server(preset: str, scripts: Scripts, **options: Any) -> str:
    """Return the words for a server that plays these scripts."""
    process = Scripted(SERVERS, **options)
    async with script_server(scripts) as process.server:
        return judge(await observe(case(preset, SERVERS), process, BOUNDS))


async def client(preset: str, script: Script, **options: Any) -> str:
    """Return the words for a client that plays this script."""
    process = Scripted(CLIENTS, **options)
    process.script = script
    words = judge(await observe(case(preset, CLIENTS), process, BOUNDS))
    for task in process.clients:
        task.cancel()
    await asyncio.gather(*process.clients, return_exceptions=True)
    return words


def greeted() -> Script:
    """Return a script of a server that has echoed the first message."""
    return Script().until("text").send(HELLO)


def first(script: Script) -> Sequence[Script]:
    """Return the scripts of a server that misbehaves once."""
    return [script, Script().echo()]


SERVER_WORDS: list[tuple[str, str, Scripts, dict[str, Any]]] = [
    ("Close 1002", "rsv1", first(greeted().until("text").close(1002)), {}),
    ("Close", "rsv1", first(greeted().until("text").close(None)), {}),
    ("FIN", "rsv1", first(greeted().until("text")), {}),
    ("RST", "rsv1", first(greeted().until("text").reset()), {}),
    ("accepted", "rsv1", first(Script().echo()), {}),
    ("ok", "text-character-in-two", first(Script().echo()), {}),
    (
        "echo, Close 1007",
        "text-bad-utf8",
        first(Script().echo(count=2, until="text").close(1007)),
        {},
    ),
    ("hung, 2 s", "rsv1", first(greeted().stall()), {}),
    ("hung, 2 s", "close-999", first(greeted().until("text").close(1002)), {}),
    ("open after 2 s", "stall-in-header", first(greeted().stall()), {}),
    ("open after 2 s", "no-pong", first(greeted().send(Frame.ping()).stall()), {}),
    ("no Ping", "no-pong", first(greeted().stall()), {}),
    ("no Close", "never-closes", first(greeted().stall()), {}),
    ("FIN", "never-closes", first(greeted().send(Frame.close(1000))), {}),
    ("refused 400", "request-no-key", first(Script().answer(400)), {}),
    ("accepted", "request-no-key", first(Script().echo()), {}),
    (
        "frames before the answer",
        "request-no-key",
        first(Script().answer(raw=b"\x8a\0HTTP/1.1 101 \r\n\r\n")),
        {},
    ),
    ("goes on", "reset-at-once", Script().echo(), {}),
    ("1006", "reset-in-header", first(greeted()), {"told": "closed 1006, an error"}),
    ("SomeError", "reset-in-header", first(greeted()), {"told": "SomeError: its text"}),
    ("not told in 2 s", "reset-in-header", first(greeted()), {}),
    ("no deflate: Close 1002", "deflate-garbage", first(greeted().until("binary").close(1002)), {}),
    ("no deflate", "deflate-wrong-window", first(Script().echo()), {}),
    ("crashed", "rsv1", first(greeted().until("text")), {"runs": False}),
    ("FIN, blocked", "rsv1", [greeted().until("text"), Script().stall()], {}),
]


def test_servers_are_judged() -> None:
    async def run() -> list[str]:
        asked = (server(preset, scripts, **options) for _, preset, scripts, options in SERVER_WORDS)
        return await asyncio.gather(*asked)

    assert asyncio.run(run()) == [words for words, *_ in SERVER_WORDS]


CLIENT_WORDS = [
    ("Close 1002", "rsv1", Script().send(HELLO).until("text").close(1002), "closed 1002"),
    ("accepted", "rsv1", Script().send(HELLO).echo(), "closed 1000"),
    ("accepted", "answer-wrong-accept", Script().request(status=None).echo(), "closed 1000"),
    ("refused", "answer-wrong-accept", Script().request(), "SomeError: its text"),
    ("hung, 2 s", "answer-wrong-accept", Script().request().stall(), "still open"),
    ("open after 2 s", "answer-stalled", Script().request(), "still open"),
]


def test_clients_are_judged() -> None:
    async def run() -> list[str]:
        asked = (client(preset, script, told=told) for _, preset, script, told in CLIENT_WORDS)
        return await asyncio.gather(*asked)

    assert asyncio.run(run()) == [words for words, *_ in CLIENT_WORDS]


def test_times_memory_and_requests_are_told() -> None:
    seen = Observation("rsv1", SERVERS, "aiohttp", 10.0, status=101, close=1002)
    assert judge(replace(seen, end="FIN", grown=74.0)) == "Close 1002"
    assert judge(replace(seen, end="FIN", grown=190.4)) == "Close 1002, +200 MiB"
    assert judge(seen) == "Close 1002, no FIN"
    assert judge(replace(seen, preset="no-pong", pinged=True)) == "Close 1002"
    assert judge(replace(seen, close_at=3.4)) == "Close 1002 after 3 s"
    assert judge(replace(seen, close_at=41.1)) == "Close 1002 after 40 s"
    seen = Observation("answer-301", CLIENTS, "aiohttp", 10.0, told="SomeError", connections=10)
    assert judge(seen) == "refused, 10 requests"
    assert judge(replace(seen, connections=1, told_at=5.1)) == "refused after 5 s"


def test_what_a_script_ends_is_not_the_peers_doing() -> None:
    seen = Observation("half-open", SERVERS, "aiohttp", 9.0, status=101, told="closed 1006")
    assert judge(replace(seen, told_at=4.0, over_at=9.0)) == "1006 after 4 s"
    assert judge(replace(seen, told_at=8.9, over_at=9.0)) == "not told in 9 s"


def test_compressed_echoes_are_read() -> None:
    deflate = zlib.compressobj(wbits=-15)
    payloads = Payloads()
    for data in (b"Hello", b"Hello", bytes(3 * 2**20) + b"probe"):
        payload = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
        frame = Frame(1, payload.removesuffix(b"\x00\x00\xff\xff"), rsv1=True)
        assert payloads(frame)[-5:] == data[-5:]
    assert payloads(Frame.text("plain")) == b"plain"
    assert payloads(Frame(1, b"\xff" * 16, rsv1=True)) == b"\xff" * 16


def test_two_libraries_live() -> None:
    names = {"rsv1", "text-bad-utf8", "close-999"}
    tried = [*peers(SERVERS, {"session"}), *peers(CLIENTS, {"aiohttp"})]
    filled = asyncio.run(fill(tried, names))
    words = {(seen.kind, seen.peer, seen.preset): judge(seen) for seen in filled.observations}
    expected = {"rsv1": "Close 1002", "text-bad-utf8": "Close 1007", "close-999": "Close 1002"}
    assert words == {
        (peer.kind, peer.name, name): expected[name] for peer in tried for name in names
    }
    assert set(filled.versions) == {(peer.kind, peer.name) for peer in tried}
    assert filled.failures == []


# -- the page ----------------------------------------------------------------------------------


def test_the_page_is_that_of_the_results() -> None:
    matrix = load(DOCS / "matrix.json")
    assert (DOCS / "matrix.md").read_text() == document(matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_no_cell_is_empty(kind: str) -> None:
    matrix = load(DOCS / "matrix.json")
    assert matrix.peers(kind) == [peer.name for peer in peers(kind)]
    for peer in matrix.peers(kind):
        assert matrix.versions[kind][peer]
        assert set(matrix.cells[kind][peer]) == {each.name for each in cases(kind)}
        assert all(matrix.cells[kind][peer].values())


def test_the_page_is_written_again(tmp_path: Path) -> None:
    shutil.copy(DOCS / "matrix.json", tmp_path)
    assert program.main(["--page", "--out", str(tmp_path)]) == 0
    for name in ("matrix.md", "matrix.json"):
        assert (tmp_path / name).read_text() == (DOCS / name).read_text()


def test_unknown_names_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--peers", "aiohtp"], ["--presets", "no-pongs"]):
        with pytest.raises(SystemExit):
            program.main(arguments)
        assert arguments[1] in capsys.readouterr().err


def test_peers_that_are_missing_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.matrix.peers.find_spec", lambda name: None)
    assert program.chosen(["uvicorn-wsproto"]) == []
    assert "python -m pip install uvicorn wsproto" in capsys.readouterr().err


def test_names_of_peers_are_unique() -> None:
    assert len({(peer.kind, peer.name) for peer in PEERS}) == len(PEERS)
